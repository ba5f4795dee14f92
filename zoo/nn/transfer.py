"""Weights of a trained network for a new one of the same architecture: of other classes, and of other images.

    tensors in the order of the layers  ->  those that fit the new network, by its names; what does not fit stays new

    other classes      the last layer is new
    another size       layers of convolutions stay; positions of a Transformer are resampled; from the first layer
                       behind the map that does not fit on, all are new
    grey -> colour     each colour gets a third of the first layer's weights: a grey image gives what it gave
    colour -> grey     the weights of the three are added up

Names may differ, as those of layers behind a dropout do; their order does not.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.nn.layers import Shape
from zoo.nn.whitening import Whitening

LAYERS = (nn.Linear, nn.Conv2d, Whitening)  # that have weights of their own


class Transfer(NamedTuple):
    """What a new network takes over.

    Attributes:
        weights: parameters and buffers by the new network's names.
        new: names of those that stay as they are.
        notes: what was changed on the way, in words.
    """

    weights: dict[str, Tensor]
    new: list[str]
    notes: list[str]


def layers_of(net: nn.Module) -> list[tuple[str, nn.Module]]:
    """The layers of a network by name, in their order: those that tell images apart, without norms."""
    return [(name, layer) for name, layer in net.named_modules() if isinstance(layer, LAYERS)]


def transfer(net: nn.Module, trained: Mapping[str, Tensor], before: Shape, after: Shape, new_head: bool) -> Transfer:
    """What a new network can take over from a trained one of its architecture.

    Args:
        net: the new network; stays as it is.
        trained: parameters and buffers of the other, in the order of its layers.
        before: shape of the images that it was trained on.
        after: shape of those that are to come.
        new_head: whether the last layer stays as it is, also where it would fit.

    Raises:
        ValueError: they are not of one architecture, or not even the first layer fits.
    """
    own = net.state_dict()
    if [name.rpartition(".")[2] for name in own] != [name.rpartition(".")[2] for name in trained]:
        raise ValueError(f"expected {len(own)} tensors of the same layers, found {len(trained)} of others")
    (first, entrance), (last, _) = layers_of(net)[0], layers_of(net)[-1]
    learned = dict(net.named_parameters())
    found = Transfer({}, [], [])
    for (name, mine), theirs in zip(own.items(), trained.values(), strict=True):
        if name.endswith("positions") and mine.shape != theirs.shape:
            side = entrance.kernel_size[0] if isinstance(entrance, nn.Conv2d) else 1  # of a patch
            grids = [(shape[1] // side, shape[2] // side) for shape in (before, after)]
            if name not in learned:  # waves, which are computed for any grid
                continue
            theirs = resample(theirs, *grids)
            found.notes.append("positions are resampled from {} × {} to {} × {}".format(*grids[0], *grids[1]))
        if name == f"{first}.weight" and before[0] != after[0] and theirs.ndim in (2, 4):
            theirs = recolour(theirs, before[0], after[0])
            found.notes.append(
                "each colour has a third of the first layer's weights"
                if after[0] > before[0]
                else "the first layer's weights of all colours are added up"
            )
        if found.new or theirs.shape != mine.shape or (new_head and name.startswith(f"{last}.")):
            found.new.append(name)
        else:
            found.weights[name] = theirs
    if found.new and found.new[0].startswith(f"{first}."):
        raise ValueError("the first layer does not fit")
    return found


def recolour(weights: Tensor, before: int, after: int) -> Tensor:
    """Weights of a first layer for images of another number of channels.

    Args:
        weights: of a convolution (C', C, k, k), or of a layer that sees all pixels (D, C·H·W).
        before: C.
        after: the new C: 1 or 3.
    """
    planes = weights.unflatten(1, (before, -1)).flatten(2)  # (C', C, rest)
    planes = planes.sum(1, keepdim=True) if before > 1 else planes
    planes = planes.expand(-1, after, -1) / after
    return planes.reshape(len(weights), -1, *weights.shape[2:])


def resample(positions: Tensor, before: tuple[int, int], after: tuple[int, int]) -> Tensor:
    """Learned positions (N, D) of a grid of patches for another grid: as an image of D channels is resized."""
    grid = positions.float().mT.unflatten(1, before)[None]  # (1, D, rows, columns)
    return F.interpolate(grid, after, mode="bicubic", antialias=True)[0].flatten(1).mT.contiguous()


@torch.no_grad()
def take_over(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Writes weights into a network, where they are: what refers to them still does."""
    own = net.state_dict()
    for name, value in weights.items():
        own[name].copy_(value)

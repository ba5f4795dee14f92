"""ImageClassifier: a trained network with all that belongs to it, ready to be asked.

    images in any form -> uint8 (N, C, H, W) -> (x - shift) × scale, pixels in the network's order -> net -> (N, K)

Weights of the zoo answer by `zoo.weights.runtime`, without torch. Others, `net` and `features` need torch, which is
imported then; Lightning is not.
"""

from collections.abc import Callable
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import shorten
from zoo.weights.card import Card
from zoo.weights.fields import NETWORKS
from zoo.weights.guard import at_once
from zoo.weights.images import as_batch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from zoo.weights.runtime import GraphNet

CHUNK = 200  # images at a time: more were no faster


class ImageClassifier:
    """Answers about pictures.

    Attributes:
        card: what is known of the weights.
        classes: K names.
        device: where torch computes.
        graph: what answers without torch, if anything does.
    """

    def __init__(
        self,
        card: Card,
        net: "nn.Module | Callable[[], nn.Module]",
        device: str = "cpu",
        graph: "GraphNet | None" = None,
    ) -> None:
        """Makes it of a network, or of a function that makes the network when it is asked for."""
        self.card = card
        self.classes: list[str] = card["classes"]
        self.device = device
        self.graph = graph
        self._given = net

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.card["in_shape"]))
        return f"ImageClassifier({self.card['name']}: {shape} -> {len(self.classes)} classes)"

    @cached_property
    def net(self) -> "nn.Module":
        """The network in torch, in eval mode: normalised images (B, C, H, W) float32 -> logits (B, K)."""
        net: Any = self._given
        net = net if hasattr(net, "state_dict") else net()
        return net.to(self.device).eval()

    def __call__(self, images: Any, how: str | None = None) -> NDArray[np.float32]:
        """Probabilities (N, K) of images in any form that `zoo.weights.images` knows.

        Args:
            images: paths, pictures, uint8 arrays or tensors.
            how: how pictures are brought to the network's shape, `photo` or `digits`; None takes the card's.
        """
        batch = as_batch(images, self.card, how)
        return self.graph(batch) if self.graph else self._answers(batch).softmax(1).cpu().numpy()

    def predict(self, images: Any, how: str | None = None) -> list[str]:
        """The name of the likeliest class of each image."""
        return [self.classes[i] for i in self(images, how).argmax(1)]

    def features(self, images: Any, how: str | None = None) -> NDArray[np.float32]:
        """What the last layer with weights gets of each image, (N, D); by torch."""
        import torch
        from torch import nn

        kept: list[Tensor] = []
        last = [layer for layer in self.net.modules() if isinstance(layer, nn.Linear)][-1]
        hook = last.register_forward_pre_hook(lambda layer, inputs: kept.append(inputs[0].flatten(1)))
        try:
            self._answers(as_batch(images, self.card, how))
        finally:
            hook.remove()
        return torch.cat(kept).cpu().numpy()

    def normalise(self, images: "Tensor") -> "Tensor":
        """Raw images (B, C, H, W) uint8 -> what the network sees, float32, as in training."""
        shift, scale, pixels = self._constants
        if pixels is not None:
            images = images.flatten(2)[:, :, pixels].reshape(images.shape)
        return images.float().sub_(shift).mul_(scale)

    @cached_property
    def _constants(self) -> "tuple[Tensor, Tensor, Tensor | None]":
        """Shift and scale of each channel, and the order of pixels."""
        import torch

        shift, scale = (torch.tensor(self.card[key], device=self.device)[:, None, None] for key in ("shift", "scale"))
        order = self.card["pixels"]
        return shift, scale, None if order is None else torch.tensor(order, device=self.device)

    def _answers(self, batch: NDArray[np.uint8]) -> "Tensor":
        """Logits (N, K)."""
        import torch

        with torch.inference_mode():
            writable = np.require(batch, requirements="W")  # of others torch warns, although it only reads
            parts = torch.from_numpy(writable).split(at_once(self.net.state_dict().values(), self.card, CHUNK))
            logits = [self.net(self.normalise(part.to(self.device))) for part in parts]
            return torch.cat(logits) if len(batch) else torch.zeros(0, len(self.classes))


def make_network(card: Card) -> "nn.Module":
    """The network that a card describes, in shapes alone: on the device `meta`, which takes no memory.

    Raises:
        ValueError: its arguments are none of this network.
    """
    import torch

    file, function = NETWORKS[card["model"]["class_path"]]
    make = getattr(import_module(f"zoo.nn.{file}"), function)
    given = {name: as_layer(value) for name, value in card["model"]["init_args"].items()}
    try:
        with torch.device("meta"):
            return make(tuple(card["in_shape"]), len(card["classes"]), **given)
    except (TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        reason = shorten(str(error).partition(". Try:")[0], 300)
        raise ValueError(
            f"model in the card of {card['name']}: expected its arguments, found others ({reason})"
        ) from error


def as_layer(value: Any) -> Any:
    """An argument of a network, where a card names one of torch's activations: what makes it."""
    if not isinstance(value, dict):
        return value
    from torch import nn

    return partial(getattr(nn, value["class_path"].rpartition(".")[2]), **value["init_args"])

"""Attacks by tensors: shapes, strides and storages that do not fit, and weights of another kind."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from attacks.checkpoints.corpus import attack
from attacks.checkpoints.instructions import text
from attacks.scene import Scene, rewritten


def weight(scene: Scene, change: Callable[[torch.Tensor], Any], name: str = "net.1.weight") -> None:
    """Changes one weight."""
    weights = scene.content["state_dict"]
    weights[name] = change(weights[name]) if scene.hostile else weights[name]
    scene.save()


@attack("test")
def a_storage_shorter_than_it_says(scene: Scene) -> None:
    """Cuts the bytes of a weight: what follows in memory would be read as weights."""

    def cut(members: dict[str, bytes]) -> None:
        members["archive/data/0"] = members["archive/data/0"][: scene.either(16)]

    scene.write(rewritten(scene.honest, cut))


@attack("test")
def a_tensor_without_strides(scene: Scene) -> None:
    """Stores one number for a whole weight: a large network as a small file."""
    weight(scene, lambda value: torch.zeros(1).expand(value.shape))


@attack("test")
def terabytes_of_one_number(scene: Scene) -> None:
    """Has a tensor of a trillion numbers that are all the same one."""
    scene.content["planted"] = scene.either(torch.zeros(1).expand(10**6, 10**6), 1)
    scene.save()


@attack("test")
def strides_that_overlap(scene: Scene) -> None:
    """Has rows that share their numbers, in a storage that is long enough."""
    weight(scene, lambda value: torch.zeros(value.numel()).as_strided(value.shape, (1, 1)))


@attack("test")
def an_offset_beyond_the_storage(scene: Scene) -> None:
    """Begins a tensor behind the end of its bytes."""
    bias = scene.content["state_dict"]["net.1.bias"]
    marked = text("net.1.bias")

    def shift(members: dict[str, bytes]) -> None:
        head, middle, rest = members["archive/data.pkl"].partition(marked)
        at = rest.index(b"QK\x00") + 1
        members["archive/data.pkl"] = head + middle + rest[:at] + b"K\xff" + rest[at + 2 :]

    assert bias.storage_offset() == 0
    scene.write(rewritten(scene.honest, shift if scene.hostile else lambda members: None))


@attack("test")
def strides_that_go_back(scene: Scene) -> None:
    """Has a negative stride: before the beginning of its bytes."""

    def back(members: dict[str, bytes]) -> None:
        head, middle, rest = members["archive/data.pkl"].partition(text("net.1.bias"))
        at = rest.index(b"K\x01\x85") if b"K\x01\x85" in rest else rest.index(b"K\x01")
        members["archive/data.pkl"] = head + middle + rest[:at] + b"J\xff\xff\xff\xff" + rest[at + 2 :]

    scene.write(rewritten(scene.honest, back if scene.hostile else lambda members: None))


@attack("test")
def a_sparse_tensor(scene: Scene) -> None:
    """Has a weight of indices and values."""
    weight(scene, lambda value: value.to_sparse())


@attack("test")
def a_tensor_of_no_device(scene: Scene) -> None:
    """Has a weight without any numbers."""
    weight(scene, lambda value: value.to("meta"))


@attack("test")
def a_quantised_tensor(scene: Scene) -> None:
    """Has a weight of eight bits with a scale."""
    weight(scene, lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8))


@attack("test")
def a_complex_weight(scene: Scene) -> None:
    """Has complex numbers, of which torch would drop a half with a warning."""
    weight(scene, lambda value: value.to(torch.complex64))


@attack("test")
def a_weight_of_whole_numbers(scene: Scene) -> None:
    """Has small whole numbers, which torch would take without a word."""
    weight(scene, lambda value: value.to(torch.int8))


@attack("test")
def weights_that_are_no_numbers(scene: Scene) -> None:
    """Has nan in a weight: every prediction is the first class."""
    weight(scene, lambda value: value * float("nan"))


@attack("test fit")
def a_weight_of_another_shape(scene: Scene) -> None:
    """Has a transposed weight."""
    weight(scene, lambda value: value.t().contiguous())


@attack("test")
def a_missing_weight(scene: Scene) -> None:
    """Leaves out a weight, which would stay random."""
    if scene.hostile:
        del scene.content["state_dict"]["net.1.bias"]
    scene.save()


@attack("test")
def a_weight_too_many(scene: Scene) -> None:
    """Adds a weight whose name tells the terminal to clear itself and begins a second line."""
    if scene.hostile:
        scene.content["state_dict"]["\x1b[2J\nTraceback: all is well"] = torch.zeros(1)
    scene.save()


@attack("test")
def weights_without_names(scene: Scene) -> None:
    """Numbers its weights."""
    weights = scene.content["state_dict"]
    scene.content["state_dict"] = scene.either(dict(enumerate(weights.values())), weights)
    scene.save()


@attack("test")
def a_tensor_of_another_class(scene: Scene) -> None:
    """Has a parameter with hooks for the backward pass."""

    def hooked(value: torch.Tensor) -> torch.Tensor:
        parameter = nn.Parameter(value)
        parameter.note = "x"  # type: ignore[attr-defined]
        return parameter

    weight(scene, hooked)

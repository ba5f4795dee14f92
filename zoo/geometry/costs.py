"""What an operation costs, counted from the shapes of its inputs and output.

A multiply-add is one multiplication with the addition of its result. Counted are convolutions, dense layers and matrix
products, attention's among them. Norms, activations, pooling and additions are not: they cost a few operations per
unit, the others hundreds.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Work(NamedTuple):
    """So many units, each the sum of so many products.

    Args:
        units: the factors of their number, such as 6, 28, 28 for six maps of 28 × 28.
        each: the factors of the number of products in one unit, such as 3, 5, 5 for a 5 × 5 kernel over 3 channels.
    """

    units: tuple[int, ...]
    each: tuple[int, ...]

    @property
    def multiply_adds(self) -> int:
        """Their product."""
        return math.prod(self.units) * math.prod(self.each)


def work_of(name: str, tensors: list[Tensor], shape: torch.Size) -> list[Work]:
    """The work of one operation on one image.

    Args:
        name: of the operation in torch, such as `conv2d`.
        tensors: its inputs, in order.
        shape: of its output.
    """
    if name.startswith("conv"):  # input, weight (C', C / groups, k, k)
        units = tensors[0].shape if name.startswith("conv_transpose") else shape  # there each unit goes into so many
        one = len(units) == tensors[1].ndim and units[0] == 1
        return [Work(tuple(units[1:] if one else units), tuple(tensors[1].shape[1:]))]
    if name == "linear":  # input (…, D), weight (D', D)
        return [Work(longer_than_one(shape), (tensors[1].shape[1],))]
    if name in ("matmul", "mm", "bmm", "addmm", "baddbmm"):  # …, (…, n, k), (…, k, m)
        return [Work(longer_than_one(shape), (tensors[-2].shape[-1],))]
    if name == "scaled_dot_product_attention":  # queries (…, N, D), keys (…, M, D), values (…, M, D')
        query, key, value = tensors[:3]
        weights = (*query.shape[:-1], key.shape[-2])
        return [
            Work(longer_than_one(weights), (query.shape[-1],)),
            Work(longer_than_one(shape), (value.shape[-2],)),
        ]
    return []


def longer_than_one(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the axes of length one, such as that of the batch of one image."""
    return tuple(n for n in shape if n != 1)

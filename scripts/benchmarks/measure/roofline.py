"""How fast could it be? The arithmetic and the bytes of an epoch, over what the machine can do: its roofline.

    training    forward 2 M, gradient of the weights 2 M, of the inputs 2 M (M multiply-adds of a layer, an image)
                the first layer needs no gradient of its inputs, and filters that stand still none of their own
    validation  2 M
    seconds     the larger of FLOP / (FLOP/s of a large matrix product or convolution) and bytes / (bytes/s of a copy)

Bytes are those of the images, one byte a pixel, read once: all else may stay in the caches. So no program can be
faster, and none needs to be as fast.
"""

import math
from typing import Any, NamedTuple

from torch import nn

from zoo.geometry import walk

Shape = tuple[int, int, int]


class Cost(NamedTuple):
    """Of one image, in FLOP and bytes."""

    training: int
    forward: int
    bytes: int


def cost(net: nn.Module, in_shape: Shape) -> Cost:
    """What an image costs in a network."""
    layers = [layer for layer in walk(net, in_shape) if layer.multiply_adds]
    first, forward = layers[0], 2 * sum(layer.multiply_adds for layer in layers)
    learned = any(len(shape) > 1 for shape in first.parameters)  # else its filters stand still
    saved = 2 * first.multiply_adds * (1 if learned else 2)
    return Cost(3 * forward - saved, forward, math.prod(in_shape))


def roofline(one: Cost, training: int, validation: int, precision: str, peaks: dict[str, Any]) -> float:
    """Seconds that so many images take at least.

    Args:
        one: what an image costs.
        training: images that are trained on.
        validation: images that only pass forward.
        precision: Lightning's name of it.
        peaks: GFLOP/s by precision, and GB/s of a copy.
    """
    arithmetic = (training * one.training + validation * one.forward) / (peaks[precision] * 1e9)
    return max(arithmetic, (training + validation) * one.bytes / (peaks["copy"] * 1e9))

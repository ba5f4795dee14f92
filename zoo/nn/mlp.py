"""The layers of `zoo.MLP`, in torch alone: weights are loaded into them without Lightning."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from zoo.nn.layers import Activation, NormName, Shape, check_images, check_widths, dense


def mlp(
    in_shape: Shape,
    num_classes: int,
    hidden: Sequence[int],
    activation: Activation,
    norm: NormName,
    dropout: float,
) -> nn.Sequential:
    """The network of `zoo.MLP`, which says what each argument means: images (B, C, H, W) -> logits (B, K)."""
    check_images(in_shape, num_classes)
    check_widths("hidden", hidden)
    widths = (math.prod(in_shape), *hidden)
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(widths):
        layers += dense(fan_in, fan_out, activation, norm, dropout)
    layers.append(nn.Linear(widths[-1], num_classes))
    return nn.Sequential(*layers)

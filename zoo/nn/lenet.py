"""The layers of `zoo.LeNet`, in torch alone: weights are loaded into them without Lightning."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from zoo.nn.layers import (
    Activation,
    NormName,
    PoolName,
    Shape,
    check_images,
    check_map,
    check_size,
    check_widths,
    conv,
    conv_shape,
    dense,
    pool_shape,
    pooling,
)


def lenet(
    in_shape: Shape,
    num_classes: int,
    channels: Sequence[int],
    kernel_size: int,
    hidden: Sequence[int],
    activation: Activation,
    norm: NormName,
    pool: PoolName,
    dropout: float,
) -> nn.Sequential:
    """The network of `zoo.LeNet`, which says what each argument means: images (B, C, H, W) -> logits (B, K)."""
    check_images(in_shape, num_classes)
    check_widths("channels", channels, least=1)
    check_widths("hidden", hidden)
    check_size("kernel size", "kernel_size", kernel_size, 5)
    shape = in_shape
    stride = 2 if pool == "stride" else 1
    layers: list[nn.Module] = []
    for i, width in enumerate(channels):
        # 28 × 28 images are framed to the 32 × 32 of the paper
        padding = kernel_size // 2 if i == 0 and in_shape[1] < 32 else 0
        check_map(f"convolution {i + 1} of {len(channels)}, net.{len(layers)}", shape, kernel_size, padding)
        layers += conv(shape[0], width, kernel_size, activation, norm, padding=padding, stride=stride)
        shape = conv_shape(shape, width, kernel_size, stride, padding)
        if pool != "stride":
            check_map(f"pooling {i + 1} of {len(channels)}, net.{len(layers)}", shape, 2)
            layers += pooling(pool)
            shape = pool_shape(shape)
    widths = (shape[0] * shape[1] * shape[2], *hidden)
    layers.append(nn.Flatten())
    for fan_in, fan_out in pairwise(widths):
        layers += dense(fan_in, fan_out, activation, norm, dropout)
    layers.append(nn.Linear(widths[-1], num_classes))
    return nn.Sequential(*layers)

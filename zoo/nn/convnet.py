"""The layers of `zoo.ConvNet`, in torch alone: weights are loaded into them without Lightning."""

from collections.abc import Sequence

from torch import nn

from zoo.nn.layers import (
    Activation,
    NormName,
    PoolName,
    Shape,
    check_images,
    check_kernel_size,
    check_map,
    check_size,
    check_widths,
    conv,
    conv_shape,
    dropping,
    pool_shape,
    pooling,
)

LARGEST_FLAT_SIDE = 6


def convnet(
    in_shape: Shape,
    num_classes: int,
    channels: Sequence[int],
    depth: int,
    kernel_size: int,
    activation: Activation,
    norm: NormName,
    pool: PoolName,
    dropout: float,
) -> nn.Sequential:
    """The network of `zoo.ConvNet`, which says what each argument means: images (B, C, H, W) -> logits (B, K)."""
    check_images(in_shape, num_classes)
    check_widths("channels", channels, least=1)
    check_kernel_size(kernel_size)
    check_size("convolutions per stage", "depth", depth, 2)
    shape, padding = in_shape, kernel_size // 2
    layers: list[nn.Module] = []
    for i, width in enumerate(channels):
        for j in range(depth):
            stride = 2 if pool == "stride" and j == depth - 1 else 1
            layers += conv(shape[0], width, kernel_size, activation, norm, padding=padding, stride=stride)
            shape = conv_shape(shape, width, kernel_size, stride, padding)
        if pool != "stride":
            check_map(f"pooling after stage {i + 1} of {len(channels)}, net.{len(layers)}", shape, 2)
            layers += pooling(pool)
            shape = pool_shape(shape)
    if max(shape[1:]) > LARGEST_FLAT_SIDE:
        layers.append(nn.AdaptiveAvgPool2d(4))
        shape = (shape[0], 4, 4)
    layers.append(nn.Flatten())
    layers += dropping(dropout)
    layers.append(nn.Linear(shape[0] * shape[1] * shape[2], num_classes))
    return nn.Sequential(*layers)

"""The layers of `zoo.FastNet`, in torch alone: weights are loaded into them without Lightning."""

from collections.abc import Sequence

from torch import Tensor, nn

from zoo.nn.layers import (
    Activation,
    Shape,
    activate,
    check_factor,
    check_images,
    check_map,
    check_size,
    check_widths,
    conv_shape,
    pool_shape,
)
from zoo.nn.whitening import Whitening


class ShiftNorm(nn.BatchNorm2d):
    """Batch normalisation of a map (B, C, H, W) with a learned shift, and no scale: channels stay equally strong.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.register_parameter("weight", None)


class Scale(nn.Module):
    """Multiplies by a constant.

    Args:
        factor: the constant.
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def fastnet(
    in_shape: Shape,
    num_classes: int,
    channels: Sequence[int],
    depth: int,
    whiten_kernel: int,
    activation: Activation,
    head_scale: float,
) -> nn.Sequential:
    """The network of `zoo.FastNet`, which says what each argument means: images (B, C, H, W) -> logits (B, K)."""
    check_images(in_shape, num_classes)
    check_widths("channels", channels, least=1)
    check_size("convolutions per group", "depth", depth, 2)
    check_size("kernel size", "whiten_kernel", whiten_kernel, 2)
    check_factor("head_scale", head_scale, 0.1)
    check_map("whitening", in_shape, whiten_kernel)
    # images too small to be halved once per group are framed
    padding = whiten_kernel // 2 if min(in_shape[1:]) - whiten_kernel + 1 < 2 ** len(channels) else 0
    width = 2 * in_shape[0] * whiten_kernel**2
    layers: list[nn.Module] = [Whitening(in_shape[0], whiten_kernel, padding), activate(activation)]
    shape = conv_shape(in_shape, width, whiten_kernel, 1, padding)
    for i, width in enumerate(channels):
        check_map(f"pooling in group {i + 1} of {len(channels)}", shape, 2)
        for j in range(depth):
            layers.append(nn.Conv2d(shape[0], width, 3, padding=1, bias=False))
            shape = conv_shape(shape, width, 3, 1, 1)
            if j == 0:
                layers.append(nn.MaxPool2d(2))
                shape = pool_shape(shape)
            layers += [ShiftNorm(width), activate(activation)]
    layers += [nn.MaxPool2d(shape[1:]), nn.Flatten(), nn.Linear(shape[0], num_classes, bias=False)]
    return nn.Sequential(*layers, Scale(head_scale))

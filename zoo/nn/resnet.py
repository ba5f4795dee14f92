"""The layers of `zoo.ResNet`, in torch alone: weights are loaded into them without Lightning."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from zoo.nn.layers import (
    Activation,
    NormName,
    Shape,
    activate,
    check_images,
    check_kernel_size,
    check_widths,
    conv,
    dropping,
    is_size,
)


class Block(nn.Module):
    """y = activation(F(x) + shortcut(x)), the paper's equations 1 and 2.

    F is conv -> norm -> activation -> conv -> norm, its first convolution with the stride. The shortcut is x itself, or
    where F changes the shape, a 1 × 1 convolution and a norm (option B of the paper's §4.1).
    """

    def __init__(
        self, channels_in: int, channels_out: int, kernel_size: int, stride: int, activation: Activation, norm: NormName
    ) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.residual = nn.Sequential(
            *conv(channels_in, channels_out, kernel_size, activation, norm, padding=padding, stride=stride),
            *conv(channels_out, channels_out, kernel_size, "identity", norm, padding=padding),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                *conv(channels_in, channels_out, 1, "identity", norm, padding=0, stride=stride)
            )
        self.activation = activate(activation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) -> (B, channels_out, H / stride, W / stride), sides rounded up."""
        return self.activation(self.residual(x) + self.shortcut(x))


def resnet(
    in_shape: Shape,
    num_classes: int,
    depth: int,
    channels: Sequence[int],
    kernel_size: int,
    activation: Activation,
    norm: NormName,
    dropout: float,
) -> nn.Sequential:
    """The network of `zoo.ResNet`, which says what each argument means: images (B, C, H, W) -> logits (B, K)."""
    check_images(in_shape, num_classes)
    check_widths("channels", channels, least=1)
    check_kernel_size(kernel_size)
    check_depth(depth, len(channels))
    blocks = (depth - 2) // (2 * len(channels))
    layers = conv(in_shape[0], channels[0], kernel_size, activation, norm, padding=kernel_size // 2)
    for i, (before, width) in enumerate(pairwise((channels[0], *channels))):
        stride = 1 if i == 0 else 2
        layers.append(Block(before, width, kernel_size, stride, activation, norm))
        layers += [Block(width, width, kernel_size, 1, activation, norm) for _ in range(blocks - 1)]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dropping(dropout), nn.Linear(channels[-1], num_classes)]
    return nn.Sequential(*layers)


def check_depth(depth: int, stages: int) -> None:
    """Raises ValueError unless the layers between the first and the last make whole blocks, as many in each stage."""
    step = 2 * stages
    whole = is_size(depth)
    if whole and depth > 2 and (depth - 2) % step == 0:
        return
    fitting = ", ".join(str(2 + step * blocks) for blocks in (1, 2, 3))
    small = whole and depth > 2 and (depth - 2) % 6 == 0  # it fits the three stages of the paper's §4.2
    nearest = 2 + step * (max(1, round((depth - 2) / step)) if whole else 1)
    change = "--model.channels '[16,32,64]'" if small else f"--model.depth {nearest}"
    raise ValueError(
        f"depth in --model.depth: expected {fitting}, … for {stages} stages, found {depth!r}. Try: {change}"
    )

"""FastNet: whitened patches, then groups of 3 × 3 convolutions that pool early; made to learn in few epochs.

    x (B, C, 32, 32)
      -> whitening 2 × 2 (B, 8C, 31, 31) -> activation
      -> conv (B, 64, 31, 31)  -> pool (B, 64, 15, 15) -> norm -> activation -> [conv -> norm -> activation] × …
      -> conv (B, 256, 15, 15) -> pool (B, 256, 7, 7)  -> norm -> activation -> [conv -> norm -> activation] × …
      -> conv (B, 256, 7, 7)   -> pool (B, 256, 3, 3)  -> norm -> activation -> [conv -> norm -> activation] × …
      -> largest of each channel (B, 256) -> Linear (B, K) -> × 1/9

The network of Jordan 2024, arXiv 2404.00498 (airbench94), after Page 2019, "How to train your ResNet". Pooling stands
before the norm, which then has a quarter of the map to go over; the norms have no scale.
"""

from collections.abc import Sequence
from typing import Any

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
from zoo.training.classifier import Classifier


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


class FastNet(Classifier):
    """A convolutional network for short trainings.

    Args:
        in_shape: channels, height and width of an image.
        num_classes: K.
        channels: kernels of the convolutions in each group; the map halves in each.
        depth: convolutions in a group.
        whiten_kernel: side of the patches that are whitened, in pixels.
        activation: after the whitening and after each convolution.
        head_scale: factor of the scores: above 0, small, so that the network is not sure too early.
        training: how it is trained, see `Classifier`.
    """

    def __init__(
        self,
        in_shape: Shape,
        num_classes: int,
        channels: Sequence[int] = (64, 256, 256),
        depth: int = 2,
        whiten_kernel: int = 2,
        activation: Activation = "gelu",
        head_scale: float = 1 / 9,
        **training: Any,
    ) -> None:
        check_images(in_shape, num_classes)
        check_widths("channels", channels, least=1)
        check_size("convolutions per group", "depth", depth)
        check_size("kernel size", "whiten_kernel", whiten_kernel)
        check_factor("head_scale", head_scale)
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
        super().__init__(nn.Sequential(*layers, Scale(head_scale)), **training)

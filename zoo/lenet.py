"""LeNet: two convolutions with pooling, then a small MLP.

    x (B, C, 28, 28)
      -> conv 5 × 5, padding 2 (B, 6, 28, 28) -> pool (B, 6, 14, 14)
      -> conv 5 × 5 (B, 16, 10, 10) -> pool (B, 16, 5, 5)
      -> flatten (B, 400) -> 120 -> 84 -> Linear (B, K)

LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition", §II.B, in its usual
modern form: full connections between the maps, and by default ReLU and max pooling. `activation=tanh pool=avg` is
nearer to the original. Colour images of 32 × 32 go the same way without the first padding, as in the paper.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

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
from zoo.training.classifier import Classifier


class LeNet(Classifier):
    """Convolutions without a norm, pooling, dense layers.

    Args:
        in_shape: channels, height and width of an image.
        num_classes: K.
        channels: kernels of each convolution; the map halves after each.
        kernel_size: side of the kernels in pixels.
        hidden: width of each dense layer between the maps and the scores.
        activation: after each convolution and each dense layer.
        norm: before each activation.
        pool: how a map halves: `max`, `avg`, or `stride` 2 in the convolution instead of pooling.
        dropout: share of the dense units silenced in each training step.
        training: how it is trained, see `Classifier`.
    """

    def __init__(
        self,
        in_shape: Shape,
        num_classes: int,
        channels: Sequence[int] = (6, 16),
        kernel_size: int = 5,
        hidden: Sequence[int] = (120, 84),
        activation: Activation = "relu",
        norm: NormName = "none",
        pool: PoolName = "max",
        dropout: float = 0.0,
        **training: Any,
    ) -> None:
        check_images(in_shape, num_classes)
        check_widths("channels", channels, least=1)
        check_widths("hidden", hidden)
        check_size("kernel size", "kernel_size", kernel_size)
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
        super().__init__(nn.Sequential(*layers), **training)

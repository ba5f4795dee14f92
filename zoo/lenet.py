"""LeNet: two convolutions with pooling, then a small MLP.

    x (B, C, 28, 28)
      -> conv 5 × 5, padding 2 (B, 6, 28, 28) -> pool (B, 6, 14, 14)
      -> conv 5 × 5 (B, 16, 10, 10) -> pool (B, 16, 5, 5)
      -> flatten (B, 400) -> 120 -> 84 -> Linear (B, K)

LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition", §II.B, in its usual
modern form: full connections between the maps, and by default ReLU and max pooling. `activation=tanh pool=avg` is
nearer to the original. Colour images of 32 × 32 go the same way without the first padding, as in the paper.

Its layers are put together in `zoo/nn/lenet.py`, which needs torch alone.
"""

from collections.abc import Sequence
from typing import Any

from zoo.nn.layers import Activation, NormName, PoolName, Shape
from zoo.nn.lenet import lenet
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
        net = lenet(in_shape, num_classes, channels, kernel_size, hidden, activation, norm, pool, dropout)
        super().__init__(net, **training)

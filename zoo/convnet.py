"""ConvNet: stages of 3 × 3 convolutions; from stage to stage the map halves and the channels grow.

    x (B, C, 28, 28)
      -> [conv -> norm -> activation] × depth (B, 32, 28, 28) -> pool (B, 32, 14, 14)
      -> [conv -> norm -> activation] × depth (B, 64, 14, 14) -> pool (B, 64, 7, 7)
      -> [conv -> norm -> activation] × depth (B, 128, 7, 7)  -> pool (B, 128, 3, 3)
      -> flatten (B, 1152) -> dropout -> Linear (B, K)

Simonyan and Zisserman 2015, arXiv 1409.1556 (VGG), with the batch normalisation of Ioffe and Szegedy 2015, arXiv
1502.03167. The map is flattened once its side is below 7; where the stages leave it larger, it is averaged down to 4.

Its layers are put together in `zoo/nn/convnet.py`, which needs torch alone.
"""

from collections.abc import Sequence
from typing import Any

from zoo.nn.convnet import convnet
from zoo.nn.layers import Activation, NormName, PoolName, Shape
from zoo.training.classifier import Classifier


class ConvNet(Classifier):
    """Convolutions, normalised, in stages.

    Args:
        in_shape: channels, height and width of an image.
        num_classes: K.
        channels: kernels of the convolutions in each stage; the map halves after each stage.
        depth: convolutions in a stage.
        kernel_size: side of the kernels in pixels, odd, so that padding keeps the size of the map.
        activation: after each convolution.
        norm: between a convolution and its activation.
        pool: how a map halves: `max`, `avg`, or `stride` 2 in the last convolution of a stage instead of pooling.
        dropout: share of the flattened features silenced in each training step.
        training: how it is trained, see `Classifier`.
    """

    def __init__(
        self,
        in_shape: Shape,
        num_classes: int,
        channels: Sequence[int] = (32, 64, 128),
        depth: int = 2,
        kernel_size: int = 3,
        activation: Activation = "relu",
        norm: NormName = "batch",
        pool: PoolName = "max",
        dropout: float = 0.0,
        **training: Any,
    ) -> None:
        net = convnet(in_shape, num_classes, channels, depth, kernel_size, activation, norm, pool, dropout)
        super().__init__(net, **training)

"""ResNet: stages of residual blocks; from stage to stage the map halves and the channels double.

    x (B, C, 32, 32)
      -> conv -> norm -> activation (B, 64, 32, 32)
      -> block × n (B, 64, 32, 32)
      -> block × n (B, 128, 16, 16)
      -> block × n (B, 256, 8, 8)
      -> block × n (B, 512, 4, 4)
      -> average over the map (B, 512) -> Linear (B, K)

He, Zhang, Ren, Sun 2015, arXiv 1512.03385, with the first layer of its §4.2, made for small images: one convolution
that keeps the size of the map, and no pooling. A block learns what to add to its input, not what to make of it: the
gradient has a way past it, and dozens of layers can be trained.

Its layers are put together in `zoo/nn/resnet.py`, which needs torch alone.
"""

from collections.abc import Sequence
from typing import Any

from zoo.nn.layers import Activation, NormName, Shape
from zoo.nn.resnet import resnet
from zoo.training.classifier import Classifier


class ResNet(Classifier):
    """Residual blocks of two convolutions, in stages.

    Args:
        in_shape: channels, height and width of an image.
        num_classes: K.
        depth: layers with weights on the longest way through: two in each block, the first convolution and the last
            Linear. Every stage has equally many blocks, so 18 is the paper's ResNet-18, but 34 is not its ResNet-34.
        channels: kernels of the convolutions in each stage; stages after the first halve the map. With `[16, 32, 64]`,
            depth 20, 32, 44, 56 and 110 are the networks of the paper's §4.2.
        kernel_size: side of the kernels in pixels, odd, so that padding keeps the size of the map.
        activation: after each convolution, in the second one of a block after the sum.
        norm: after each convolution, also that of a shortcut.
        dropout: share of the averaged features silenced in each training step.
        training: how it is trained, see `Classifier`.
    """

    def __init__(
        self,
        in_shape: Shape,
        num_classes: int,
        depth: int = 18,
        channels: Sequence[int] = (64, 128, 256, 512),
        kernel_size: int = 3,
        activation: Activation = "relu",
        norm: NormName = "batch",
        dropout: float = 0.0,
        **training: Any,
    ) -> None:
        net = resnet(in_shape, num_classes, depth, channels, kernel_size, activation, norm, dropout)
        super().__init__(net, **training)

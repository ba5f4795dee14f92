"""FastNet: whitened patches, then groups of 3 × 3 convolutions that pool early; made to learn in few epochs.

    x (B, C, 32, 32)
      -> whitening 2 × 2 (B, 8C, 31, 31) -> activation
      -> conv (B, 64, 31, 31)  -> pool (B, 64, 15, 15) -> norm -> activation -> [conv -> norm -> activation] × …
      -> conv (B, 256, 15, 15) -> pool (B, 256, 7, 7)  -> norm -> activation -> [conv -> norm -> activation] × …
      -> conv (B, 256, 7, 7)   -> pool (B, 256, 3, 3)  -> norm -> activation -> [conv -> norm -> activation] × …
      -> largest of each channel (B, 256) -> Linear (B, K) -> × 1/9

The network of Jordan 2024, arXiv 2404.00498 (airbench94), after Page 2019, "How to train your ResNet". Pooling stands
before the norm, which then has a quarter of the map to go over; the norms have no scale.

Its layers are put together in `zoo/nn/fastnet.py`, which needs torch alone.
"""

from collections.abc import Sequence
from typing import Any

from zoo.nn.fastnet import fastnet
from zoo.nn.layers import Activation, Shape
from zoo.training.classifier import Classifier


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
        net = fastnet(in_shape, num_classes, channels, depth, whiten_kernel, activation, head_scale)
        super().__init__(net, **training)

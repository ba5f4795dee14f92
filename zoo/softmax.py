"""Softmax regression: one linear map from pixels to class scores.

    x (B, C, H, W) -> flatten (B, D) -> Linear (B, K)

The starting point of both lectures: multinomial logistic regression, trained by gradient descent on the cross-entropy.

Its layers are put together in `zoo/nn/softmax.py`, which needs torch alone.
"""

from typing import Any

from zoo.nn.layers import Shape
from zoo.nn.softmax import softmax_regression
from zoo.training.classifier import Classifier


class SoftmaxRegression(Classifier):
    """Softmax regression on raw pixels.

    Args:
        in_shape: channels, height and width of an image.
        num_classes: K.
        training: how it is trained, see `Classifier`.
    """

    def __init__(self, in_shape: Shape, num_classes: int, **training: Any) -> None:
        net = softmax_regression(in_shape, num_classes)
        super().__init__(net, **training)

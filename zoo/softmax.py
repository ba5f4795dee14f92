"""Softmax regression: one linear map from pixels to class scores.

    x (B, C, H, W) -> flatten (B, D) -> Linear (B, K)

The starting point of both lectures: multinomial logistic regression, trained by gradient descent on the cross-entropy.
"""

import math
from typing import Any

from torch import nn

from zoo.nn.layers import Shape, check_images
from zoo.training.classifier import Classifier


class SoftmaxRegression(Classifier):
    """Softmax regression on raw pixels.

    Args:
        in_shape: channels, height and width of an image.
        num_classes: K.
        training: how it is trained, see `Classifier`.
    """

    def __init__(self, in_shape: Shape, num_classes: int, **training: Any) -> None:
        check_images(in_shape, num_classes)
        super().__init__(nn.Sequential(nn.Flatten(), nn.Linear(math.prod(in_shape), num_classes)), **training)

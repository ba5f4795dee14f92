"""The layers of `zoo.SoftmaxRegression`, in torch alone: weights are loaded into them without Lightning."""

import math

from torch import nn

from zoo.nn.layers import Shape, check_images


def softmax_regression(
    in_shape: Shape,
    num_classes: int,
) -> nn.Sequential:
    """The network of `zoo.SoftmaxRegression`: images (B, C, H, W) -> logits (B, K)."""
    check_images(in_shape, num_classes)
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(in_shape), num_classes))

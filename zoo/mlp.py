"""Multi-layer perceptron.

    x (B, C, H, W) -> flatten (B, D) -> [Linear -> norm -> activation -> dropout] per hidden width -> Linear (B, K)

With `hidden=[]` this is softmax regression, and with `activation=identity` it is one linear map however deep
(Rumelhart, Hinton, Williams 1986).

Its layers are put together in `zoo/nn/mlp.py`, which needs torch alone.
"""

from collections.abc import Sequence
from typing import Any

from zoo.nn.layers import Activation, NormName, Shape
from zoo.nn.mlp import mlp
from zoo.training.classifier import Classifier


class MLP(Classifier):
    """Fully connected layers.

    Args:
        in_shape: channels, height and width of an image.
        num_classes: K.
        hidden: width of each hidden layer, input side first. `[256]` is the lectures' 784-256-10 on MNIST, `[300, 100]`
            the 784-300-100-10 of LeCun et al. 1998, §III.C.
        activation: after each hidden layer.
        norm: between a hidden layer and its activation.
        dropout: share of the hidden units silenced in each training step, 0 to below 1 (Srivastava et al. 2014).
        training: how it is trained, see `Classifier`.
    """

    def __init__(
        self,
        in_shape: Shape,
        num_classes: int,
        hidden: Sequence[int] = (256,),
        activation: Activation = "relu",
        norm: NormName = "none",
        dropout: float = 0.0,
        **training: Any,
    ) -> None:
        net = mlp(in_shape, num_classes, hidden, activation, norm, dropout)
        super().__init__(net, **training)

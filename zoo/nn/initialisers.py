"""How the weights of a network start.

Each initialiser fixes the spread of a layer's weights by its fan-in n (inputs of one unit: D for a dense layer,
C·k·k for a convolution) and fan-out m. Biases start at zero.

    he_normal       N(0, 2/n)           He et al. 2015, arXiv 1502.01852, §2.2: keeps the variance through ReLU layers
    he_uniform      U(±√(6/n))          the same variance
    xavier_normal   N(0, 2/(n+m))       Glorot and Bengio 2010, §4.2.1: for layers that are linear near zero
    xavier_uniform  U(±√(6/(n+m)))      the same variance
    normal          N(0, 0.01²)         whatever the size of the layer, as was usual before
    uniform         U(±0.05)            likewise
    orthogonal      √2 · orthogonal     Saxe, McClelland, Ganguli 2014, arXiv 1312.6120
    dirac           1 at the centre     a convolution hands its first channels on as they are, the kernels beyond that
                                        number are he_normal, and so are dense layers; Zagoruyko and Komodakis 2017,
                                        arXiv 1706.00388, in the form of Jordan 2024, arXiv 2404.00498
    zeros           0                   cannot learn: all units of a layer stay alike
    pytorch         U(±1/√n)            what PyTorch does by itself, biases too; a third of He's variance over two

The last layer is drawn in the same way and then multiplied by 0.1. It feeds no ReLU but the softmax, and without this
an untrained network would already be sure of itself: a loss well above ln K, and first steps that only undo it.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zoo.errors import check_name

InitialiserName = Literal[
    "he_normal",
    "he_uniform",
    "xavier_normal",
    "xavier_uniform",
    "normal",
    "uniform",
    "orthogonal",
    "dirac",
    "zeros",
    "pytorch",
]

LAST_LAYER_FACTOR = 0.1


def dirac(w: Tensor) -> None:
    """The first kernels of a convolution (C', C, k, k) become the identity, everything else He's."""
    nn.init.kaiming_normal_(w, nonlinearity="relu")
    if w.ndim == 4:
        nn.init.dirac_(w[: w.shape[1]])


INITIALISERS: dict[str, Callable[[Tensor], Any]] = {
    "he_normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    "he_uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"),
    "xavier_normal": nn.init.xavier_normal_,
    "xavier_uniform": nn.init.xavier_uniform_,
    "normal": lambda w: nn.init.normal_(w, std=0.01),
    "uniform": lambda w: nn.init.uniform_(w, -0.05, 0.05),
    "orthogonal": lambda w: nn.init.orthogonal_(w, gain=2**0.5),
    "dirac": dirac,
    "zeros": nn.init.zeros_,
}


@torch.no_grad()
def initialise(net: nn.Module, init: InitialiserName) -> None:
    """Draws all weights of the dense and convolutional layers of a network anew, in place."""
    check_name("--model.init", init, [*INITIALISERS, "pytorch"])
    if init == "pytorch":
        return
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    for layer in layers:
        INITIALISERS[init](layer.weight)
        if layer.bias is not None:
            layer.bias.zero_()
    if layers:
        layers[-1].weight.mul_(LAST_LAYER_FACTOR)

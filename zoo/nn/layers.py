"""The layers the models are made of, and the arithmetic of their shapes.

dense:  (B, D) -> Linear -> norm -> activation -> dropout -> (B, D')
conv:   (B, C, H, W) -> Conv2d -> norm -> activation -> (B, C', H', W')
pool:   (B, C, H, W) -> (B, C, H/2, W/2)
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from numbers import Integral, Real
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zoo.errors import check_name

Shape = tuple[int, int, int]  # C, H, W

ActivationName = Literal["relu", "sigmoid", "tanh", "leaky_relu", "prelu", "elu", "selu", "silu", "gelu", "identity"]
Activation = ActivationName | Callable[[], nn.Module]
NormName = Literal["none", "batch", "layer"]
PoolName = Literal["max", "avg", "stride"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,  # Nair and Hinton 2010
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "leaky_relu": partial(nn.LeakyReLU, 0.01),  # Maas, Hannun, Ng 2013
    "prelu": nn.PReLU,  # one learned slope per layer, He et al. 2015, arXiv 1502.01852
    "elu": nn.ELU,  # Clevert, Unterthiner, Hochreiter 2016, arXiv 1511.07289
    "selu": nn.SELU,  # Klambauer et al. 2017, arXiv 1706.02515
    "silu": nn.SiLU,  # also called Swish, Ramachandran, Zoph, Le 2017, arXiv 1710.05941
    "gelu": nn.GELU,  # Hendrycks and Gimpel 2016, arXiv 1606.08415
    "identity": nn.Identity,
}


def activate(activation: Activation | nn.Module) -> nn.Module:
    """A new activation layer from its short name, its class, or a layer that is copied.

    Raises:
        ValueError: it is none of them.
    """
    if isinstance(activation, str):
        check_name("--model.activation", activation, ACTIVATIONS)
        return ACTIVATIONS[activation]()
    if isinstance(activation, nn.Module):
        return deepcopy(activation)
    reason = ""
    try:
        layer = activation()
    except TypeError as error:  # a function such as torch.relu, or a class that wants arguments
        layer, reason = None, f" ({error})"
    if not isinstance(layer, nn.Module):
        raise ValueError(
            "layer in --model.activation: expected a name, a class or an object of torch.nn, found"
            f" {getattr(activation, '__name__', activation)!r}{reason}. Try: torch.nn.ReLU"
        )
    return layer


def norm_of(norms: dict[str, Callable[[int], nn.Module]], norm: NormName, width: int) -> list[nn.Module]:
    """A new norm layer by its name, none for `none`."""
    check_name("--model.norm", norm, ["none", *norms])
    return [] if norm == "none" else [norms[norm](width)]


class ChannelNorm(nn.GroupNorm):
    """Layer normalisation of a map (B, C, H, W) over C, H and W of each image (Ba, Kiros, Hinton 2016).

    One group over all channels is the same thing, and unlike `nn.LayerNorm` it learns one scale per channel and does
    not fix H and W.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(1, channels)


class DataDependentInit(nn.Module, ABC):
    """A first layer that is computed from training images, once, before the first step.

    `fitted` says whether it has been; it goes into checkpoints, so that a resumed run does not do it again.
    """

    fitted: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fitted", torch.tensor(False))

    def fit(self, images: Tensor) -> None:
        """Computes the layer from images (B, C, H, W) as the network will see them, float32."""
        self.init_from_data(images)
        self.fitted.fill_(True)

    @abstractmethod
    def init_from_data(self, images: Tensor) -> None:
        """Does so."""


def dense(fan_in: int, fan_out: int, activation: Activation, norm: NormName, dropout: float) -> list[nn.Module]:
    """One hidden layer of an MLP: (B, fan_in) -> (B, fan_out)."""
    norms: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
    return [nn.Linear(fan_in, fan_out), *norm_of(norms, norm, fan_out), activate(activation), *dropping(dropout)]


def dropping(dropout: float) -> list[nn.Module]:
    """A dropout layer, none if nothing is dropped (Srivastava et al. 2014)."""
    check_share("dropout", dropout)
    return [nn.Dropout(dropout)] if dropout > 0 else []


def is_size(value: Any) -> bool:
    """Whether a value is a whole number from 1."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def check_images(in_shape: Any, num_classes: Any) -> None:
    """Raises ValueError unless images of this shape can be of so many classes: the first line of every model."""
    sizes = list(in_shape) if isinstance(in_shape, Sequence) else []
    if len(sizes) != 3 or not all(map(is_size, sizes)):
        raise ValueError(
            "shape of the images in in_shape: expected channels, height and width, whole numbers from 1,"
            f" found {in_shape!r}. Try: in_shape=(1, 28, 28)"
        )
    if not is_size(num_classes) or num_classes < 2:
        raise ValueError(
            f"number of classes in num_classes: expected a whole number from 2, found {num_classes!r}."
            " Try: num_classes=10"
        )


def check_size(what: str, name: str, value: Any, usual: int) -> None:
    """Raises ValueError, with a usual value, unless that of an argument is a whole number from 1."""
    if not is_size(value):
        expected = "at least 1" if type(value) is int else "a whole number from 1"
        raise ValueError(f"{what} in --model.{name}: expected {expected}, found {value!r}. Try: --model.{name} {usual}")


def check_share(name: str, value: Any) -> None:
    """Raises ValueError unless the value of an argument is a number from 0 to below 1."""
    if not isinstance(value, Real) or not 0 <= float(value) < 1:
        raise ValueError(f"share in --model.{name}: expected 0 to below 1, found {value!r}. Try: --model.{name} 0.1")


def check_factor(name: str, value: Any, usual: float) -> None:
    """Raises ValueError, with a usual value, unless that of an argument is a number above 0."""
    if not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise ValueError(
            f"factor in --model.{name}: expected a number above 0, found {value!r}. Try: --model.{name} {usual}"
        )


def check_widths(name: str, widths: Any, least: int = 0) -> None:
    """Raises ValueError unless there are at least `least` widths, each of one unit or more."""
    is_list = isinstance(widths, Sequence) and not isinstance(widths, str)
    if not is_list or len(widths) < least or not all(map(is_size, widths)):
        number = "whole numbers from 1" if least == 0 else f"at least {least} whole number from 1"
        mended = [width if is_size(width) else 64 for width in widths] if is_list and 0 < len(widths) <= 8 else [64]
        mended += [64] * (least - len(mended))
        raise ValueError(
            f"widths in --model.{name}: expected {number}, found {list(widths) if is_list else widths!r}."
            f" Try: --model.{name} '{mended}'"
        )


def conv(
    channels_in: int,
    channels_out: int,
    kernel_size: int,
    activation: Activation,
    norm: NormName,
    *,
    padding: int,
    stride: int = 1,
) -> list[nn.Module]:
    """One convolution with what follows it: (B, channels_in, H, W) -> (B, channels_out, H', W')."""
    norms: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm2d, "layer": ChannelNorm}
    # the norm has a shift of its own, a bias before it would be subtracted again
    layer = nn.Conv2d(channels_in, channels_out, kernel_size, stride, padding, bias=norm == "none")
    return [layer, *norm_of(norms, norm, channels_out), activate(activation)]


def pooling(pool: PoolName) -> list[nn.Module]:
    """What halves a map after its convolutions; nothing for `stride`, where the last convolution does it."""
    layers: dict[str, list[nn.Module]] = {"max": [nn.MaxPool2d(2)], "avg": [nn.AvgPool2d(2)], "stride": []}
    check_name("--model.pool", pool, layers)
    return layers[pool]


def out_side(side: int, kernel_size: int, stride: int = 1, padding: int = 0) -> int:
    """Side of the map a convolution or pooling makes: (side + 2 padding - kernel) / stride + 1, rounded down."""
    return (side + 2 * padding - kernel_size) // stride + 1


def conv_shape(shape: Shape, channels: int, kernel_size: int, stride: int, padding: int) -> Shape:
    """Shape (C, H, W) of what a convolution with so many kernels makes of a map."""
    _, height, width = shape
    return channels, out_side(height, kernel_size, stride, padding), out_side(width, kernel_size, stride, padding)


def pool_shape(shape: Shape) -> Shape:
    """Shape (C, H, W) of what a 2 × 2 pooling makes of a map."""
    channels, height, width = shape
    return channels, height // 2, width // 2


def check_kernel_size(kernel_size: int) -> None:
    """Raises ValueError unless a kernel has a middle, so that padding by half of it keeps the size of a map."""
    if not is_size(kernel_size) or kernel_size % 2 == 0:
        odd = kernel_size + 1 if is_size(kernel_size) else 3
        raise ValueError(
            f"kernel size in --model.kernel_size: expected an odd number from 1, found {kernel_size!r}."
            f" Try: --model.kernel_size {odd}"
        )


def check_map(layer: str, shape: Shape, kernel_size: int, padding: int = 0) -> None:
    """Raises ValueError if a kernel is larger than the map it should slide over."""
    channels, height, width = shape
    if min(height, width) + 2 * padding < kernel_size:
        rim = f" with padding {padding}" if padding else ""
        raise ValueError(
            f"geometry in {layer}: expected a map of at least {kernel_size - 2 * padding} ×"
            f" {kernel_size - 2 * padding} for its {kernel_size} × {kernel_size} kernel{rim}, found {channels} ×"
            f" {height} × {width} (C × H × W). Try: fewer layers, a smaller kernel, or larger images"
        )

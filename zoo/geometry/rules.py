"""What the units that an operation makes see, by the kind of operation. Its name is torch's: `conv2d`, `add`, `cat`.

Whatever these rules do not know is taken to see all that its inputs see.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from zoo.geometry.nested import mapped
from zoo.geometry.receptive_field import (
    EDGES,
    Pair,
    Seen,
    Window,
    adaptive_fields,
    reduce_fields,
    union,
    union_of_all,
    window_fields,
)

SeenBy = Callable[[Any], Seen | None]  # what a tensor among the inputs sees; None for weights and whatever is no tensor

MOVES = {"cat", "stack", "roll", "flip", "repeat", "pad", "upsample_nearest2d"}
MOVES |= {"pixel_shuffle", "pixel_unshuffle", "channel_shuffle"}
OTHER_VIEWS = {"as_strided", "view_as_real", "view_as_complex"}  # not by the shape alone, or into another
# a norm's statistics are not counted as seeing, though those of layer normalisation come from the whole map
UNITWISE = {"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "dropout", "feature_dropout"}
UNITWISE |= {"alpha_dropout", "feature_alpha_dropout", "prelu", "hardswish", "log_sigmoid_forward", "copy"}
SOFTMAX = {"softmax", "log_softmax", "_softmax", "_log_softmax"}
REDUCTIONS = {"mean", "sum", "amax", "amin", "max", "min", "var", "std", "logsumexp"}
PRODUCTS = {"matmul", "mm", "bmm", "addmm", "baddbmm"}
POOLS = {"max_pool2d", "max_pool2d_with_indices", "avg_pool2d"}
ADAPTIVE = {"adaptive_avg_pool2d", "adaptive_max_pool2d"}
WINDOWED = {"conv2d"} | POOLS | ADAPTIVE
SPREADING = {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}
# the arguments of operations of which some are asked for, in torch's order, and what they are where they are left out
ARGUMENTS = {
    "conv2d": ("input", "weight", "bias", "stride", "padding", "dilation"),
    "avg_pool2d": ("input", "kernel_size", "stride", "padding"),
    **dict.fromkeys(POOLS - {"avg_pool2d"}, ("input", "kernel_size", "stride", "padding", "dilation")),
    **dict.fromkeys(ADAPTIVE, ("input", "output_size")),
    "pad": ("input", "pad", "mode", "value"),
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "conv2d": {"stride": 1, "padding": 0, "dilation": 1},
    **{name: {"stride": [], "padding": 0, "dilation": 1} for name in POOLS},
    "pad": {"mode": "constant"},
}
MIXING = SOFTMAX | REDUCTIONS | PRODUCTS | WINDOWED | SPREADING | {"linear", "scaled_dot_product_attention"}


class Operation(Protocol):
    """One of torch's operations, as `__torch_dispatch__` gets it."""

    is_view: bool
    tags: list[Any]

    def name(self) -> str:
        """With namespace and variant: `aten::add_.Tensor`."""

    def decompose(self, *args: Any, **kwargs: Any) -> Any:
        """Does it by other operations; NotImplemented if it is not made of any."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Does it."""


def operator_name(func: Operation) -> str:
    """Its name, the same whether it works in place or not."""
    return func.name().partition("::")[2].partition(".")[0].removesuffix("_")


def is_rearrangement(func: Operation) -> bool:
    """Whether an operation only moves units to other places."""
    name = operator_name(func)
    return name in MOVES or (func.is_view and name not in OTHER_VIEWS)


def is_unitwise(func: Operation) -> bool:
    """Whether units are made of those at the same place."""
    return operator_name(func) in UNITWISE or torch.Tag.pointwise in func.tags


def has_rule(func: Operation) -> bool:
    """Whether there is a rule for an operation; others may be made of some for which there is one."""
    return operator_name(func) in MIXING or is_rearrangement(func) or is_unitwise(func)


def arguments(func: Operation, args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments of an operation by name, with its defaults, as far as the tables above know them."""
    name = operator_name(func)
    return {**DEFAULTS.get(name, {}), **dict(zip(ARGUMENTS[name], args, strict=False)), **kwargs}


def dims_of(args: Any, kwargs: Any) -> Any:
    """The axes that a reduction or softmax goes over; None for all, in whose place a tensor or a switch may stand."""
    dims = kwargs.get("dim", args[1] if len(args) > 1 else None)
    whole = isinstance(dims, int | list | tuple) and not isinstance(dims, bool) and dims not in ([], ())
    return dims if whole else None


def fields_after(
    func: Operation, args: Any, kwargs: Any, outputs: list[Tensor], inputs: list[Seen], seen_by: SeenBy
) -> list[Seen]:
    """What the tensors see that an operation has made, in order.

    Args:
        func: the operation.
        args: its inputs.
        kwargs: more of them, by name.
        outputs: what it made.
        inputs: what its inputs see, of which there must be some.
        seen_by: what each of them sees.
    """
    name = operator_name(func)
    if is_rearrangement(func):
        return rearranged_fields(func, args, kwargs, inputs, seen_by)
    shape = outputs[0].shape
    if is_unitwise(func):
        seen = union(inputs, shape)
    elif name in WINDOWED and len(shape) == 4:
        seen = windowed_fields(func, args, kwargs, inputs[0], shape)
    elif name in PRODUCTS | {"linear", "scaled_dot_product_attention"}:
        seen = matmul_fields(name, args, inputs, seen_by, shape)
    elif name in REDUCTIONS | SOFTMAX and (dims := dims_of(args, kwargs)) is not None:
        seen = reduce_fields(inputs[0], dims, shape)
    else:
        seen = union_of_all(inputs, shape)
    return [seen if output.shape == shape else union_of_all(inputs, output.shape) for output in outputs]


def rearranged_fields(func: Operation, args: Any, kwargs: Any, inputs: list[Seen], seen_by: SeenBy) -> list[Seen]:
    """The operation moves the numbers of each edge as it moves the units; what is put between them sees nothing."""

    def plane(edge: int, value: Any) -> Any:
        if seen := seen_by(value):
            return seen.edges[edge]
        weights = isinstance(value, Tensor)
        return torch.full(value.shape, -torch.inf, dtype=torch.double) if weights else value

    if operator_name(func) == "pad" and arguments(func, args, kwargs)["mode"] == "constant":
        kwargs = {**kwargs, "value": -torch.inf}
        args = args[:3]
    planes = [func(*mapped(partial(plane, i), args), **mapped(partial(plane, i), kwargs)) for i in range(EDGES)]
    together = [planes] if isinstance(planes[0], Tensor) else zip(*planes, strict=True)
    # the jump is asked for in maps of one unit only, and those are not put together of several
    return [Seen(torch.stack([edge.double() for edge in edges]), inputs[0].jump) for edges in together]


def windowed_fields(func: Operation, args: Any, kwargs: Any, seen: Seen, shape: torch.Size) -> Seen:
    """What the units see of a convolution or pooling."""
    window = window_of(func, args, kwargs)
    if window is None:
        return adaptive_fields(seen, shape)
    return window_fields(seen, window, shape, mixes_channels=operator_name(func) == "conv2d")


def window_of(func: Operation, args: Any, kwargs: Any) -> Window | None:
    """The window of a convolution or pooling; None for adaptive pooling with windows of several sizes."""
    given = arguments(func, args, kwargs)
    if operator_name(func) in ADAPTIVE:
        sides, counts = args[0].shape[-2:], as_pair(given["output_size"])
        if any(n % m for n, m in zip(sides, counts, strict=True)):
            return None
        kernel = as_pair([n // m for n, m in zip(sides, counts, strict=True)])
        return Window(kernel, kernel, (0, 0), (1, 1))
    kernel = as_pair(args[1].shape[2:] if operator_name(func) == "conv2d" else given["kernel_size"])
    dilation, padding = as_pair(given.get("dilation", 1)), given["padding"]
    if padding == "same":
        padding = [d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True)]
    return Window(kernel, as_pair(given["stride"] or kernel), as_pair(0 if padding == "valid" else padding), dilation)


def as_pair(value: Any) -> Pair:
    """One number, or two, as two."""
    numbers = [value] if isinstance(value, int) else list(value)
    return int(numbers[0]), int(numbers[-1])


def matmul_fields(name: str, args: Any, inputs: list[Seen], seen_by: SeenBy, shape: torch.Size) -> Seen:
    """What the units see of a product: a row of the left and a column of the right factor; of attention, all keys."""
    tensors = [value for value in args if isinstance(value, Tensor)]
    if name == "linear":
        dims: list[tuple[Tensor, Any]] = [(tensors[0], -1)]
    elif name == "scaled_dot_product_attention":
        dims = [(tensors[0], -1), (tensors[1], (-2, -1)), (tensors[2], (-2, -1))]
    else:
        dims = [(tensors[-2], -1), (tensors[-1], -2)]
    parts = [(seen_by(tensor), tensor, dim) for tensor, dim in dims]
    known = [(seen, dim) for seen, tensor, dim in parts if seen and tensor.ndim >= 2 - (name == "linear")]
    heads = {tuple(tensor.shape[:-2]) for tensor, _ in dims if name == "scaled_dot_product_attention"}
    if len(known) < len(inputs) or len(heads) > 1:  # a bias or mask that depends on the image, shared heads
        return union_of_all(inputs, shape)
    return union([reduce_fields(seen, dim, shape) for seen, dim in known], shape)

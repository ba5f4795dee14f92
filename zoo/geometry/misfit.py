"""Why a network does not take an image: the first layer that cannot take its input, and the shapes of both."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zoo.geometry.rules import as_pair
from zoo.geometry.running import blank, forward_hooks

Shape = tuple[int, int, int]  # C, H, W


class Failure(NamedTuple):
    """The innermost module that failed.

    Args:
        layer: its name and class.
        needed: what it takes, if it can be told and its input is something else.
        found: shape of its input.
        error: torch's.
    """

    layer: str
    needed: str | None
    found: str
    error: RuntimeError


def check_geometry(net: nn.Module, in_shape: Shape) -> None:
    """Raises ValueError, with one message that names the layer, unless a network takes images of a shape."""
    if reason := find_failure(net, blank(net, in_shape)):
        raise ValueError(failure_message(reason, in_shape)) from reason.error


def too_large(name: str, module: nn.Module, image: Sequence[int]) -> str | None:
    """The message for a kernel of which much lies beyond an image (H, W), wherever it is put; None of others."""
    most = [2 * side - 1 for side in image]
    if not isinstance(module, nn.Conv2d) or all(a <= b for a, b in zip(extents(module), most, strict=True)):
        return None
    return (
        f"geometry in {name} (Conv2d): expected a kernel of at most {dims(most)} for images of {dims(image)}, beyond"
        f" which no weight ever meets a pixel, found {dims(extents(module))}."
        f" Try: --model.kernel_size {(min(image) - 1) // 2 * 2 + 1}"
    )


def extents(module: nn.Conv2d) -> list[int]:
    """Rows and columns of a map that a kernel reaches over."""
    return [d * (k - 1) + 1 for k, d in zip(module.kernel_size, as_pair(module.dilation), strict=True)]


def oversized(net: nn.Module, in_shape: Shape) -> list[str]:
    """In words, each convolution whose kernel is larger than its map and than the usual 3 × 3."""
    lines = []

    def enter(name: str, module: nn.Module, args: Any) -> None:
        if not isinstance(module, nn.Conv2d):
            return
        extent, sides = extents(module), args[0].shape[2:]
        if any(a > max(b, 3) for a, b in zip(extent, sides, strict=True)):
            lines.append(f"{name}, {dims(extent)} on a map of {dims(sides)}")

    if any(isinstance(module, nn.Conv2d) and max(extents(module)) > 3 for module in net.modules()):
        with forward_hooks(net, "net", enter, lambda name, module, output: None), torch.no_grad():
            net(blank(net, in_shape))
    return lines


def misfit(net: nn.Module, model: str, x: Tensor, in_shape: Sequence[int] | None) -> str | None:
    """What is wrong with the shape of images that a network has failed on; None if it was something else.

    Args:
        net: the network.
        model: its name in the message.
        x: the images.
        in_shape: C, H, W of what it was built for; None if that is not known.
    """
    given, expected = tuple(x.shape[1:]), tuple(in_shape or ())
    if expected and tuple(x.shape) == expected:
        return f"images in {model}: expected a batch B × {dims(expected)}, found one of {dims(x.shape)}. Try: x[None]"
    reason = find_failure(net, x[:1].detach())
    if reason is None:
        return None
    if not expected or given == expected:
        return failure_message(reason, given) if reason.needed else None
    takes = f"takes {reason.needed}" if reason.needed else "cannot take that"
    another = f", or another {model} with in_shape={given}" if len(given) == 3 else ""
    return (
        f"images in {model}: expected {dims(expected)} (C × H × W), found {dims(given)}: {reason.layer} {takes}, and"
        f" its input is {reason.found}. Try: images of the shape it was built for{another}"
    )


def failure_message(reason: Failure, in_shape: Sequence[int]) -> str:
    """The line for a network that does not take the images it should."""
    torchs = "" if reason.needed else f" ({' '.join(str(reason.error).split())[:160]})"
    return (
        f"geometry in {reason.layer}: expected {reason.needed or 'inputs that fit it'}, found {reason.found} from"
        f" images of {dims(in_shape)}{torchs}. Try: another size of this layer or of those before it"
    )


def find_failure(net: nn.Module, x: Tensor) -> Failure | None:
    """Which module fails when a network runs on images; None if none does."""
    running: list[tuple[str, nn.Module, Any]] = []

    def enter(name: str, module: nn.Module, args: Any) -> None:
        running.append((name, module, args))
        if x.ndim == 4 and (text := too_large(name, module, x.shape[2:])):
            raise ValueError(text)

    def leave(name: str, module: nn.Module, output: Any) -> None:
        running.pop()

    with forward_hooks(net, "net", enter, leave), torch.no_grad():
        try:
            net(x)
        except RuntimeError as error:
            if isinstance(error, NotImplementedError):
                raise
            name, module, args = running[-1]
            shapes = [leaf.shape[1:] for leaf in args if isinstance(leaf, Tensor)]
            found = " and ".join(dims(shape) for shape in shapes) or "nothing"
            needed = expected_input(module, shapes[0]) if shapes else None
            return Failure(f"{name} ({type(module).__name__})", needed, found, error)
    return None


def expected_input(module: nn.Module, shape: Sequence[int]) -> str | None:
    """What a module takes, if it can be told and an input of this shape, without the batch, is something else."""
    if isinstance(module, nn.Linear) and shape[-1:] != (module.in_features,):
        return pluralise(module.in_features, "feature")
    if isinstance(module, nn.Conv2d) and tuple(shape[:-2]) != (module.in_channels,):
        return f"maps of {pluralise(module.in_channels, 'channel')} for its {dims(module.weight.shape[1:])} kernels"
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and shape[:1] != (module.num_features,):
        return pluralise(module.num_features, "feature" if isinstance(module, nn.BatchNorm1d) else "channel")
    if isinstance(module, nn.LayerNorm) and tuple(shape[-len(module.normalized_shape) :]) != module.normalized_shape:
        return f"inputs of {dims(module.normalized_shape)}"
    if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) and len(shape) == 3:
        return larger_map(module, shape)
    return None


def larger_map(module: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d, shape: Sequence[int]) -> str | None:
    """What a window needs that does not fit on a map (C, H, W)."""
    kernel, padding = as_pair(module.kernel_size), as_pair(module.padding)
    dilation = (1, 1) if isinstance(module, nn.AvgPool2d) else as_pair(module.dilation)
    least = [d * (k - 1) + 1 - 2 * p for k, p, d in zip(kernel, padding, dilation, strict=True)]
    if all(side >= extent for side, extent in zip(shape[1:], least, strict=True)):
        return None
    rim = f" with padding {dims(padding)}" if any(padding) else ""
    return f"a map of at least {dims(least)} for its {dims(kernel)} kernel{rim}"


def pluralise(number: int, what: str) -> str:
    """So many of something: 1 channel, 3 channels."""
    return f"{number} {what}{'s' * (number != 1)}"


def dims(shape: Sequence[int]) -> str:
    """A shape: 3 × 32 × 32."""
    return " × ".join(str(side) for side in shape)

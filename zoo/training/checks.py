"""What a Classifier is given, checked where it is used: batches, labels, images, an optimiser's settings, the compiler.

Each check costs nothing as long as all is well: it looks at types, or waits for the error.
"""

import inspect
import sys
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def labelled(batch: Any) -> tuple[Tensor, Tensor]:
    """Images and class numbers (B,) int64 of a batch; raises ValueError if it is another."""
    x, y = batch[:2] if isinstance(batch, tuple | list) and len(batch) > 1 else (batch, None)
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
        within = f" of {', '.join(map(str, batch))}" if isinstance(batch, dict) else ""
        raise ValueError(
            f"batch in the loader: expected tensors of images and labels, found a {type(batch).__name__}{within[:60]}."
            " Try: a loader that gives (images, labels)"
        )
    if y.dtype is torch.int64 and y.ndim == 1:
        return x, y
    if y.ndim == 1 and not (y.is_floating_point() or y.is_complex() or y.dtype is torch.bool):
        return x, y.long()
    advice = "labels.flatten()" if y.shape[1:].numel() == 1 else "labels.argmax(1), if each row marks one class"
    raise ValueError(
        f"labels in the loader: expected class numbers (B,) int64, found {tuple(y.shape)} {str(y.dtype)[6:]}."
        f" Try: {advice if y.ndim > 1 else 'labels.long(), if they are whole'}"
    )


def cross_entropy(logits: Tensor, y: Tensor, **settings: Any) -> Tensor:
    """As torch's; raises ValueError for labels that are no class."""
    try:
        return F.cross_entropy(logits, y, **settings)
    except IndexError as error:
        found, last = f"{int(y.min())} to {int(y.max())}", logits.shape[1] - 1
        raise ValueError(
            f"labels in the loader: expected 0 to {last}, found {found}."
            f" Try: {'labels - 1' if int(y.min()) == 1 else f'a model with num_classes={int(y.max()) + 1}'}"
        ) from error


def other_numbers(x: Tensor, model: nn.Module) -> str | None:
    """The message for images whose numbers are of another kind than the weights'; None if they are of the same."""
    expected = next((weight.dtype for weight in model.parameters()), x.dtype)
    if x.dtype is expected:
        return None
    advice = "images / 255" if x.dtype is torch.uint8 else f"images.to(torch.{str(expected)[6:]})"
    return (
        f"images in the loader: expected numbers as the weights are, {str(expected)[6:]}, found {str(x.dtype)[6:]}."
        f" Try: {advice}"
    )


def uncompiled(error: RuntimeError) -> str | None:
    """The message for an error if it is one of the compiler's; None if it is not."""
    if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return None
    reason = next(line for line in reversed(str(error).split("\n\n")[0].splitlines()) if line.strip())
    return (
        "network in --model.compile: expected one that torch.compile can compile here, found one that it cannot"
        f" ({reason.strip()[:160]}). Try: --model.compile false"
    )


def wrong_setting(optimizer: Any, error: str) -> str | None:
    """The message for an optimiser's setting that its class does not take; None if the error names none.

    Args:
        optimizer: class_path and init_args.
        error: what the class says, such as `Invalid learning rate: -1.0`.
    """
    if not isinstance(optimizer, Mapping) or "class_path" not in optimizer:  # made in Python
        return None
    module, _, name = str(optimizer["class_path"]).rpartition(".")
    defaults = inspect.signature(getattr(sys.modules.get(module), name, dict)).parameters
    for setting, value in optimizer.get("init_args", {}).items():
        values = value if isinstance(value, list | tuple) else [value]
        if setting in defaults and any(error.endswith(f": {each}") for each in values):
            default = defaults[setting].default
            default = f"[{','.join(map(str, default))}]" if isinstance(default, list | tuple) else default
            return (
                f"{setting} in --model.optimizer.{setting}: expected what {name} takes, found {value} ({error})."
                f" Try: --model.optimizer.{setting} {default}"
            )
    return None

"""What a network is given, checked where it is used: batches, labels, images, the compiler.

Each check costs nothing as long as all is well: it looks at types, or waits for the error.
"""

from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.geometry import misfit


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


def several_loaders(split: str) -> str:
    """The message for images of a split that come from several loaders."""
    return (
        f"loaders of {split} images in the Trainer: expected one, whose images are counted together, found several."
        " Try: torch.utils.data.ConcatDataset in one loader"
    )


def wrong_images(model: Any, x: Tensor, error: RuntimeError) -> str | None:
    """The message for images that a network does not take; None if the error is about something else.

    Args:
        model: a Classifier.
        x: the images (B, C, H, W).
        error: what came of them.
    """
    # compiled layers could not be watched; the compiler itself takes seconds to import
    eager = torch.compiler.set_stance("force_eager") if model.hparams.get("compile") else nullcontext()
    with eager:
        text = misfit(model.net, type(model).__name__, x, model.hparams.get("in_shape"))
    return text or uncompiled(error) or other_numbers(x, model)


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

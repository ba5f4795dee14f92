"""Does a checkpoint belong to this model, and to the way it is trained here?"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import LightningModule
from torch import Tensor

from zoo.errors import UsageError

SHOWN = 3  # weights that are named where many differ


def check_fits(path: Path, checkpoint: Mapping[str, Any], model: LightningModule) -> None:
    """Raises UsageError unless the checkpoint's weights are those of this model, and numbers."""
    expected, found = tensor_layouts(model.state_dict()), tensor_layouts(checkpoint["state_dict"])
    if expected != found:
        names = [*(n for n in expected if expected[n] != found.get(n)), *(n for n in found if n not in expected)]
        more = f"; {len(names) - SHOWN} more differ" if len(names) > SHOWN else ""
        origin = class_of(checkpoint)
        known = checkpoint.get("hyper_parameters", {}).get("in_shape")
        raise UsageError(
            f"weights in {path}: expected those of this {type(model).__name__}{images(model.hparams.get('in_shape'))}"
            f" ({shapes(names, expected)}), found those of {origin}{images(known)} ({shapes(names, found)}{more})."
            f" Try: --run_dir of its run, or --model {origin} and the data it was trained with"
        )
    for name, value in checkpoint["state_dict"].items():
        if value.is_floating_point() and not value.isfinite().all():
            raise UsageError(
                f"weights in {path}: expected finite numbers, found others in {name}."
                " Try: a checkpoint from before, such as best.ckpt"
            )


def other_images(checkpoint: Mapping[str, Any], data: Any, model: str) -> str | None:
    """The message for images of another shape than those of the training; None if that is not what is wrong.

    Args:
        checkpoint: of the training.
        data: has `in_shape`; one that can say how its images are brought to another, `shaped_for`, names its `path`.
        model: name of the class that is to take up the weights.
    """
    known, found = checkpoint.get("hyper_parameters", {}).get("in_shape"), tuple(data.in_shape)
    if not images(known) or tuple(known) == found or class_of(checkpoint) != model:
        return None
    own = hasattr(data, "shaped_for")
    where = f"images in {data.path}" if own else "images in --data"
    expected, there = (" × ".join(map(str, shape)) for shape in (known, found))
    advice = data.shaped_for(tuple(known)) if own else "the data of the run (without --data), or --data Arrays"
    return f"{where}: expected {expected} as in the run, found {there}. Try: {advice}"


def tensor_layouts(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """The shape of each tensor, and its type if that is not a float's, whose precision may differ."""
    return {
        name: f"{tuple(value.shape)}{'' if value.is_floating_point() else f' {value.dtype}'.replace('torch.', '')}"
        for name, value in weights.items()
    }


def class_of(checkpoint: Mapping[str, Any]) -> str:
    """Name of the class that the checkpoint was saved from, as far as it says."""
    name = str(checkpoint.get("hyper_parameters", {}).get("_class_path", "")).rpartition(".")[2]
    return name if name.isidentifier() else "another model"


def images(shape: Any) -> str:
    """What a network of this input shape is for."""
    if not isinstance(shape, list | tuple) or len(shape) != 3 or any(type(side) is not int for side in shape):
        return ""
    return f" for {' × '.join(str(side)[:9] for side in shape)} images"


def shapes(names: list[str], known: Mapping[str, str]) -> str:
    """The first few names with their shapes."""
    return ", ".join(f"{name[:60]}: {known.get(name, 'none')}" for name in names[:SHOWN])


def check_continues(path: Path, checkpoint: Mapping[str, Any], model: LightningModule) -> None:
    """Raises UsageError if the run in the checkpoint cannot go on with this optimiser."""
    before, now = (held.get("optimizer") for held in (checkpoint.get("hyper_parameters", {}), model.hparams))
    names = [str(held.get("class_path"))[:60] if isinstance(held, Mapping) else None for held in (before, now)]
    if None not in names and names[0] != names[1]:
        advice = f"--model.optimizer {names[0]}, or " if re.fullmatch(r"torch\.optim\.\w+", str(names[0])) else ""
        raise UsageError(
            f"optimiser in --model.optimizer: expected {names[0]}, whose state is in {path}, found {names[1]}."
            f" Try: {advice}a new run (without --resume)"
        )

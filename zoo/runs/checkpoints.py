"""Checkpoint files: written whole or not at all, read without running code, and checked against the model."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from zoo.runs.folder import RunFolder
from zoo.runs.messages import UsageError


class SafeCheckpointIO(TorchCheckpointIO):
    """Saves beside the target, flushes to the disk, then renames: a checkpoint under its name is always complete.

    Lightning's own save goes through the temporary folder and is a plain copy if that lies on another file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            with beside.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Reads tensors and plain values only, whatever is asked for: a checkpoint cannot bring code along."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The contents of a checkpoint, on the CPU.

    Raises:
        UsageError: it is not there, or not a file in this place.
        ValueError: it is not a whole checkpoint, or holds more than tensors and plain values.
    """
    if not path.is_file():
        near = sorted(str(file) for file in path.parent.glob("*.ckpt")) if path.parent.is_dir() else []
        hint = f". Try: {', '.join(near[:3])}" if near else ""
        raise UsageError(f"checkpoint in --ckpt_path: expected a file, found none at {path}{hint}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"checkpoint in {path}: expected tensors and plain values in a whole file,"
            f" found what cannot be read ({reason})"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise ValueError(
            f"checkpoint in {path}: expected one that Lightning has written (with a state_dict),"
            " found another kind of file"
        )
    return content


def check_fits(path: Path, checkpoint: dict[str, Any], model: LightningModule) -> None:
    """Raises UsageError unless the checkpoint's weights are those of this model."""
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in checkpoint["state_dict"].items()}
    if expected == found:
        return
    names = [*(n for n in expected if expected[n] != found.get(n)), *(n for n in found if n not in expected)]
    name = names[0]
    hyper_parameters = checkpoint.get("hyper_parameters") or {}
    origin = str(hyper_parameters.get("_class_path", "another model")).rpartition(".")[2]
    shape = hyper_parameters.get("in_shape")
    images = f" for {' × '.join(str(side) for side in shape)} images" if shape else ""
    ours = " × ".join(str(side) for side in model.hparams.get("in_shape", ()))
    raise UsageError(
        f"weights in {path}: expected those of this {type(model).__name__}{f' for {ours} images' if ours else ''}"
        f" ({name}: {expected.get(name, 'none')}), found those of {origin}{images} ({name}: {found.get(name, 'none')};"
        f" {len(names)} differ). Try: --run_dir of its run, or the model and data it was trained with"
    )


def checkpoint_callbacks(folder: RunFolder, *, validates: bool) -> list[ModelCheckpoint]:
    """What keeps `last.ckpt` after each epoch and, if there is validation, `best.ckpt` by its accuracy."""
    common: dict[str, Any] = {
        "dirpath": folder.checkpoints,
        "save_top_k": 1,
        "enable_version_counter": False,
        "auto_insert_metric_name": False,
    }
    last = ModelCheckpoint(filename="last", monitor=None, save_on_train_epoch_end=True, **common)
    if not validates:
        return [last]
    # the first of equals: the earlier epoch has trained less to the same end
    return [ModelCheckpoint(filename="best", monitor="val/accuracy", mode="max", **common), last]

"""What a checkpoint and a run know of their data, and a checkpoint's compared with the data that are there.

Checkpoints are untrusted.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from datamodules.normalisation import BY_STATISTICS
from datamodules.splits import indices_digest

if TYPE_CHECKING:
    from datamodules.base import ImageDataModule

MOST_NAMES = 20_000  # characters of all class names that a run's record holds; of more it has the sum alone


def state_of(data: "ImageDataModule") -> dict[str, Any]:
    """What a checkpoint must remember of the data: what images look like to the network, and what a step is."""
    state: dict[str, Any] = {"batch_size": data.batch_size, "images": len(data.splits["train"])}
    if data.normalize in BY_STATISTICS:
        mean, std = data.normalisation.statistics
        state |= {"mean": list(mean), "std": list(std)}
    if data.shuffle_pixels is not None:  # a network outside the zoo cannot draw it again
        state["pixels"] = data.held.permutation()
    if sum(map(len, names := [str(name) for name in data.classes])) > MOST_NAMES:  # else they are in the record
        state["classes"] = names
    return state


def identity_of(data: "ImageDataModule", splits: Sequence[str]) -> dict[str, Any]:
    """What a run depends on of some splits of its data, as plain values."""
    parts = dict.fromkeys("test" if split == "test" else "train" for split in splits)
    names = [str(name) for name in data.classes]
    facts: dict[str, Any] = {
        "arrays": {part: data.held.digest(part) for part in parts},
        "splits": {split: indices_digest(data.splits[split]) for split in splits},
        "images": {split: len(data.splits[split]) for split in splits},
        "batch_size": data.batch_size,
        "classes": names if sum(map(len, names)) <= MOST_NAMES else None,
        "class_digest": hashlib.sha256("\0".join(names).encode()).hexdigest(),
        "named": data.named,
        "pixels": None if data.shuffle_pixels is None else indices_digest(data.held.permutation()),
    }
    if "train" in splits and data.normalize in BY_STATISTICS:
        mean, std = data.normalisation.statistics
        facts |= {"mean": list(mean), "std": list(std)}
    return facts


def check_same_steps(state: dict[str, Any], batch_size: int | None, images: int) -> None:
    """Raises ValueError if steps are others than the checkpoint's to go on from: its schedule would be wrong.

    Args:
        state: what the checkpoint knows of its data.
        batch_size: of all devices together.
        images: those that train.
    """
    for key, found, what, advice in (
        ("batch_size", batch_size, "batch size in --data.batch_size", f"--data.batch_size {state.get('batch_size')}"),
        ("images", images, "images in --data.train_size or --data.val_size", "those of its config.yaml"),
    ):
        saved = state.get(key, found)
        if saved != found:
            if type(saved) is not int:
                saved, advice = "a whole number", "another checkpoint"
            raise ValueError(
                f"{what}: expected {saved}, as in the checkpoint that training is to go on from, found {found}."
                f" Try: {advice}, or a new run (without --resume and --ckpt_path)"
            )


def check_statistics(state: dict[str, Any], channels: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation from a checkpoint; raises ValueError unless there is one number for each channel."""
    mean: Any = state["mean"]
    std: Any = state.get("std")
    for values, least in ((mean, -math.inf), (std, 0)):
        numbers = isinstance(values, list) and all(type(value) in (int, float) for value in values)
        if not numbers or len(values) != channels or not all(least < value < math.inf for value in values):
            raise ValueError(
                f"mean and std in the checkpoint: expected a finite number for each of the {channels} channels,"
                f" found {str(mean)[:60]!r} and {str(std)[:60]!r}. Try: a checkpoint of this data"
            )
    return mean, std

"""What a checkpoint knows of its data, compared with the data that are there. Checkpoints are untrusted."""

import math
from typing import Any


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

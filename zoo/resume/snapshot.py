"""What a checkpoint that is saved now would hold: a copy in memory, or parts of it. Nothing is written."""

from collections.abc import Iterable
from typing import Any

from lightning import Callback, Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO

# progress of a validation of which nothing is done: Lightning then runs it, and does not take it for finished
BEGUN = {"ready": 1, "started": 1, "processed": 0, "completed": 0}


def as_begun() -> dict[str, Any]:
    """The progress of a validation of which nothing is done."""
    return {"total": dict(BEGUN), "current": dict(BEGUN), "is_last_batch": False}


def loops_of(trainer: Trainer) -> dict[str, Any]:
    """Where the loops of a trainer stand, as checkpoints have it."""
    names = ("fit_loop", "validate_loop", "test_loop", "predict_loop")
    return {name: getattr(trainer, name).state_dict() for name in names}


def states_of(callbacks: Iterable[Callback]) -> dict[str, dict[str, Any]]:
    """The states of callbacks that have one, as checkpoints have it."""
    states = {callback.state_key: callback.state_dict() for callback in callbacks}
    return {key: state for key, state in states.items() if state}


def content_of(trainer: Trainer) -> dict[str, Any]:
    """What a checkpoint that is saved now would hold; nothing is written."""
    strategy, taken = trainer.strategy, Taken()
    before, strategy.checkpoint_io = strategy.checkpoint_io, taken
    try:
        trainer.save_checkpoint("")
    finally:
        strategy.checkpoint_io = before
    return taken.content


class Taken(TorchCheckpointIO):
    """Takes what is to be saved, and writes nothing; the first process is the one that saves."""

    def __init__(self) -> None:
        super().__init__()
        self.content: dict[str, Any] = {}

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        self.content = checkpoint

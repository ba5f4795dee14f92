"""What a Classifier takes up from the checkpoint that it goes on from, beyond what Lightning itself takes up.

checkpoint  ->  results so far; counts of a broken-off epoch; where its batches stood; other settings than now?
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from lightning import Trainer
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor

from zoo.checkpoints.hyper_parameters import HELD, is_plain, to_spec


@dataclass
class Resumed:
    """What was read, until it is taken.

    Attributes:
        results: of the last pass over each split.
        counts: of the epoch that goes on, one row per device; None if it begins.
        batches: the states of the loaders where that epoch stood.
        other_settings: whether its optimiser had other settings.
    """

    results: dict[str, dict[str, float]] = field(default_factory=dict)
    counts: dict[str, Tensor] | None = None
    batches: list[Any] = field(default_factory=list)
    other_settings: bool = False

    @classmethod
    def read(cls, checkpoint: Mapping[str, Any], optimizer: Any) -> Self:
        """Reads a checkpoint.

        Args:
            checkpoint: its contents.
            optimizer: what makes the optimiser now.
        """
        results = checkpoint.get("results", {})
        loop = checkpoint.get("loops", {}).get("fit_loop", {}).get("state_dict", {})
        held = checkpoint.get(HELD, {}).get("optimizer")
        return cls(
            results={split: results[split] for split in ("train", "val") if split in results},
            counts=checkpoint.get("tally"),
            batches=loop.get("combined_loader", []),
            other_settings=held is not None and held != (optimizer if is_plain(optimizer) else to_spec(optimizer)),
        )

    def take_counts(self) -> dict[str, Tensor] | None:
        """The counts, once."""
        counts, self.counts = self.counts, None
        return counts

    def place_batches(self, trainer: Trainer) -> None:
        """Tells the loaders, once, where the epoch stood.

        Lightning 2.6 forgets to if the schedule has asked for the number of steps (its issue 20550).
        """
        if trainer.fit_loop.restarting and self.batches:
            loaders = CombinedLoader(trainer.train_dataloader).flattened
            stateful = [loader for loader in loaders if hasattr(loader, "load_state_dict")]
            for loader, state in zip(stateful, self.batches, strict=False):
                loader.load_state_dict(state)
        self.batches = []

"""Lightning's callbacks as a configuration names them: with options that yaml can hold, and that are not forgotten.

A default that is a member of an enumeration cannot be written down, nor can a text that might be a function; and a
function that must be given cannot be named. So the options of three callbacks are those of the classes here. What some
callbacks were asked for they keep to themselves: `with_options` makes them remember it in the open.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

from lightning import Callback
from lightning.pytorch.callbacks import BatchSizeFinder, LearningRateFinder, ModelPruning, ThroughputMonitor, Timer

ASKED = (Timer, ModelPruning, LearningRateFinder, BatchSizeFinder)  # whose options are asked for


class TimerOptions:
    """Stops the training after a time.

    Args:
        duration: the longest that a training may take, as DD:HH:MM:SS.
        interval: when to look at the clock: after each step or each epoch.
        verbose: whether to say that the time is over.
    """

    def __init__(
        self, duration: str | timedelta | dict[str, int] | None = None, interval: str = "step", verbose: bool = True
    ) -> None:
        raise NotImplementedError


class PruningOptions(ModelPruning):
    """Prunes weights as the training goes on.

    Args:
        pruning_fn: how the weights that go are chosen.
        kwargs: as Lightning's.
    """

    def __init__(
        self,
        pruning_fn: Literal["l1_unstructured", "random_unstructured", "ln_structured", "random_structured"],
        **kwargs: Any,
    ) -> None:
        super().__init__(pruning_fn, **kwargs)


class ThroughputOptions(ThroughputMonitor):
    """Measures images per second.

    Args:
        batch_size_fn: how many images a batch holds; by default the length of its first part.
        kwargs: as Lightning's.
    """

    def __init__(self, batch_size_fn: Callable[[Any], int] | None = None, **kwargs: Any) -> None:
        super().__init__(batch_size_fn or images_in, **kwargs)


OPTIONS: dict[type, type] = {Timer: TimerOptions, ModelPruning: PruningOptions, ThroughputMonitor: ThroughputOptions}


def with_options(class_type: type[Callback], *args: Any, **options: Any) -> Callback:
    """Makes a callback that a configuration names; of those that are asked for them it remembers the options."""
    callback = class_type(*args, **options)
    if isinstance(callback, ASKED):
        callback.options = options  # type: ignore[union-attr]
    return callback


def options_of(callback: Any) -> dict[str, Any]:
    """What a callback was configured with, by the names of its constructor."""
    return callback.options


def images_in(batch: Any) -> int:
    """How many images a batch holds."""
    return len(batch[0])

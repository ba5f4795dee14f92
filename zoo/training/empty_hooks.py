"""What does nothing should cost nothing: a step of a small network is shorter than Lightning's way through its hooks.

At each of six hooks a step Lightning goes through all callbacks, makes up the name of each, asks a profiler before
and after, and calls a method that is mostly empty: seventy times a step, a tenth of that of a small network.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

from lightning import Callback
from lightning.pytorch.profilers import PassThroughProfiler

NOTHING: AbstractContextManager[None] = nullcontext()  # holds no state, so that one will do
EACH_STEP = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
    *(f"on_{kind}_batch_{end}" for kind in ("validation", "test", "predict") for end in ("start", "end")),
)


class Unprofiled(PassThroughProfiler):
    """Measures nothing."""

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """The same context for every action, which does nothing."""
        return NOTHING


def skip_empty_hooks(callbacks: Iterable[Callback]) -> None:
    """Puts None in the place of hooks of a step that do nothing: Lightning calls only what can be called."""
    for callback in callbacks:
        for hook in EACH_STEP:
            if getattr(callback, hook) == getattr(Callback, hook).__get__(callback):
                setattr(callback, hook, None)

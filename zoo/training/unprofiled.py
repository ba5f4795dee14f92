"""A profiler that measures nothing and costs nothing: Lightning asks one before and after each of a step's hooks."""

from contextlib import AbstractContextManager, nullcontext

from lightning.pytorch.profilers import PassThroughProfiler

NOTHING: AbstractContextManager[None] = nullcontext()  # holds no state, so that one will do


class Unprofiled(PassThroughProfiler):
    """Measures nothing."""

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """The same context for every action, which does nothing."""
        return NOTHING

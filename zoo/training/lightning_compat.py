"""What the zoo asks of Lightning and torch beyond what they offer: all such names stand here, and nowhere else.

_signal_connector                 Lightning's handlers save, and talk to other processes, in the middle of a step: a run
  .register_signal_handlers       that is stopped would not stand at a boundary, or hang (its issues 5225, 20806)
_checkpoint_connector             a run that begins anew would take up what OnExceptionCheckpoint or SLURM has left
  ._select_ckpt_path              (19827, 20347)
_broadcast_sigterm_tensor         asks all devices for a signal before each batch, which costs as much as a tiny step
                                  (21487)
_timeout                          how long processes wait for each other; an option of strategies that are made by hand
                                  only (13211, closed): --process_timeout would do nothing
_logger_connector                 what is logged of an epoch, before the loggers get it: a run that is killed in between
                                  would lack a row of metrics.csv (no issue known)
None in the place of empty hooks  calling them takes a tenth of the step of a small network (8857, closed as intended)
_step_supports_amp_scaling        torch's; with a fused optimiser gradients could not be clipped in mixed precision
                                  (21435)

`zoo/config/parser.py` has those of jsonargparse. Where one is missing, the command ends at its start with one line.
`tests/training/test_lightning_compat.py` shows what each does.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

from lightning import Callback, Trainer
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import DDPStrategy
from torch.optim import Optimizer

from zoo.errors import demand

EACH_STEP = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
    *(f"on_{kind}_batch_{end}" for kind in ("validation", "test", "predict") for end in ("start", "end")),
)
NOTHING: AbstractContextManager[None] = nullcontext()  # holds no state, so that one will do


def adapt(trainer: Trainer, timeout: float) -> None:
    """Makes a trainer one that leaves signals and the choice of the checkpoint to the command.

    Args:
        trainer: as it was made.
        timeout: seconds that several processes wait for each other.

    Raises:
        UsageError: this Lightning has no such names.
    """
    for name in ("_signal_connector", "_checkpoint_connector", "_logger_connector"):
        demand(trainer, name)
    signals: Any = trainer._signal_connector
    demand(signals, "register_signal_handlers")
    signals.register_signal_handlers = lambda: None
    checkpoints: Any = trainer._checkpoint_connector
    demand(checkpoints, "_select_ckpt_path")
    checkpoints._select_ckpt_path = lambda state_fn, ckpt_path, **kwargs: ckpt_path
    demand(trainer._logger_connector, "metrics")
    demand(trainer.fit_loop.epoch_loop, "_broadcast_sigterm_tensor")
    strategy: Any = trainer.strategy
    if isinstance(strategy, DDPStrategy):
        demand(strategy, "_timeout")
    if hasattr(strategy, "_timeout"):
        strategy._timeout = timedelta(seconds=timeout)
    skip_empty_hooks(trainer.callbacks)  # type: ignore[attr-defined]


def skip_empty_hooks(callbacks: Iterable[Callback]) -> None:
    """Puts None in the place of hooks of a step that do nothing: Lightning calls only what can be called.

    At each of six hooks a step Lightning goes through all callbacks, makes up the name of each, asks a profiler before
    and after, and calls a method that is mostly empty: seventy times a step.
    """
    for callback in callbacks:
        for hook in EACH_STEP:
            if getattr(callback, hook) == getattr(Callback, hook).__get__(callback):
                setattr(callback, hook, None)


class Unprofiled(PassThroughProfiler):
    """Measures nothing and costs nothing: Lightning asks a profiler before and after each of a step's hooks."""

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """The same context for every action, which does nothing."""
        return NOTHING


def ask_for_no_signal(trainer: Trainer) -> None:
    """Spares the processes of several devices the question, before every batch, whether a signal has come."""
    loop: Any = trainer.fit_loop.epoch_loop
    loop._broadcast_sigterm_tensor = lambda: None


def logged_now(trainer: Any) -> dict[str, Any]:
    """What the loggers will get of the epoch, or of the validation, that ends."""
    return trainer._logger_connector.metrics["log"]


def leave_scaling(optimizer: Optimizer) -> None:
    """Leaves it to torch's scaler to undo the loss scaling of float16.

    A fused optimiser offers to do that itself, and then Lightning refuses to clip gradients, even in bfloat16 where
    nothing is scaled.

    Raises:
        UsageError: this torch has another name for it.
    """
    if optimizer.defaults.get("fused") and type(optimizer).__module__.startswith("torch.optim."):
        demand(optimizer, "_step_supports_amp_scaling", "torch")
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]

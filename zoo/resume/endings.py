"""Why did training end, and has it ended for the command at hand too?

    after the last step  ->  {"reason": "early stopping", "message": "…", "epochs": 7, "steps": 70, …}, in last.ckpt

A command that is given again finds this there and has nothing to train. Limits that were raised since, or another
EarlyStopping, let the training go on from where it stood.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from lightning import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, Timer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from zoo.errors import UsageError
from zoo.resume.keep_best import KeepBest
from zoo.training.boundaries import may_stop
from zoo.training.callbacks.progress import EpochLines

SETTINGS = ("monitor", "mode", "patience", "min_delta", "check_finite", "stopping_threshold", "divergence_threshold")


def at_its_end(trainer: Trainer) -> bool:
    """Whether training ends with the step that has just been made, as far as that is known before the epoch's end."""
    steps = trainer.max_steps
    return (0 <= steps <= trainer.global_step) or (trainer.should_stop and may_stop(trainer))


def why_ended(trainer: Trainer) -> dict[str, Any] | None:
    """Reason, message and what had decided it, for a trainer at the end of an epoch; None if training goes on.

    A decision to stop comes before the limits: with higher limits training would have ended here as well.
    """
    loop = trainer.fit_loop
    if trainer.should_stop and may_stop(trainer):
        return who_stopped(trainer)
    if 0 <= trainer.max_steps <= trainer.global_step:
        return {"reason": "max_steps", "message": "", "stopping": None}
    if loop.max_epochs is not None and 0 <= loop.max_epochs <= epochs_of(trainer):
        return {"reason": "max_epochs", "message": "", "stopping": None}
    return None


def who_stopped(trainer: Trainer) -> dict[str, Any]:
    """Which callback has told the trainer to stop."""
    for callback in early_stopping(trainer):
        if callback.stopping_reason != EarlyStoppingReason.NOT_STOPPED:
            message = str(callback.stopping_reason_message or "").removesuffix(" Signaling Trainer to stop.")
            return {"reason": "early stopping", "message": message[:300], "stopping": stopping_settings(callback)}
    for other in callbacks_of(trainer):
        if isinstance(other, Timer) and is_over(other, other.time_elapsed()):
            return {"reason": "max_time", "message": "", "stopping": None}
    return {"reason": "should_stop", "message": "", "stopping": callback_digests(trainer)}


def stands(decision: Mapping[str, Any], checkpoint: Mapping[str, Any], trainer: Trainer) -> bool:
    """Whether those that decided to stop would do so again with the settings of this trainer.

    Args:
        decision: what `who_stopped` said, from the checkpoint.
        checkpoint: the whole of it.
        trainer: before its fit.
    """
    if decision["reason"] == "early stopping":
        return any(stopping_settings(callback) == decision["stopping"] for callback in early_stopping(trainer))
    if decision["reason"] == "max_time":
        timers = [callback for callback in callbacks_of(trainer) if isinstance(callback, Timer)]
        return any(is_over(timer, seconds_of(timer, checkpoint)) for timer in timers)
    return decision["reason"] == "should_stop" and decision["stopping"] == callback_digests(trainer)


def ending_of(trainer: Trainer, last: str) -> dict[str, Any] | None:
    """What last.ckpt says of the end of the training; None if it goes on.

    Args:
        trainer: at the end of an epoch.
        last: the name of that file.
    """
    reason = why_ended(trainer)
    if not reason:
        return None
    best = next((callback for callback in callbacks_of(trainer) if isinstance(callback, KeepBest)), None)
    seconds = next((callback.seconds for callback in callbacks_of(trainer) if isinstance(callback, EpochLines)), 0.0)
    # unknown as long as the weights of the end have not been validated
    chosen = None if best else last
    if best and best.validated == trainer.global_step:
        chosen = best.path.name if best.found else last
    counts = {"epochs": epochs_of(trainer), "steps": trainer.global_step, "seconds": seconds}
    return {**reason, **counts, "chosen": chosen, "validated": None}


class SavedStop:
    """A wish to stop that a checkpoint holds."""

    def __init__(self) -> None:
        self._patience: dict[int, int] = {}  # as configured; EarlyStopping takes that of the checkpoint
        self._loaded: Mapping[str, Any] = {}  # the checkpoint, as far as it says who wanted to stop

    def remember_patience(self, trainer: Trainer) -> None:
        """Before the checkpoint is loaded."""
        self._patience = {id(callback): callback.patience for callback in early_stopping(trainer)}

    def load(self, checkpoint: Mapping[str, Any]) -> None:
        """Takes what the checkpoint says of a stop."""
        self._loaded = {name: checkpoint.get(name) for name in ("ending", "stop", "callbacks")}

    def take_up(self, trainer: Trainer) -> None:
        """Lets a wish to stop go on with the run, if it still holds; EarlyStopping has the patience it is given."""
        stopping = early_stopping(trainer)
        for callback in stopping:
            callback.patience = self._patience.get(id(callback), callback.patience)
        for decision in (self._loaded.get("stop"), self._loaded.get("ending")):
            if decision and stands(decision, self._loaded, trainer):
                trainer.should_stop = True
        for callback in stopping if not trainer.should_stop else ():
            callback.stopping_reason = EarlyStoppingReason.NOT_STOPPED
            callback.stopping_reason_message, callback.stopped_epoch = None, 0
        self._loaded = {}


def has_ended(checkpoint: Mapping[str, Any], trainer: Trainer) -> bool:
    """Whether the training of this checkpoint had ended, and has with the settings of this trainer, too."""
    ending = checkpoint.get("ending")
    if ending is None:
        return False
    steps, epochs = ending["steps"], whole_epochs(checkpoint)
    if 0 <= trainer.max_steps <= steps or (trainer.max_epochs is not None and 0 <= trainer.max_epochs <= epochs):
        return True
    early = steps >= (trainer.min_steps or 0) and epochs >= (trainer.min_epochs or 0)
    return early and stands(ending, checkpoint, trainer)


def check_limits(checkpoint: Mapping[str, Any], trainer: Trainer) -> None:
    """Raises UsageError if more is done than the limits allow: the result would not be that of such a run."""
    for flag, limit, done in (
        ("epochs in --trainer.max_epochs", trainer.max_epochs, begun_epochs(checkpoint)),
        ("steps in --trainer.max_steps", trainer.max_steps, checkpoint["global_step"]),
    ):
        if limit is not None and 0 <= limit < done:
            name = flag.rpartition(" ")[2]
            raise UsageError(
                f"{flag}: expected at least {done}, which the run has done, found {limit}."
                f" Try: {name} {done}, or a new run in another --run_dir"
            )


def whole_epochs(checkpoint: Mapping[str, Any], counter: str = "processed") -> int:
    """Epochs that are done, without one that had begun."""
    progress = checkpoint.get("loops", {}).get("fit_loop", {}).get("epoch_progress", {})
    return int(progress.get("current", {}).get(counter, 0))


def begun_epochs(checkpoint: Mapping[str, Any]) -> int:
    """Epochs of which at least a step is done."""
    return whole_epochs(checkpoint, "started")


def format_ending(ending: Mapping[str, Any]) -> str:
    """Why training ended, for the lines under a table: `early stopping after step 70 (…)`."""
    message = f" ({ending['message'].rstrip('.')})" if ending["message"] else ""
    return f"{ending['reason']} after step {ending['steps']:,}{message}"


def format_unused_limits(ending: Mapping[str, Any], then: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The line where other limits change nothing, as training had been told to stop before; None where none is due.

    Args:
        ending: of the training.
        then: the flags of the trainer that it ended under.
        now: those of the present command.
    """
    changed = [name for name in ("max_epochs", "max_steps") if name in then and then[name] != now.get(name)]
    if not changed or ending["reason"] in (None, "max_epochs", "max_steps"):
        return None
    flags = ", ".join(f"--trainer.{name} {now.get(name)}" for name in changed)
    advice = {
        "early stopping": f"--trainer.{changed[0].replace('max', 'min')} {now.get(changed[0])}, or EarlyStopping with"
        " more patience",
        "max_time": "a longer --trainer.max_time",
    }.get(ending["reason"], "without the callback that has stopped it")
    return f"{flags} changes nothing: training had ended by {format_ending(ending)}. To go on: {advice}"


def callbacks_of(trainer: Trainer) -> list[Callback]:
    """The callbacks of a trainer."""
    return trainer.callbacks  # type: ignore[attr-defined]


def early_stopping(trainer: Trainer) -> list[EarlyStopping]:
    """The callbacks of a trainer that may stop it early."""
    return [callback for callback in callbacks_of(trainer) if isinstance(callback, EarlyStopping)]


def epochs_of(trainer: Trainer) -> int:
    """Epochs whose steps are all made; at the end of a training also the one that it ended in."""
    progress: Any = trainer.fit_loop.epoch_progress.current
    return int(progress.processed)


def stopping_settings(callback: EarlyStopping) -> dict[str, Any]:
    """What an EarlyStopping decides by."""
    return {name: getattr(callback, name) for name in SETTINGS}


def callback_digests(trainer: Trainer) -> list[str]:
    """The callbacks as they were configured, any of which may have told the trainer to stop: a digest of the text."""
    texts = [callback.configured for callback in callbacks_of(trainer) if hasattr(callback, "configured")]
    return [hashlib.sha256(text.encode()).hexdigest() for text in texts]


def is_over(timer: Timer, seconds: float) -> bool:
    """Whether its time is."""
    elapsed, left = timer.time_elapsed(), timer.time_remaining()
    return left is not None and seconds >= elapsed + left


def seconds_of(timer: Timer, checkpoint: Mapping[str, Any]) -> float:
    """Seconds of training that it had counted when the checkpoint was saved."""
    state = checkpoint.get("callbacks", {}).get(timer.state_key)
    elapsed = state.get("time_elapsed") if isinstance(state, Mapping) else None
    seconds = elapsed.get("train", 0.0) if isinstance(elapsed, Mapping) else 0.0
    return float(seconds) if isinstance(seconds, int | float) else 0.0

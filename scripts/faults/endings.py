"""The ways in which a run ends, the ways in which one goes on from there, and what is right for each pair, and why.

SETTINGS x ENDINGS (each at one or more moments) x GOINGS  ->  a cell; expected(...) says what has to come of it
"""

import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch.callbacks.timer

import zoo.checkpoints.storage as checkpoints
from faults.kills import STOPS
from faults.process import SAVE_POINTS, arm, die
from faults.settings import LIMITS, STEP, Setting
from zoo import Classifier
from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.folder import RunFolder


class Moment(NamedTuple):
    """How a run is made to end.

    Attributes:
        name: where.
        harm: makes the process do it to itself; called in it before its work.
        code: the exit code that is right, negative for a signal.
    """

    name: str
    harm: Callable[[], None] = lambda: None
    code: int = 0


class Ending(NamedTuple):
    """A way of ending.

    Attributes:
        kind: a key of EXPECTED.
        limit: a key of LIMITS.
        moments: ways to bring it about, the one of the quick round first.
        always: what is so in every start of such a run, also in the straight one.
    """

    kind: str
    limit: str = "epochs"
    moments: tuple[Moment, ...] = (Moment("its end"),)
    always: Callable[[], None] = lambda: None


def seconds_are_batches() -> None:
    """A clock for --trainer.max_time that every machine agrees with: each training batch takes one second."""
    step, now = Classifier.training_step, [0.0]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now[0]

    def training_step(model: Classifier, *args: Any) -> Any:
        now[0] += 1
        return step(model, *args)

    Classifier.training_step = training_step  # type: ignore[method-assign, assignment]
    lightning.pytorch.callbacks.timer.time = Clock  # type: ignore[assignment]


def loss_is_nan() -> None:
    """From the second epoch's first steps on."""
    step = Classifier.training_step

    def training_step(model: Classifier, *args: Any) -> Any:
        loss = step(model, *args)
        return loss * float("nan") if model.trainer.current_epoch == 1 and args[1] >= STEP - 10 else loss

    Classifier.training_step = training_step  # type: ignore[method-assign, assignment]


def fill_disk(after: int) -> None:
    """The disk is full when so many checkpoints have been written."""
    write, calls = checkpoints.write_through, [0]

    def fills_up(path: Path, content: bytes) -> None:
        calls[0] += 1
        if calls[0] > after:
            path.write_bytes(content[:1000])
            raise OSError(28, "No space left on device")
        write(path, content)

    checkpoints.write_through = fills_up


def send(number: int) -> Callable[[], None]:
    """Sends this process a signal."""
    return lambda: os.kill(os.getpid(), number)


def at(moment: str, after: int, act: Callable[[], None] = die) -> Callable[[], None]:
    """Makes this process do something to itself at such a moment, for the first time after so many."""
    return functools.partial(arm, moment, after, act)


def stopped(number: int) -> Ending:
    """A run that gets a signal, in a step first of all."""
    code = STOPS[signal.Signals(number)]
    moments = [("a step", "step", STEP - 1), ("a validation", "validation", 1), ("an epoch's end", "end of epoch", 1)]
    moments += [("the first step", "step", 0), ("the end of training", "end of training", 0)]
    return Ending("stopped", moments=tuple(Moment(name, at(hook, n, send(number)), code) for name, hook, n in moments))


def killed(*moments: tuple[str, str, int]) -> Ending:
    """A run that is killed: what the moment is called, its name in `arm`, and how many times it goes by."""
    return Ending("killed", moments=tuple(Moment(name, at(hook, n), -signal.SIGKILL) for name, hook, n in moments))


ENDINGS = {
    "max_epochs": Ending("finished"),
    "max_steps": Ending("finished", "steps"),
    "max_time": Ending("finished", "time", always=seconds_are_batches),
    "early stopping": Ending("finished", "stopping"),
    "Ctrl-C": stopped(signal.SIGINT),
    "SIGTERM": stopped(signal.SIGTERM),
    "SIGUSR1": stopped(signal.SIGUSR1),
    "SIGKILL in a step": killed(
        ("a step", "step", STEP - 1),
        ("the first step", "step", 0),
        ("an epoch's first step", "step", 20),
        ("the end of training", "end of training", 0),
    ),
    "SIGKILL in a validation": killed(*[(f"validation {n + 1}", "validation", n) for n in (1, 0, 2)]),
    "SIGKILL in a save": killed(
        *[(f"save {n + 1}, {point}", point, n) for n in (3, 1, 4) for point in SAVE_POINTS],
    ),
    "disk full": Ending(
        "disk full",
        moments=tuple(Moment(f"after {n} save{'s' * (n > 1)}", functools.partial(fill_disk, n), 1) for n in (3, 1, 5)),
    ),
    "non-finite loss": Ending("non-finite", moments=(Moment("step 14", code=1),), always=loss_is_nan),
}

# --- ways of going on, and what is right


def same(folder: Path, flags: str, more: str) -> list[str]:
    """The command that began the run."""
    return ["fit", *flags.split(), "--run_dir", str(folder)]


GOINGS: dict[str, Callable[[Path, str, str], list[str]]] = {
    "same command": same,
    "--resume auto": lambda folder, flags, more: [*same(folder, flags, more), "--resume", "auto"],
    "--resume must": lambda folder, flags, more: ["fit", "--resume", "must", "--run_dir", str(folder)],
    "more epochs": lambda folder, flags, more: ["fit", "--resume", "must", "--run_dir", str(folder), *more.split()],
    "fit -c config.yaml": lambda folder, flags, more: [
        *("fit", "-c", str(folder / "config.yaml"), "--run_dir", str(folder.with_name(f"{folder.name}-new"))),
        *("--trainer.accelerator", "cpu", "--figures", "false"),
    ],
    "test": lambda folder, flags, more: ["test", "--run_dir", str(folder)],
}


class Right(NamedTuple):
    """What is right for a cell.

    Attributes:
        outcome: `equal` (to the straight run, bit for bit), `table` (the result is shown again, nothing is trained and
            no file changed), `refused` (exit 2, one line, no file changed), `same error` (exit 1, the line of before),
            `scores` (test's numbers of the straight run's best weights so far, no file changed).
        why: the reason.
        names: what the line of a refusal must hold.
    """

    outcome: str
    why: str
    names: str = ""


TABLE = Right("table", "it is over: what it came to is shown again, however often")
GOES_ON = Right("equal", "nothing of the ending may be seen in the result")
ANEW = Right("equal", "config.yaml is the whole experiment")
SCORES = Right("scores", "the weights that validation chose so far")
FREE = Right("refused", "a run lies there; going on is asked for, not guessed", r"--resume auto")
LONGER = Right("equal", "nothing is laid over the length, so a longer run begins like a shorter one")
LENGTH = Right(
    "refused", "the schedule is laid over the length: its first part would be another", r"--resume_schedule stretch"
)
STOPPED = Right("table", "it has stopped by itself, before any limit: more epochs are not wanted")
AGAIN = Right("same error", "the loss depends on nothing but the run: it is no number again, at the same step")
NOTHING = Right("refused", "nothing was saved yet", r".")
RANDOM = Right("refused", "no weights but random ones are there, and those are not scored", r"--resume")

ENDED_EARLY = dict(zip(GOINGS, (FREE, GOES_ON, GOES_ON, LONGER, ANEW, SCORES), strict=True))
EXPECTED: dict[str, dict[str, Right]] = {
    "finished": dict(zip(GOINGS, (FREE, TABLE, TABLE, LONGER, ANEW, SCORES), strict=True)),
    "non-finite": dict(zip(GOINGS, (FREE, AGAIN, AGAIN, AGAIN, AGAIN, SCORES), strict=True)),
    **dict.fromkeys(("stopped", "killed", "disk full"), ENDED_EARLY),
}


def steps_in(path: Path) -> int:
    """Optimiser's steps in a checkpoint; -1 where there is none."""
    return int(read_checkpoint(path)["global_step"]) if path.exists() else -1


def expected(ending: Ending, going: str, setting: Setting, folder: RunFolder) -> Right:
    """What is right for a cell, in this setting and with what the run has left behind."""
    if not folder.holds_run:  # it ended before its first step, and took its folder back
        return GOES_ON if going in ("same command", "--resume auto") else NOTHING
    if going == "more epochs" and setting.scheduled and LIMITS[ending.limit](setting).again:
        return LENGTH
    if going == "more epochs" and ending.limit == "stopping":
        return STOPPED
    if going == "test" and not folder.best.exists() and steps_in(folder.last) == 0:
        return RANDOM
    return EXPECTED[ending.kind][going]

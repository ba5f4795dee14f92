"""Does a run that ended in any way go on in any way as if nothing had happened? Ways of ending times ways of going on.

    straight run                       -> fingerprint, and the weights that were best after each validation
    run that ends in this way          -> folder  -> six copies, and in each of them one way of going on
                                       -> equal to the straight run, or refused by name where that is right

`EXPECTED` says what is right for each cell, and why. Each start is the real command in a process of its own, forked
from one that has imported torch already (`chaos_processes`).
"""

import functools
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch.callbacks.timer
import yaml

import zoo.checkpoints.storage as checkpoints
from faults.kills import STOPS, differences, digest, fingerprint
from faults.process import PATIENCE, SAVE_POINTS, arm, die, start
from zoo import Classifier
from zoo.checkpoints.storage import SafeCheckpointIO, read_checkpoint
from zoo.runs.folder import RunFolder
from zoo.runs.lock import NAME

FORM = re.compile(r"^error: .+ in .+: expected .+, found .+")
BASE = (
    "--data Digits --data.train_size 320 --data.batch_size 32 --model MLP --model.hidden [16] --trainer.accelerator cpu"
    " --figures false"
)  # 10 batches an epoch, and one validation of one batch at its end
STEP, STEPS, MORE_STEPS = 14, 25, 35  # batch at which a run ends early; batches after which it shall end


class Setting(NamedTuple):
    """What the runs train.

    Attributes:
        flags: of the command, after BASE.
        per_step: batches of one optimiser's step.
        scheduled: whether something is laid over the whole length, so that another length is another run.
        validations: in an epoch.
    """

    flags: str
    per_step: int = 1
    scheduled: bool = False
    validations: int = 1

    def steps(self, batches: int) -> int:
        """Optimiser's steps in so many batches; an epoch's last window may be a short one."""
        per_epoch = -(-10 // self.per_step)
        return batches // 10 * per_epoch + batches % 10 // self.per_step


SETTINGS = {
    "plain": Setting(""),
    "dropout": Setting(
        "--model.dropout 0.3 --model.norm batch --data.augment [shift_rotate,cutout] --checkpoint_every 0.05"
        " --trainer.accumulate_grad_batches 3 --trainer.callbacks EMAWeightAveraging --trainer.callbacks.decay 0.9",
        per_step=3,
    ),
    "schedule": Setting(
        "--model.dropout 0.3 --model.schedule Cosine --model.schedule.warmup 0.2 --trainer.gradient_clip_val 1"
        " --trainer.val_check_interval 0.5",
        scheduled=True,
        validations=2,
    ),
    # validation goes up and down, so that what was best then is not what is best now
    "jumping": Setting("--model.optimizer torch.optim.SGD --model.optimizer.lr 2 --model.optimizer.momentum 0.9"),
}


# --- ways of ending


class Limit(NamedTuple):
    """What ends a run that is left alone.

    Attributes:
        flags: of the command.
        more: flags by which it ends later.
        again: whether a schedule's length changes with them.
    """

    flags: str
    more: str
    again: bool = True


STOPPING = "--trainer.callbacks+=EarlyStopping --trainer.callbacks.monitor val/loss --trainer.callbacks.mode max"
LIMITS: dict[str, Callable[[Setting], Limit]] = {
    "epochs": lambda setting: Limit("--trainer.max_epochs 3", "--trainer.max_epochs 5"),
    "steps": lambda setting: Limit(
        f"--trainer.max_epochs 6 --trainer.max_steps {setting.steps(STEPS)}",
        f"--trainer.max_steps {setting.steps(MORE_STEPS)}",
    ),
    "time": lambda setting: Limit(
        f"--trainer.max_epochs 6 --trainer.max_time 00:00:00:{STEPS}",
        f"--trainer.max_time 00:00:00:{MORE_STEPS}",
        again=False,
    ),
    # the loss falls, so a callback that waits for it to rise stops after so many validations
    "stopping": lambda setting: Limit(
        f"--trainer.max_epochs 6 {STOPPING} --trainer.callbacks.patience {2 * setting.validations}",
        "--trainer.max_epochs 8",
    ),
}


class Moment(NamedTuple):
    """How a run is made to end.

    Attributes:
        name: where.
        harm: makes the process do it to itself; called in it before its work.
        code: the exit code that is right, negative for a signal.
        room: bytes of the disk that it runs on, if that is a small one.
    """

    name: str
    harm: Callable[[], None]
    code: int
    room: int = 0


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
    moments: tuple[Moment, ...] = (Moment("its end", lambda: None, 0),)
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


def spoilt() -> None:
    """From the second epoch's first steps on the loss is no number."""
    step = Classifier.training_step

    def training_step(model: Classifier, *args: Any) -> Any:
        loss = step(model, *args)
        return loss * float("nan") if model.trainer.current_epoch == 1 and args[1] >= STEP - 10 else loss

    Classifier.training_step = training_step  # type: ignore[method-assign, assignment]


def full(after: int) -> None:
    """The disk is full when so many checkpoints have been written."""
    write, calls = checkpoints.write_through, [0]

    def fills_up(path: Path, content: bytes) -> None:
        calls[0] += 1
        if calls[0] > after:
            path.write_bytes(content[:1000])
            raise OSError(28, "No space left on device")
        write(path, content)

    checkpoints.write_through = fills_up


def filled(folder: Path) -> None:
    """Fills the disk on which a run lies, until there is no byte left."""
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))


def tell(number: int) -> Callable[[], None]:
    """Sends this process a signal."""
    return lambda: os.kill(os.getpid(), number)


def at(moment: str, after: int, act: Callable[[], None] = die) -> Callable[[], None]:
    """Makes this process do something to itself at such a moment, for the first time after so many."""
    return functools.partial(arm, moment, after, act)


def told(number: int) -> Ending:
    """A run that gets a signal, in a step first of all."""
    code = STOPS[signal.Signals(number)]
    moments = [("a step", "step", STEP - 1), ("a validation", "validation", 1), ("an epoch's end", "end of epoch", 1)]
    moments += [("the first step", "step", 0), ("the end of training", "end of training", 0)]
    return Ending("stopped", moments=tuple(Moment(name, at(hook, n, tell(number)), code) for name, hook, n in moments))


KILLED = -signal.SIGKILL
ROOM = 4_000_000  # bytes of a small disk
ENDINGS = {
    "max_epochs": Ending("finished"),
    "max_steps": Ending("finished", "steps"),
    "max_time": Ending("finished", "time", always=seconds_are_batches),
    "early stopping": Ending("finished", "stopping"),
    "Ctrl-C": told(signal.SIGINT),
    "SIGTERM": told(signal.SIGTERM),
    "SIGUSR1": told(signal.SIGUSR1),
    "SIGKILL in a step": Ending(
        "killed",
        moments=(
            Moment("a step", at("step", STEP - 1), KILLED),
            Moment("the first step", at("step", 0), KILLED),
            Moment("an epoch's first step", at("step", 20), KILLED),
            Moment("the end of training", at("end of training", 0), KILLED),
        ),
    ),
    "SIGKILL in a validation": Ending(
        "killed",
        moments=tuple(Moment(f"validation {n + 1}", at("validation", n), KILLED) for n in (1, 0, 2)),
    ),
    "SIGKILL in a save": Ending(
        "killed",
        moments=tuple(
            Moment(f"save {n + 1}, {point}", at(point, n), KILLED) for n in (3, 1, 4) for point in SAVE_POINTS
        ),
    ),
    "disk full": Ending(
        "disk full",
        moments=(
            Moment("after 3 saves", functools.partial(full, 3), 1),
            Moment("after 1 save", functools.partial(full, 1), 1),
            Moment("after 5 saves", functools.partial(full, 5), 1),
            Moment("a full tmpfs", lambda: None, 1, ROOM),
        ),
    ),
    "non-finite loss": Ending("non-finite", moments=(Moment("step 14", lambda: None, 1),), always=spoilt),
}

# --- ways of going on, and what is right


def same(folder: Path, flags: str, more: str) -> list[str]:
    """The words of the command that began the run."""
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

EXPECTED: dict[str, dict[str, Right]] = {
    "finished": {"same command": FREE, "--resume auto": TABLE, "--resume must": TABLE, "more epochs": LONGER}
    | {"fit -c config.yaml": ANEW, "test": SCORES},
    "stopped": {"same command": FREE, "--resume auto": GOES_ON, "--resume must": GOES_ON, "more epochs": LONGER}
    | {"fit -c config.yaml": ANEW, "test": SCORES},
    "non-finite": {"same command": FREE, "--resume auto": AGAIN, "--resume must": AGAIN, "more epochs": AGAIN}
    | {"fit -c config.yaml": AGAIN, "test": SCORES},
}
EXPECTED["killed"] = EXPECTED["disk full"] = EXPECTED["stopped"]


def right(ending: Ending, going: str, setting: Setting, folder: RunFolder) -> Right:
    """What is right for a cell, in this setting and with what the run has left behind."""
    if not folder.holds_run:  # it ended before its first step, and took its folder back
        return GOES_ON if going in ("same command", "--resume auto") else NOTHING
    if going == "more epochs" and setting.scheduled and LIMITS[ending.limit](setting).again:
        return LENGTH
    if going == "more epochs" and ending.limit == "stopping":
        return STOPPED
    if going == "test" and not folder.best.exists() and steps_in(folder.last) == 0:
        return Right("refused", "no weights but random ones are there, and those are not scored", r"--resume")
    return EXPECTED[ending.kind][going]


# --- runs


class Ended(NamedTuple):
    """How a start ended."""

    code: int
    said: str
    complaint: str


def run(words: list[str], beside: Path, prepare: Callable[[], None] = lambda: None) -> Ended:
    """Executes the command in a process of its own, and waits for it; code 999 if it hangs."""
    log, errors = beside.with_suffix(".out"), beside.with_suffix(".err")
    for path in (log, errors):
        path.unlink(missing_ok=True)
    process = start(words, log, prepare, {}, errors)
    end = time.monotonic() + PATIENCE
    while not (found := os.waitpid(process, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return Ended(999, log.read_text(), errors.read_text())
        time.sleep(0.005)
    return Ended(os.waitstatus_to_exitcode(found[1]), log.read_text(), errors.read_text())


def table(said: str) -> list[str]:
    """The rows of the tables in what a command said."""
    return [line for line in said.splitlines() if line.startswith("│")]


def error_lines(complaint: str) -> list[str]:
    """What a command complained of, but for warnings and what it announced before."""
    return [line for line in complaint.splitlines() if not line.startswith(("warning:", "continues from"))]


def state_of(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a run, by name, but for its lock and for what a killed save has left behind."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != NAME and path.suffix != ".tmp"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def steps_in(path: Path) -> int:
    """Optimiser's steps in a checkpoint; -1 where there is none."""
    return int(read_checkpoint(path)["global_step"]) if path.exists() else -1


def copy_best(to: Path) -> None:
    """Lets this process keep a copy of each version of best.ckpt, under its number of steps."""
    save = SafeCheckpointIO.save_checkpoint
    to.mkdir()

    def save_checkpoint(plugin: Any, content: Any, path: Any, **options: Any) -> None:
        save(plugin, content, path, **options)
        if Path(path).name == "best.ckpt":
            shutil.copy(path, to / f"{content['global_step']}.ckpt")

    SafeCheckpointIO.save_checkpoint = save_checkpoint  # type: ignore[method-assign, assignment]


@dataclass
class Straight:
    """A run that nobody disturbs.

    Attributes:
        folder: its folder.
        ended: how.
        sums: its fingerprint; empty if it has no result.
        bests: steps -> the best weights after so many.
    """

    folder: RunFolder
    ended: Ended
    sums: dict[str, str]
    bests: dict[int, Path]
    rows: dict[int, list[str]] = field(default_factory=dict)  # what `test` shows of each

    def shown(self, steps: int) -> list[str]:
        """What `test` shows of the best weights after so many steps."""
        if steps not in self.rows:
            words = ["test", "--run_dir", str(self.folder.path), "--ckpt_path", str(self.bests[steps])]
            self.rows[steps] = table(run(words, self.folder.path.with_name(f"test-{os.getpid()}")).said)
        return self.rows[steps]


class Round:
    """Straight runs of one setting, each made once.

    Args:
        name: of the setting.
        work: folder for its runs.
    """

    def __init__(self, name: str, work: Path) -> None:
        self.name, self.setting, self.work = name, SETTINGS[name], work / name
        self.work.mkdir(parents=True)
        self._straight: dict[tuple[str, Any, bool], Straight] = {}

    def prepare(self, endings: Iterable[Ending]) -> None:
        """Makes the straight runs that these ways of ending are compared with."""
        for ending in endings:
            self.straight(ending)
            if not (self.setting.scheduled and LIMITS[ending.limit](self.setting).again):
                self.straight(ending, longer=True)

    def flags(self, ending: Ending) -> str:
        """Those of the command."""
        return f"{BASE} {self.setting.flags} {LIMITS[ending.limit](self.setting).flags}"

    def straight(self, ending: Ending, longer: bool = False) -> Straight:
        """The run that this way of ending is compared with, up to its own or to a later end."""
        key = (ending.limit, ending.always, longer)
        if key not in self._straight:
            more = LIMITS[ending.limit](self.setting).more if longer else ""
            folder = RunFolder(self.work / f"straight-{len(self._straight)}")
            copies = folder.path.with_name(f"{folder.path.name}-bests")

            def prepare() -> None:
                ending.always()
                copy_best(copies)

            ended = run(same(folder.path, f"{self.flags(ending)} {more}", ""), folder.path, prepare)
            sums = fingerprint(folder) if folder.result.exists() and not ended.code else {}
            bests = {int(path.stem): path for path in copies.glob("*.ckpt")}
            self._straight[key] = Straight(folder, ended, sums, bests)
        return self._straight[key]


@dataclass
class Cell:
    """One run that ended in one way and went on in another, as a row of the results."""

    setting: str
    ending: str
    moment: str
    going: str
    expected: str
    why: str
    right: bool = False
    found: str = ""
    seconds: float = 0.0


@contextmanager
def small_disk(folder: Path, room: int) -> Iterator[None]:
    """Mounts a disk of so many bytes under a folder, as root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def end(name: str, moment: Moment, round_: Round, folder: RunFolder) -> Ended:
    """Brings a run to its end in this way."""
    ending = ENDINGS[name]

    def prepare() -> None:
        ending.always()
        moment.harm()

    if not moment.room:
        return run(same(folder.path, round_.flags(ending), ""), folder.path, prepare)
    disk = folder.path.with_name(f"{folder.path.name}-disk")
    with small_disk(disk, moment.room):
        run_ = RunFolder(disk / "run")

        def fill() -> None:
            ending.always()
            arm("step", STEP - 1, lambda: filled(disk))

        ended = run(same(run_.path, round_.flags(ending), ""), folder.path, fill)
        shutil.copytree(run_.path, folder.path)
    return Ended(ended.code, ended.said.replace(str(run_.path), str(folder.path)), ended.complaint)


def cells(name: str, moment: Moment, round_: Round) -> Iterator[Cell]:
    """Ends a run in this way, and lets it go on in all ways."""
    ending = ENDINGS[name]
    where = round_.work / re.sub(r"\W+", "-", f"{name} {moment.name}")
    where.mkdir()
    ended_folder = RunFolder(where / "ended")
    ended = end(name, moment, round_, ended_folder)
    bad = ended.code != moment.code or "Traceback" in ended.complaint
    for going, words in GOINGS.items():
        began = time.monotonic()
        folder = RunFolder(where / re.sub(r"\W+", "-", going).strip("-"))
        if ended_folder.path.exists():
            shutil.copytree(ended_folder.path, folder.path)
        wanted = right(ending, going, round_.setting, folder)
        cell = Cell(round_.name, name, moment.name, going, wanted.outcome, wanted.why)
        if bad:
            cell.found = f"the run ended with {ended.code} instead of {moment.code}: {ended.complaint[-200:]}"
        else:
            before = state_of(folder.path) if folder.path.exists() else {}
            more = LIMITS[ending.limit](round_.setting).more
            went = run(words(folder.path, round_.flags(ending), more), folder.path, ending.always)
            target = RunFolder(folder.path.with_name(f"{folder.path.name}-new")) if going.startswith("fit") else folder
            cut = moment.name == "a validation"
            cell.found = judge(wanted, going, ending, round_, ended, went, target, before, cut=cut)
        cell.right = not cell.found
        cell.found = cell.found or wanted.outcome
        cell.seconds = round(time.monotonic() - began, 2)
        if cell.right:
            shutil.rmtree(folder.path, ignore_errors=True)
        yield cell


def judge(
    wanted: Right,
    going: str,
    ending: Ending,
    round_: Round,
    ended: Ended,
    went: Ended,
    folder: RunFolder,
    before: dict[str, str],
    *,
    cut: bool,
) -> str:
    """What is wrong with how a run went on; nothing if it is right.

    Args:
        wanted: what is right.
        going: how it was to go on.
        ending: how it had ended.
        round_: the straight runs.
        ended: how the start before ended.
        went: how this start ended.
        folder: the run's, now.
        before: its files before.
        cut: whether it was stopped in a validation, which is then still to be made.
    """
    told_ = f"exit {went.code}: {(error_lines(went.complaint) or went.said.splitlines() or [''])[-1][:300]}"
    if "Traceback" in went.complaint:
        return f"a traceback, {told_}"
    code = {"refused": 2, "same error": 1}.get(wanted.outcome, 0)
    if went.code != code:
        return f"{told_} instead of exit {code}"
    lines = error_lines(went.complaint)
    if wanted.outcome in ("refused", "table", "scores") and (changed := difference(before, state_of(folder.path))):
        return f"changed {changed}"
    if wanted.outcome == "refused":
        if len(lines) != 1 or not FORM.match(lines[0]) or not re.search(wanted.names, lines[0]):
            return f"refused in other words: {lines}"
        return ""
    if wanted.outcome == "same error":
        if (
            lines[-1:]
            != [line.replace(str(ended_path(ended)), str(folder.path)) for line in error_lines(ended.complaint)][-1:]
        ):
            return f"another error: {lines} instead of {error_lines(ended.complaint)}"
        return ""
    straight = round_.straight(ending, longer=going == "more epochs")
    if not straight.sums and wanted.outcome != "scores":
        return f"the straight run ended with {straight.ended.code}: {error_lines(straight.ended.complaint)}"
    if wanted.outcome == "table":
        return "" if table(went.said) == table(straight.ended.said) else f"another table: {table(went.said)}"
    if wanted.outcome == "scores":
        return scores(straight, folder, went, cut=cut)
    return unequal(straight, folder)


def ended_path(ended: Ended) -> str:
    """The run folder that a start has named."""
    return next(
        line.removeprefix("run folder: ") for line in ended.said.splitlines() if line.startswith("run folder: ")
    )


def difference(before: dict[str, str], after: dict[str, str]) -> str:
    """Names of the files that are new, gone or other."""
    return ", ".join(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))


def unequal(straight: Straight, folder: RunFolder) -> str:
    """How a run that has ended differs from the straight one."""
    if not folder.result.exists():
        return "no result.json"
    found = [differences(fingerprint(folder), straight.sums)]
    configs = [yaml.safe_load(path.read_text()) for path in (folder.config, straight.folder.config)]
    found += ["config.yaml"] * (configs[0] != configs[1])
    found += [f"left {path.name}" for path in folder.path.rglob("*.tmp")]
    return ", ".join(part for part in found if part)


def scores(straight: Straight, folder: RunFolder, went: Ended, *, cut: bool) -> str:
    """Whether `test` has scored the straight run's best weights at this time."""
    path = folder.chosen
    if path == folder.last:  # no validation yet
        return "" if table(went.said) else "no table"
    steps = steps_in(path)
    newest = max([step for step in straight.bests if step <= steps_in(folder.last) - cut], default=-1)
    if steps not in straight.bests or steps < newest:
        return f"best.ckpt is of step {steps}, the straight run's of {sorted(straight.bests)}"
    best, other = (digest(read_checkpoint(p)["state_dict"]) for p in (path, straight.bests[steps]))
    if best != other:
        return "best.ckpt has other weights than the straight run had"
    return "" if table(went.said) == straight.shown(steps) else f"another score: {table(went.said)}"

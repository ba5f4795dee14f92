"""Does a run that was killed end as if nothing had happened? Kills real runs with SIGKILL, resumes, and compares.

    undisturbed fit          -> fingerprint: SHA-256 of weights, optimiser, averages, schedule, best weights, results
    fit, killed at a moment
    the same command again, until it ends      -> its fingerprint, which must be the same, bit for bit

Moments are random times over the whole run, or chosen to hurt: in the middle of writing a checkpoint, between its
flush and its rename, in the first step, at the end of an epoch, in a validation, several times in a row; of two
processes, either one or both. Each run is a process of its own (two for `ddp`) that executes the real command. They
are forked from this one, which has imported torch already: a kill hits training, not five seconds of imports.
"""

import functools
import hashlib
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scipy.stats import beta

from faults.process import HOOK_POINTS, PATIENCE, SAVE_POINTS, Run, arm
from faults.run_digest import differences, fingerprint
from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.folder import RunFolder

COMMON = "--trainer.accelerator cpu --resume auto"
CASES = {
    "mlp": "--model MLP --model.hidden [64] --model.dropout 0.3 --data.batch_size 32 --trainer.max_epochs 6",
    "convnet": "--model ConvNet --model.channels [8,16] --model.norm batch --model.schedule Cosine"
    " --model.schedule.warmup 0.2 --data.augment [shift_rotate,cutout] --data.batch_size 64 --trainer.max_epochs 4"
    " --trainer.callbacks EMAWeightAveraging --trainer.callbacks.decay 0.9",
    "ddp": "--model MLP --model.hidden [64] --model.dropout 0.3 --data.batch_size 64 --data.augment [shift_rotate]"
    " --trainer.max_epochs 4 --trainer.devices 2 --trainer.strategy ddp",
}
STOP_POINTS = ("step", "validation", "end of epoch")
STOPS = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGUSR1: 143}  # and the exit codes they must lead to


@dataclass
class Trial:
    """One run that was killed or stopped, as a row of the results."""

    case: str
    trial: int
    moment: str
    kills: int = 0
    stops: int = 0
    launcher: int = 0  # kills of a process that waited for one that was gone, while they were finding each other
    starts: int = 0
    steps_at_kill: int = 0
    lost_steps: int = 0  # the most that one kill cost
    lost_seconds: float = 0.0  # from the last save to the last step's beginning, at most
    saves: int = 0  # whole checkpoints that were there at the kills
    equal: bool = False
    differs: str = ""
    fingerprint: str = ""


@dataclass
class Case:
    """A command, and what it comes to when nobody disturbs it."""

    name: str
    data: list[str]
    work: Path
    every: float
    seconds: float = 0.0
    steps: int = 0
    expected: dict[str, str] = field(default_factory=dict)

    @property
    def world(self) -> int:
        return 2 if self.name == "ddp" else 1

    def start(self, folder: Path, harm: Callable[[], None] | None = None, victim: int = 0) -> Run:
        """One start of the command on this folder, with the same arguments each time."""
        flags = [*self.data, *CASES[self.name].split(), *COMMON.split(), "--checkpoint_every", str(self.every)]
        argv = ["fit", *flags, "--run_dir", str(folder)]
        return Run(argv, self.world, folder.with_suffix(".log"), harm, victim)

    def measure(self) -> None:
        """Runs it undisturbed, twice: the two must be equal, or nothing can be compared."""
        for again in (False, True):
            folder = self.work / f"{self.name}-undisturbed"
            began = time.monotonic()
            run = self.start(folder)
            if not run.wait(PATIENCE) or any(run.codes.values()):
                log = folder.with_suffix(".log").read_text()
                raise SystemExit(f"{self.name} does not run: {run.codes}\n{log[-2000:]}")
            self.seconds, self.steps = time.monotonic() - began, run.progress.step + 1
            found = fingerprint(RunFolder(folder))
            if again and found != self.expected:
                raise SystemExit(f"{self.name} is not deterministic: {differences(found, self.expected)}")
            self.expected = found
            shutil.rmtree(folder)


def plan(case: Case, chance: random.Random) -> Iterator[tuple[str, int]]:
    """Moments of the kills of one trial: where, and at the how many-th time (or after how many milliseconds)."""
    kind = chance.choices(["time", "save", "hook", "row"], [0.4, 0.25, 0.25, 0.1])[0]
    if kind == "save":
        yield chance.choice(SAVE_POINTS), chance.randrange(8)
    elif kind == "hook":
        moment = chance.choice(HOOK_POINTS)
        most = {"first step": 1, "step": case.steps, "validation": 4, "end of epoch": 4, "end of training": 1}[moment]
        yield moment, chance.randrange(most)
    else:
        for _ in range(3 if kind == "row" else 1):
            yield "time", chance.randrange(max(1, int(1000 * case.seconds)))
        if kind == "row":
            yield "step", chance.randrange(max(1, case.steps // 4))


def killed(case: Case, number: int, chance: random.Random) -> Trial:
    """One trial with kills."""
    folder = RunFolder(case.work / f"{case.name}-{number}")
    moments = list(plan(case, chance))
    trial = Trial(case.name, number, " then ".join(moment for moment, _ in moments))
    for moment, after in moments:
        victim = 0 if moment in SAVE_POINTS else chance.randrange(case.world)
        both = case.world > 1 and chance.random() < 0.5
        timed = moment == "time"
        run = case.start(folder.path, None if timed else functools.partial(arm, moment, after), victim)
        trial.starts += 1
        if timed:
            run.wait(after / 1000)
            run.kill([0, 1] if both else [victim])
            trial.launcher += run.collapse()
        elif not run.wait(PATIENCE):
            trial.launcher += run.collapse()
        if folder.result.exists():  # it was over before the moment came
            break
        if signal.SIGKILL in [-code for code in run.codes.values()]:
            trial.kills += 1
            count_losses(trial, run, folder)
    return finish(case, trial, folder)


def stopped(case: Case, number: int, chance: random.Random) -> Trial:
    """One trial in which the run gets a signal that asks it to stop, or two."""
    folder = RunFolder(case.work / f"{case.name}-{number}")
    sent, code = chance.choice(list(STOPS.items()))
    moment, twice = chance.choice(STOP_POINTS), chance.random() < 0.5
    trial = Trial(case.name, number, f"{sent.name}{' twice' if twice else ''} in {moment}")

    def send() -> None:
        for _ in range(1 + twice):
            os.kill(os.getpid(), sent)

    harm = functools.partial(arm, moment, chance.randrange(case.steps if moment == "step" else 4), send)
    run = case.start(folder.path, harm, chance.randrange(case.world))
    trial.starts += 1
    ended = run.wait(PATIENCE)
    if folder.result.exists():
        return trial
    trial.stops = 1
    count_losses(trial, run, folder)
    if not ended or set(run.codes.values()) != {code}:
        trial.differs = f"left with {run.codes} instead of {code}"
        return trial
    if trial.lost_steps > 0:  # the step in which the signal came is to be done, and saved
        trial.differs = f"lost {trial.lost_steps} steps"
        return trial
    return finish(case, trial, folder)


def count_losses(trial: Trial, run: Run, folder: RunFolder) -> None:
    """What the end of this start cost: work that is in no checkpoint. A damaged newest file is an error."""
    there = folder.last.exists()
    saved = int(read_checkpoint(folder.last)["global_step"]) if there else 0
    trial.saves += there
    trial.steps_at_kill = run.progress.step
    trial.lost_steps = max(trial.lost_steps, trial.steps_at_kill - saved)
    if trial.lost_steps:
        trial.lost_seconds = max(trial.lost_seconds, round(run.progress.unsaved, 3))


def finish(case: Case, trial: Trial, folder: RunFolder) -> Trial:
    """Lets the run end undisturbed, and compares what it came to."""
    log = folder.path.with_suffix(".log")
    if not folder.result.exists():
        run = case.start(folder.path)
        trial.starts += 1
        if not run.wait(PATIENCE):
            run.collapse()
            trial.differs = "hung"
            return trial
    if not folder.result.exists():
        trial.differs = f"did not end: {log.read_text()[-300:]}"
        return trial
    found = fingerprint(folder)
    left_over = sorted(path.name for path in folder.path.rglob("*.tmp"))
    trial.differs = differences(found, case.expected) + (f" left {left_over}" if left_over else "")
    trial.equal = not trial.differs
    trial.fingerprint = hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]
    if trial.equal:
        shutil.rmtree(folder.path)
        log.unlink()
    return trial


def trials(cases: list[Case], kills: int, stops: int, seed: int) -> Iterator[Trial]:
    """So many trials with kills, then so many with signals to stop, over all cases in turn."""
    chance, number = random.Random(seed), 0
    for trial_of, wanted in ((killed, kills), (stopped, stops)):
        done = 0
        while done < wanted:
            trial = trial_of(cases[number % len(cases)], number, chance)
            number += 1
            if trial.kills or trial.stops or trial.differs:  # else it was over before the moment came
                done += 1
                yield trial


def bound(count: int, failures: int) -> float:
    """Upper 95 % limit of the failure rate (Clopper and Pearson 1934): 1 % for 0 of 300."""
    return float(beta.ppf(0.95, failures + 1, count - failures)) if failures < count else 1.0


def summary(found: list[Trial], every: float) -> list[str]:
    """The figures, in words."""
    lines = []
    for name, group in (("killed", [t for t in found if t.kills]), ("stopped", [t for t in found if t.stops])):
        if not group:
            continue
        equal, lost = sum(trial.equal for trial in group), [trial.lost_steps for trial in group]
        lines += [
            f"{equal}/{len(group)} equal to the undisturbed run, bit for bit, after being {name}"
            f" ({sum(t.kills + t.stops for t in group)} times);"
            f" failure rate below {100 * bound(len(group), len(group) - equal):.2f} % (95 %)",
            f"  lost steps: mean {sum(lost) / len(lost):.1f}, most {max(lost)};"
            f" seconds of lost work: most {max(t.lost_seconds for t in group):.2f}, saves every {every} s",
        ]
    different = [trial for trial in found if not trial.equal]
    return lines + [f"NOT EQUAL: {trial.case} {trial.trial} ({trial.moment}): {trial.differs}" for trial in different]

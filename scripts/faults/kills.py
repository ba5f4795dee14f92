"""Does a run that was killed end as if nothing had happened? Kills real runs with SIGKILL, resumes, and compares.

    undisturbed fit          -> fingerprint: SHA-256 of weights, optimiser, averages, schedule, best weights, results
    fit, killed at a moment
    the same command again, until it ends      -> its fingerprint, which must be the same, bit for bit

    python scripts/chaos.py --kills 20 --data Digits
    python scripts/chaos.py --kills 300 --stops 60 --data Digits --out results/chaos.csv

Moments are random times over the whole run, or chosen to hurt: in the middle of writing a checkpoint, between its
flush and its rename, in the first step, at the end of an epoch, in a validation, several times in a row; of two
processes, either one or both. Each run is a process of its own (two for `ddp`) that executes the real command. They
are forked from this one, which has imported torch already: a kill hits training, not five seconds of imports.
"""

import argparse
import csv
import functools
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from faults.process import HOOK_POINTS, PATIENCE, SAVE_POINTS, Run, arm
from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

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
BESIDE_STATE = ("seconds",)  # what two runs may differ in
TIMED = ("seconds", "row")  # the same of the state of an end; the row is in metrics.csv


@dataclass
class Trial:
    """One run that was killed, as a row of the results."""

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


# --- what must be the same


def digest(value: object) -> str:
    """SHA-256 of nested tensors and plain values: names, types, shapes and bytes, dicts by sorted key."""
    sum_ = hashlib.sha256()

    def add(item: object) -> None:
        if isinstance(item, torch.Tensor):
            sum_.update(f"{item.dtype}{tuple(item.shape)}".encode())
            sum_.update(item.contiguous().flatten().view(torch.uint8).numpy().tobytes() if item.numel() else b"")
        elif isinstance(item, dict):
            for key in sorted(item, key=str):
                sum_.update(f"{key}:".encode())
                add(item[key])
        elif isinstance(item, list | tuple):
            sum_.update(f"[{len(item)}]".encode())
            for part in item:
                add(part)
        else:
            sum_.update(repr(item).encode())

    add(value)
    return sum_.hexdigest()


def fingerprint(folder: RunFolder) -> dict[str, str]:
    """What a finished run came to: a sum for each part, so that a difference has a name."""
    last, best = read_checkpoint(folder.last), read_checkpoint(folder.best)
    record = json.loads(folder.result.read_text())
    rows = [{k: v for k, v in row.items() if k not in BESIDE_STATE} for row in read_metrics(folder.metrics)]
    callbacks = {key: state for key, state in last["callbacks"].items() if "EpochLines" not in key}
    return {
        "weights": digest(last["state_dict"]),
        "optimiser": digest(last["optimizer_states"]),
        "schedule": digest(last["lr_schedulers"]),
        "average": digest({key: last.get(key) for key in ("current_model_state", "averaging_state")}),
        "callbacks": digest(callbacks),
        "progress": digest((last["epoch"], last["global_step"])),
        "ending": digest({key: value for key, value in last["ending"].items() if key not in TIMED}),
        "best": digest((best["state_dict"], best["epoch"])),
        "result": digest({key: record[key] for key in ("epochs", "best_epoch", "ended", "train", "val", "test")}),
        "metrics": digest(rows),
    }


# --- trials


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

    def words(self, folder: Path) -> list[str]:
        """The words of the command, the same at every start."""
        flags = [*self.data, *CASES[self.name].split(), *COMMON.split(), "--checkpoint_every", str(self.every)]
        return ["fit", *flags, "--run_dir", str(folder)]

    def start(self, folder: Path, harm: Callable[[], None] | None = None, victim: int = 0) -> Run:
        """One start of the command on this folder."""
        return Run(self.words(folder), self.world, folder.with_suffix(".log"), harm, victim)

    def measure(self) -> None:
        """Runs it undisturbed, twice: the two must be equal, or nothing can be compared."""
        for again in (False, True):
            folder = self.work / f"{self.name}-undisturbed"
            began = time.monotonic()
            run = self.start(folder)
            if not run.wait(PATIENCE) or any(run.codes.values()):
                raise SystemExit(
                    f"{self.name} does not run: {run.codes}\n{folder.with_suffix('.log').read_text()[-2000:]}"
                )
            self.seconds, self.steps = time.monotonic() - began, run.progress.step + 1
            found = fingerprint(RunFolder(folder))
            if again and found != self.expected:
                raise SystemExit(f"{self.name} is not deterministic: {differences(found, self.expected)}")
            self.expected = found
            shutil.rmtree(folder)


def differences(found: dict[str, str], expected: dict[str, str]) -> str:
    """Names of the parts that differ."""
    return ", ".join(key for key in expected if found.get(key) != expected[key])


def saved_step(folder: RunFolder) -> int | None:
    """Optimiser steps in the newest whole checkpoint; None if there is none. A damaged newest file is an error."""
    if not folder.last.exists():
        return None
    return int(read_checkpoint(folder.last)["global_step"])


def plan(case: Case, chance: random.Random) -> Iterator[tuple[str, int]]:
    """Moments of the kills of one trial: where, and at the how many-th time (or after how many milliseconds)."""
    kind = chance.choices(["time", "save", "hook", "row"], [0.4, 0.25, 0.25, 0.1])[0]
    steps_per_epoch = max(1, case.steps // 4)
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
            yield "step", chance.randrange(steps_per_epoch)


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
    """One trial in which the run is told to stop."""
    folder = RunFolder(case.work / f"{case.name}-{number}")
    number_, code = chance.choice(list(STOPS.items()))
    moment, twice = chance.choice(STOP_POINTS), chance.random() < 0.5
    most = case.steps if moment == "step" else 4
    trial = Trial(case.name, number, f"{number_.name}{' twice' if twice else ''} in {moment}")

    def tell() -> None:
        for _ in range(1 + twice):
            os.kill(os.getpid(), number_)

    harm = functools.partial(arm, moment, chance.randrange(most), tell)
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
    # the step in which the signal came was done, and saved
    if trial.lost_steps > 0:
        trial.differs = f"lost {trial.lost_steps} steps"
        return trial
    return finish(case, trial, folder)


def count_losses(trial: Trial, run: Run, folder: RunFolder) -> None:
    """What the end of this start cost: work that is in no checkpoint."""
    trial.steps_at_kill = run.progress.step
    saved = saved_step(folder)
    trial.saves += saved is not None
    trial.lost_steps = max(trial.lost_steps, trial.steps_at_kill - (saved or 0))
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


def bound(trials: int, failures: int) -> float:
    """Upper 95 % limit of the failure rate (Clopper and Pearson 1934): 1 % for 0 of 300."""
    from scipy.stats import beta

    return float(beta.ppf(0.95, failures + 1, trials - failures)) if failures < trials else 1.0


def summary(trials: list[Trial], every: float) -> list[str]:
    """The figures, in words."""
    lines = []
    for name, group in (("killed", [t for t in trials if t.kills]), ("stopped", [t for t in trials if t.stops])):
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
    for trial in trials:
        if not trial.equal:
            lines.append(f"NOT EQUAL: {trial.case} {trial.trial} ({trial.moment}): {trial.differs}")
    return lines


def main() -> None:
    """Runs trials until there are as many killed and stopped runs as were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="runs that are killed, over all cases")
    parser.add_argument("--stops", type=int, default=0, help="runs that are told to stop, over all cases")
    parser.add_argument("--case", choices=[*CASES, "all"], default="all")
    parser.add_argument("--data", default="Digits")
    parser.add_argument("--data-root", help="folder of the data, for sets that have one")
    parser.add_argument("--checkpoint_every", type=float, default=0.2, help="seconds, given to the command")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, help="CSV file, one row per run")
    options = parser.parse_args()
    data = ["--data", options.data, *(["--data.root", options.data_root] if options.data_root else [])]
    names = list(CASES) if options.case == "all" else [options.case]
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory(prefix="chaos-") as work:
        cases = [Case(name, data, Path(work), options.checkpoint_every) for name in names]
        for case in cases:
            case.measure()
            print(f"{case.name}: {case.steps} steps, {case.seconds:.1f} s undisturbed", flush=True)
        chance = random.Random(options.seed)
        number = 0
        for what, wanted in ((killed, options.kills), (stopped, options.stops)):
            done = 0
            while done < wanted:
                trial = what(cases[number % len(cases)], number, chance)
                number += 1
                if not (trial.kills or trial.stops or trial.differs):
                    continue  # it was over before the moment came: nothing was tested
                done += 1
                trials.append(trial)
                mark = "equal" if trial.equal else f"NOT EQUAL: {trial.differs}"
                print(f"{done}/{wanted} {trial.case}, {what.__name__}: {trial.moment}: {mark}", flush=True)
                if options.out:
                    write_rows(options.out, trials)
    print("\n".join(summary(trials, options.checkpoint_every)))
    sys.exit(any(not trial.equal for trial in trials))


def write_rows(path: Path, trials: Sequence[Any]) -> None:
    """Writes the rows, all of them again each time: a broken-off session leaves what there is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(asdict(trials[0])))
        table.writeheader()
        table.writerows(asdict(trial) for trial in trials)

"""Can two processes spoil each other's run? Rounds of two to four that are let loose on one run folder.

    fit --resume auto, then fit --resume auto, test or predict, 0 to 3 s apart; in every third round one is killed
    -> at no time do two of them train; who comes second leaves with 1 and one line; nothing of the run is lost

After a round the command is given once more, alone, and must come to what the undisturbed run came to, bit for bit.
"""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.cells import BASE, FORM, error_lines, run, table
from faults.kills import differences, fingerprint
from faults.process import PATIENCE, start
from zoo import Classifier
from zoo.runs.folder import RunFolder

FLAGS = f"{BASE} --model.dropout 0.3 --data.augment [shift_rotate] --trainer.max_epochs 3 --checkpoint_every 0.1"
PLACES = ("disk", "tmpfs", "overlayfs")
APART = 3.0  # seconds between the first start and the last, at most
SLOWER = (0.0, 0.01, 0.04)  # seconds that a step takes longer, so that the runs of some rounds last
IMAGES = 359  # that `predict` writes rows of


@dataclass
class Contest:
    """One round, as a row of the results."""

    place: str
    round: int
    commands: str
    seconds_apart: str
    killed: int = 0  # processes killed in it
    trained: int = 0  # processes that trained
    at_once: int = 0  # the most that trained at one time
    told: int = 0  # that were told in one line that another is at it
    shown: int = 0  # that found the run finished and showed its table
    scored: int = 0  # tests and predictions
    too_early: int = 0  # tests and predictions that found no weights yet
    right: bool = False
    differs: str = ""


def fit(folder: Path) -> list[str]:
    """The command of the run."""
    return ["fit", *FLAGS.split(), "--run_dir", str(folder), "--resume", "auto"]


@contextmanager
def place_of(name: str) -> Iterator[Path]:
    """A folder on such a file system; RuntimeError if there is none here."""
    with tempfile.TemporaryDirectory(prefix="owners-", dir="/dev/shm" if name == "tmpfs" else None) as folder:
        if name != "overlayfs":
            yield Path(folder)
            return
        parts = [Path(folder, part) for part in ("lower", "upper", "work", "merged")]
        for part in parts:
            part.mkdir()
        options = "lowerdir={},upperdir={},workdir={}".format(*parts[:3])
        mounted = subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(parts[3])], check=False)
        if mounted.returncode:
            raise RuntimeError("no overlayfs can be mounted here; it takes root")
        try:
            yield parts[3]
        finally:
            subprocess.run(["umount", str(parts[3])], check=True)


def watched(events: Path, slower: float) -> None:
    """Lets this process write down when it trains, and take its time."""
    step, begin, end = Classifier.training_step, Classifier.on_train_start, Classifier.on_train_end

    def note(what: str) -> None:
        with events.open("a") as file:
            file.write(json.dumps([time.monotonic(), os.getpid(), what]) + "\n")

    def training_step(model: Classifier, *args: Any) -> Any:
        time.sleep(slower)
        return step(model, *args)

    def on_train_start(model: Classifier) -> None:
        note("begins")
        begin(model)

    def on_train_end(model: Classifier) -> None:
        end(model)
        note("ends")

    Classifier.training_step = training_step  # type: ignore[method-assign, assignment]
    Classifier.on_train_start = on_train_start  # type: ignore[method-assign, assignment]
    Classifier.on_train_end = on_train_end  # type: ignore[method-assign, assignment]


def straight(work: Path) -> dict[str, str]:
    """What the run comes to when nobody disturbs it."""
    folder = RunFolder(work / "straight")
    ended = run(fit(folder.path), folder.path)
    if ended.code:
        raise SystemExit(f"the undisturbed run did not end: {ended}")
    return fingerprint(folder)


def contest(number: int, place: str, work: Path, expected: dict[str, str]) -> Contest:
    """One round."""
    chance = random.Random(f"{place} {number}")
    folder = RunFolder(work / f"run-{number}")
    events = folder.path.with_suffix(".events")
    events.touch()
    verbs = ["fit", *chance.choices(["fit", "test", "predict"], [3, 1, 1], k=chance.randint(1, 3))]
    starts = [0.0, *sorted(chance.choice([0.0, chance.uniform(0, APART)]) for _ in verbs[1:])]
    slower = chance.choice(SLOWER)
    doomed = chance.randrange(len(verbs)) if number % 3 == 2 else None
    death = chance.uniform(0.3, APART)
    row = Contest(place, number, " ".join(verbs), " ".join(f"{at:.2f}" for at in starts))

    began = time.monotonic()
    running: dict[int, int] = {}
    codes: dict[int, int] = {}
    gone: dict[int, float] = {}  # process -> when
    left = list(enumerate(zip(verbs, starts, strict=True)))
    while left or running:
        now = time.monotonic() - began
        while left and now >= left[0][1][1]:
            i, (verb, _) = left.pop(0)
            words = fit(folder.path) if verb == "fit" else [verb, "--run_dir", str(folder.path)]
            out, err = (folder.path.with_name(f"{number}-{i}.{kind}") for kind in ("out", "err"))
            for path in (out, err):  # it may be killed before it has opened them
                path.touch()
            running[start(words, out, lambda: watched(events, slower), {}, err)] = i
        for process, i in list(running.items()):
            if i == doomed and now >= starts[i] + death:
                os.kill(process, signal.SIGKILL)
                doomed = None
            if now > PATIENCE:
                os.kill(process, signal.SIGKILL)
                row.differs = f"{verbs[i]} hung"
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                codes[i] = os.waitstatus_to_exitcode(status)
                gone[process] = time.monotonic()
                del running[process]
        time.sleep(0.002)
    for i, verb in enumerate(verbs):
        out, err = (folder.path.with_name(f"{number}-{i}.{kind}") for kind in ("out", "err"))
        row.differs = row.differs or count(row, verb, codes[i], out.read_text(), err.read_text())
        for path in (out, err):
            path.unlink()
    row.trained, row.at_once = at_once(events, gone)
    row.differs = row.differs or ("" if row.at_once <= 1 else f"{row.at_once} trained at one time")
    row.differs = row.differs or after(folder, expected)
    row.right = not row.differs
    if row.right:
        shutil.rmtree(folder.path)
    return row


def count(row: Contest, verb: str, code: int, said: str, complaint: str) -> str:
    """Puts down how a process left; what is wrong with it."""
    lines = error_lines(complaint)
    if code == -signal.SIGKILL:
        row.killed += 1
    elif code == 0 and verb == "fit" and "\nepoch " not in f"\n{said}":
        row.shown += 1
        return "" if table(said) else f"a fit said nothing: {said[-300:]}"
    elif code == 0:
        row.scored += verb != "fit"
    elif code == 1 and len(lines) == 1 and FORM.match(lines[0]) and "in use by" in lines[0]:
        row.told += 1
    elif code == 2 and verb != "fit" and len(lines) == 1 and FORM.match(lines[0]):
        row.too_early += 1
    else:
        return f"{verb} left with {code}: {(complaint or said)[-300:]}"
    return ""


def at_once(events: Path, gone: dict[int, float]) -> tuple[int, int]:
    """How many processes trained, and how many of them at one time at most."""
    spans: dict[int, list[float]] = {}
    for line in events.read_text().splitlines():
        when, process, what = json.loads(line)
        if what == "begins":
            spans[process] = [when, gone[process]]
        else:
            spans[process][1] = when
    most = max((sum(a <= begin < b for a, b in spans.values()) for begin, _ in spans.values()), default=0)
    return len(spans), most


def after(folder: RunFolder, expected: dict[str, str]) -> str:
    """Gives the command once more, alone; how what it came to differs from the undisturbed run."""
    ended = run(fit(folder.path), folder.path)
    if ended.code or not folder.result.exists():
        return f"the run cannot go on: exit {ended.code}, {ended.complaint[-300:]}"
    found = [differences(fingerprint(folder), expected)]
    found += [f"left {path.name}" for path in folder.path.rglob("*.tmp")]
    if folder.predictions.exists():
        with folder.predictions.open(newline="") as file:
            rows = len(list(csv.DictReader(file)))
        found += [f"{rows} predictions"] * (rows != IMAGES)
    return ", ".join(part for part in found if part)

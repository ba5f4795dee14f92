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
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from faults.cells import FORM
from faults.process import PATIENCE, start
from faults.run_digest import differences, fingerprint
from faults.settings import BASE
from faults.straight import Ended, run
from zoo import Classifier
from zoo.runs.folder import RunFolder

FLAGS = f"{BASE} --model.dropout 0.3 --data.augment [shift_rotate] --trainer.max_epochs 3 --checkpoint_every 0.1"
PLACES = {"disk": None, "tmpfs": "/dev/shm"}
APART = 3.0  # seconds between the first start and the last, at most
SLOWER = (0.0, 0.01, 0.04)  # seconds that a step takes longer, so that the runs of some rounds last
TOLD = ("in use by", "changed by another process")  # the other is at it, or was just now and has been killed
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
    told: int = 0  # that left with one line: another is at it
    shown: int = 0  # that found the run finished and showed its table
    scored: int = 0  # tests and predictions
    too_early: int = 0  # tests and predictions that found no weights yet
    right: bool = False
    differs: str = ""


@dataclass
class Member:
    """One process of a round: its command, when it starts, where it prints, and how it ended."""

    verb: str
    at: float
    out: Path
    err: Path
    process: int = 0
    code: int | None = None
    ended: float = field(default=0.0)

    def poll(self) -> bool:
        """Whether it has ended by now."""
        done, status = os.waitpid(self.process, os.WNOHANG)
        if done:
            self.code, self.ended = os.waitstatus_to_exitcode(status), time.monotonic()
        return bool(done)


def fit(folder: Path) -> list[str]:
    """The command of the run."""
    return ["fit", *FLAGS.split(), "--run_dir", str(folder), "--resume", "auto"]


@contextmanager
def place_of(name: str) -> Iterator[Path]:
    """A folder on such a file system."""
    with tempfile.TemporaryDirectory(prefix="owners-", dir=PLACES[name]) as folder:
        yield Path(folder)


def note_training(events: Path, slower: float) -> None:
    """Lets this process write down when it trains, and take its time."""
    step, begin, end = Classifier.training_step, Classifier.on_train_start, Classifier.on_train_end

    def note(what: str) -> None:
        with events.open("a") as file:
            file.write(json.dumps([time.monotonic(), os.getpid(), what]) + "\n")

    def training_step(model: Classifier, *args: object) -> object:
        time.sleep(slower)
        return step(model, *args)  # type: ignore[arg-type]

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
    members = [
        Member(verb, at, work / f"{number}-{i}.out", work / f"{number}-{i}.err")
        for i, (verb, at) in enumerate(zip(verbs, starts, strict=True))
    ]
    row = Contest(place, number, " ".join(verbs), " ".join(f"{at:.2f}" for at in starts))
    row.differs = let_loose(members, folder, events, slower, None if doomed is None else (members[doomed], death))
    for member in members:
        ended = Ended(member.code or 0, member.out.read_text(), member.err.read_text())
        row.differs = row.differs or count(row, member.verb, ended)
        member.out.unlink()
        member.err.unlink()
    row.trained, row.at_once = at_once(events, {member.process: member.ended for member in members})
    row.differs = row.differs or ("" if row.at_once <= 1 else f"{row.at_once} trained at one time")
    row.differs = row.differs or after(folder, expected)
    row.right = not row.differs
    if row.right:
        shutil.rmtree(folder.path)
    return row


def let_loose(
    members: list[Member], folder: RunFolder, events: Path, slower: float, doomed: tuple[Member, float] | None
) -> str:
    """Starts all members in their time and waits until all have ended; which of them hung.

    Args:
        members: in the order of their starts.
        folder: the run's.
        events: takes when they train.
        slower: seconds that a step takes longer.
        doomed: who is killed, and how many seconds after its start.
    """
    began, waiting, hung = time.monotonic(), list(members), ""
    running: list[Member] = []
    while waiting or running:
        now = time.monotonic() - began
        while waiting and now >= waiting[0].at:
            member = waiting.pop(0)
            argv = fit(folder.path) if member.verb == "fit" else [member.verb, "--run_dir", str(folder.path)]
            for path in (member.out, member.err):  # it may be killed before it has opened them
                path.touch()
            member.process = start(argv, member.out, lambda: note_training(events, slower), {}, member.err)
            running.append(member)
        if doomed and doomed[0] in running and now >= doomed[0].at + doomed[1]:
            os.kill(doomed[0].process, signal.SIGKILL)
            doomed = None
        if now > PATIENCE and running:
            hung = f"{running[0].verb} hung"
            for member in running:
                os.kill(member.process, signal.SIGKILL)
        running = [member for member in running if not member.poll()]
        time.sleep(0.002)
    return hung


def count(row: Contest, verb: str, ended: Ended) -> str:
    """Puts down how a process left; what is wrong with it."""
    lines, code = ended.errors, ended.code
    one_line = len(lines) == 1 and FORM.match(lines[0])
    if code == -signal.SIGKILL:
        row.killed += 1
    elif code == 0 and verb == "fit" and "\nepoch " not in f"\n{ended.out}":
        row.shown += 1
        return "" if ended.table else f"a fit printed no table: {ended.out[-300:]}"
    elif code == 0:
        row.scored += verb != "fit"
    elif code == 1 and one_line and any(text in lines[0] for text in TOLD):
        row.told += 1
    elif code == 2 and verb != "fit" and one_line:
        row.too_early += 1
    else:
        return f"{verb} left with {code}: {(ended.err or ended.out)[-300:]}"
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
        return f"the run cannot go on: exit {ended.code}, {ended.err[-300:]}"
    found = [differences(fingerprint(folder), expected)]
    found += [f"left {path.name}" for path in folder.path.rglob("*.tmp")]
    if folder.predictions.exists():
        with folder.predictions.open(newline="") as file:
            rows = len(list(csv.DictReader(file)))
        found += [f"{rows} predictions"] * (rows != IMAGES)
    return ", ".join(part for part in found if part)

"""Does a run that ended in any way go on in any way as if nothing had happened? Ways of ending times ways of going on.

    straight run                       -> fingerprint, and the weights that were best after each validation
    run that ends in this way          -> folder  -> six copies, and in each of them one way of going on
                                       -> equal to the straight run, or refused by name where that is right

endings.py says what is right for each cell, and why. Each start is the real command in a process of its own, forked
from one that has imported torch already.
"""

import hashlib
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from faults.endings import ENDINGS, GOINGS, Moment, Right, expected, same, steps_in
from faults.run_digest import differences, digest, fingerprint
from faults.settings import LIMITS
from faults.straight import Ended, Round, Straight, run
from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.folder import RunFolder
from zoo.runs.lock import NAME

FORM = re.compile(r"^error: .+ in .+: expected .+, found .+")
CODES = {"refused": 2, "same error": 1}  # of a start that does not end with 0


def state_of(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a run, by name, but for its lock and for what a killed save has left behind."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != NAME and path.suffix != ".tmp"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


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


def cells(name: str, moment: Moment, round_: Round) -> Iterator[Cell]:
    """Ends a run in this way, and lets it go on in all ways."""
    ending = ENDINGS[name]
    where = round_.work / re.sub(r"\W+", "-", f"{name} {moment.name}")
    where.mkdir()

    def prepare() -> None:
        ending.always()
        moment.harm()

    before = RunFolder(where / "ended")
    ended = run(same(before.path, round_.flags(ending), ""), before.path, prepare)
    bad = ended.code != moment.code or "Traceback" in ended.err
    for going, argv_of in GOINGS.items():
        began = time.monotonic()
        folder = RunFolder(where / re.sub(r"\W+", "-", going).strip("-"))
        if before.path.exists():
            shutil.copytree(before.path, folder.path)
        wanted = expected(ending, going, round_.setting, folder)
        cell = Cell(round_.name, name, moment.name, going, wanted.outcome, wanted.why)
        if bad:
            wrong = f"the run ended with {ended.code} instead of {moment.code}: {ended.err[-200:]}"
        else:
            state = state_of(folder.path) if folder.path.exists() else {}
            more = LIMITS[ending.limit](round_.setting).more
            went = run(argv_of(folder.path, round_.flags(ending), more), folder.path, ending.always)
            now = RunFolder(folder.path.with_name(f"{folder.path.name}-new")) if going.startswith("fit") else folder
            straight = round_.straight(ending, longer=going == "more epochs")
            cut = moment.name == "a validation"
            wrong = judge(wanted, straight, (before, ended), (now, went), state, cut=cut)
        cell.right, cell.found = not wrong, wrong or wanted.outcome
        cell.seconds = round(time.monotonic() - began, 2)
        if cell.right:
            shutil.rmtree(folder.path, ignore_errors=True)
        yield cell


def judge(
    wanted: Right,
    straight: Straight,
    before: tuple[RunFolder, Ended],
    after: tuple[RunFolder, Ended],
    state: dict[str, str],
    *,
    cut: bool,
) -> str:
    """What is wrong with how a run went on; nothing if it is right.

    Args:
        wanted: what is right.
        straight: the run that it is compared with.
        before: the folder of the run that ended, and how it ended.
        after: the run's folder now, and how this start ended.
        state: the run's files before.
        cut: whether it was stopped in a validation, which is then still to be made.
    """
    (old, ended), (folder, went) = before, after
    lines = went.errors
    last = f"exit {went.code}: {(lines or went.out.splitlines() or [''])[-1][:300]}"
    if "Traceback" in went.err:
        return f"a traceback, {last}"
    if went.code != CODES.get(wanted.outcome, 0):
        return f"{last} instead of exit {CODES.get(wanted.outcome, 0)}"
    if wanted.outcome in ("refused", "table", "scores") and (changed := changes(state, state_of(folder.path))):
        return f"changed {changed}"
    if wanted.outcome == "refused":
        good = len(lines) == 1 and FORM.match(lines[0]) and re.search(wanted.names, lines[0])
        return "" if good else f"refused in other words: {lines}"
    if wanted.outcome == "same error":
        error = [line.replace(str(old.path), str(folder.path)) for line in ended.errors][-1:]
        return "" if lines[-1:] == error else f"another error: {lines} instead of {error}"
    if wanted.outcome == "scores":
        return wrong_score(straight, folder, went, cut=cut)
    if not straight.sums:
        return f"the straight run ended with {straight.ended.code}: {straight.ended.errors}"
    if wanted.outcome == "table":
        return "" if went.table == straight.ended.table else f"another table: {went.table}"
    return unequal(straight, folder)


def changes(before: dict[str, str], after: dict[str, str]) -> str:
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


def wrong_score(straight: Straight, folder: RunFolder, went: Ended, *, cut: bool) -> str:
    """What is wrong where `test` has not scored the straight run's best weights at this time."""
    path = folder.chosen
    if path == folder.last:  # no validation yet
        return "" if went.table else "no table"
    steps = steps_in(path)
    newest = max([step for step in straight.bests if step <= steps_in(folder.last) - cut], default=-1)
    if steps not in straight.bests or steps < newest:
        return f"best.ckpt is of step {steps}, the straight run's of {sorted(straight.bests)}"
    best, other = (digest(read_checkpoint(p)["state_dict"]) for p in (path, straight.bests[steps]))
    if best != other:
        return "best.ckpt has other weights than the straight run had"
    return "" if went.table == straight.shown(steps) else f"another score: {went.table}"

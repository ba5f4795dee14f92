"""Runs what a study has no rows for yet. Any number of processes may do so at once, on one study.

    wanted runs − rows − runs that others are at  ->  claim one  ->  run it  ->  add its row  ->  again

A claim is a lock that the system takes back when its process ends, however it ends: a study that was killed goes on,
with the run in its midst, from that run's last checkpoint. A run that fails leaves a row with its error, and the next
call tries it again.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from zoo.config.errors.option_errors import in_file
from zoo.errors import UsageError
from zoo.launch.jobs import STOPPED, Start, last_words
from zoo.runs.lock import in_use
from zoo.studies.retest import retest
from zoo.studies.rows import Key, Row, Rows, blank_row, keys_of, results
from zoo.studies.settings import RETEST, data_name, label, to_argv
from zoo.studies.spec import Cell, Study
from zoo.studies.tuning import candidates, choose

UNTESTED = ["--trainer.limit_test_batches", "0"]  # of a run that tunes: nobody shall see how it would have done
UNDRAWN = ["--figures", "false"]  # of a run whose folder goes
WAIT = 0.5  # seconds between looks for work while others are at what is left


@dataclass(frozen=True)
class Place:
    """Where a study is run, which is no part of it.

    Attributes:
        work: folder for runs under way, claims and locks.
        data_root: where data sets lie.
        cifar10: archive in place of CIFAR-10, if any.
    """

    work: Path
    data_root: Path
    cifar10: Path | None = None

    def words(self, data: str) -> list[str]:
        """The flags that belong to this machine, for a run on this data set."""
        if data == "CIFAR10" and self.cifar10:
            return ["--data", "Arrays", "--data.path", str(self.cifar10)]
        return ["--data.root", str(self.data_root)]


class Run(NamedTuple):
    """One run of a study: a cell with what is tuned, and a seed."""

    cell: Cell
    tuned: dict[str, object]
    seed: int
    tuning: bool
    config: str

    @property
    def key(self) -> Key:
        """What tells it from another."""
        return self.config, self.seed


def runnable(study: Study, rows: list[Row]) -> dict[Key, Run]:
    """The runs that can be done now: those that tune, and those of the cells that are tuned already."""
    runs: dict[Key, Run] = {}
    there = keys_of(rows)
    for cell in dict.fromkeys(study.tuning_cell(cell) for cell in study.cells) if study.tune else ():
        for tried in candidates(study):
            config = study.config(cell, tried, tuning=True)
            for seed in study.tune.seeds if study.tune else ():
                runs.setdefault((config, seed), Run(cell, tried, seed, True, config))
    chosen = {cell: choose(study, cell, there).values for cell in study.cells}
    for seed in study.seeds:  # all arms with one seed first: what is there is of use early
        for cell, tuned in chosen.items():
            if tuned is not None:
                config = study.config(cell, tuned)
                runs.setdefault((config, seed), Run(cell, tuned, seed, False, config))
    return runs


def num_runs(study: Study) -> int:
    """Number of runs of the whole study, a few more than there are if tuning has done some already."""
    tuning_cells = len({study.tuning_cell(cell) for cell in study.cells}) if study.tune else 0
    tuning = tuning_cells * len(candidates(study)) * len(study.tune.seeds) if study.tune else 0
    return tuning + len(study.cells) * len(study.seeds)


def check_arms(study: Study, start: Start) -> None:
    """Raises UsageError unless the command understands each level of each factor, and their first combination."""
    first = study.cells[0]
    for i, (factor, levels) in enumerate(study.factors.items()):
        for level in levels:
            cell = (*first[:i], level, *first[i + 1 :])
            try:
                ended = start(["fit", *to_argv(study.settings(cell, candidates(study)[0])), "--print_config"])
                if ended.code in STOPPED:
                    raise SystemExit(ended.code)
                message = last_words(ended).removeprefix("error: ") if ended.code else ""
            except UsageError as error:
                message = str(error)
            if message:
                where = f"arms.{level}" if i == 0 else f"factors.{factor}.{level}"
                raise UsageError(in_file(message, f"{where} of {study.file}"))


def work(study: Study, rows: Rows, place: Place, start: Start, say: Callable[[Run, Row, list[Row]], None]) -> None:
    """Does run after run until all are done, or others are at those that are not; then waits for what these unlock.

    Args:
        study: the study.
        rows: its rows.
        place: where it is run.
        start: runs the command and waits for its end.
        say: is told of each run that was done here, its row, and all rows.
    """
    while True:
        there = rows.read()
        missing = {key: run for key, run in runnable(study, there).items() if key not in keys_of(there)}
        if not missing:
            return
        for run in missing.values():
            with claim(place.work / "claims" / study.place_of(run.cell, run.config, run.seed)) as mine:
                if not mine or run.key in keys_of(rows.read()):  # another has done it since
                    continue
                row = carry_out(study, run, place, start)
                rows.add(row)
            say(run, row, rows.read())
            break
        else:
            time.sleep(WAIT)


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Whether what the path stands for is ours to do, until the end of the block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def carry_out(study: Study, run: Run, place: Place, start: Start) -> Row:
    """Runs the command, or goes on with it, and reads what it came to; a failure is a row too.

    Raises:
        SystemExit: the run was told to stop; it has saved, and its folder stays.
    """
    settings = study.settings(run.cell, run.tuned, tuning=run.tuning)
    data = data_name(settings)
    folder = place.work / study.place_of(run.cell, run.config, run.seed)
    row = blank_row(study, run.cell, label(run.tuned), run.config, run.seed)
    try:
        # also where there is a result: the command knows whether it is this run's, and whether that has ended
        flags = ["--seed_everything", str(run.seed), "--run_dir", str(folder), "--resume", "auto"]
        flags += [*(UNTESTED if run.tuning else ()), *(() if study.keeps_runs else UNDRAWN)]
        ended = start(["fit", *to_argv(settings), *place.words(data), *flags])
        if ended.code in STOPPED:
            raise SystemExit(ended.code)
        if ended.code:
            raise ValueError(last_words(ended))
        if RETEST in settings and not run.tuning:
            retest(folder, settings[RETEST], start)
        row |= results(study, folder, data, tested=not run.tuning)
    except (ValueError, OSError, KeyError) as error:
        row["error"] = " ".join(str(error).split())[:300] or type(error).__name__
    if not study.keeps_runs and not in_use(folder):  # by a job whose study was killed, for one
        shutil.rmtree(folder, ignore_errors=True)
    return row

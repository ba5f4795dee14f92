"""The processes that work on a study side by side, each with its imports and data once, and their progress.

work_on(task, jobs)  ->  `jobs` processes, this one among them, with the threads of the machine divided between them
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from zoo.launch.jobs import Ended, Jobs, Start
from zoo.studies.reading import check_run_count, check_seeds, read_study
from zoo.studies.rows import Row, Rows, keys_of
from zoo.studies.running import Place, Run, num_runs, runnable, work
from zoo.studies.spec import Study

HEARS = 1.0  # seconds after which a process that only waits looks for signals

Maker = Callable[[], AbstractContextManager[Start]]  # makes what starts runs, in the process that will use it


@dataclass(frozen=True)
class Task:
    """A study to be run, as it is handed to each process.

    Attributes:
        folder: of the study.
        place: where it is run.
        seeds: other seeds than those of its file, if any.
        threads: of each process.
        begin: when the work began, seconds since 1970.
        had: number of its rows at that time.
    """

    folder: Path
    place: Place
    seeds: list[int] | None
    threads: int
    begin: float = field(default_factory=time.time)
    had: int = 0

    def study(self) -> Study:
        """The study, read from its file."""
        study = read_study(self.folder)
        if self.seeds is None:
            return study
        other = replace(study, seeds=self.seeds)
        check_run_count(other)
        check_seeds(other)
        return other

    def rows(self, study: Study) -> Rows:
        """Its rows."""
        return Rows(study, self.place.work / "results.lock")


def one_worker(task: Task, make: Maker) -> None:
    """Works on the task in this process until there is nothing left to do, or its parent has gone."""
    torch.set_num_threads(task.threads)
    study = task.study()
    parent = multiprocessing.parent_process()

    def log(run: Run, row: Row, rows: list[Row]) -> None:
        print(progress(task, study, run, row, rows), flush=True)
        if parent and not parent.is_alive():  # it was killed, and whoever did so wants no more of this
            sys.exit(1)

    with make() as start:
        work(study, task.rows(study), task.place, start, log)


def work_on(task: Task, make: Maker, jobs: int) -> None:
    """Has the task done by so many processes.

    Raises:
        SystemExit: one of them failed or was told to stop.
    """
    os.environ["OMP_NUM_THREADS"] = str(task.threads)  # those to come read it as they start
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=one_worker, args=(task, make)) for _ in range(jobs - 1)]
    listening = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for this one, which tells them
    for process in others:
        process.start()
    signal.signal(signal.SIGINT, listening)
    try:
        one_worker(task, make)
    except BaseException:
        for process in others:
            process.terminate()  # saves and leaves
        raise
    finally:
        for process in others:
            process.join()
    if codes := [process.exitcode for process in others if process.exitcode]:
        sys.exit(max(codes) if max(codes) > 0 else 1)


def work_as_jobs(task: Task, cluster: Jobs, jobs: int, trusted: Sequence[str] = ()) -> None:
    """Has the task done by jobs of a cluster.

    Args:
        task: what is to be done.
        cluster: the cluster.
        jobs: how many may be in its queue at a time.
        trusted: flags that name further packages which configurations may import from.
    """

    def start(words: Sequence[str]) -> Ended:
        return cluster.start([*words, *trusted])

    with cluster.left_alone(), ThreadPoolExecutor(jobs) as pool:
        workers = [pool.submit(one_worker, task, lambda: nullcontext(start)) for _ in range(jobs)]
        # Linux may give a signal to a thread that starts a program just then (sbatch, squeue). Python answers it in
        # its first thread only, and that one sleeps on, so it wakes by itself now and then
        while wait(workers, HEARS).not_done:
            pass
        for worker in workers:
            worker.result()


def progress(task: Task, study: Study, run: Run, row: Row, rows: list[Row]) -> str:
    """One line: how far the study is, what the run came to, and how long the rest may take."""
    done, of = num_finished(study, rows), num_runs(study)
    rate = (time.time() - task.begin) / max(1, done - task.had)
    if row["error"]:
        outcome = f"failed: {row['error']}"
    else:
        splits = {split: row[f"{split}_accuracy"] for split in ("val", "test")}
        shares = ", ".join(f"{split} {100 * float(share):.2f} %" for split, share in splits.items() if share)
        outcome = f"{shares}, {row['seconds']} s"
    what = ", ".join(filter(None, [study.named(run.cell), row["tuned"], f"seed {run.seed}"]))
    return f"{done}/{of} {what}{' (tuning)' if run.tuning else ''}: {outcome}; {format_remaining(rate * (of - done))}"


def num_finished(study: Study, rows: list[Row]) -> int:
    """Number of runs of the study that have rows."""
    return len(runnable(study, rows).keys() & keys_of(rows).keys())


def format_remaining(seconds: float) -> str:
    """An estimate in words."""
    if seconds < 1:
        return "nothing left"
    return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"

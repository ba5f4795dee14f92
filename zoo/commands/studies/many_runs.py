"""What `study run` and `recipe run` share: flags, processes or jobs, and what is said at the end.

task: arms × seeds  ->  the runs that have no rows yet, each once, side by side  ->  rows
"""

import gc
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from zoo.commands.plain_parser import from_one

if TYPE_CHECKING:
    from zoo.launch.jobs import Start
    from zoo.studies.rows import Row
    from zoo.studies.spec import Study
    from zoo.studies.workers import Maker, Task


def add_run_flags(parser: ArgumentParser) -> None:
    """Adds the flags that say where and how runs are done."""
    parser.add_argument("--data-root", "--data.root", type=Path, default=Path(os.environ.get("ZOO_DATA") or "data"),
                        metavar="DIR", help="where data lies or is downloaded to")  # fmt: skip
    parser.add_argument("--cifar10", type=Path, metavar="OUT.npz", help="a copy of CIFAR-10, in place of the original")
    parser.add_argument("--jobs", type=from_one, default=1, metavar="N",
                        help="processes side by side; with slurm, jobs in its queue")  # fmt: skip
    parser.add_argument("--executor", choices=["local", "slurm"], default="local", help="where runs are done")
    parser.add_argument("--slurm", nargs="*", default=[], metavar="KEY=VALUE", help="settings of submitit for its jobs")


@contextmanager
def starting(data_class: type[Any], trusted: Sequence[str] = ()) -> Iterator["Start"]:
    """Within it, runs can be started in this process, each with the data that an earlier one has read.

    Args:
        data_class: the base class of data sets.
        trusted: flags that name further packages which configurations may import from.
    """
    import zoo.commands.cli.command
    from zoo.launch.in_process import run_in_process

    assert zoo.commands.cli.command  # imported before what is there is frozen
    with data_class.sharing():
        gc.freeze()  # what is imported stays: the search for garbage after each run need not go through it
        try:
            yield partial(run_in_process, command=partial(one_run, data_class=data_class, trusted=trusted))
        finally:
            gc.unfreeze()  # or what is written in C++ calls it leaked when the process ends


def one_run(words: Sequence[str], data_class: type[Any], trusted: Sequence[str] = ()) -> None:
    """One run, as `cli.main` does it."""
    from zoo.commands.cli.command import run_lightning
    from zoo.commands.report_errors import reported

    with reported(debug=False):
        run_lightning([*words, *trusted], data_class)


def do(
    task: "Task",
    options: Namespace,
    data_class: type[Any],
    check: Callable[["Study", "Start"], None],
    trusted: Sequence[str] = (),
) -> tuple[list["Row"], Path]:
    """Does the runs of a task that have no rows yet.

    Args:
        task: the task.
        options: with the flags above.
        data_class: the base class of data sets.
        check: is called before the first run, if there is one.
        trusted: flags that name further packages which configurations may import from.

    Returns:
        The rows of all runs of the task, and their file.
    """
    from zoo.studies.rows import keys_of
    from zoo.studies.running import num_runs, runnable
    from zoo.studies.workers import num_finished

    study = task.study()
    rows = task.rows(study)
    rows.check_writable()
    rows.forget_failures()
    there = rows.read()
    if runnable(study, there).keys() - keys_of(there).keys():
        make = partial(starting, data_class, trusted)
        with make() as start:  # around all, so that the runs have the data that the check has read
            check(study, start)
            task = replace(task, begin=time(), had=num_finished(study, there))
            print(f"{num_runs(study) - task.had} of {num_runs(study)} runs to do, rows: {rows.path}", flush=True)
            work_where_asked(task, options, make, trusted)
    there = rows.read()
    own = runnable(study, there)
    return [dict(row) for key, row in keys_of(there).items() if key in own], rows.path


def work_where_asked(task: "Task", options: Namespace, make: "Maker", trusted: Sequence[str]) -> None:
    """Has the runs done, by jobs of a cluster or by processes here, which say so when they are stopped."""
    from zoo.launch.jobs import STOPPED, Jobs
    from zoo.resume.signals import StopSignals
    from zoo.studies.workers import work_as_jobs, work_on

    if options.executor == "slurm":
        given = dict(setting.partition("=")[::2] for setting in options.slurm)
        cluster = Jobs(task.place.work / "jobs", Path.cwd(), task.threads, given)
        work_as_jobs(task, cluster, options.jobs, trusted)
        return
    try:
        with StopSignals().handled():  # the other processes are told, too
            work_on(task, make, options.jobs)
    except SystemExit as leave:
        if leave.code in STOPPED:
            print("stopped: what ran has saved. Next: the same command, which goes on", file=sys.stderr)
        raise


def place_of(options: Namespace, work: Path) -> Any:
    """Where runs are done, from the flags."""
    from zoo.studies.running import Place

    cifar10 = options.cifar10.resolve() if options.cifar10 else None
    return Place(work.resolve(), options.data_root.resolve(), cifar10)

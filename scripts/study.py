"""Runs a study: whatever its rows do not have yet, over all its arms and seeds.

    python scripts/study.py configs/studies/activations --data-root DIR [--jobs 2]     kill it, run it again: it goes on
    python scripts/study.py configs/studies/activations --executor slurm --jobs 50 --slurm partition=cpu
    python scripts/study.py configs/studies/depth --cifar10 OUT.npz                     CIFAR-10 from a copy

configs/studies/NAME/study.yaml -> runs/studies/NAME/… -> configs/studies/NAME/results.csv

scripts/report.py makes the report of the rows. docs/studies.md says what goes into study.yaml.
"""

import argparse
import atexit
import gc
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from zoo.launch.jobs import Ended, Start
    from zoo.studies.workers import Task


def command(words: Sequence[str], trusted: Sequence[str] = ()) -> None:
    """The command, with data that was read by an earlier run of this process."""
    from cli import main

    main([*words, *trusted])


def local(trusted: Sequence[str] = ()) -> "Start":
    """Starts runs in this process.

    Args:
        trusted: words that name further packages which configurations may import from.
    """
    import datamodules.sharing
    import zoo.commands.cli
    from zoo.launch.in_process import run_in_process

    assert zoo.commands.cli
    until_the_end = ExitStack()
    until_the_end.enter_context(datamodules.sharing.sharing())
    atexit.register(until_the_end.close)
    gc.freeze()  # what is imported stays: the search for garbage after each run need not go through it
    atexit.register(gc.unfreeze)  # or what is written in C++ calls it leaked
    return partial(run_in_process, command=partial(command, trusted=trusted))


def on_cluster(task: "Task", settings: Sequence[str], jobs: int, trusted: Sequence[str]) -> None:
    """Runs the task as jobs of a SLURM cluster, so many in its queue at a time."""
    from zoo.launch.jobs import Jobs
    from zoo.studies.workers import one_worker

    given = dict(setting.partition("=")[::2] for setting in settings)
    cluster = Jobs(task.place.work / "jobs", ROOT, task.threads, given)

    def start(words: Sequence[str]) -> "Ended":
        return cluster.start([*words, *trusted])

    with ThreadPoolExecutor(jobs) as pool:
        for worker in [pool.submit(one_worker, task, lambda: start) for _ in range(jobs)]:
            worker.result()


def run(options: argparse.Namespace) -> int:
    """Checks the study and runs it; returns how many of its runs have failed."""
    from zoo.launch.jobs import processors
    from zoo.resume.signals import StopSignals
    from zoo.studies.reading import parse_seeds
    from zoo.studies.rows import keys_of
    from zoo.studies.running import Place, check_arms, wanted
    from zoo.studies.workers import Task, num_finished, work_on

    cifar10 = options.cifar10.resolve() if options.cifar10 else None
    folder, work = options.study.resolve(), ROOT / "runs/studies" / options.study.resolve().name
    os.chdir(ROOT)
    folder = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
    chosen = parse_seeds(options.seeds, "--seeds") if options.seeds is not None else None
    # a job has a processor of its own, on a machine that is not this one
    threads = options.threads or (1 if options.executor == "slurm" else max(1, processors() // options.jobs))
    task = Task(folder, Place(options.work or work, options.data_root.resolve(), cifar10), chosen, threads)
    study = task.study()
    rows = task.rows(study)
    rows.check_writable()
    rows.forget_failures()
    there = rows.read()
    missing = wanted(study, there).keys() - keys_of(there).keys()
    trusted = [word for module in options.allow_import for word in ("--allow_import", module)]
    if missing:
        check_arms(study, local(trusted))
        task = Task(folder, task.place, chosen, threads, had=num_finished(study, there))
        if options.executor == "slurm":
            on_cluster(task, options.slurm, options.jobs, trusted)
        else:
            with StopSignals().handled():  # the other processes are told, too
                work_on(task, partial(local, trusted), options.jobs)
    there = rows.read()
    failed = [row for key, row in keys_of(there).items() if key in wanted(study, there) and row["error"]]
    count = num_finished(study, there)
    print(f"{count} rows in {rows.path}, {len(failed)} of failed runs. Next: python scripts/report.py")
    return len(failed)


def main() -> None:
    """Reads the flags and says in one line what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder with a study.yaml")
    parser.add_argument("--data-root", type=Path, default=Path(os.environ.get("ZOO_DATA", "data")))
    parser.add_argument("--cifar10", type=Path, help="archive with a copy of CIFAR-10, instead of the original")
    parser.add_argument("--seeds", type=int, help="seeds 0, 1, … instead of those in study.yaml")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side; with slurm, jobs in its queue")
    parser.add_argument("--threads", type=int, help="of each process (default: this machine's, divided; a job's is 1)")
    parser.add_argument("--executor", choices=["local", "slurm"], default="local", help="where the runs run")
    parser.add_argument("--slurm", nargs="*", default=[], metavar="KEY=VALUE", help="settings of submitit for its jobs")
    parser.add_argument("--allow_import", action="append", default=[], metavar="MODULE", help="lets the study name"
                        " classes of this package of yours; no study.yaml can")  # fmt: skip
    parser.add_argument("--work", type=Path, help="folder for runs under way (default: runs/studies/NAME)")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error(f"processes in --jobs: expected 1 or more, found {options.jobs}")
    if options.threads is not None and options.threads < 1:
        parser.error(f"threads in --threads: expected 1 or more, found {options.threads}")
    from zoo.commands.report_errors import reported

    with reported(debug=False):
        sys.exit(1 if run(options) else 0)


if __name__ == "__main__":
    from zoo.launch.start import begin

    begin()
    main()

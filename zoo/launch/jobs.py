"""Starts runs of the command from a program that needs many of them: in processes here, or as jobs of a SLURM cluster.

    arguments of the command  ->  start(args)  ->  Ended(exit code, what it wrote to stderr)

Both wait for the end of the run, so that a program has as many runs under way as it has threads that call them. Jobs go
out through submitit (the extra `slurm`); a job whose time is up returns to the queue and goes on with its run, which is
why the arguments must say `--resume auto --run_dir DIR`.
"""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from zoo.errors import UsageError

SAVED_AND_LEFT = (143, 138)  # exit codes of a run that was told to stop; the second if it was still importing
STOPPED = (*SAVED_AND_LEFT, 130)  # and after an interrupt
LAST_MINUTES = 10.0  # the longest that SLURM takes to end a job that it has put back
WARNING_SECONDS = 120  # before its time is up, a job is told so


class Ended(NamedTuple):
    """How a run ended.

    Attributes:
        code: its exit code.
        stderr: what it wrote to stderr.
    """

    code: int
    stderr: str


def last_words(ended: Ended) -> str:
    """What a run that failed said last; its exit code if it said nothing."""
    return (ended.stderr.strip().splitlines() or [f"exit code {ended.code}"])[-1]


def processors() -> int:
    """How many this process may use: fewer than there are under `taskset`, in a job or in a container."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(count, quota())))


def quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """Processors' worth of time that the control groups of this process allow; infinite if they say nothing.

    Of both versions of control groups: `cpu.max` with "150000 100000", and two files in the controller `cpu`.
    """
    least = math.inf
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return least
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "cpu" if controllers else root
        group = top / name.strip("/")
        # a limit of a group above holds too; in a container the names are those of outside, and only the top is there
        for folder in {*(each for each in (group, *group.parents) if each.is_relative_to(top)), top}:
            files = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if controllers else ("cpu.max",)
            try:
                limit, period = " ".join((folder / file).read_text() for file in files).split()[:2]
                if limit not in ("max", "-1"):
                    least = min(least, int(limit) / int(period))
            except (OSError, ValueError, ZeroDivisionError):
                continue
    return least


Start = Callable[[Sequence[str]], Ended]


def start_here(args: Sequence[str], threads: int = 1, folder: Path | None = None) -> Ended:
    """Runs `python cli.py ARGS` to its end.

    Args:
        args: the verb and its flags.
        threads: what torch may use.
        folder: where it runs, the repository's; the present one by default.
    """
    return Here(threads, folder).start(args)


class Here:
    """Runs as processes here, which can be told to stop, all at once.

    Args:
        threads: what torch may use in each.
        folder: where they run, the repository's; the present one by default.
    """

    def __init__(self, threads: int = 1, folder: Path | None = None) -> None:
        self.threads, self.folder = threads, folder
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def start(self, args: Sequence[str]) -> Ended:
        """Runs `python cli.py ARGS` to its end; once they were told to stop, none begins any more."""
        command = [sys.executable, "-m", "cli", *args]
        environ = {**os.environ, "OMP_NUM_THREADS": str(self.threads)}
        with self._lock:
            if self._stopped:
                return Ended(SAVED_AND_LEFT[0], "")
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environ,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._running.add(process)
        stderr = process.communicate()[1]
        self._running.discard(process)
        return Ended(process.returncode, stderr)

    def stop(self) -> None:
        """Tells them to save and to leave."""
        with self._lock:
            self._stopped = True
            for process in list(self._running):
                process.terminate()

    def kill(self) -> None:
        """Ends them at once."""
        for process in list(self._running):
            process.kill()


def start_in_job(args: Sequence[str], threads: int, folder: Path) -> Ended:
    """As `start_here`, inside a job: returns to the queue with it when its time is up."""
    signal.signal(signal.SIGUSR1, lambda *_: None)  # it is for the run, which saves and leaves
    ended = start_here(args, threads, folder)
    if ended.code in SAVED_AND_LEFT:
        put_back(os.environ["SLURM_JOB_ID"])
    return ended


def put_back(job: str) -> None:
    """Puts a job back into the queue and waits for its end; SLURM does so itself if the job was preempted."""
    state = subprocess.run(["squeue", "--noheader", "--jobs", job, "--format=%T"], capture_output=True, text=True)
    if state.stdout.strip() == "RUNNING":
        subprocess.run(["scontrol", "requeue", job], check=True)
    time.sleep(60 * LAST_MINUTES)  # what this process returned now would be taken for the end of the run


class Jobs:
    """Runs as jobs of a SLURM cluster, one each.

    Args:
        log: folder for what submitit and the jobs write; all nodes must see it.
        folder: where the runs run, the repository's.
        threads: what torch may use, and processors of a job.
        settings: further settings of submitit's SlurmExecutor, such as partition, time (minutes) and gpus_per_node.

    Raises:
        UsageError: submitit or SLURM is not here, or there is no such setting.
    """

    def __init__(self, log: Path, folder: Path, threads: int, settings: Mapping[str, str]) -> None:
        os.environ["SUBMITIT_PREEMPT_SIGNAL"] = "USR1"  # read when submitit is imported, here and in the job
        try:
            import submitit
        except ImportError as error:
            raise UsageError(
                "package in --executor: expected submitit, found none. Try: pip install -e '.[slurm]'"
            ) from error
        given: dict[str, Any] = {key: int(value) if value.isdigit() else value for key, value in settings.items()}
        try:
            self.executor = submitit.SlurmExecutor(log)
            self.executor.update_parameters(
                **{
                    "time": 240,
                    "ntasks_per_node": 1,
                    "cpus_per_task": threads,
                    "signal_delay_s": WARNING_SECONDS,
                    **given,
                },
                additional_parameters={"requeue": True},
            )
        except RuntimeError as error:
            raise UsageError(
                "programs in PATH: expected those of SLURM, found no srun. Try: module load slurm"
            ) from error
        except ValueError as error:
            raise UsageError(
                f"settings in --slurm: expected those of submitit, found others ({' '.join(str(error).split())})"
            ) from error
        self.work = partial(start_in_job, threads=threads, folder=folder)
        self._one_at_a_time = threading.Lock()

    def start(self, args: Sequence[str]) -> Ended:
        """Submits a run and waits for its end."""
        import submitit

        with self._one_at_a_time:
            job = self.executor.submit(self.work, list(args))
        try:
            ended: Ended = job.result()
        except (submitit.core.utils.FailedJobError, submitit.core.utils.UncompletedJobError) as error:
            return Ended(1, f"job {job.job_id}: {' '.join(str(error).split())}")
        return ended

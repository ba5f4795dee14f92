"""Starts runs of the command from a program that needs many of them: in processes here, or as jobs of a SLURM cluster.

    arguments of the command  ->  start(args)  ->  Ended(exit code, what it wrote to stderr)

Both wait for the end of the run, so that a program has as many runs under way as it has threads that call them. Jobs go
out through submitit (the extra `slurm`); a job whose time is up returns to the queue and goes on with its run, which is
why the arguments must say `--resume auto --run_dir DIR`. A program that is told to stop leaves its jobs to themselves;
the same arguments, started again, wait for the job that is there.
"""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from zoo.errors import UsageError

SAVED_AND_LEFT = (143, 138)  # exit codes of a run that was told to stop; the second if it was still importing
STOPPED = (*SAVED_AND_LEFT, 130)  # and after an interrupt
LAST_MINUTES = 10.0  # the longest that SLURM takes to end a job that it has put back
LONGEST_SUBMISSION = 30.0  # seconds
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
        lines = own.read_text(encoding="utf-8").splitlines()
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
                limit, period = " ".join((folder / file).read_text(encoding="utf-8") for file in files).split()[:2]
                if limit not in ("max", "-1"):
                    least = min(least, int(limit) / int(period))
            except (OSError, ValueError, ZeroDivisionError):
                continue
    return least


Start = Callable[[Sequence[str]], Ended]


def start_here(args: Sequence[str], threads: int = 1, folder: Path | None = None) -> Ended:
    """Runs `python -m cli ARGS` to its end.

    Args:
        args: the verb and its flags.
        threads: what torch may use.
        folder: where it runs; the present one by default.
    """
    done = subprocess.run(
        [sys.executable, "-m", "cli", *args],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Ended(done.returncode, done.stderr)


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
        folder: where the runs run.
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
        self.work, self.log = partial(start_in_job, threads=threads, folder=folder), log
        self.waited_for: set[str] = set()  # numbers of jobs
        self._one_at_a_time = threading.Lock()

    def start(self, args: Sequence[str]) -> Ended:
        """Submits a run, unless an earlier program has, and waits for its end."""
        import submitit

        note = self.log / f"{sha256(repr(list(args)).encode()).hexdigest()[:16]}.job"
        with self._one_at_a_time:
            job = self._job_there(note)
            if job is None:
                job = self.executor.submit(self.work, list(args))
                note.write_text(job.job_id, encoding="utf-8")
            self.waited_for.add(job.job_id)
        try:
            ended: Ended = job.result()
        except (submitit.core.utils.FailedJobError, submitit.core.utils.UncompletedJobError) as error:
            ended = Ended(1, f"job {job.job_id}: {' '.join(str(error).split())}")
        with self._one_at_a_time:
            self.waited_for.discard(job.job_id)
            note.unlink(missing_ok=True)
        return ended

    def _job_there(self, note: Path) -> Any:
        """The job of a program that has left, if it is still in the queue; None if not: what has ended goes quickly."""
        job = note.read_text(encoding="utf-8").strip() if note.exists() else ""
        if not job.isdecimal():
            return None
        asked = subprocess.run(["squeue", "--noheader", "--jobs", job, "--format=%T"], capture_output=True, text=True)
        return self.executor.job_class(self.executor.folder, job) if asked.stdout.strip() else None

    @contextmanager
    def left_alone(self) -> Iterator[None]:
        """Within it, a signal to stop ends this process at once, and says what becomes of the jobs."""

        def leave(number: int, frame: object) -> None:
            self._one_at_a_time.acquire(timeout=LONGEST_SUBMISSION)  # or a job would go out that is not named
            jobs = " ".join(sorted(self.waited_for, key=int))
            says = (
                f"jobs in the queue go on. Try: the same command, which waits for them, or to end them, scancel {jobs}"
            )
            name = signal.Signals(number).name
            print(f"told to stop ({name}): {says if jobs else 'no job is in the queue'}", file=sys.stderr, flush=True)
            os._exit(130 if number == signal.SIGINT else 143)

        numbers = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGUSR1", signal.SIGTERM)}
        before = {number: signal.signal(number, leave) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

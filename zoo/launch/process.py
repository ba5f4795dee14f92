"""The process a command runs in: what it says, asks and returns besides its work."""

import ctypes
import logging
import os
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed
from lightning import Trainer

from zoo.errors import is_rank_zero, one_line

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from malloc.h
LIGHTNINGS = ("lightning.pytorch", "lightning.fabric")  # loggers
LINGER = 5.0  # seconds that other processes of a failed run have to end by themselves


@contextmanager
def left_as_found() -> Iterator[None]:
    """Puts back, at its end, what a command sets for its process: a notebook goes on after it."""
    names = ("CUDA_VISIBLE_DEVICES", "PYTORCH_ENABLE_MPS_FALLBACK")
    environ = {name: os.environ.get(name) for name in names}
    levels = {name: logging.getLogger(name).level for name in LIGHTNINGS}
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
            for name, value in environ.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def skip_driver_search() -> None:
    """Reports once that there is no NVIDIA device, where there is none.

    Optimisers ask for it at every step, and Lightning has the answer sought by loading the driver's library anew each
    time: a tenth of the step of a small network.
    """
    if not torch.cuda.is_available():
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def keep_memory() -> None:
    """Lets the C library keep freed memory for the next step, where it is glibc.

    It would give large blocks back to the system, which hands them out again page by page, each cleared: up to a third
    of the time of a small convolutional network on a CPU. Results are the same, bit for bit.
    """
    if os.confstr_names.get("CS_GNU_LIBC_VERSION") and (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        # releases before 2.35 take 32 MiB at most
        if not mallopt(M_MMAP_THRESHOLD, 2**30):
            mallopt(M_MMAP_THRESHOLD, 2**25)


def quieten() -> None:
    """Keeps what Lightning says of itself at every start off the terminal."""
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    for name in LIGHTNINGS:
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.* is deprecated",  # Lightning 2.6 on torch 2.15
        ".*does not have many workers.*",  # no loader processes by design
        ".*Checkpoint directory .* exists and is not empty",  # a resumed run
        ".*callbacks used to create the checkpoint need to be provided.*",  # those of fit have no work in test
        ".*It is recommended to use `self.log\\(.*sync_dist=True.*",  # summed over devices by the accumulator already
        ".*The `srun` command is available on your system but is not used.*",  # zoo/launch/slurm.py knows when it must
        ".*You requested to overfit but enabled .* shuffling.*",  # the batches know, and do not shuffle then
        ".*you need to define a `flops_per_batch` attribute.*",  # throughput in images is what was asked for
        ".*module\\(s\\) in eval mode at the start of training",  # those of a frozen body
        ".*Total length of `.*` across ranks is zero.*",  # no validation images
    ):
        warnings.filterwarnings("ignore", message=message)


def is_first() -> bool:
    """Whether this process is the first of its run, which alone writes; known before the processes know each other."""
    return is_rank_zero() and not first_of_another_machine()


def started_processes(trainer: Trainer | None) -> list[subprocess.Popen[bytes]]:
    """The processes that this one has started for the other devices."""
    return trainer.strategy.launcher.procs if trainer and starts_words(trainer) else []  # type: ignore[union-attr]


def starts_words(trainer: Trainer) -> bool:
    """Whether the launcher starts processes by the words of this one; others fork this one, or there is none."""
    return hasattr(trainer.strategy.launcher, "cluster_environment")


def starts_itself_again(trainer: Trainer) -> bool:
    """Whether Lightning starts the processes of the other devices, by the arguments of this one."""
    launcher: Any = trainer.strategy.launcher
    return starts_words(trainer) and not launcher.cluster_environment.creates_processes_externally


def forks(trainer: Trainer) -> bool:
    """Whether Lightning copies this process for the other devices."""
    return trainer.strategy.launcher is not None and not starts_words(trainer)


def leave_group() -> None:
    """Ends the threads through which this process talks to the others of its run, and waits for them.

    Whoever leaves without that may be aborted on the way out: such a thread needs Python to put its last message away,
    and Python is gone by then. Lightning sees to it for NCCL alone.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def end_processes(processes: list[subprocess.Popen[bytes]]) -> None:
    """Ends those that wait for this one: it has failed, and most of what they can be waiting in has no end."""
    end = time.monotonic() + LINGER
    while time.monotonic() < end and any(process.poll() is None for process in processes):
        time.sleep(0.05)
    kill_processes(processes)


def kill_processes(processes: list[subprocess.Popen[bytes]]) -> None:
    """Kills those that are not gone yet."""
    for process in processes:
        process.kill()


def first_of_another_machine() -> bool:
    """Whether this process is the first on a machine that is not the first."""
    machine = next(
        (os.environ[name] for name in ("GROUP_RANK", "NODE_RANK", "SLURM_NODEID") if name in os.environ), "0"
    )
    place = next((os.environ[name] for name in ("LOCAL_RANK", "SLURM_LOCALID") if name in os.environ), "0")
    return machine != "0" and place == "0"


def lost_process(error: Exception) -> str | None:
    """The one line if another process of this run is gone, so that this one cannot go on either."""
    from torch.distributed import DistError

    if not isinstance(error, RuntimeError) or not (isinstance(error, DistError) or "gloo" in str(error)):
        return None
    expected, found = "to go on", "is gone"
    if "timed out" in str(error).lower():
        expected, found = "to answer within --process_timeout", "does not"
    return (
        f"processes in --trainer.devices: expected all of them {expected}, found one that {found}"
        f" ({one_line(str(error))[:120]}). Try: the same command with --resume auto --run_dir DIR"
    )

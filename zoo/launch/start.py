"""What a process of the command does before its slow imports: needs nothing but Python itself.

Signals end it at once and without a message, as there is nothing to save. A closed terminal, and an output that takes
nothing more (`| head -1`), do not end it. Launcher variables that are incomplete are removed: Lightning and torch would
each believe some of them.
"""

import errno
import io
import os
import signal
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

# by launcher, what it always sets; the numbers among them are whole and not negative
TORCHRUN = ("TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
SRUN = ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS")
JSRUN = ("LSB_JOBID", "LSB_DJOB_RANKFILE", "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_LOCAL_RANK", "JSM_NAMESPACE_SIZE")
WORDS = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "LSB_DJOB_RANKFILE")
OF_TORCH = (
    *(*TORCHRUN, "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_RANK", "NODE_RANK", "STANDALONE_PORT"),
    "TORCHELASTIC_USE_AGENT_STORE",
)
OF_SLURM = SRUN[1:]  # the number of the job stays: it tells that there is one (zoo/launch/slurm.py)
INTERACTIVE = ("bash", "interactive")  # names of jobs in which Lightning does not look for SLURM's tasks


class Output(io.FileIO):
    """What a process says, to somebody who may have gone: `| head -1`, a closed terminal.

    Args:
        descriptor: 1 or 2.
        needed: whether a disk that is full is an error; a reader who has what he wanted never is.
    """

    def __init__(self, descriptor: int, needed: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.needed = needed

    def write(self, content: Any) -> int:
        """Writes what can be written."""
        try:
            return super().write(content) or 0
        except OSError as error:
            if self.needed and error.errno != errno.EPIPE:
                self.needed = False  # it is said once
                raise
            return memoryview(content).nbytes


def begin(needed: bool = False) -> None:
    """Makes this process one that is ended from outside well, or not at all.

    Args:
        needed: whether what is written to a full disk is the very work.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    for name in ("SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: os._exit(143))
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    while (nowhere := os.open(os.devnull, os.O_RDWR)) < 3:  # or the first file that is opened would be the output
        pass
    os.close(nowhere)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        old = getattr(sys, name)
        encoding = {"encoding": old.encoding, "errors": old.errors} if old else {"encoding": "utf-8"}
        buffer = io.BufferedWriter(Output(descriptor, needed))
        tty = buffer.isatty()
        setattr(sys, name, io.TextIOWrapper(buffer, **encoding, line_buffering=tty or descriptor == 2))


def launcher(environ: Mapping[str, str]) -> str | None:
    """What has started this process as one of several: torchrun, srun, jsrun, or Lightning or a user by hand."""

    def whole(*names: str, rank: str = "", size: str = "") -> bool:
        for name in names:
            value = environ.get(name, "")
            if not value or (name not in WORDS and not (value.isdecimal() and len(value) < 10)):
                return False
        return not rank or int(environ[rank]) < int(environ[size])

    if whole(*TORCHRUN, rank="RANK", size="WORLD_SIZE"):
        return "torchrun"
    if whole(*SRUN, rank="SLURM_PROCID", size="SLURM_NTASKS") and environ.get("SLURM_JOB_NAME") not in INTERACTIVE:
        return "srun"
    if whole(*JSRUN, rank=JSRUN[2], size=JSRUN[4]) and Path(environ[JSRUN[1]]).is_file():
        return "jsrun"
    ranks = [name for name in ("LOCAL_RANK", "NODE_RANK") if name in environ]
    return "hand" if ranks and whole("MASTER_ADDR", "MASTER_PORT", *ranks) else None


def forget_launchers(environ: MutableMapping[str, str], *, alone: bool = False) -> None:
    """Takes away the variables of launchers that have not started this process.

    Args:
        environ: the variables.
        alone: whether it is the only process, so that nobody can have started it by hand as one of several.
    """
    found = launcher(environ)
    if alone and found in ("hand", "jsrun"):
        found = None
    kept = {"torchrun": OF_TORCH, "srun": (*OF_SLURM, "MASTER_ADDR", "MASTER_PORT"), "jsrun": JSRUN, "hand": OF_TORCH}
    drop = {*OF_TORCH, *OF_SLURM, *JSRUN} - set(kept.get(found or "", ()))
    if found == "hand":
        drop |= {"TORCHELASTIC_RUN_ID", "TORCHELASTIC_USE_AGENT_STORE"}
    counts = ("RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_PORT", "STANDALONE_PORT")
    for name in drop | {name for name in counts if not environ.get(name, "0").isdecimal()}:
        environ.pop(name, None)

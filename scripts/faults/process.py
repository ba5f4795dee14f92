"""Runs of the command in processes of their own, which can be killed at a chosen moment.

    start(argv) -> fork -> cli.main(argv), armed to kill itself at a moment; it reports how far it is

A fork of a process that has imported torch starts in a fraction of a second.
"""

import mmap
import os
import signal
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads would neither survive the fork nor help networks this small

import datamodules
import zoo.checkpoints.storage as checkpoints
import zoo.commands.cli.fitting
from cli import main as command
from faults.forking import fork, free_port, under_torchrun
from zoo import Classifier
from zoo.checkpoints.checkpoint_io import SafeCheckpointIO

assert datamodules  # imported here, so that no fork has to
assert zoo.commands.cli.fitting
zoo.commands.cli.fitting.draw_run = lambda *args: None  # the figures cost more than the training

# where a save can be cut: the function of zoo/checkpoints/storage.py, and whether that is before it, in it or after it
SAVES = {
    "half written": ("write_through", "in"),
    "before the rename": ("keep", "before"),
    "between two renames": ("keep", "after"),
    "after the rename": ("flush_folder", "before"),
}
HOOKS = {
    "first step": "training_step",
    "step": "training_step",
    "validation": "validation_step",
    "end of epoch": "on_train_epoch_end",
    "end of training": "on_train_end",
}
SAVE_POINTS, HOOK_POINTS = tuple(SAVES), tuple(HOOKS)
LAUNCHER = 15.0  # seconds after which what waits for a dead process is killed, as torchrun and srun do
PATIENCE = 300.0  # seconds that a run may take before it counts as hung


class Progress:
    """How far a run is, reported over shared memory: what it writes there is here even if it dies the moment after.

    Attributes:
        step: optimiser steps done.
        unsaved: seconds from the last save, or the start, to the beginning of the last step.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)

    @property
    def step(self) -> int:
        return int(struct.unpack_from("q", self._memory, 0)[0])

    @property
    def unsaved(self) -> float:
        return float(struct.unpack_from("d", self._memory, 8)[0])

    def follow(self) -> None:
        """Makes this process report."""
        step, save = Classifier.training_step, SafeCheckpointIO.save_checkpoint
        saved: list[float] = []

        def training_step(model: Classifier, *args: Any) -> Any:
            now = time.monotonic()
            saved[:] = saved or [now]
            struct.pack_into("qd", self._memory, 0, model.trainer.global_step, now - saved[0])
            return step(model, *args)

        def save_checkpoint(plugin: Any, content: Any, path: Any, **options: Any) -> None:
            save(plugin, content, path, **options)
            if Path(path).name == "last.ckpt":
                saved[:] = [time.monotonic()]

        Classifier.training_step = training_step  # type: ignore[method-assign, assignment]
        SafeCheckpointIO.save_checkpoint = save_checkpoint  # type: ignore[method-assign, assignment]


def die() -> None:
    """SIGKILL, from inside: nothing of the process survives this line."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def arm(moment: str, after: int, act: Callable[[], None] = die) -> None:
    """Makes this process do something to itself at the `after`-th time that it comes to this moment."""
    owner: Any = checkpoints if moment in SAVES else Classifier
    name, when = SAVES.get(moment) or (HOOKS[moment], "before")
    original, left = getattr(owner, name), after

    def armed(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        reached = left == -1
        if reached and when == "in":
            path, content = args
            path.write_bytes(content[: len(content) // 2])
        if reached and when != "after":
            act()
        found = original(*args, **kwargs)
        if reached and when == "after":
            act()
        return found

    setattr(owner, name, armed)


def start(
    argv: list[str], log: Path, prepare: Callable[[], None], environment: dict[str, str], errors: Path | None = None
) -> int:
    """Forks a process that executes the command; returns its id.

    Args:
        argv: of the command.
        log: takes what it prints.
        prepare: called in it before its work.
        environment: added to its own.
        errors: takes what it prints on stderr, if that is to be told apart.
    """

    def act() -> None:
        prepare()
        command(argv)

    return fork(act, log, environment, errors)


class Run:
    """One start of a case's command: one process, or two that find each other as under torchrun.

    Args:
        argv: of the command.
        world: number of processes.
        log: where they write what they print.
        harm: called in the process `victim` before its work, to arm it.
        victim: its rank.
    """

    def __init__(self, argv: list[str], world: int, log: Path, harm: Callable[[], None] | None, victim: int) -> None:
        self.progress = Progress()
        port = free_port()

        def prepare(rank: int) -> None:
            if rank == 0:
                self.progress.follow()
            if harm and rank == victim:
                harm()

        self.left = {}
        for rank in range(world):
            environment = under_torchrun(rank, world, port) if world > 1 else {}
            process = start(argv, log, lambda rank=rank: prepare(rank), environment)  # type: ignore[misc]
            self.left[process] = rank
        self.codes: dict[int, int] = {}

    def wait(self, seconds: float) -> bool:
        """Waits until all processes have ended; whether they have within this time."""
        end = time.monotonic() + seconds
        while self.left:
            for process in list(self.left):
                done, status = os.waitpid(process, os.WNOHANG)
                if done:
                    self.codes[self.left.pop(process)] = os.waitstatus_to_exitcode(status)
            if time.monotonic() > end:
                return not self.left
            time.sleep(0.001)
        return True

    def collapse(self) -> bool:
        """Waits until all have ended after one was killed; whether a launcher would have had to help."""
        if self.wait(LAUNCHER):
            return False
        self.kill(list(self.left.values()))
        self.wait(PATIENCE)
        return True

    def kill(self, ranks: list[int]) -> None:
        """Kills those that still run."""
        for process in [process for process, rank in self.left.items() if rank in ranks]:
            os.kill(process, signal.SIGKILL)

"""Commands in processes of their own that are forked from a test: they start at once, and can be killed for real."""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

from cli import main
from faults.forking import fork, free_port, under_torchrun

RUNNING: set[int] = set()  # processes of the test that have not been seen to end


def kill_all() -> None:
    while RUNNING:
        process = RUNNING.pop()
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


class Forked:
    """A command in a process of its own, forked from this one; it says into files.

    Args:
        log: takes what it says.
        argv: of the command.
        prepare: called in the process before.
        environment: added to its own.
        command: takes the arguments; the zoo's own unless another is given.
        errors: takes what it says on stderr, if that is to be told apart.
    """

    def __init__(
        self,
        log: Path,
        argv: Sequence[str],
        prepare: Callable[[], None] = lambda: None,
        environment: Mapping[str, str] | None = None,
        command: Callable[[list[str]], object] = main,
        errors: Path | None = None,
    ) -> None:
        def act() -> None:
            prepare()
            command(list(argv))

        self.log, self.stderr = log, errors or log
        for path in (self.log, self.stderr):  # there when somebody looks for what it says
            path.touch()
        self.pid = fork(act, log, environment, errors)
        RUNNING.add(self.pid)

    def code(self, patience: float = 60.0) -> int:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                RUNNING.discard(self.pid)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        kill_all()
        pytest.fail(f"still running after {patience} s: {self.log.read_text()}")

    @property
    def errors(self) -> list[str]:
        return [line for line in self.stderr.read_text().splitlines() if line.startswith(("error", "Traceback"))]


def two(folder: Path, argv: Sequence[str], prepare: Callable[[int], None] = lambda rank: None) -> list[Forked]:
    """A command on two devices, in two processes that find each other as under torchrun.

    Args:
        folder: takes what they say: 0.log and 1.log, 0.err and 1.err.
        argv: of the command.
        prepare: called in each before, with its rank.
    """
    port = free_port()
    places = [(folder / f"{rank}.log", folder / f"{rank}.err", under_torchrun(rank, 2, port)) for rank in (0, 1)]
    return [
        Forked(log, argv, partial(prepare, rank), environment, errors=errors)
        for rank, (log, errors, environment) in enumerate(places)
    ]


def done_by_two(folder: Path, argv: Sequence[str]) -> tuple[str, str]:
    """Waits for them; returns what both have said, and what they have said on stderr."""
    ranks = two(folder, argv)
    codes = [process.code(120) for process in ranks]
    said = "".join(process.log.read_text() for process in ranks)
    errors = "".join(process.stderr.read_text() for process in ranks)
    assert codes == [0, 0], errors
    return said, errors


def until(condition: Callable[[], object], patience: float = 60.0) -> None:
    """Waits for what a process does; if it does not come, all are killed: no test leaves a process behind."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            kill_all()
            pytest.fail(f"did not come within {patience} s")
        time.sleep(0.01)

"""Commands in processes of their own that are forked from a test: they start at once, and can be killed for real."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from cli import main


class Forked:
    """A command in a process of its own, forked from this one; it says into a file.

    Args:
        log: the file.
        words: of the command.
        prepare: called in the process before.
    """

    def __init__(self, log: Path, words: list[str], prepare: Callable[[], None] = lambda: None) -> None:
        self.log = log
        self.pid = os.fork()
        if self.pid:
            return
        code = 70
        try:
            with log.open("w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1)
            prepare()
            main(words)
            code = 0
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def code(self, patience: float = 60.0) -> int:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        pytest.fail(f"still running after {patience} s: {self.log.read_text()}")

    @property
    def errors(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if line.startswith(("error", "Traceback"))]


def until(condition: Callable[[], object], patience: float = 60.0) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)

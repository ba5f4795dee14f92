"""Was the run told to stop? SIGINT (Ctrl-C), SIGTERM and SIGUSR1 (schedulers, before they kill) all ask for the same.

Between the first and the last step of training a signal only sets a flag, and the callback that saves `last.ckpt` asks
for it at the next step boundary. An exception would strike in the middle of a step, or in a finaliser or a library's
catch-all where it is lost. Everywhere else there is nothing to save, and the process leaves at once. Further signals
change nothing.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGUSR1", signal.SIGTERM))


class StopSignals:
    """The signals of one command.

    Attributes:
        received: number of the first signal, 0 before.
        deferred: whether someone asks for `received` from time to time, so that the process need not leave at once.
    """

    def __init__(self) -> None:
        self.received = 0
        self.deferred = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Takes the signals over from Python, until the end of the command."""
        if threading.current_thread() is not threading.main_thread():  # Python sets handlers there only
            yield
            return
        before = {number: signal.signal(number, self._take) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                # while the process leaves on a signal, another one must not change its exit code
                signal.signal(number, signal.SIG_IGN if self.received else handler)

    def _take(self, number: int, frame: Any) -> None:
        self.received = self.received or number
        if not self.deferred:
            sys.exit(exit_code(self.received))


def exit_code(number: int) -> int:
    """130 after an interrupt, 143 after the others: what a shell reports for SIGINT and SIGTERM."""
    return 130 if number == signal.SIGINT else 143

"""Was the run told to stop? SIGINT (Ctrl-C), SIGTERM and SIGUSR1 (schedulers, before they kill) all ask for the same.

Between the first and the last step of training a signal only sets a flag, and the callback that saves `last.ckpt` asks
for it at the next step boundary. An exception would strike in the middle of a step, or in a finaliser or a library's
catch-all where it is lost. Everywhere else there is nothing to save, and the process leaves at once.

A step can take long, and Python hears nothing as long as it is in torch. So a thread hears the signals too: it says
what is waited for, and the third signal of one kind (schedulers send a kind twice at most) ends the process at once,
with the last save on the disk. A closed terminal (SIGHUP) is no reason to stop.
"""

import os
import selectors
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from zoo.launch.process import is_first

SIGNALS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGUSR1", signal.SIGTERM))
PATIENCE = 1.0  # seconds after a signal; whoever still computes then says so
LAST = 3  # signals of one kind that end the process at once


class StopSignals:
    """The signals of one command.

    Args:
        last_act: called before the process is ended at once; it may be in the middle of anything.

    Attributes:
        received: number of the first signal, 0 before.
        deferred: whether someone asks for `received` from time to time, so that the process need not leave at once.
    """

    def __init__(self, last_act: Callable[[], object] = lambda: None) -> None:
        self.received = 0
        self.deferred = False
        self.last_act = last_act

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Takes the signals over from Python, until the end of the command."""
        if threading.current_thread() is not threading.main_thread():  # Python sets handlers there only
            yield
            return
        heard, wake_up = os.pipe()
        os.set_blocking(wake_up, False)
        before = {number: signal.signal(number, self._take) for number in SIGNALS}
        if hasattr(signal, "SIGHUP"):
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        others = signal.set_wakeup_fd(wake_up, warn_on_full_buffer=False)
        listener = threading.Thread(target=self._listen, args=(heard,), daemon=True, name="signals")
        listener.start()
        try:
            yield
        finally:
            for number, handler in before.items():
                # while the process leaves on a signal, another one must not change its exit code
                signal.signal(number, signal.SIG_IGN if self.received and number in SIGNALS else handler)
            signal.set_wakeup_fd(others)
            os.close(wake_up)
            listener.join()
            os.close(heard)

    def _take(self, number: int, frame: Any) -> None:
        self.received = self.received or number
        if not self.deferred:
            sys.exit(exit_code(self.received))

    def _listen(self, heard: int) -> None:
        """Hears the signals whatever the first thread is at, until the other end of the pipe is closed."""
        first, counts, patience = 0, Counter[int](), None
        with selectors.DefaultSelector() as selector:
            selector.register(heard, selectors.EVENT_READ)
            while True:
                if not selector.select(patience):
                    patience = None
                    self._say(first)
                    continue
                read = os.read(heard, 64)
                if not read:
                    return
                numbers = [number for number in read if number in SIGNALS]
                counts.update(numbers)
                if numbers and not first:
                    first, patience = numbers[0], PATIENCE
                if counts and max(counts.values()) >= LAST:
                    with suppress(Exception):
                        self.last_act()
                    os._exit(exit_code(first))

    def _say(self, number: int) -> None:
        """Prints what is waited for, once for all processes, unless this one is on its way out already."""
        if is_first() and (self.deferred or not self.received):
            name = signal.Signals(number).name
            with suppress(OSError, ValueError):
                print(
                    f"told to stop ({name}): waits for the end of the step that is being computed, then saves and"
                    f" leaves; a third {name} ends it at once, with the last save",
                    file=sys.stderr,
                    flush=True,
                )


def exit_code(number: int) -> int:
    """130 after an interrupt, 143 after the others: what a shell reports for SIGINT and SIGTERM."""
    return 130 if number == signal.SIGINT else 143


def deafen() -> None:
    """In a process that was forked: its signals are not those of its parent."""
    with suppress(ValueError):  # not in the first thread
        signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=deafen)

"""One line for what the user can cause, a traceback for what only we can.

    error: <what> in <file or key>: expected <x>, found <y>. Try: <command or nearest name>

What a library raises under a flag that the user has set is the user's (`library_errors.py`); the rest of what is
neither ValueError nor OSError is ours. Exit code 2 for usage and configuration, 1 for the rest, 130 for an interrupt.
Of several processes the first speaks; the others do only where it has nothing to say.
"""

import errno
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zoo.errors import MissingDevice, UsageError, one_line

FORM = re.compile(r".+ in .+: expected .+, found .+")
UNDER_A_FLAG = re.compile(r"[^:]+ in --\w")  # the value of a flag is wrong, whoever has noticed it
PATIENCE = 5.0  # seconds in which the first process speaks of what has happened to all, if it has
REPORTED = "zoo/spoken"  # key under which it says so to the others


@contextmanager
def reported(*, debug: bool) -> Iterator[None]:
    """Turns an exception the user can cause into one line on stderr and an exit code.

    Args:
        debug: let the exception through, with its traceback.
    """
    try:
        yield
    except KeyboardInterrupt:
        if debug:
            raise
        sys.exit(130)
    except Exception as error:
        if debug:
            raise
        if "lightning" not in sys.modules and (line := own_line(error)):  # nor is it imported to say so
            print(f"error: {one_line(line[0])}", file=sys.stderr, flush=True)
            sys.exit(2 if line[1] else 1)
        line = line_of(error)
        if line is None:
            raise
        text, usage = line
        if must_report(of_all=usage and not isinstance(error, MissingDevice | OSError)):
            print(f"error: {one_line(text)}", file=sys.stderr, flush=True)
        sys.exit(2 if usage else 1)


def own_line(error: Exception) -> tuple[str, bool] | None:
    """The one line for an exception of ours or the system's, and whether the command is wrong; None for any other."""
    usage, text = isinstance(error, UsageError), str(error)
    if isinstance(error, OSError) and error.errno:
        return access(error), usage
    if usage or (isinstance(error, ValueError | OSError) and FORM.match(text)):
        return text, usage or UNDER_A_FLAG.match(text) is not None
    return None


def line_of(error: Exception) -> tuple[str, bool] | None:
    """The one line for an exception, and whether the command or its configuration is wrong; None for our mistakes."""
    from lightning.pytorch.utilities.exceptions import MisconfigurationException

    from zoo.config.errors.library_errors import is_out_of_memory, line_for
    from zoo.config.parser import innermost
    from zoo.launch.process import lost_process
    from zoo.runs.lock import FolderInUse

    lost = lost_process(error)
    text = lost or innermost(error)
    usage = isinstance(error, UsageError | MisconfigurationException)
    if isinstance(error, OSError) and error.errno:  # the system's own words
        return access(error), usage
    if FORM.match(text) and isinstance(error, ValueError | OSError):
        return text, usage or (UNDER_A_FLAG.match(text) is not None and not isinstance(error, FolderInUse))
    if not lost and (line := line_for(error)):  # a library's, under a flag
        return line, not is_out_of_memory(error)
    if isinstance(error, MisconfigurationException):  # Lightning's words do not name a flag
        return f"setting in --trainer: expected one that Lightning can run here, found another ({text})", usage
    if isinstance(error, ValueError | OSError):  # a library's
        where = getattr(error, "filename", None) or "the command or its configuration"
        return f"value in {where}: expected one that works, found another ({text}). Try: --debug to see where", usage
    return (text, usage) if lost else None


def must_report(*, of_all: bool) -> bool:
    """Whether this process is the one to say what has happened.

    Args:
        of_all: whether it certainly happens to the first process, too: the command is the same for all. A file may be
            missing on one machine only, and then the first process would never hear why the others have gone.
    """
    import torch.distributed
    from lightning.pytorch.utilities import rank_zero_only

    from zoo.launch.process import first_of_another_machine

    rank = getattr(rank_zero_only, "rank", 0)
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        if rank == 0 or of_all or not first_of_another_machine():
            return rank == 0
        time.sleep(PATIENCE)  # whoever started the processes ends them all if the first one fails
        return True
    group: Any = torch.distributed.group.WORLD
    store = group.get_group_store()
    try:
        if rank == 0:
            store.set(REPORTED, "1")
        return rank == 0 or not (of_all or reported_or_gone(store))
    except RuntimeError:  # the store has gone with the process that held it, the first
        return rank == 0


def reported_or_gone(store: Any) -> bool:
    """Whether the first process has spoken, or has left with the store; not if it is there and does not answer."""
    heard: list[bool] = []

    def listen() -> None:
        try:
            heard.append(reported_within(PATIENCE, store))
        except RuntimeError:
            heard.append(True)

    listener = threading.Thread(target=listen, daemon=True)  # a process that is stopped never answers
    listener.start()
    listener.join(2 * PATIENCE)
    return heard == [True]


def reported_within(seconds: float, store: Any) -> bool:
    """Whether the first process says within this time that it speaks."""
    end = time.monotonic() + seconds
    while not store.check([REPORTED]):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def access(error: OSError) -> str:
    """The one line for a file or folder that the system does not give."""
    place, reason = error.filename or "a file", error.strerror or str(error)
    advice = "a shorter name" if error.errno == errno.ENAMETOOLONG else "another place, or more room"
    return f"access in {place}: expected a place to read and write, found '{reason}'. Try: {advice}"

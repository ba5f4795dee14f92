"""One line for what the user can cause, a traceback for what only we can.

    error: <what> in <file or key>: expected <x>, found <y>. Try: <command or nearest name>

Exit code 2 for usage and configuration, 1 for the rest, 130 for an interrupt.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

FORM = re.compile(r".+ in .+: expected .+, found .+")
MOST_LETTERS = 2000  # of a message


@contextmanager
def reported(*, debug: bool, quiet: bool) -> Iterator[None]:
    """Turns an exception the user can cause into one line on stderr and an exit code.

    Args:
        debug: let the exception through, with its traceback.
        quiet: say nothing: another process of this run has the word.
    """
    try:
        yield
    except KeyboardInterrupt:
        if debug:
            raise
        sys.exit(130)
    except Exception as error:
        from lightning.pytorch.utilities.exceptions import MisconfigurationException

        from zoo.runs.messages import UsageError, innermost

        lost = lost_process(error)
        if debug or not (lost or isinstance(error, ValueError | OSError | MisconfigurationException)):
            raise
        text = lost or innermost(error)
        if isinstance(error, OSError) and error.errno:  # the system's own words
            text = access(error)
        if isinstance(error, MisconfigurationException):  # Lightning's words do not name a flag
            text = f"setting in --trainer: expected one that Lightning can run here, found another ({text})"
        elif not FORM.match(text):  # said by a library
            where = getattr(error, "filename", None) or "the command or its configuration"
            text = f"value in {where}: expected one that works, found another ({text}). Try: --debug to see where"
        if not quiet:
            print(f"error: {one_line(text)}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError | MisconfigurationException) else 1)


def lost_process(error: Exception) -> str | None:
    """The one line if another process of this run is gone, so that this one cannot go on either."""
    from torch.distributed import DistError

    if not isinstance(error, RuntimeError) or not (isinstance(error, DistError) or "gloo" in str(error)):
        return None
    return (
        f"processes in --trainer.devices: expected all of them to go on, found one that is gone"
        f" ({one_line(str(error))[:120]}). Try: the same command with --resume auto --run_dir DIR"
    )


def access(error: OSError) -> str:
    """The one line for a file or folder that the system does not give."""
    place, reason = error.filename or "a file", error.strerror or str(error)
    return f"access in {place}: expected a place to read and write, found '{reason}'. Try: another place, or more room"


def one_line(text: str) -> str:
    """The text without its line breaks, and without what a terminal would obey: names may be a stranger's."""
    line = "".join(letter if letter.isprintable() else "�" for letter in " ".join(text.split()))
    return line if len(line) <= MOST_LETTERS else f"{line[:MOST_LETTERS]} …"

"""One line for what the user can cause, a traceback for what only we can.

    error: <what> in <file or key>: expected <x>, found <y>. Try: <command or nearest name>

Exit code 2 for usage and configuration, 1 for the rest, 130 for an interrupt.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


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

        expected = isinstance(error, ValueError | OSError | MisconfigurationException)
        if debug or not expected:
            raise
        text = one_line(innermost(error))
        if isinstance(error, MisconfigurationException):  # Lightning's words do not name a flag
            text = f"setting in --trainer: expected one that Lightning can run here, found: {text}"
        if not quiet:
            print(f"error: {text}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError | MisconfigurationException) else 1)


def one_line(text: str) -> str:
    """The text without its line breaks."""
    return " ".join(text.split())

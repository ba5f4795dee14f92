"""How every script begins: with one line if the zoo is not installed, and with the signals of the command."""

import sys
from importlib.util import find_spec


def check_installed() -> None:
    """Ends the process with one line if there is no zoo to import."""
    if not find_spec("zoo"):
        line = "package zoo in this Python: expected it installed, found none."
        print(f"error: {line} Try: make install && . .venv/bin/activate", file=sys.stderr)
        sys.exit(2)


def begin() -> None:
    """To be called before what takes seconds to import."""
    check_installed()
    from zoo.launch.start import begin

    begin()

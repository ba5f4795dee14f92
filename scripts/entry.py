"""How every script begins: with one line if the zoo is not installed, and with the signals of the command."""

import sys
from importlib.util import find_spec


def begin() -> None:
    """To be called before what takes seconds to import."""
    if not find_spec("zoo"):
        line = (
            "package zoo in this Python: expected it installed, found none. Try: make install && . .venv/bin/activate"
        )
        print(f"error: {line}", file=sys.stderr)
        sys.exit(2)
    from zoo.launch.start import begin

    begin()

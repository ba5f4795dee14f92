"""What every part of the project says to people in the same way: errors of one line, news, warnings.

UsageError("<what> in <file or key>: expected <x>, found <y>. Try: <command or nearest name>")

Needs nothing but Python until something is printed.
"""

import sys
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

# the newest that the tests were run with
TESTED = {"lightning": "2.6.6", "torch": "2.15.0", "jsonargparse": "4.53.0"}


class UsageError(ValueError):
    """What the user asked for cannot be: reported in one line, exit code 2."""


class MissingDevice(UsageError):
    """What the user asked for cannot be on this machine; on others it may."""


class DataError(ValueError):
    """A file of data holds another thing than it should: reported in one line, exit code 1."""


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it was raised from, outermost first."""
    while error:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


MOST_LETTERS = 2000  # of a message


def one_line(text: str) -> str:
    """The text without its line breaks, and without what a terminal would obey: names may be untrusted."""
    line = "".join(letter if letter.isprintable() else "�" for letter in " ".join(text.split()))
    return line if len(line) <= MOST_LETTERS else f"{line[:MOST_LETTERS]} …"


def is_rank_zero() -> bool:
    """Whether this process is the first of its run, as far as Lightning knows; without it there are no others."""
    utilities = sys.modules.get("lightning.pytorch.utilities")
    return utilities is None or getattr(utilities.rank_zero_only, "rank", 0) == 0


def report(text: str) -> None:
    """Prints how things stand, once for all processes of the run."""
    if is_rank_zero():
        print(text, flush=True)


def warn(text: str | None) -> None:
    """Prints to stderr what does not stop the run, once for all its processes."""
    if text and is_rank_zero():
        print(f"warning: {text}", file=sys.stderr)


def check_name(flag: str, value: object, names: Iterable[str]) -> None:
    """Raises ValueError, with the nearest name, unless the value is one of these names."""
    names = list(names)
    if value not in names:
        near = get_close_matches(str(value).rpartition(".")[2].lower(), names, 1)
        advice = f". Try: {flag} {near[0]}" if near else ""
        raise ValueError(f"value in {flag}: expected one of {', '.join(names)}, found {shorten(repr(value))}{advice}")


def shorten(value: object, most: int = 100) -> str:
    """A value for a message: one line, not too long, nothing that a terminal would obey."""
    text = str(value)
    line = text if text.isprintable() else ascii(text)[1:-1]
    return line if len(line) <= most else f"{line[: most - 1]}…"


def double_quoted(text: str) -> str:
    """A text as Python reads it, in double quotes: a shell needs the others."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def demand(owner: object, name: str, library: str = "lightning") -> None:
    """Raises UsageError if something that a library does not promise is gone in the version that is here."""
    from importlib.metadata import version
    from inspect import getattr_static

    if getattr_static(owner, name, demand) is not demand:
        return

    tested = TESTED[library]
    raise UsageError(
        f"{type(owner).__name__}.{name} in {library} {version(library)}: expected it, as the {library} {tested} that"
        f" this was tested with has it, found none. Try: pip install '{library}=={tested}'"
    )

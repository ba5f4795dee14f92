"""Text files that are whole or not there: written beside their target, then renamed. And names in natural order."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

LONGEST = 50  # letters of a name that its temporary one repeats: file systems allow 255 bytes in all


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Opens a text file beside `path` that takes its place once it is written: under the name it is always whole."""
    beside = temporary(path)
    try:
        with beside.open("x", newline="", encoding="utf-8") as file:
            yield file
        beside.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def temporary(path: Path) -> Path:
    """A name beside this one that no other process has, on whatever machine: whoever writes there is alone."""
    return path.with_name(f".{path.name[:LONGEST]}.{os.getpid()}-{secrets.token_hex(6)}.tmp")


def names_in(path: Path) -> set[str]:
    """What lies in a folder, if there is one."""
    return {entry.name for entry in path.iterdir()} if path.is_dir() else set()


def natural(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Sorts as people do: 2 before 10, and numbers before letters."""
    return list(pieces(name)), name


def pieces(name: str) -> Iterator[tuple[bool, int, str]]:
    """Numbers and what is between them, as what can be compared."""
    for piece in re.findall(r"^-?[0-9]+|[0-9]+|[^0-9]+", name):
        number = piece.lstrip("-").isdigit()
        yield not number, int(piece[:4000]) if number else 0, piece.casefold()

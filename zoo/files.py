"""Text files that are whole or not there: written beside their target, then renamed."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Opens a text file beside `path` that takes its place once it is written: under the name it is always whole."""
    beside = temporary(path)
    try:
        with beside.open("x", newline="") as file:
            yield file
        beside.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def temporary(path: Path) -> Path:
    """A name beside this one that no other process has, on whatever machine: whoever writes there is alone."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(6)}.tmp")


def names_in(path: Path) -> set[str]:
    """What lies in a folder, if there is one."""
    return {entry.name for entry in path.iterdir()} if path.is_dir() else set()

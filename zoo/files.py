"""Files that are whole or not there: written beside their target, then renamed. And names in natural order."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

TEMPORARY = r"\.\d+-[0-9a-f]{12}\.tmp"  # how a temporary name ends
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


@contextmanager
def folder_beside(out: Path) -> Iterator[Path]:
    """A folder beside a file, for what is to take the file's place. Those that killed processes have left are removed.

    Raises:
        OSError: as it came; it names the file where it named none, or what lies in the folder.
    """
    import shutil

    start = re.escape(temporary(out).name.rpartition(f".{os.getpid()}-")[0])
    for left in out.parent.iterdir():
        if re.fullmatch(start + TEMPORARY, left.name) and left.is_dir() and not left.is_symlink():
            with locked(left) as alone:  # its process holds the lock as long as it lives
                if alone:
                    shutil.rmtree(left, ignore_errors=True)
    folder = temporary(out)
    try:
        folder.mkdir()
        with locked(folder):
            yield folder
    except OSError as error:
        if error.errno is None or (error.filename and folder.name not in str(error.filename)):
            raise
        raise OSError(error.errno, error.strerror, str(out)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Holds the lock of a folder, unless another process does, or there are no locks; whether it is held."""
    if fcntl is None:
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        held = False
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        yield held
    finally:
        os.close(descriptor)


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

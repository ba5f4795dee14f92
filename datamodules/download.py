"""Fetching a public data set by torchvision's own downloader: once, by one process, and whole or not at all.

    files not whole -> lock ROOT/.NAME.lock -> torchvision downloads and unpacks in ROOT/.NAME.part -> files whole there
                    -> each one is renamed to its place, where it replaces what was damaged

So no process ever sees a part of a file under its final name, and what was there stays until something better is. A
file that is whole but other may be the user's own: nothing is fetched then. What is replaced, if it is no mere piece of
the new file, is kept as NAME.damaged.
"""

import http.client
import shutil
import socket
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from torchvision.datasets.utils import check_integrity

from datamodules.checks import OtherContent
from datamodules.sharing import shared
from zoo.errors import shorten

PIECE = 2**20  # bytes that are compared at a time
TIMEOUT = 60  # seconds without a byte, after which a server is given up
# URLError is an OSError; torchvision raises RuntimeError after its last mirror, and lets the others through
FAILURES = (RuntimeError, ValueError, OSError, tarfile.TarError, http.client.HTTPException)


def fetch(
    source: Any,
    root: Path,
    files: Iterable[str],
    archives: Mapping[str, str],
    read: Callable[[Path], object],
    known_as: Callable[[Path], str | None] = lambda path: None,
) -> None:
    """Sees to it that the files of a torchvision data set are there and whole; where they are, nothing is written.

    Args:
        source: torchvision data set class; it checks its archives by MD5 before it unpacks them.
        root: the folder given to torchvision.
        files: what it unpacks, under `root`.
        archives: what it downloads, under `root`, and the MD5 sums. One that lies there is not downloaded again.
        read: reads one file and raises OSError or ValueError unless it is the published one; OtherContent if it is
            whole.
        known_as: names the data set whose file that is, where it is another's.

    Raises:
        OSError, ValueError: what `read` says of the first file that is wrong, and why it could not be had anew.
    """
    names = [*files]
    faults = shared(("fault", source, root), lambda: find_faults(root, names, read))
    if not faults:
        return
    name = source.__name__
    for file, fault in faults.items():
        if isinstance(fault, OtherContent):
            raise OtherContent(f"{fault}. {left_alone(name, root, file, known_as(root / file))}") from fault
    fault = next(iter(faults.values()))
    print(f"{name} is not in {root}, or not whole: fetching it, or waiting for a process that does", flush=True)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):
            if find_faults(root, names, read):  # unless another process was faster
                download_whole(source, root, names, archives, read)
    except FAILURES as error:
        raise type(fault)(f"{fault}, and {not_fetched(name, root, error)}") from error


def not_fetched(name: str, root: Path, error: Exception) -> str:
    """Why a data set could not be fetched, and what to do."""
    last = str(error).strip().splitlines()[-1:]  # torchvision lists its mirrors in several lines
    reason = shorten(last[0]) if last else type(error).__name__
    return (
        f"fetching {name} failed ({reason}). Try: python cli.py download --data {name} --data.root '{root}' where there"
        " is a network and the folder can be written, or --data.root DIR if you have it elsewhere"
    )


def find_faults(root: Path, files: Iterable[str], read: Callable[[Path], object]) -> dict[str, OSError | ValueError]:
    """What is wrong with each file that is not whole, or other."""
    faults: dict[str, OSError | ValueError] = {}
    for file in files:
        try:
            read(root / file)
        except (OSError, ValueError) as error:
            faults[file] = error
    return faults


def left_alone(name: str, root: Path, file: str, other: str | None) -> str:
    """What to do about a file that is whole but other.

    Args:
        name: the data set that was looked for.
        root: its folder.
        file: the file, under `root`.
        other: the data set whose file it is, where that is known.
    """
    folder = root / Path(file).parts[0]
    away = f"mv '{folder}' '{folder}.other' to have {name} fetched"
    if other and not (root / other).exists():
        return (
            f"It is {other}'s, and was left as it is. Try: mv '{folder}' '{root / other}' and --data {other}, or {away}"
        )
    if other:
        return f"It is {other}'s, and was left as it is. Try: --data {other}, or {away}"
    return (
        "It may be your own or of a data set of the same form, and was left as it is."
        f" Try: {away}, or --data Arrays for images of your own"
    )


def download_whole(
    source: Any, root: Path, files: Iterable[str], archives: Mapping[str, str], read: Callable[[Path], object]
) -> None:
    """Downloads all files beside their places and moves them there once each of them is whole."""
    part = root / f".{source.__name__}.part"
    shutil.rmtree(part, ignore_errors=True)  # left by a process that was killed
    try:
        part.mkdir()
        copy_whole(archives, root, part)
        with careful():
            source(str(part), download=True)
        for file in files:
            read(part / file)
        for file in (*archives, *files):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            keep_other(root / file, part / file)
            (part / file).replace(root / file)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def keep_other(old: Path, new: Path) -> None:
    """Keeps what is to be replaced as NAME.damaged, unless it is the new file's beginning, or nothing but zeros."""
    if not old.is_file() or old.is_symlink():  # of a link only the link is replaced
        return
    with old.open("rb") as was, new.open("rb") as will:
        begins = empty = True
        while (begins or empty) and (piece := was.read(PIECE)):
            begins = begins and piece == will.read(len(piece))
            empty = empty and piece.count(0) == len(piece)
    if not (begins or empty):
        old.replace(old.with_name(f"{old.name}.damaged"))


def copy_whole(archives: Mapping[str, str], root: Path, part: Path) -> None:
    """Spares the download of archives that lie under `root` already."""
    for file, md5 in archives.items():
        if check_integrity(root / file, md5):
            (part / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / file, part / file)


@contextmanager
def careful() -> Iterator[None]:
    """Makes two defaults of the process safe for a while, since torchvision leaves them as they are.

    Members of an archive cannot leave the folder it is unpacked in, and a server that falls silent is given up.
    """
    extraction_filter, timeout = vars(tarfile.TarFile)["extraction_filter"], socket.getdefaulttimeout()
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        tarfile.TarFile.extraction_filter = extraction_filter
        socket.setdefaulttimeout(timeout)

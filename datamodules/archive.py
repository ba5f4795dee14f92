"""Reading a NumPy archive of unknown origin: what it promises is compared with what it holds, before memory is given.

    FILE.npz (a zip file of NAME.npy: header, then the data)  ->  {NAME: array}

No pickles, and nothing is unpacked to disk. The file cannot ask for more memory than a thousand times its own size
(deflate shrinks all-black images so far, and no further) nor for more than the process can have.
"""

import io
import math
import os
import resource
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from zoo.errors import shorten

RESAVE = "Try: save it again with numpy.savez"
MOST_HEADER = 16_384  # bytes; NumPy trusts no header above 10,000
GROUPS = (  # of a container, version 2 and 1: the limit, what it uses of it, and the word for files that make room
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "file"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes", "total_cache"),
)
INDEX_ENTRY = b"PK\1\2"  # how an entry of a zip file's index begins
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Refused(ValueError):
    """Has one clear message already of what is wrong with the archive."""


def read_arrays(path: Path, wanted: Collection[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Reads the arrays of these names, as far as they are there; returns them and the names of all.

    Raises:
        ValueError: with one message, if the file is no archive, damaged, or not what it says it is.
    """
    with readable(path), zipfile.ZipFile(path) as archive:
        members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            archive.open(info).close()  # compares its name in the index with the one before its data
            if INDEX_ENTRY in info.extra + info.comment:  # a length that is too large hides what comes next
                raise Refused(f"index in {path}: expected one entry for each array, found two in one. {RESAVE}")
            name = info.filename.removesuffix(".npy")
            if name in members and name in wanted:
                raise Refused(f"arrays in {path}: expected each name once, found {name} twice. {RESAVE}")
            members[name] = info
        arrays = {name: info for name, info in members.items() if name in wanted}
        for name, info in arrays.items():
            check_member(path, name, info, archive)
        check_memory(path, sum(info.file_size for info in arrays.values()))
        return {name: read_member(info, archive) for name, info in arrays.items()}, list(members)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns into one clear message whatever damaged bytes make zipfile and NumPy raise."""
    try:
        with fitting(path):
            yield
    except Refused:
        raise
    except Exception as error:  # a dozen types, of which neither library gives a list
        raise ValueError(
            f"archive in {path}: expected plain arrays saved by numpy.savez, found something else"
            f" ({type(error).__name__}: {shorten(error)}). {RESAVE}"
        ) from error


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Turns into one clear message what NumPy and torch raise where memory ends."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocat" not in str(error):
            raise
        raise Refused(
            f"size of all arrays in {path}: expected what fits into the memory that is free, found more."
            " Try: fewer or smaller images"
        ) from error


def check_member(path: Path, name: str, info: zipfile.ZipInfo, archive: zipfile.ZipFile) -> None:
    """Raises Refused unless an array is exactly as large as its header says, and of numbers or text."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others shrink without a bound
        raise Refused(
            f"compression of {name} in {path}: expected none or deflate, as NumPy's, found method {info.compress_type}."
            f" {RESAVE}"
        )
    with archive.open(info) as member:
        start = io.BytesIO(member.read(MOST_HEADER))
    shape, _, dtype = HEADERS[np.lib.format.read_magic(start)](start)
    if dtype.hasobject:
        raise Refused(
            f"type of {name} in {path}: expected plain arrays saved by numpy.savez, found Python objects."
            " Try: give it a type with numpy.asarray(…, dtype) before numpy.savez"
        )
    size = start.tell() + math.prod(shape) * dtype.itemsize
    if size != info.file_size:
        raise Refused(
            f"size of {name} in {path}: expected {shorten(size)} bytes for its shape {shorten(shape)} of"
            f" {shorten(dtype)}, found {info.file_size}. {RESAVE}"
        )


def check_memory(path: Path, size: int) -> None:
    """Raises Refused if so many bytes are more than there is room for."""
    memory = available_memory()
    if size > memory:
        raise Refused(
            f"size of all arrays in {path}: expected at most the {memory} bytes of memory that are free, found {size}."
            " Try: fewer or smaller images"
        )


def available_memory() -> int:
    """Bytes that this process can still have: of the machine, and within the limits that were set to it."""
    page = os.sysconf("SC_PAGE_SIZE")
    free = [page * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError, IndexError):  # what is not there, or another system's
        words = Path("/proc/meminfo").read_text(encoding="utf-8").split()
        free.append(1024 * int(words[words.index("MemAvailable:") + 1]))  # caches that would make room count as free
    with suppress(OSError, ValueError, IndexError):
        used = page * int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        free += [limit - used] if limit != resource.RLIM_INFINITY else []
    for most, now, files in GROUPS:
        with suppress(OSError, ValueError, IndexError):
            words = Path(now).with_name("memory.stat").read_text(encoding="utf-8").split()
            used = int(Path(now).read_text(encoding="utf-8")) - int(words[words.index(files) + 1])
            free.append(int(Path(most).read_text(encoding="utf-8")) - used)
    return max(0, min(free))


def read_member(info: zipfile.ZipInfo, archive: zipfile.ZipFile) -> np.ndarray:
    """The array; zipfile compares the CRC-32 of what was read."""
    with archive.open(info) as member:
        return np.lib.format.read_array(member, allow_pickle=False)

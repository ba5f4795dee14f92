"""Reading a NumPy archive of unknown origin: what it promises is compared with what it holds, before memory is given.

    FILE.npz (a zip file of NAME.npy: header, then the data)  ->  {NAME: array}

No pickles, and nothing is unpacked to disk. The file cannot ask for more memory than a thousand times its own size
(deflate shrinks all-black images so far, and no further) nor for more than the machine has.
"""

import io
import math
import os
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from datamodules.checks import short

RESAVE = "Try: save it again with numpy.savez"
MOST_HEADER = 16_384  # bytes; NumPy trusts no header above 10,000
INDEX_ENTRY = b"PK\1\2"  # how an entry of a zip file's index begins
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Refused(ValueError):
    """Says already in one clear message what is wrong with the archive."""


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
        yield
    except Refused:
        raise
    except Exception as error:  # a dozen types, of which neither library gives a list
        raise ValueError(
            f"archive in {path}: expected plain arrays saved by numpy.savez, found something else"
            f" ({type(error).__name__}: {short(error)}). {RESAVE}"
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
            f"size of {name} in {path}: expected {short(size)} bytes for its shape {short(shape)} of {short(dtype)},"
            f" found {info.file_size}. {RESAVE}"
        )


def check_memory(path: Path, size: int) -> None:
    """Raises Refused if so many bytes are more than the machine has."""
    memory = physical_memory()
    if size > memory:
        raise Refused(
            f"size of all arrays in {path}: expected at most this machine's {memory} bytes of memory, found {size}."
            " Try: fewer or smaller images"
        )


def physical_memory() -> int:
    """Bytes of this machine's memory, in use or not: caches that would make room count as free."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def read_member(info: zipfile.ZipInfo, archive: zipfile.ZipFile) -> np.ndarray:
    """The array; zipfile compares the CRC-32 of what was read."""
    with archive.open(info) as member:
        return np.lib.format.read_array(member, allow_pickle=False)

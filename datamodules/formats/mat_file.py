"""MATLAB's version 5 files, of which only arrays of numbers and lists of text are made, once their size is known.

    FILE.mat  ->  {variable: array of numbers, or of text (N,)}

A header of 128 bytes; then elements: a tag (type, bytes), the content, filled up to 8 bytes. A variable is one element
made of four: flags with its class, its shape, its name, its numbers in columns; nearly always inside an element
that zlib has compressed. Objects, structs, functions and sparse arrays are left out.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from datamodules.archive import check_memory
from datamodules.formats.source import damaged, reading
from zoo.errors import DataError

MAGIC = b"MATLAB 5.0 MAT-file"
HDF5 = b"\x89HDF\r\n\x1a\n"
HEADER = 128
MATRIX, COMPRESSED = 14, 15
CELL, CHAR = 1, 4
STORED = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
    16: "u1",
    17: "u2",
}
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
COMPLEX = 0x08
Order = Literal["<", ">"]
ORDERS: dict[bytes, Order] = {b"IM": "<", b"MI": ">"}
MOST_NAME = 64  # bytes
MOST_AXES = 8
MOST_CELLS = 10_000
MOST_TEXT = 2**20  # bytes of a list of text
BEGINNING = 4096  # bytes in which flags, shape and name of a variable lie
MOST_VARIABLES = 1000


class Element(NamedTuple):
    """Where an element lies, and the next."""

    kind: int
    begin: int
    end: int
    next: int


class Variable(NamedTuple):
    """The beginning of an element that is a variable."""

    kind: int
    shape: tuple[int, ...]
    name: str
    start: int  # of its numbers
    complex: bool


def read_mat(path: Path) -> dict[str, np.ndarray]:
    """All variables of numbers, and lists of text.

    Raises:
        ValueError: the file is damaged, of another version, or says that it is larger than it can be.
    """
    with reading(path, "a MATLAB file of version 5"):
        size = path.stat().st_size
        check_memory(path, size)
        content = path.read_bytes()
        if content.startswith(HDF5) or content[:HEADER].startswith(b"MATLAB 7.3"):
            raise DataError(
                f"version of {path.name} in {path}: expected 5 to 7, found 7.3. Try: in MATLAB, load {path.name} and"
                f" save('{path.stem}-v7.mat', '-v7')"
            )
        order = ORDERS.get(content[126:128])
        if order is None:
            raise damaged(path, "byte order", "IM or MI", content[126:128].hex(" "))
        found: dict[str, np.ndarray] = {}
        for number, (kind, begin, end, _) in enumerate(elements(path, content, HEADER, order)):
            if number == MOST_VARIABLES:
                raise damaged(path, "variables", f"at most {MOST_VARIABLES}", "more")
            named = variable_in(path, content[begin:end], kind, order)
            if named:
                found[named[0]] = named[1]
        return found


def elements(path: Path, content: bytes, begin: int, order: Order) -> Iterator[Element]:
    """The elements, one after the other."""
    while begin + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, begin)
        if kind >> 16:  # four bytes at most, in the tag itself
            kind, size, start = kind & 0xFFFF, kind >> 16, begin + 4
            begin += 8
        else:
            start = begin + 8
            begin = start + size + (0 if kind == COMPRESSED else -size % 8)
        if start + size > len(content) or (begin - start <= 4 < size and begin - start < size):
            raise damaged(path, "bytes of an element", f"at most the {len(content) - start} that are there", size)
        yield Element(kind, start, start + size, begin)


def variable_in(path: Path, content: bytes, kind: int, order: Order) -> tuple[str, np.ndarray] | None:
    """Name and array of an element, if it is one of numbers or text."""
    unpacker = None
    if kind == COMPRESSED:
        unpacker = zlib.decompressobj()
        begun = unpacker.decompress(content, BEGINNING)
        kind, _ = struct.unpack_from(f"{order}II", begun)
        beginning = begun[8:]
    else:
        beginning = content[:BEGINNING]
    if kind != MATRIX:
        return None
    variable = beginning_of(path, beginning, order)
    if variable.complex or variable.kind not in (*CLASSES, CELL):
        return None
    count = math.prod(variable.shape)
    size = MOST_TEXT if variable.kind == CELL else count * np.dtype(CLASSES[variable.kind]).itemsize
    check_memory(path, 2 * size)
    if unpacker:
        # as stored, numbers may be wider than their class only in a file that no one writes
        content = beginning + unpacker.decompress(unpacker.unconsumed_tail, size + BEGINNING)
    if variable.kind == CELL:
        texts = cells(path, content[variable.start : variable.start + MOST_TEXT], count, order)
        return None if texts is None else (variable.name, texts)
    return variable.name, numbers(path, variable, content, order)


def beginning_of(path: Path, content: bytes, order: Order) -> Variable:
    """Class, shape and name."""
    parts = elements_lazily(path, content, order)
    (_, flags, _, _), (_, begin, end, _), (_, first, last, start) = next(parts), next(parts), next(parts)
    word = struct.unpack_from(f"{order}I", content, flags)[0]
    axes = (end - begin) // 4
    if not 1 <= axes <= MOST_AXES or last - first > MOST_NAME:
        raise damaged(path, "axes of a variable", f"1 to {MOST_AXES}", axes)
    shape = struct.unpack_from(f"{order}{axes}i", content, begin)
    if min(shape) < 0:
        raise damaged(path, "shape of a variable", "no side below 0", shape)
    name = content[first:last].decode("latin-1")
    return Variable(word & 0xFF, shape, name, start, bool(word >> 8 & COMPLEX))


def elements_lazily(path: Path, content: bytes, order: Order) -> Iterator[Element]:
    """The elements at the beginning of a variable; its numbers may go on behind the content."""
    yield from elements(path, content, 0, order)
    raise damaged(path, "elements of a variable", "flags, shape and name", "fewer")


def numbers(path: Path, variable: Variable, content: bytes, order: Order) -> np.ndarray:
    """The numbers of a variable, in its class."""
    for kind, begin, end, _ in elements(path, content, variable.start, order):
        if kind not in STORED:
            raise damaged(path, f"type of {variable.name}", "numbers", kind)
        stored = np.frombuffer(content[begin:end], np.dtype(STORED[kind]).newbyteorder(order))
        if stored.size != math.prod(variable.shape):
            raise damaged(path, f"numbers of {variable.name}", f"{variable.shape}", stored.size)
        return stored.astype(CLASSES[variable.kind], copy=False).reshape(variable.shape, order="F")
    raise damaged(path, f"numbers of {variable.name}", "some", "none")


def cells(path: Path, content: bytes, count: int, order: Order) -> np.ndarray | None:
    """A list of text; None if something else is in it."""
    if not 0 < count <= MOST_CELLS:
        return None
    texts = []
    for kind, begin, end, _ in elements(path, content, 0, order):
        inner = content[begin:end]
        if kind != MATRIX:
            return None
        each = beginning_of(path, inner, order)
        if each.kind != CHAR:
            return None
        for stored, first, last, _ in elements(path, inner, each.start, order):
            width = np.dtype(STORED.get(stored, "u1")).newbyteorder(order)
            codes = np.frombuffer(inner[first:last], width)
            text = bytes(codes.astype(np.uint8)).decode("utf-8") if width.itemsize == 1 else "".join(map(chr, codes))
            texts.append(text.strip())
            break
        else:
            texts.append("")
    return np.array(texts) if len(texts) == count else None

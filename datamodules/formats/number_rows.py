r"""Rows of numbers in a file of text, as arrays: whole numbers by arithmetic on the bytes, others by Python.

    b"5,0,12\n7,255,3\n"  ->  labels (N,), pixels (N, M)

A line of 785 numbers takes about 20 µs. A block of lines at a time is in memory, so that a file needs little more than
its array does.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import DataError, shorten

if TYPE_CHECKING:
    from datamodules.formats.tables import Head

BLOCK = 2**22  # bytes that are read at a time
MOST_DIGITS = 9
MOST_LETTERS = 200  # of a label
QUOTES = b'"\r'


def blocks(path: Path, head: "Head") -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Some rows at a time.

    Args:
        path: the file.
        head: what its first line says.

    Yields:
        Labels (N,), int64 or text (none where there is no such column); pixels (N, M) uint8, or wider if they need it.
    """
    rest, row, first = b"", 1 + (head.start > 0), True
    with path.open("rb") as file:
        file.seek(head.start)
        while True:
            content = file.read(BLOCK)
            whole, newline, rest = (rest + content).rpartition(b"\n") if content else (rest, b"", b"")
            if len(rest) > BLOCK:
                raise DataError(f"bytes of line {row} in {path}: expected at most {BLOCK}, found more")
            text = (whole + newline).removeprefix(b"\xef\xbb\xbf") if first and not head.start else whole + newline
            if text.strip():
                labels, pixels = rows_in(text.rstrip() + b"\n", path, head, row)
                row += len(pixels)
                first = False
                yield labels, pixels
            if not content:
                return


def rows_in(text: bytes, path: Path, head: "Head", row: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and pixels of whole lines; `row` is the number of the first."""
    letters = np.frombuffer(text, np.uint8)
    if any(quote in text for quote in QUOTES):
        letters = letters[(letters != QUOTES[0]) & (letters != QUOTES[1])]
    lines = letters == ord("\n")
    separators = lines | (letters == ord(head.delimiter))
    ends = np.flatnonzero(separators)
    check_rows(lines[ends], path, head, row)
    lengths = np.diff(ends, prepend=-1) - 1
    digits = letters - np.uint8(ord("0"))
    if ((digits < 10) | separators).all() and lengths.min() > 0 and lengths.max() <= MOST_DIGITS:
        numbers = whole_numbers(digits, ends, lengths).reshape(-1, head.columns)
        return column(numbers, head), narrow(numbers[:, head.pixels.start : head.pixels.stop])
    return any_numbers(text, path, head, row)


def check_rows(newlines: np.ndarray, path: Path, head: "Head", row: int) -> None:
    """Raises DataError unless each row has as many columns as the first line.

    Args:
        newlines: of each separator whether it ends a line.
        path: the file.
        head: what its first line says.
        row: number of the first.
    """
    found = np.diff(np.flatnonzero(newlines), prepend=-1)
    if (found == head.columns).all():
        return
    wrong = int((found != head.columns).argmax())
    raise DataError(
        f"columns of line {row + wrong} in {path}: expected {head.columns} as in the first line, found {found[wrong]}"
    )


def whole_numbers(digits: np.ndarray, ends: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Numbers (N,) from their digits.

    Args:
        digits: of all letters, (L,) uint8.
        ends: where each number has ended, (N,).
        lengths: how many digits it has, (N,), 1 to 9.
    """
    numbers = digits[ends - 1].astype(np.int32)
    for place in range(1, int(lengths.max())):
        more = np.flatnonzero(lengths > place)
        numbers[more] += digits[ends[more] - 1 - place].astype(np.int32) * 10**place
    return numbers


def column(numbers: np.ndarray, head: "Head") -> np.ndarray:
    """The labels, if there are some."""
    return np.empty(0, np.int64) if head.label is None else numbers[:, head.label].astype(np.int64)


def narrow(numbers: np.ndarray) -> np.ndarray:
    """Whole numbers as uint8, if they are no larger."""
    return numbers.astype(np.uint8) if numbers.max(initial=0) < 256 else numbers.astype(np.int32)


def any_numbers(text: bytes, path: Path, head: "Head", row: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels as text and pixels as float64, of lines in which not all are whole numbers."""
    cells = [[cell.strip(' "') for cell in line.split(head.delimiter)] for line in text.decode().splitlines()]
    names = [] if head.label is None else [line[head.label] for line in cells]
    if (longest := max(map(len, names), default=0)) > MOST_LETTERS:
        raise DataError(
            f"letters of a label from line {row} on in {path}: expected at most {MOST_LETTERS}, found {longest}"
        )
    labels = np.array(names, np.str_)
    try:  # as text, one long number would make all of them long
        pixels = np.array([[*map(float, line[head.pixels.start : head.pixels.stop])] for line in cells])
    except ValueError as error:
        raise DataError(
            f"pixels from line {row} on in {path}: expected numbers, found others ({shorten(error)})"
        ) from error
    return labels, pixels

"""The words that formats have in common: which file is which part of a data set, what is wanted, what was read."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.archive import Refused, fitting
from zoo.errors import DataError, UsageError, shorten

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "t10k": "test",
}
START = 512  # bytes of a file by which it is recognised


class Part(NamedTuple):
    """What a file is, by its name.

    Attributes:
        of: the data set, such as `emnist-letters`; empty where the name says none.
        split: `train`, `val` or `test`; empty where the name says none.
        kind: `images`, `labels`, `both` or `names`.
    """

    of: str
    split: str
    kind: str = "both"


class Source(NamedTuple):
    """Files that make one data set together.

    Attributes:
        path: as it was asked for.
        format: the name of the module that reads them.
        of: the data set, as their names have it.
        files: of each split and kind, in natural order.
        left: names of files that were not taken.
    """

    path: Path
    format: str
    of: str
    files: Mapping[tuple[str, str], Sequence[Path]]
    left: Sequence[str] = ()


class Want(NamedTuple):
    """What is to be read.

    Attributes:
        splits: which.
        labels: `fine`, `coarse` or `compact`; None if that was not said.
        alone: the split of a file whose name says none.
        needed: whether labels are needed; else those that are ambiguous are left out.
    """

    splits: Sequence[str]
    labels: str | None = None
    alone: str = "train"
    needed: bool = True


class Raw(NamedTuple):
    """What was read.

    Attributes:
        kind: what it was taken for.
        arrays: under this project's names, in any form that contents.py knows.
        called: the name in the file of each of them.
        others: names of what is there and was not read.
        notes: what people should know.
        numerals: whether numbers of labels are names, so that gaps between them are no empty classes.
        packed: whether a line of Python cannot be applied to the file as it is.
        names: of all arrays that are there, read or not.
    """

    kind: str
    arrays: dict[str, np.ndarray]
    called: dict[str, str]
    others: Sequence[str] = ()
    notes: Sequence[str] = ()
    numerals: bool = False
    packed: bool = True
    names: Sequence[str] = ()


def raw(kind: str, arrays: dict[str, np.ndarray], notes: Sequence[str] = (), *, numerals: bool = False) -> Raw:
    """Arrays that have this project's names from the beginning."""
    return Raw(kind, arrays, {key: key for key in arrays}, (), notes, numerals)


def words_of(name: str) -> list[str]:
    """The words of a file's name, without the ending of a compression."""
    return re.split(r"[-_. ]+", name.lower().removesuffix(".gz"))


def split_in(words: Sequence[str]) -> tuple[str, list[str]]:
    """The split that words name, if it is one, and the other words."""
    found = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    if len(found) != 1:
        return "", list(words)
    return found.pop(), [word for word in words if word not in SPLIT_WORDS]


def table_part(*endings: str) -> Callable[[str], Part | None]:
    """The function `part` of formats of which one file has images and labels: NAME_train.csv."""

    def part(name: str) -> Part | None:
        stem, dot, ending = name.rpartition(".")
        if not dot or ending.lower() not in endings:
            return None
        split, rest = split_in(words_of(stem))
        return Part("-".join(rest), split)

    return part


def wanted_files(source: Source, want: Want, kind: str = "both") -> Iterator[tuple[str, Sequence[Path]]]:
    """The splits that are wanted, with their files."""
    for (split, each), files in source.files.items():
        named = split or want.alone
        if each == kind and named in want.splits:
            yield named, files


def one_file(source: Source, files: Sequence[Path]) -> Path:
    """The only file of a part.

    Raises:
        DataError: there are several.
    """
    if len(files) > 1:
        found = ", ".join(shorten(file.name) for file in files)
        raise DataError(
            f"files in {source.path}: expected one for each part, found {found}. Try: --data.path {files[0]}"
        )
    return files[0]


def choice(path: Path, labels: str | None, choices: Sequence[str], *, needed: bool = True) -> str | None:
    """Which of several labels are meant, by `--data.labels`.

    Raises:
        UsageError: that was not said and is needed, or is none of them.
    """
    if labels in choices or (labels is None and not (needed and len(choices))):
        return labels
    expected = f"one of {', '.join(choices)}" if len(choices) > 1 else f"{''.join(choices) or 'nothing'}"
    advice = choices[0] if needed and len(choices) else "null"
    raise UsageError(
        f"value in --data.labels: expected {expected} for {path}, found {shorten(labels or 'none')}."
        f" Try: --data.labels {advice}"
    )


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turns into one clear message whatever damaged bytes make a library raise.

    Args:
        path: the file.
        what: it should be, such as `an IDX file`.
    """
    try:
        with fitting(path):
            yield
    except (Refused, DataError, UsageError):
        raise
    except Exception as error:  # of a dozen types
        raise DataError(
            f"content in {path}: expected {what}, found something else ({type(error).__name__}: {shorten(error)})"
        ) from error


def damaged(path: Path, what: str, expected: str, found: object) -> DataError:
    """The error for a file that is not what it says it is."""
    return DataError(f"{what} in {path}: expected {expected}, found {shorten(found)}")

"""Which pictures lie in a folder, and of which class and split each is.

    DIR/CLASS/*  or  DIR/{train,val,test}/CLASS/*   ->  Found(files of train, then of val, then of test; their labels)

Folders are splits only at the top, and only by these names, in any case. Names of files mean nothing. What is hidden,
and what is no picture, is left out and counted.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple

import numpy as np
import torch

from datamodules.classes import MOST_CLASSES
from datamodules.picture_files.walk import Entry, Level, Walk
from datamodules.splits import stratified_order
from zoo.errors import DataError, shorten
from zoo.files import natural
from zoo.prepare import ENDINGS

SPLITS = ("train", "val", "test")
SPELLINGS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
LONGEST = 255  # letters of a class's name
SHOWN = 3  # names that a message has
KINDS = 6  # endings that a message has
KEPT_ASIDE = 5  # of so many pictures one is for the test, where there is no folder for it

Classes = dict[str, list[Entry]]  # the files of each


class Found(NamedTuple):
    """The pictures of a folder.

    Attributes:
        root: the folder.
        classes: names, in natural order.
        entries: the files of train, then of val, then of test.
        labels: place of each one's class, (N,) int64.
        counts: how many files each split has; `val` only where it has a folder.
        kept_aside: whether the test is a part of the training pictures, for want of a folder.
        left_out: how many files were left out, by their ending, and folders, by their name.
    """

    root: Path
    classes: tuple[str, ...]
    entries: list[Entry]
    labels: np.ndarray
    counts: dict[str, int]
    kept_aside: bool
    left_out: dict[str, int]

    @property
    def listing(self) -> str:
        """SHA-256 of the names, sizes and times of all files in their order: another one, another folder."""
        lines = [f"{name}\0{size}\0{changed}\n" for name, size, changed in self.entries]
        return hashlib.sha256("".join([f"{self.counts}\n", *lines]).encode("utf-8", "surrogateescape")).hexdigest()

    def of_split(self, split: str) -> slice:
        """Where a split's files are among all."""
        before = [*self.counts][: [*self.counts, split].index(split)]
        start = sum(self.counts[name] for name in before)
        return slice(start, start + self.counts.get(split, 0))

    def folder_of(self, name: str) -> str:
        """A folder of this class, below the root."""
        first = self.entries[int(np.flatnonzero(self.labels == self.classes.index(name))[0])].name.split("/")
        return "/".join(first[: 1 + [composed(part) for part in first].index(name)])

    @property
    def note(self) -> str | None:
        """What was left out, in words."""
        kinds = sorted(self.left_out.items(), key=lambda kind: (-kind[1], kind[0]))
        if not kinds:
            return None
        more = f" and {len(kinds) - KINDS} other endings" if len(kinds) > KINDS else ""
        shown = ", ".join(f"{count:,} {shorten(kind, 20)}" for kind, count in kinds[:KINDS])
        return f"left out in {shorten(self.root)}: {shown}{more}"


def find(root: Path, *, recursive: bool = False) -> Found:
    """Looks through a folder.

    Args:
        root: the folder.
        recursive: whether pictures in folders of a class's folder belong to the class, too.

    Raises:
        DataError: it is none, or what lies there can mean several things.
    """
    if not root.is_dir():
        raise DataError(f"folder in --data.path: expected a folder of pictures, {other_than_folder(root)}")
    walk = Walk(root)
    try:
        top = walk.level("")
        check_number(root, top)
        splits = find_splits(walk, top)
        files = {
            split: files_of(walk, folder, top if splits is None else walk.level(folder), recursive)
            for split, folder in (splits or {"train": ""}).items()
        }
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        where = shorten(error.filename or root)
        raise DataError(f"folder in {where}: expected one that can be read, found {reason}") from error
    if splits is not None and top.pictures:
        raise without_class(root, "", top)
    return in_order(root, files, dict(walk.left_out))


def other_than_folder(path: Path) -> str:
    """What stands in its place, and what to do, as the end of a message."""
    if not path.exists():
        return f"found nothing at {shorten(path)}. Try: --data.path DIR"
    if path.suffix.lower() == ".npz":
        return f"found the archive {shorten(path)}. Try: --data Arrays --data.path {quote(str(path))}"
    packed = path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
    return f"found the file {shorten(path)}. Try: {'unpack it, and ' * packed}--data.path DIR"


def check_number(folder: Path, level: Level) -> None:
    """Raises DataError for more classes than a network can have."""
    if len(level.folders) > MOST_CLASSES:
        raise DataError(
            f"folders in {shorten(folder)}: expected one for each class, at most {MOST_CLASSES:,}, found"
            f" {len(level.folders):,}"
        )


def find_splits(walk: Walk, top: Level) -> dict[str, str] | None:
    """The folder of each split; None where the folders at the top are classes.

    A folder of a split holds folders. One that is called like a split and holds pictures is a class among others.

    Raises:
        DataError: there are both, or two folders for one split.
    """
    named = [name for name in top.folders if name.casefold() in SPELLINGS]
    if not named:
        return None
    within = [walk.look(name) for name in named]
    others = [name for name in top.folders if name not in named and any(walk.look(name))]
    if others and any(level.pictures for level in within) and not any(level.folders for level in within):
        return None
    if others:
        raise DataError(
            f"folders in {shorten(walk.root)}: expected classes, or {', '.join(SPLITS)} alone, found {few(others)}"
            f" beside {few(named)}. Try: mv {quote(str(walk.root / others[0]))} to another place"
        )
    return dict(spelled(walk.root, named))


def spelled(root: Path, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Split and folder of each name; raises DataError where two mean the same."""
    for split in SPLITS:
        meant = sorted(name for name in names if SPELLINGS[name.casefold()] == split)
        if len(meant) > 1:
            raise DataError(
                f"folders in {shorten(root)}: expected one for {split}, found {few(meant)}."
                f" Try: mv {quote(str(root / meant[1]))} to another place"
            )
        if meant:
            yield split, meant[0]


def files_of(walk: Walk, top: str, level: Level, recursive: bool) -> Classes:
    """The files of each class, in the order of their names.

    Args:
        walk: through the folder.
        top: the folder that holds those of the classes, below the root.
        level: what is in it.
        recursive: whether deeper pictures belong to their class.
    """
    check_number(walk.root / top, level)
    if level.pictures:
        raise without_class(walk.root, top, level)
    files: Classes = {}
    deeper: list[Entry] = []
    for folder in level.folders:
        path = f"{top}/{folder}" if top else folder
        name = class_name(walk.root / path)
        if name in files:
            raise DataError(f"folders in {shorten(walk.root / top)}: expected different names, found {name!r} twice")
        folders, pictures = walk.level(path)
        below = [entry for inner in folders for entry in walk.all_in(f"{path}/{inner}")]
        files[name] = sorted([*pictures, *below] if recursive else pictures)
        deeper += [] if recursive else below
    if deeper:
        raise DataError(
            f"pictures in {shorten(walk.root)}: expected them in the folder of a class, found {len(deeper):,} deeper,"
            f" such as {shorten(min(deeper).name)}. Try: --data.recursive true, if they are of the class whose folder"
            " is around them"
        )
    return files


def class_name(folder: Path) -> str:
    """The name of the class in a folder; raises DataError for one that cannot be shown."""
    name = composed(folder.name)
    if not name.isprintable() or len(name) > LONGEST:
        raise DataError(
            f"name of a folder in {shorten(folder.parent)}: expected a class's name, printable text of at most"
            f" {LONGEST} letters, found {shorten(ascii(folder.name))}. Try: another name"
        )
    return name


def composed(name: str) -> str:
    """A name with each letter and its accent as one, however the file system has it."""
    return unicodedata.normalize("NFC", name)


def in_order(root: Path, files: Mapping[str, Classes], left_out: dict[str, int]) -> Found:
    """The files in the order of splits and classes, with a part for the test."""
    names = tuple(sorted({name for classes in files.values() for name in classes}, key=natural))
    check_case(root, names)
    if not any(entries for classes in files.values() for entries in classes.values()):
        raise nothing(root, left_out)
    entries = {split: [entry for name in names for entry in classes.get(name, ())] for split, classes in files.items()}
    labels = {
        split: np.repeat(np.arange(len(names)), [len(classes.get(name, ())) for name in names])
        for split, classes in files.items()
    }
    kept_aside = bool("test" not in files and entries.get("train"))
    if kept_aside:
        entries, labels = with_test(entries, labels)
    order = [split for split in SPLITS if split in entries]
    return Found(
        root,
        names,
        [entry for split in order for entry in entries[split]],
        np.concatenate([labels[split] for split in order]).astype(np.int64),
        {split: len(entries[split]) for split in order},
        kept_aside,
        left_out,
    )


def with_test(
    entries: dict[str, list[Entry]], labels: dict[str, np.ndarray]
) -> tuple[dict[str, list[Entry]], dict[str, np.ndarray]]:
    """The same files of each split, a fixed stratified fifth of the training kept aside for the test."""
    aside = np.zeros(len(labels["train"]), bool)
    aside[stratified_order(torch.from_numpy(labels["train"]))[: len(aside) // KEPT_ASIDE]] = True
    for split, which in (("test", aside), ("train", ~aside)):
        entries = {**entries, split: [entries["train"][row] for row in np.flatnonzero(which)]}
        labels = {**labels, split: labels["train"][which]}
    return entries, labels


def check_case(root: Path, classes: Iterable[str]) -> None:
    """Raises DataError for two classes whose names differ by nothing but case."""
    seen: dict[str, str] = {}
    for name in classes:
        if other := seen.get(name.casefold()):
            both = f"{shorten(other)} and {shorten(name)}"
            raise DataError(
                f"classes in {shorten(root)}: expected different names, found {both}, which differ by case only."
                " Try: one name for both"
            )
        seen[name.casefold()] = name


def without_class(root: Path, top: str, level: Level) -> DataError:
    """The error for pictures in no folder of a class."""
    where, each = quote(str(root / top)), min(level.pictures).name
    count = f"{len(level.pictures):,} picture{'s' * (len(level.pictures) > 1)} in none, such as {shorten(each)}"
    away = f"mv {where} to another place" if top and not level.folders else f"mv them to {where}/CLASS or another place"
    return DataError(
        f"pictures in {shorten(root / top)}: expected each in a folder, which is its class, found {count}."
        f" Try: {away} (zoo predict NAME {where} asks a network about pictures without a class)"
    )


def nothing(root: Path, left_out: Mapping[str, int]) -> DataError:
    """The error for a folder without a picture."""
    found = ", ".join(f"{count:,} {shorten(kind, 20)}" for kind, count in [*left_out.items()][:SHOWN])
    return DataError(
        f"pictures in {shorten(root)}: expected DIR/CLASS/PICTURE ({', '.join(ENDINGS[:4])} …), found"
        f" {found or 'none'}. Try: --data.path DIR, the folder that holds the folders of the classes"
    )


def few(names: Iterable[str]) -> str:
    """The first few names."""
    some = sorted(names, key=natural)
    more = f" and {len(some) - SHOWN} more" if len(some) > SHOWN else ""
    return shorten(", ".join(some[:SHOWN])) + more

"""What lies in a folder, level by level: folders, pictures, and how much is left out.

Nothing outside of the folder is reached: links that leave it are refused. Pipes and the like, which would never answer,
are left out as other files are.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from zoo.errors import DataError, shorten
from zoo.prepare import ENDINGS

PICTURES = frozenset(ENDINGS)
SKIPPED = ("__macosx",)  # folders that are not hidden and hold nobody's pictures
DEEPEST = 100  # folders in each other


class Entry(NamedTuple):
    """A picture's file: its path below the folder, size in bytes, and time of its last change in nanoseconds."""

    name: str
    size: int
    changed: int


class Level(NamedTuple):
    """What is directly in a folder: names of folders, and pictures."""

    folders: list[str]
    pictures: list[Entry]


class Walk:
    """Goes through a folder.

    Args:
        root: the folder.

    Attributes:
        left_out: how many files were left out, by their ending, and folders, by their name.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inside = os.path.realpath(root)
        self.left_out: Counter[str] = Counter()

    def level(self, folder: str) -> Level:
        """What is directly in a folder below the root; what is left out is counted."""
        folders: list[str] = []
        pictures: list[Entry] = []
        with os.scandir(self.root / folder) as there:
            for entry in there:
                name = entry.name
                if name.startswith("."):
                    self.left_out["hidden"] += 1
                    continue
                path = f"{folder}/{name}" if folder else name
                if entry.is_symlink() and not self.leads_inside(path):
                    self.left_out["broken link"] += 1
                    continue
                status = entry.stat()
                ending = name[name.rfind(".") :].lower() if "." in name else "without ending"
                if stat.S_ISREG(status.st_mode):
                    if ending in PICTURES:
                        pictures.append(Entry(path, status.st_size, status.st_mtime_ns))
                    else:
                        self.left_out[ending] += 1
                elif not stat.S_ISDIR(status.st_mode):
                    self.left_out["no plain file"] += 1
                elif name.casefold() in SKIPPED:
                    self.left_out[name] += 1
                else:
                    folders.append(name)
        return Level(folders, pictures)

    def look(self, folder: str) -> Level:
        """The same, without counting."""
        before = Counter(self.left_out)
        level = self.level(folder)
        self.left_out = before
        return level

    def all_in(self, folder: str, depth: int = 1) -> Iterator[Entry]:
        """All pictures in a folder, however deep."""
        if depth > DEEPEST:
            where = shorten(self.root / folder)
            raise DataError(f"folders in {where}: expected at most {DEEPEST} in each other, found more")
        level = self.level(folder)
        yield from level.pictures
        for name in level.folders:
            yield from self.all_in(f"{folder}/{name}", depth + 1)

    def leads_inside(self, name: str) -> bool:
        """Whether a link leads to something in the folder; False if to nothing.

        Raises:
            DataError: it leads out of it, or around itself.
        """
        path = self.root / name
        to, here = os.path.realpath(path), os.path.realpath(path.parent)
        if os.path.commonpath([to, self.inside]) != self.inside:
            raise DataError(
                f"link in {shorten(path)}: expected one that stays in {shorten(self.root)}, found one to"
                f" {shorten(to)}. Try: a copy in its place"
            )
        if os.path.commonpath([to, here]) == to:
            raise DataError(f"link in {shorten(path)}: expected one to another place, found one to where it stands")
        return path.exists()

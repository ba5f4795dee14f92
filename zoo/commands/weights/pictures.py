"""Pictures that a network is asked about: which there are, and what they look like to it.

    words: a.png FOLDER b.png    ->  files, those of a folder in natural order; what is no picture there is counted
    files, the card              ->  uint8 (N, C, H, W), some at a time, and which could not be read

Needs neither torch nor Lightning.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.errors import UsageError, shorten
from zoo.files import natural
from zoo.prepare import ENDINGS, Pixels, is_coloured, open_picture, prepare
from zoo.weights.card import Card

CHUNK = 200  # pictures that are held at a time
MOST_NEAR = 1000  # names in a folder that a missing one is compared with


class Batch(NamedTuple):
    """Pictures as a network takes them.

    Attributes:
        pixels: uint8 (N, C, H, W).
        places: of each among all files, from 0.
    """

    pixels: Pixels
    places: list[int]


class Pictures:
    """Files of pictures, read once.

    Args:
        files: where they are.
        card: of the network.
        how: the way of `zoo.prepare`.

    Attributes:
        broken: why a file could not be read, by its place.
        coloured: places of those that show colours to a network of greys.
    """

    def __init__(self, files: Sequence[Path], card: Card, how: str) -> None:
        self.files, self.card, self.how = files, card, how
        self.broken: dict[int, str] = {}
        self.coloured: list[int] = []

    def batches(self) -> Iterator[Batch]:
        """Those that can be read, some at a time."""
        for start in range(0, len(self.files), CHUNK):
            read = {i: self._read(i) for i in range(start, min(start + CHUNK, len(self.files)))}
            found = {i: pixels for i, pixels in read.items() if pixels is not None}
            if found:
                yield Batch(np.stack([*found.values()]), [*found])

    def _read(self, i: int) -> Pixels | None:
        path, shape = self.files[i], tuple(self.card["in_shape"])
        try:
            image = open_picture(path)
            if shape[0] == 1 and is_coloured(image):
                self.coloured.append(i)
            return prepare(image, shape, self.how, f"the picture {path}")
        except (ValueError, OSError) as error:
            self.broken[i] = str(error)
            return None

    @property
    def note(self) -> str | None:
        """What to tell of colours, once."""
        if not self.coloured:
            return None
        first = shorten(self.files[self.coloured[0]])
        which = f"{first} is" if len(self.coloured) == 1 else f"{len(self.coloured)} pictures, such as {first}, are"
        return f"{which} in colour: converted to grey, as {self.card['name']} was trained"

    @property
    def complaint(self) -> str | None:
        """What to tell of those that could not be read, in one line."""
        if not self.broken:
            return None
        first, *others = self.broken.values()
        if others:
            names = ", ".join(shorten(self.files[i]) for i in [*self.broken][1:4])
            first += f"; and of {len(others)} more: {names}{' …' * (len(others) > 3)}"
        done = len(self.files) - len(self.broken)
        return first + f". The other {done} {'is' if done == 1 else 'are'} done" * (done > 0)


def find_pictures(words: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The files that words name, and what to tell of those that were skipped.

    Raises:
        UsageError: there is nothing of this name, or no picture in a folder.
    """
    files: list[Path] = []
    notes: list[str] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            pictures, note = in_folder(path)
            files += pictures
            notes += [note] if note else []
        elif path.exists():
            files.append(path)
        else:
            raise no_picture(path)
    return files, notes


def has_pictures(folder: Path) -> bool:
    """Whether a folder has a picture, by the endings of names."""
    return any(path.suffix.lower() in ENDINGS for path in folder.iterdir())


def in_folder(folder: Path) -> tuple[list[Path], str | None]:
    """The pictures in a folder, 2 before 10, and what to tell of the rest.

    Raises:
        UsageError: there is none.
    """
    entries = [path for path in folder.iterdir() if not path.name.startswith(".")]
    pictures = {path for path in entries if path.suffix.lower() in ENDINGS and path.is_file()}
    rest = [path for path in entries if path not in pictures]
    folders = sum(path.is_dir() for path in rest)
    kinds = ((len(rest) - folders, "other file"), (folders, "folder"))
    counts = " and ".join(f"{n} {kind}{'s' * (n > 1)}" for n, kind in kinds if n)
    if pictures:
        note = f"{shorten(folder)}: {counts} skipped, {len(pictures)} pictures read" if rest else None
        return sorted(pictures, key=lambda path: natural(path.name)), note
    archives = sorted(path for path in rest if path.suffix == ".npz")
    near = f". Try: {archives[0]}" if archives else f". Try: {folder}/*" if folders else ""
    expected = f"some ({', '.join(ENDINGS[:4])} …)"
    raise UsageError(f"pictures in {folder}: expected {expected}, found {counts or 'nothing'}{near}")


def no_picture(path: Path) -> UsageError:
    """The error for a picture that is not there, with the nearest name."""
    beside = islice(path.parent.iterdir(), MOST_NEAR) if path.parent.is_dir() else ()
    near = get_close_matches(path.name, [each.name for each in beside], 1)
    advice = f". Try: {path.with_name(near[0])}" if near else ""
    return UsageError(f"picture in {path}: expected a file, a folder or an .npz archive, found none{advice}")

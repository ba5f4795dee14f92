"""A folder of pictures, read: from the cache if it is there, else decoded into it.

    DIR, settings  ->  find  ->  cache, or decode  ->  Pictures(files, labels, pixels (N, C, H, W) uint8, what is odd)

What `--data Folder` trains on, and what `zoo data show DIR` tells: nothing is decoded twice.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from datamodules.archive import available_memory
from datamodules.picture_files.cache import Cache, Head
from datamodules.picture_files.decode import DONE, ENDING, OTHER_SIZE, Decoded, Task, decode
from datamodules.picture_files.find import SHOWN, Found
from datamodules.picture_files.form import LARGEST, Form, Seen, Size, settled
from zoo.errors import DataError, shorten
from zoo.prepare import Pixels, open_picture

SAMPLE = 64  # pictures that are looked at before all are decoded


class Pictures(NamedTuple):
    """The pictures of a folder.

    Attributes:
        found: the files that could be read, their classes and splits.
        pixels: (N, C, H, W) uint8, in the order of the files.
        head: what is known of them.
        unreadable: names of the files that could not be read.
    """

    found: Found
    pixels: Pixels
    head: Head
    unreadable: list[str]

    @property
    def notes(self) -> list[str]:
        """What is odd."""
        root, notes = shorten(self.found.root), [self.found.note]
        if self.unreadable:
            some = "; ".join(filter(None, [few_files(self.unreadable), self.head.reason]))
            notes.append(f"left out in {root}: {len(self.unreadable):,} that cannot be read: {some}")
        for one, other, count, here, there in self.head.twins:
            notes.append(
                f"the same picture in {one} and {other} of {root}: {count:,} of {other}, such as"
                f" {shorten(there)} ({shorten(here)})"
            )
        return [note for note in notes if note]


def read_pictures(
    found: Found, asked: Form, cache: Cache, *, skip_broken: bool = False, workers: int | None = None
) -> Pictures:
    """Reads them.

    Args:
        found: the files.
        asked: the form of the images, as far as it was said.
        cache: where they are kept.
        skip_broken: whether those that cannot be read are left out.
        workers: processes that decode; None takes as many as there are processors.

    Raises:
        DataError: a picture cannot be read, or they do not fit into the memory.
    """
    listing, rows = found.listing, len(found.entries)
    held = cache.load(listing, rows, asked)
    if held is None:
        with cache.locked() as writable:
            held = cache.load(listing, rows, asked) if writable else None  # another process may have been faster
            if held is None:
                held = fresh(found, listing, asked, workers or processors(), skip_broken)
                if writable:
                    cache.store(*held)
    head, pixels = held
    broken = [row for row, _ in head.broken]
    unreadable = [found.entries[row].name for row in broken]
    if broken and not skip_broken:
        raise DataError(complaint(found.root, unreadable, head.reason))
    return Pictures(without(found, broken) if broken else found, pixels, head, unreadable)


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def complaint(root: Path, unreadable: Sequence[str], reason: str) -> str:
    """The error for pictures that cannot be read: the first, and how many more."""
    more = f"; and {len(unreadable) - 1:,} more: {few_files(unreadable[1:])}" if len(unreadable) > 1 else ""
    return f"{reason}{more}. Try: --data.skip_broken true leaves {'them' if more else 'it'} out"


def few_files(names: Sequence[str]) -> str:
    """The first few of some files."""
    return ", ".join(shorten(name) for name in names[:SHOWN]) + " …" * (len(names) > SHOWN)


def without(found: Found, broken: Sequence[int]) -> Found:
    """The files but for those in some places."""
    kept = np.ones(len(found.entries), bool)
    kept[list(broken)] = False
    return found._replace(
        entries=[entry for entry, keep in zip(found.entries, kept, strict=True) if keep],
        labels=found.labels[kept],
        counts={split: int(kept[found.of_split(split)].sum()) for split in found.counts},
    )


def fresh(found: Found, listing: str, asked: Form, workers: int, skip_broken: bool) -> tuple[Head, Pixels]:
    """Decodes them; a guess at their form is made first, and put right on the way where it was wrong."""
    trained = found.counts.get("train", 0)
    names = [entry.name for entry in found.entries]
    seen = sample(found)
    with bar(f"reading {shorten(found.root, 40)}", len(names)) as progress:
        while True:
            form = settled(asked, seen)
            check_memory(found, form)
            only = own_size(seen) if asked.height is None else None
            grey = asked.channels is None and form[0] == 1
            decoded = decode(Task(found.root, names, form, trained, only, grey), workers, progress)
            seen = corrected(seen, decoded)
            if not decoded.stopped[0]:
                if settled(asked, seen) == (1, *form[1:]) != form:
                    decoded.one_channel()
                if settled(asked, seen) == decoded.pixels.shape[1:]:
                    break
            del decoded  # the memory is needed
    return condensed(found, listing, settled(asked, seen), decoded, skip_broken)


def sample(found: Found) -> Seen:
    """A first look at some files, at their heads only: their sizes, and whether they may have colours."""
    sizes: dict[Size, int] = {}
    coloured = False
    for entry in found.entries[:: max(1, len(found.entries) // SAMPLE)]:
        try:
            with Image.open(found.root / entry.name) as image:
                sizes[image.size] = sizes.get(image.size, 0) + 1
                coloured = coloured or not (image.mode in ("1", "L", "LA") or image.mode.startswith("I"))
        except Exception:  # damaged: whoever decodes all of them says so
            continue
    return Seen(sizes, {}, coloured)


def own_size(seen: Seen) -> Size | None:
    """The size of all pictures, where the images are to have it."""
    sizes = [*seen.sizes]
    return sizes[0] if len(sizes) == 1 and max(sizes[0]) <= LARGEST else None


def corrected(seen: Seen, decoded: Decoded) -> Seen:
    """What is known after all were decoded, or after one was met that is otherwise than was thought."""
    if not decoded.stopped[0]:
        return decoded.seen
    various = {(0, 0): 1} if decoded.stopped[0] & OTHER_SIZE else {}  # a size that differs from the others
    return Seen({**seen.sizes, **various}, {}, bool(decoded.coloured[0]))


def check_memory(found: Found, form: tuple[int, int, int]) -> None:
    """Raises DataError for more than there is room for."""
    size, free = len(found.entries) * int(np.prod(form)), available_memory()
    if size > free:
        raise DataError(
            f"pictures in {shorten(found.root)}: expected what fits into the {free:,} bytes of memory that are free,"
            f" found {size:,} ({len(found.entries):,} images of {' × '.join(map(str, form))}). Try: --data.size"
            f" {max(1, min(form[1:]) // 2)}"
        )


def condensed(
    found: Found, listing: str, form: tuple[int, int, int], decoded: Decoded, skip_broken: bool
) -> tuple[Head, Pixels]:
    """What could be read, without gaps, and what is known of it."""
    good = np.flatnonzero(decoded.states == DONE)
    bad = [(int(row), bool(decoded.states[row] == ENDING)) for row in np.flatnonzero(decoded.states != DONE)]
    reason = reason_of(found, bad[0], decoded) if bad else ""
    if bad and (not skip_broken or not len(good)):
        raise DataError(complaint(found.root, [found.entries[row].name for row, _ in bad], reason))
    pixels, names = decoded.pixels, [found.entries[row].name for row in good]
    if bad:
        for i in range(0, len(good), 1000):  # each moves to the front
            some = good[i : i + 1000]
            pixels[i : i + len(some)] = pixels[some]
        pixels = pixels[: len(good)]
        found = without(found, [row for row, _ in bad])
    test = found.of_split("test")
    parts = {"train": pixels[: test.start], "test": pixels[test.start : test.stop]}
    sums = {part: hashlib.sha256(images.reshape(-1).data).hexdigest() for part, images in parts.items()}
    twins = twins_of(found, names, decoded.digests[good])
    counts = decoded.counts.sum(axis=0).tolist()
    return Head(listing, form, decoded.seen, bad, reason, twins, sums, counts), pixels


def reason_of(found: Found, broken: tuple[int, bool], decoded: Decoded) -> str:
    """Why a picture cannot be read."""
    path = found.root / found.entries[broken[0]].name
    if broken[1]:
        return f"picture in {path}: expected one that can be read, found one that ends the process that reads it"
    try:
        open_picture(path)
    except Exception as error:  # damaged files raise whatever they like
        text = str(error)
        return text if text.startswith("picture in") else f"picture in {path}: expected a whole file, found {text}"
    return f"picture in {path}: expected one that can be read, found one that could not be a moment ago"


def twins_of(found: Found, names: Sequence[str], digests: np.ndarray) -> list[tuple[str, str, int, str, str]]:
    """How many files of a split have the very bytes of one in another, with an example."""
    keys = np.ascontiguousarray(digests).view(np.uint64)[:, 0]
    twins = []
    for one, other in combinations(found.counts, 2):
        here, there = found.of_split(one), found.of_split(other)
        same = np.flatnonzero(np.isin(keys[there], keys[here]))
        if len(same):
            second = there.start + int(same[0])
            first = here.start + int(np.flatnonzero(keys[here] == keys[second])[0])
            twins.append((one, other, len(same), names[first], names[second]))
    return twins


@contextmanager
def bar(title: str, count: int) -> Iterator[Callable[[int], None]]:
    """A progress bar where somebody looks; a function that is told how many are done."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from tqdm import tqdm

    with tqdm(total=count, desc=title, unit=" pictures", leave=False) as shown:

        def progress(done: int) -> None:
            shown.n = done
            shown.refresh()

        yield progress

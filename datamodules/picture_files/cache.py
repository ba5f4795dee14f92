r"""The decoded pictures of a folder in one file, so that they are decoded once.

    ROOT/zoo-cache/KEY-3x32x32.pictures      KEY: of the folder's path and of which files count
        b"zoo pictures 1\n", length and SHA-256 of the head, the head as JSON, zeros up to 4,096 n, then the pixels

The head knows the names, sizes and times of all files (their sum), so that any change of the folder is seen, and a sum
of the pixels, so that damage is. A file is written beside its place and renamed; whoever writes holds a lock, and who
comes later waits and then reads. What is wrong in any way is made anew. The files may be deleted at any time.
"""

import hashlib
import json
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from datamodules.picture_files.form import Form, Seen, as_plain, from_plain, settled
from datamodules.splits import splitmix64
from zoo.errors import report, shorten, warn
from zoo.files import temporary
from zoo.prepare import Pixels

FOLDER = "zoo-cache"
MAGIC = b"zoo pictures 1\n"
START = len(MAGIC) + 8 + 32  # bytes before the head
PAGE = 4096
MOST_HEAD = 100_000_000  # bytes
WORDS = 2**17  # of 8 bytes that are summed at a time: they fit into a processor's own memory
WEIGHTS = splitmix64(np.arange(WORDS)) | np.uint64(1)  # odd: each single change of a word changes the sum
WRONG = (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


class Head(NamedTuple):
    """What is known of the pixels.

    Attributes:
        listing: sum of names, sizes and times of the files.
        form: channels, height and width.
        seen: sizes, modes and colours of the pictures.
        broken: places of those files that could not be read, and whether each ends the process that reads it.
        reason: why the first of them cannot be read.
        twins: how many files of one split are also in another: [[split, split, number, name, name], …].
        sums: SHA-256 of the images of `train` with `val`, and of `test`.
        counts: how often each value occurs in the training images, per channel: C × 256.
        pixels: the sum of the pixels here.
    """

    listing: str
    form: tuple[int, int, int]
    seen: Seen
    broken: list[tuple[int, bool]]
    reason: str
    twins: list[tuple[str, str, int, str, str]]
    sums: dict[str, str]
    counts: list[list[int]]
    pixels: str = ""

    def as_json(self) -> bytes:
        """As the file has it."""
        return json.dumps({**self._asdict(), "seen": as_plain(self.seen)}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Head":
        """Back again; raises one of WRONG for something else."""
        held = json.loads(text)
        return cls(
            str(held["listing"]),
            (int(held["form"][0]), int(held["form"][1]), int(held["form"][2])),
            from_plain(held["seen"]),
            [(int(row), bool(ends)) for row, ends in held["broken"]],
            str(held["reason"]),
            [(str(a), str(b), int(n), str(one), str(other)) for a, b, n, one, other in held["twins"]],
            {str(part): str(found) for part, found in held["sums"].items()},
            [[int(count) for count in channel] for channel in held["counts"]],
            str(held["pixels"]),
        )


class Cache:
    """The files of one folder of pictures.

    Args:
        root: where data sets lie.
        source: the folder of pictures.
        recursive: whether deeper files count.
    """

    def __init__(self, root: Path, source: Path, recursive: bool) -> None:
        self.folder = root / FOLDER
        self.source = source
        words = f"{os.path.realpath(source)}\0{recursive}".encode("utf-8", "surrogateescape")
        self.key = hashlib.sha256(words).hexdigest()[:16]

    def path(self, form: tuple[int, int, int]) -> Path:
        """The file of images of this form."""
        return self.folder / f"{self.key}-{'x'.join(map(str, form))}.pictures"

    def load(self, listing: str, rows: int, asked: Form) -> tuple[Head, Pixels] | None:
        """The images of these files, (N, C, H, W), if they are there and whole.

        Args:
            listing: sum of the files' names, sizes and times.
            rows: how many files there are.
            asked: the form, as far as it was said; what was not is known from images of another form, too.
        """
        form = asked.whole
        if form is None:
            with suppress(OSError):
                for path in self.folder.glob(f"{self.key}-*.pictures"):
                    if (head := read_head(path)) and head[0].listing == listing:
                        form = settled(asked, head[0].seen)
                        break
        return self.of_form(form, listing, rows) if form else None

    def of_form(self, form: tuple[int, int, int], listing: str, rows: int) -> tuple[Head, Pixels] | None:
        """The images of one form, if they are there and whole."""
        found = read_head(self.path(form))
        if found is None:
            return None
        head, start = found
        count = rows - len(head.broken)
        if head.listing != listing or head.form != form or count < 0 or len(head.counts) != form[0]:
            return None
        pixels = mapped(self.path(form), start, (count, *form))
        return (head, pixels) if pixels is not None and total(pixels) == head.pixels else None

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Waits until no other process writes here; gives whether this one can."""
        lock = FileLock(self.folder / f"{self.key}.lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                report(f"another process reads the pictures of {shorten(self.source)}: waiting for it")
                lock.acquire()
        except (OSError, NotImplementedError) as error:  # no place to write, or a file system without locks
            self.warn(error)
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def store(self, head: Head, pixels: Pixels) -> None:
        """Writes the images; where that fails, what was there before stays, and the run goes on without."""
        path = self.path(head.form)
        beside = temporary(path)
        text = head._replace(pixels=total(pixels)).as_json()
        start = MAGIC + len(text).to_bytes(8, "little") + hashlib.sha256(text).digest() + text
        try:
            for left in self.folder.glob(f".{self.key}-*.tmp"):  # by a process that was killed: nobody else writes here
                left.unlink(missing_ok=True)
            with beside.open("xb") as file:
                file.write(start + bytes(-len(start) % PAGE))
                file.write(pixels.reshape(-1).data)
            beside.replace(path)
        except OSError as error:
            self.warn(error)
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)

    def warn(self, error: Exception) -> None:
        """Says that the pictures will be decoded again."""
        reason = getattr(error, "strerror", None) or str(error)
        warn(
            f"decoded pictures in {shorten(self.folder)}: expected to keep them for the next start, found"
            f" {reason.lower()}; this run goes on without. Try: --data.root DIR, where there is room"
        )


def opened(path: Path) -> int:
    """A file to read; raises OSError for what is none, such as a pipe, which would never answer."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"no plain file: {path}")
    return descriptor


def read_head(path: Path) -> tuple[Head, int] | None:
    """The head of a file, and where its pixels begin; None if it is none, or damaged."""
    try:
        with os.fdopen(opened(path), "rb") as file:
            start = file.read(START)
            length = int.from_bytes(start[len(MAGIC) : len(MAGIC) + 8], "little")
            if len(start) < START or not start.startswith(MAGIC) or length > MOST_HEAD:
                return None
            text = file.read(length)
        if hashlib.sha256(text).digest() != start[-32:]:
            return None
        return Head.from_json(text), -(-(START + length) // PAGE) * PAGE
    except WRONG:
        return None


def mapped(path: Path, start: int, shape: tuple[int, ...]) -> Pixels | None:
    """The pixels in a file, as memory that is read when it is needed; None if there are fewer or more.

    A quarter of the time of reading them all. What is written to them stays in this process.
    """
    size: Any = int(np.prod(shape, dtype=np.int64))
    try:
        descriptor = opened(path)
        try:
            if os.fstat(descriptor).st_size != start + size or not size:
                return None
            memory = mmap.mmap(descriptor, start + size, access=mmap.ACCESS_COPY)
        finally:
            os.close(descriptor)
    except (OSError, ValueError, OverflowError):
        return None
    return np.frombuffer(memory, np.uint8, size, start).reshape(shape)


def total(pixels: Pixels) -> str:
    """A sum of all bytes that any damage changes; a sixth of the time of SHA-256, and no proof against intent."""
    data = pixels.reshape(-1)
    whole = len(data) // 8 * 8
    sums = [
        int(np.dot(words, WEIGHTS[: len(words)]))
        for words in (data[i : min(i + 8 * WORDS, whole)].view(np.uint64) for i in range(0, whole, 8 * WORDS))
    ]
    rest = data[whole:].tobytes()
    return hashlib.sha256(f"{len(data)} {sums} {rest.hex()}".encode()).hexdigest()

"""Pictures decoded by as many processes as there are processors, straight into memory that all of them share.

    names of N files, a form  ->  Decoded(pixels (N, C, H, W) uint8, and of each file its size, mode, digest, state)

Each picture becomes what `zoo predict` makes of it: `zoo.prepare`, as a photo. The processes are forked and do nothing
but that; one that a damaged picture ends takes no other with it. Where there is no fork, threads do the work.
"""

import gc
import hashlib
import mmap
import os
import signal
import stat
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from PIL import Image

from datamodules.picture_files.form import Seen, Size
from datamodules.picture_files.quick import quick
from zoo.errors import DataError, shorten
from zoo.prepare import MOST_BYTES, Pixels, flatten, load_picture, prepare

CHUNK = 32  # pictures between two looks at the other processes
LIGHT = 200_000  # bytes of a file that is read together with others
SMALL = 100_000  # pixels of a picture that is held together with others
POLL = 0.01  # seconds between two looks at the processes
WAITING, DONE, BROKEN, ENDING = range(4)  # states of a picture; the last ends the process that reads it
OTHER_SIZE, COLOUR = 1, 2  # why all stop
# Pillow's, as the shared memory holds them; what is none of them is the last
MODES = ("L", "RGB", "RGBA", "P", "1", "LA", "CMYK", "YCbCr", "I;16", "I", "F", "PA", "other")
DIGEST = 16  # bytes
FORKS = hasattr(os, "fork") and sys.platform == "linux"  # elsewhere libraries of the system do not survive it


class Task(NamedTuple):
    """What is to be made of which files.

    Attributes:
        root: the folder.
        names: of the files below it.
        form: channels, height and width of the images.
        trained: so many of the first are training images, whose values are counted.
        only: the size that all must have, else it stops; None where they may differ.
        grey: whether it stops at a colour.
    """

    root: Path
    names: Sequence[str]
    form: tuple[int, int, int]
    trained: int
    only: Size | None = None
    grey: bool = False


class Decoded:
    """What all processes write to; each row is one process's alone.

    Attributes:
        pixels: (N, C, H, W) uint8.
        states: (N,) uint8, DONE, BROKEN or ENDING; WAITING where it was stopped.
        sizes: (N, 2) uint32, width and height as shown.
        modes: (N,) uint8, places in MODES.
        digests: (N, 16) uint8, the beginning of each file's SHA-256.
        counts: (workers, C, 256) int64, how often each value occurs in the training images.
        current: (workers,) int64, which picture each process is at.
        coloured: (1,) uint8, whether any picture shows a colour.
        stopped: (1,) uint8, OTHER_SIZE or COLOUR, if such was met where it was not expected.
    """

    def __init__(self, count: int, form: tuple[int, int, int], workers: int) -> None:
        self.pixels: Pixels = shared((count, *form), np.uint8)
        self.states = shared((count,), np.uint8)
        self.sizes = shared((count, 2), np.uint32)
        self.modes = shared((count,), np.uint8)
        self.digests = shared((count, DIGEST), np.uint8)
        self.counts = shared((workers, form[0], 256), np.int64)
        self.current = shared((workers,), np.int64)
        self.coloured, self.stopped = shared((1,), np.uint8), shared((1,), np.uint8)

    def one_channel(self) -> None:
        """Keeps one of three that are equal in all images: the same as if they had been decoded to grey."""
        self.pixels, self.counts = np.ascontiguousarray(self.pixels[:, :1]), self.counts[:, :1]

    @property
    def seen(self) -> Seen:
        """Sizes and modes of those that could be read."""
        done = self.states == DONE
        sizes, counts = np.unique(self.sizes[done], axis=0, return_counts=True)
        modes = np.bincount(self.modes[done], minlength=len(MODES))
        return Seen(
            {(int(w), int(h)): int(n) for (w, h), n in zip(sizes, counts, strict=True)},
            {mode: int(n) for mode, n in zip(MODES, modes, strict=True) if n},
            bool(self.coloured[0]),
        )


def shared(shape: tuple[int, ...], dtype: Any) -> Any:
    """Zeros in memory that forked processes share."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, max(1, size)), dtype, int(np.prod(shape))).reshape(shape)


def decode(task: Task, workers: int, progress: Callable[[int], None] = lambda done: None) -> Decoded:
    """Decodes the pictures, or stops where they are others than the task takes for granted.

    Args:
        task: which.
        workers: how many processes may work at it.
        progress: told from time to time how many are done.

    Raises:
        DataError: a process was ended from outside.
    """
    count = len(task.names)
    workers = max(1, min(workers, -(-count // CHUNK)))
    decoded = Decoded(count, task.form, workers)
    Image.preinit()  # Pillow's usual formats, once for all processes
    waiting = np.arange(count)
    while len(waiting) and not decoded.stopped[0]:
        shares = [np.concatenate([waiting[:0], *split[worker::workers]]) for worker in range(workers)
                  for split in [np.split(waiting, range(CHUNK, len(waiting), CHUNK))]]  # fmt: skip
        run = forked if FORKS else threaded
        run(task, decoded, shares, progress)
        left = np.flatnonzero(decoded.states == WAITING)
        if len(left) == len(waiting) and not decoded.stopped[0]:
            raise DataError(
                f"pictures in {shorten(task.root)}: expected processes that read them, found none that does"
            )
        waiting = left
    return decoded


def threaded(task: Task, decoded: Decoded, shares: Sequence[np.ndarray], progress: Callable[[int], None]) -> None:
    """Each share in a thread; Pillow's decoders work at the same time."""
    with ThreadPoolExecutor(len(shares)) as pool:
        for done in [pool.submit(work, task, decoded, rows, worker) for worker, rows in enumerate(shares)]:
            done.result()
            progress(int(np.count_nonzero(decoded.states)))


def forked(task: Task, decoded: Decoded, shares: Sequence[np.ndarray], progress: Callable[[int], None]) -> None:
    """Each share in a process of its own. A picture that ends its process is ENDING; the rest of the share waits."""
    running: dict[int, int] = {}
    try:
        for worker, rows in enumerate(shares):
            if len(rows):
                running[fork(task, decoded, rows, worker)] = worker
        while running:
            for pid in [*running]:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    worker = running.pop(pid)
                    if status:
                        note_end(task, decoded, worker, os.waitstatus_to_exitcode(status))
            progress(int(np.count_nonzero(decoded.states)))
            if running:
                time.sleep(POLL)
    finally:
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def note_end(task: Task, decoded: Decoded, worker: int, code: int) -> None:
    """Blames the picture that a process was at when its decoder ended it.

    Raises:
        DataError: it was ended by something else: as a rule, memory that is too little.
    """
    row = int(decoded.current[worker])
    if code > 0 or code in (-signal.SIGKILL, -signal.SIGTERM):
        raise DataError(
            f"process that reads {shorten(task.root / task.names[row])}: expected it to finish, found it ended"
            f" ({code if code > 0 else signal.Signals(-code).name}), as where memory ends. Try: a smaller --data.size"
        )
    decoded.states[row] = ENDING


def fork(task: Task, decoded: Decoded, rows: np.ndarray, worker: int) -> int:
    """Starts a process for some rows; returns its number."""
    parent = os.getpid()
    with warnings.catch_warnings():  # Python's, of threads: the child uses nothing that another one may hold
        warnings.simplefilter("ignore")
        pid = os.fork()
    return pid or in_child(task, decoded, rows, worker, parent)


def in_child(task: Task, decoded: Decoded, rows: np.ndarray, worker: int, parent: int) -> NoReturn:
    """What a forked process does; nothing of its parent's is run at its end."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells all processes; the parent ends this one
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        gc.disable()  # a collection would copy what both share
        work(task, decoded, rows, worker, parent)
    except BaseException:
        os._exit(1)
    finally:
        os._exit(0)


def work(task: Task, decoded: Decoded, rows: np.ndarray, worker: int, parent: int | None = None) -> None:
    """Decodes some rows, as long as nobody has stopped it and the parent is there.

    Small pictures go through each step together, which takes two thirds of the time: a processor's own memory is small.
    """
    place = decoded.current[worker : worker + 1].data
    for start in range(0, len(rows), CHUNK):
        some = rows[start : start + CHUNK]
        if decoded.stopped[0] or (parent is not None and os.getppid() != parent):
            return
        contents = [read(f"{task.root}/{task.names[row]}") for row in some.tolist()]
        images = []
        for row, content in zip(some.tolist(), contents, strict=True):
            place[0] = row
            images.append(quick(content, SMALL))
        pictures = []
        for row, content, image in zip(some.tolist(), contents, images, strict=True):
            place[0] = row
            if decoded.stopped[0]:
                return
            pictures.append(one(task, decoded, row, content, image))
        states, sizes, modes, digests = zip(*pictures, strict=True)
        decoded.sizes[some], decoded.modes[some] = sizes, modes
        decoded.digests[some] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST)
        count(decoded.pixels[some[(np.array(states) == DONE) & (some < task.trained)]], decoded.counts[worker])
        decoded.states[some] = states


def one(
    task: Task, decoded: Decoded, row: int, content: bytes, image: Image.Image | None
) -> tuple[int, Size, int, bytes]:
    """Decodes one picture into its row; returns its state, size, mode and digest.

    Args:
        task: which are decoded.
        decoded: takes it.
        row: its place.
        content: of its file; nothing where it is large.
        image: the picture, if it is small.
    """
    path = task.root / task.names[row] if image is None else None
    try:
        if path is not None:
            content = content or read(str(path), MOST_BYTES)
            image = quick(content)
        mode = image.mode if image is not None else ""
        if image is None and path is not None:
            opened = load_picture(path)
            mode, image = opened.mode, flatten(opened)
        assert image is not None
        if image.mode == "RGB" and not decoded.coloured[0] and shows_colour(image):
            decoded.coloured[0] = 1
        if task.only and image.size != task.only:
            decoded.stopped[0] |= OTHER_SIZE
        if task.grey and decoded.coloured[0]:
            decoded.stopped[0] |= COLOUR
        put(image, decoded.pixels[row])
    except Exception:  # damaged files raise whatever they like; `load_picture` has the message
        return BROKEN, (0, 0), 0, bytes(DIGEST)
    kind = mode if mode in MODES else "I;16" if mode.startswith("I;16") else "other"
    return DONE, image.size, MODES.index(kind), hashlib.sha256(content).digest()[:DIGEST]


def count(images: Pixels, counts: np.ndarray) -> None:
    """Adds how often each value occurs in some images (N, C, H, W) to the counts (C, 256); Pillow is fast at it."""
    for channel, so_far in enumerate(counts if len(images) else ()):
        values = np.ascontiguousarray(images[:, channel]).reshape(len(images), -1)
        so_far += np.array(Image.fromarray(values).histogram())


def read(path: str, most: int = LIGHT) -> bytes:
    """The content of a file; nothing where it is larger than so many bytes, or cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return b""
    try:
        status = os.fstat(descriptor)
        whole = stat.S_ISREG(status.st_mode) and status.st_size <= most
        return os.read(descriptor, status.st_size + 1) if whole else b""
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def put(image: Image.Image, row: Pixels) -> None:
    """Writes a picture, mode L or RGB, as an image (C, H, W)."""
    channels, height, width = row.shape
    if image.size != (width, height) or image.mode != ("L" if channels == 1 else "RGB"):
        row[:] = prepare(image, (channels, height, width))
    else:
        row[:] = np.frombuffer(image.tobytes(), np.uint8).reshape(height, width, channels).transpose(2, 0, 1)


def shows_colour(image: Image.Image) -> bool:
    """Whether the channels of a picture of mode RGB differ anywhere."""
    red, green, blue = (channel.tobytes() for channel in image.split())
    return not red == green == blue

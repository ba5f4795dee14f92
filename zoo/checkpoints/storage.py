"""Checkpoint files: written whole or not at all, with a checksum that shows damage, and read without running code.

    {"state_dict": …, "optimizer_states": …, "loops": …}  ->  torch's zip archive + "sha256:…" as the archive's comment

The checksum lies in the file itself, so file and checksum always come from the same save, and every other program that
reads torch's files reads these. A save writes a temporary file next to the target, flushes it to the disk and renames
it: under a checkpoint's name there is always a complete one. Of `last.ckpt` the previous version is kept.
"""

import errno
import hashlib
import io
import os
import pickle
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch

from zoo.checkpoints.validation import CHECKSUMMED, check_form, plain_archive
from zoo.errors import UsageError
from zoo.files import temporary

MARK = b"sha256:"
COMMENT = len(MARK) + 64  # bytes of the archive's comment
UNREADABLE = (
    *(RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile, UnicodeDecodeError, MemoryError, RecursionError),
    *(EOFError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError, OverflowError),
    struct.error,
)


def previous_of(path: Path) -> Path:
    """Where the version before this one is kept: last.ckpt -> last.prev.ckpt."""
    return path.with_name(f"{path.stem}.prev{path.suffix}")


def serialised(checkpoint: dict[str, Any]) -> bytes:
    """The bytes of the file: torch's archive, and as its comment the SHA-256 of all that stands before the comment."""
    buffer = io.BytesIO()
    torch.save({**checkpoint, CHECKSUMMED: True}, buffer)
    archive = buffer.getbuffer()
    archive[-2:] = COMMENT.to_bytes(2, "little")  # an archive ends in the length of its comment, 0 until now
    return b"".join([archive, MARK, hashlib.sha256(archive).hexdigest().encode()])


def write_through(path: Path, content: bytes) -> None:
    """Writes a new file and waits until it is on the disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Waits until a rename in this folder is on the disk, where the system can do that."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # Windows
        return
    try:
        os.fsync(handle)
    except OSError:  # some network file systems
        pass
    finally:
        os.close(handle)


def keep(path: Path, under: Path) -> None:
    """Gives a file a second name, in place of what had it; the file is never without its first name."""
    beside = temporary(under)
    try:
        os.link(path, beside)
        beside.replace(under)
        beside.unlink(missing_ok=True)  # a rename does nothing where both names are the same file's already
    except OSError:  # no hard links here: for a moment there is only the second name, which a resume finds too
        beside.unlink(missing_ok=True)
        path.replace(under)


def no_room(error: OSError, path: Path, size: int) -> str:
    """The message when a checkpoint of so many bytes cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = f"{shutil.disk_usage(path.parent).free / 1e6:.1f} MB free ({error.strerror})"
        wanted, advice = f"room for {size / 1e6:.1f} MB", "make room"
    else:
        wanted, free, advice = "a folder to write to", error.strerror or str(error), f"chmod u+w '{path.parent}'"
    run = path.parent.parent
    return (
        f"checkpoint in {path}: expected {wanted}, found {free}; the one before is still there."
        f" Try: {advice}, then python cli.py fit --resume auto --run_dir '{run}'"
    )


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The contents of a checkpoint, on the CPU.

    Raises:
        UsageError: it is not there, or not a file in this place.
        ValueError: it is damaged, is of another kind, or holds more than tensors and plain values.
    """
    if "://" in str(path) or ":/" in str(path):
        raise UsageError(
            f"checkpoint in --ckpt_path: expected a file on this machine, found the address {path}."
            " Try: download it, and look at what it is"
        )
    if not path.is_file():
        near = [str(file) for file in sorted(path.parent.glob("*.ckpt")) if file.is_file()]
        found = "something else" if path.exists() else "none"
        raise UsageError(
            f"checkpoint in --ckpt_path: expected a file, found {found} at {path}."
            f" Try: {', '.join(near[:3]) or '--run_dir DIR of a run'}"
        )
    try:
        raw = path.read_bytes()
        checksummed = verify_checksum(raw)
        archive = plain_archive(raw)
        del raw  # reading takes twice the memory of the file, not three times
        content = torch.load(archive, map_location="cpu", weights_only=True)
        check_form(content, checksummed=checksummed)
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        previous = previous_of(path)
        advice = previous if previous.exists() else "another copy of it, or one that the zoo or Lightning 2 has written"
        raise ValueError(
            f"checkpoint in {path}: expected tensors and plain values in a whole file, found {reason}. Try: {advice}"
        ) from error
    content.pop(CHECKSUMMED, None)
    return content


def verify_checksum(raw: bytes) -> bool:
    """Whether the file has a checksum, which then is right.

    Raises:
        ValueError: the checksum is there and wrong.
    """
    archive, comment = memoryview(raw)[:-COMMENT], raw[-COMMENT:]
    if not comment.startswith(MARK):
        return False
    if hashlib.sha256(archive).hexdigest().encode() != comment.removeprefix(MARK):
        raise ValueError("damage: its SHA-256 is not the one it was saved with")
    return True

"""Is what was read what was meant? Sizes before reading, SHA-256 of the decoded arrays after it."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np


class OtherContent(ValueError):
    """A file is whole, but other than the one that was looked for: it may be somebody's own."""


def sha256(array: np.ndarray) -> str:
    """SHA-256 of an array's bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def read_file(path: Path, sizes: range) -> np.ndarray:
    """Reads a file as bytes (N,) uint8, once its size is known to be right: a wrong file cannot fill the memory.

    Raises:
        OSError, ValueError: it cannot be read, or its size in bytes is not one of `sizes`.
    """
    try:
        found = path.stat().st_size  # 0 for a pipe, which would never answer, and for a device, which would never end
        if found in sizes:
            return np.fromfile(path, np.uint8, found)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise type(error)(f"content in {path}: expected a readable file, found {reason}") from error
    expected = f"{sizes.start} bytes" if len(sizes) == 1 else f"{sizes.start} to {sizes.stop - 1} bytes"
    raise ValueError(f"file size in {path}: expected {expected}, found {found}")


def check_content(path: Path, array: np.ndarray, expected: str) -> None:
    """Raises OtherContent if the array decoded from a file is not the published one."""
    found = sha256(array)
    if found != expected:
        raise OtherContent(f"decoded content in {path}: expected SHA-256 {expected[:16]}…, found {found[:16]}…")


class FormError(ValueError):
    """An array has a form that can mean several things, or nothing.

    Args:
        key: name of the array in the file.
        problem: the message without what to do.
        advice: Python that mends the array, with a remark after two blanks and `# `; or what to do in words.
    """

    def __init__(self, key: str, problem: str, advice: str) -> None:
        super().__init__(f"{problem}. Try: {advice}")
        self.key = key
        self.problem = problem
        self.advice = advice


def form_error(what: str, key: str, path: Path, expected: str, found: str, advice: str) -> FormError:
    """The error for an array whose form can mean several things, or nothing."""
    return FormError(key, f"{what} of {key} in {path}: expected {expected}, found {found}", advice)


def together(errors: Sequence[FormError]) -> FormError:
    """The first of the errors, with one line of Python that mends the arrays of all of them."""
    first = errors[0]
    code, mark, remark = first.advice.partition("  # ")
    for error in errors[1:]:
        more = error.advice.partition("  # ")[0]
        if " = " in code and " = " in more and not re.search(rf"\b{re.escape(error.key)}\b", code):
            code += f"; {more}"
    return FormError(first.key, first.problem, code + mark + remark)

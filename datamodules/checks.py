"""Is what was read what was meant? Sizes before parsing, SHA-256 of the decoded arrays after it."""

import hashlib
from pathlib import Path

import numpy as np


def sha256(array: np.ndarray) -> str:
    """SHA-256 of an array's bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def check_size(path: Path, expected: int) -> None:
    """Raises ValueError if a file has not the size its format prescribes, in bytes."""
    found = path.stat().st_size
    if found != expected:
        raise ValueError(
            f"file size in {path}: expected {expected} bytes, found {found}. Try: rm '{path}' and run again"
        )


def check_content(path: Path, array: np.ndarray, expected: str) -> None:
    """Raises ValueError if the array decoded from a file (or folder) is not the published one."""
    found = sha256(array)
    if found != expected:
        raise ValueError(
            f"decoded content in {path}: expected SHA-256 {expected[:16]}…, found {found[:16]}…."
            f" Try: rm -r '{path}' and run again"
        )

"""Reading a data set once for many runs of one process: `with sharing(): …` keeps what is read until the end.

Nothing is kept outside of it: a single run has no use for a second copy.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

_kept: dict[Hashable, Any] | None = None


@contextmanager
def sharing() -> Iterator[None]:
    """Within it, what was read is not read again; whoever gets it leaves it as it is."""
    global _kept
    before, _kept = _kept, {} if _kept is None else _kept
    try:
        yield
    finally:
        _kept = before


def shared(key: Hashable, read: Callable[[], T]) -> T:
    """What `read` returns, or has returned under this key."""
    if _kept is None:
        return read()
    if key not in _kept:
        _kept[key] = read()
    return _kept[key]

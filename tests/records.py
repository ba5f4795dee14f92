"""Records of nested mappings and lists, for the tests that look through them."""

from collections.abc import Iterator
from typing import Any


def texts(value: Any) -> Iterator[str]:
    """All texts in a record, keys excluded."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value

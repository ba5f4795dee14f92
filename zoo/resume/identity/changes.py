"""A key in which two records differ, and how it is printed.

Change("data.normalize", "standard", "none", "another experiment")  ->  --data.normalize standard → none
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from zoo.errors import shorten
from zoo.resume.identity.rules import EXACT, LENGTH, MAY
from zoo.runs.folder import RECORDED

SHOWN = 60  # characters of a value in a message


class Change(NamedTuple):
    """A key in which two records differ.

    Attributes:
        key: such as `data.normalize`.
        then: its value in the first record.
        now: its value in the second.
        kind: MAY, EXACT, LENGTH or ANOTHER.
    """

    key: str
    then: Any
    now: Any
    kind: str

    def __str__(self) -> str:
        return f"{display_name(self.key)} {format_setting(self.then)} → {format_setting(self.now)}"


def is_flag(key: str) -> bool:
    """Whether a key stands for an option."""
    return key.partition(".")[0] in RECORDED


def display_name(key: str) -> str:
    """A key for a message: options as flags."""
    if is_flag(key):
        return f"--{key}"
    part = key.partition(".")[2]
    return {
        "arrays": f"{part} images",
        "splits": f"choice of {part} images",
        "versions": part,
        "pixels": "order of the pixels",
        "code": "code",
    }.get(key.partition(".")[0], key)


def format_setting(value: Any) -> str:
    """A value as it is typed, cut to a readable length, with nothing that a terminal would obey."""
    if isinstance(value, tuple):
        value = list(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return shorten(text, SHOWN)


def format_changes(changes: Iterable[Change]) -> list[str]:
    """What may change and has, in one line, and what is no longer bit for bit, in another."""
    changes = list(changes)
    settings = [str(c) for c in changes if c.kind in (MAY, LENGTH)]
    exact = [str(c) for c in changes if c.kind == EXACT]
    lines = []
    if settings:
        lines.append(f"changed since the last start: {', '.join(settings)}")
    if exact:
        lines.append(f"no longer bit for bit as one straight run: {', '.join(exact)}")
    return lines

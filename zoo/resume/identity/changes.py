"""A key in which two records differ, as it is reported: refused in one line, or printed.

Change("data.normalize", "standard", "none", "another experiment")  ->  --data.normalize standard → none
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from zoo.errors import UsageError, shorten
from zoo.resume.identity.rules import ANOTHER, EXACT, LENGTH, MAY
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


def check_same_experiment(changes: Iterable[Change], run: Path, *, stretch: bool = False) -> None:
    """Raises UsageError if some of the changes make another experiment, naming each key with both values.

    Args:
        changes: all there are.
        run: the run's folder or checkpoint.
        stretch: whether the learning rate may be laid out over another length.
    """
    wrong = [change for change in changes if change.kind == ANOTHER or (change.kind == LENGTH and not stretch)]
    if not wrong:
        return
    expected, found = (
        ", ".join(f"{display_name(c.key)} {format_setting(getattr(c, side))}" for c in wrong)
        for side in ("then", "now")
    )
    names = ", ".join(display_name(change.key) for change in wrong)
    if all(change.kind == LENGTH for change in wrong):
        raise UsageError(
            f"length in {names}: expected {expected}, over which the schedule of the run in {run} is laid out,"
            f" found {found}. Try: {expected}, or --resume_schedule stretch, which lays it out over the new length"
        )
    flags = [change for change in wrong if is_flag(change.key)]
    typed = len(flags) < 4 and not any(change.key.startswith("trainer.callbacks") for change in flags)
    same = (
        ", ".join(f"{display_name(c.key)} {format_setting(c.then)}" for c in flags)
        if typed
        else "those of its config.yaml"
    )
    same = same or "the images and classes it was trained on"
    raise UsageError(
        f"settings in {names}: expected {expected}, as in the run in {run}, found {found}, which makes another"
        f" experiment. Try: {same}, or another --run_dir"
    )


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

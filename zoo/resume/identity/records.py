"""Reads the record of a run from its file or a checkpoint, and checks its form; of older checkpoints, what they say.

Both are untrusted: plain values, not too many, each of its kind.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.checkpoints.validation import within
from zoo.errors import UsageError
from zoo.runs.folder import read_or_none

MOST_TEXT = 20_000  # characters of one value, and of all class names together
MOST_VALUES = 30_000
LONGEST = 1_000_000  # bytes of identity.json


def read_identity(path: Path) -> dict[str, Any]:
    """The record in a file; empty if there is none.

    Raises:
        ValueError: it is not one.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LONGEST + 1)
        if len(raw) > LONGEST:
            raise ValueError(f"more than {LONGEST:,} bytes")
        return check_record(json.loads(raw))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError, OSError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise ValueError(
            f"identity in {path}: expected a record of a run, found another ({reason}). Try: without it"
        ) from error


def past_of(content: Mapping[str, Any], checkpoint: Path, config: Path) -> dict[str, Any]:
    """What a checkpoint says of its run; of an older one, what its config.yaml and its data module's state say.

    Args:
        content: of the checkpoint.
        checkpoint: its file.
        config: config.yaml of its run.

    Raises:
        UsageError: it says something that no run says.
    """
    if "identity" in content:
        try:
            return check_record(content["identity"])
        except ValueError as error:
            raise UsageError(
                f"identity in {checkpoint}: expected a record of a run, found another ({str(error)[:160]})."
                " Try: another checkpoint"
            ) from error
    past: dict[str, Any] = {"data": older_data(content)}
    held = read_or_none(config)  # where it cannot be read, the parser has the better message
    if isinstance(held, dict):
        past["config"] = held
    else:
        known = content.get("hyper_parameters", {})
        arguments = {
            key: value for key, value in known.items() if key not in ("in_shape", "num_classes") and key[:1] != "_"
        }
        if isinstance(known.get("_class_path"), str):
            past["config"] = {"model": {"class_path": known["_class_path"], "init_args": arguments}}
    try:
        return check_record({**past, "schema": 0})
    except ValueError:  # nothing that could be compared
        return {}


def older_data(content: Mapping[str, Any]) -> dict[str, Any]:
    """What checkpoints without a record know of their data: the state of the data module, under its class's name."""
    for name, state in content.items():
        if name[:1].isupper() and isinstance(state, dict) and {"batch_size", "images"} <= state.keys():
            known = {key: state[key] for key in ("mean", "std") if key in state}
            if type(state["batch_size"]) is int and type(state["images"]) is int:
                known |= {"batch_size": state["batch_size"], "images": {"train": state["images"]}}
            return known
    return {}


def check_record(record: Any) -> dict[str, Any]:
    """The record if it has the form of one: plain values, not too many, in their places; raises ValueError if not."""
    if not isinstance(record, dict) or type(record.get("schema")) is not int:
        raise ValueError("no record with a schema")
    for count, value in enumerate(within(record), 1):
        if not (value is None or type(value) in (bool, int, float, str)) or count > MOST_VALUES:
            raise ValueError(f"a {type(value).__name__}" if count <= MOST_VALUES else "too many values")
        if isinstance(value, str) and len(value) > MOST_TEXT:
            raise ValueError(f"a text of {len(value):,} characters")
    for key in ("config", "data", "code", "versions", "place", "weights"):
        check_kind(record, key, dict)
    for key in ("trainer", "data", "model"):
        check_kind(record.get("config", {}), key, dict)
    data = record.get("data", {})
    for key, kind, inner in (
        ("arrays", dict, str),
        ("splits", dict, str),
        ("images", dict, int),
        ("classes", list, str),
    ):
        check_kind(data, key, kind)
        values: Any = data.get(key) or ()
        if not all(type(value) is inner for value in (values.values() if kind is dict and values else values)):
            raise ValueError(f"something else than {inner.__name__} in {key}")
    check_kind(data, "batch_size", int)
    return record


def check_kind(held: Any, key: str, kind: type) -> None:
    """Raises ValueError if there is something of another kind under a key."""
    if held.get(key) is not None and type(held[key]) is not kind:
        raise ValueError(f"{type(held[key]).__name__} as {key}")

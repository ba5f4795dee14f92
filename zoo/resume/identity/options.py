"""The options of a run as flat keys, `model.hidden`, and whether two values of one mean the same."""

import inspect
import sys
from collections.abc import Mapping
from typing import Any

from lightning import Trainer

from zoo.resume.identity.rules import ALIKE, BEFORE, BY_EFFECT, SHARES

Record = Mapping[str, Any]
Flags = dict[str, Any]


def flags_of(config: Any) -> Flags:
    """A resolved configuration with dotted keys, as flags have them: {"model": "MLP", "model.hidden": [16], …}."""
    flat: Flags = {}

    def add(key: str, value: Any) -> None:
        if key in ("trainer.callbacks", "trainer.logger") and isinstance(value, list | Mapping | str):
            for i, item in enumerate(value if isinstance(value, list) else [value]):  # one alone is a list of one
                name = str(item.get("class_path") if isinstance(item, Mapping) else item).rpartition(".")[2]
                again = f"#{i}" if f"{key}.{name}" in flat else ""
                add(f"{key}.{name}{again}", item)
        elif isinstance(value, Mapping) and "class_path" in value:
            path = str(value["class_path"])
            flat[key] = short_class(path) if key in ("data", "model") else path
            for part in ("init_args", "dict_kwargs"):
                inner = value.get(part)
                for name, item in (inner if isinstance(inner, Mapping) else {}).items():
                    add(f"{key}.{name}", item)
        elif key == "trainer" and isinstance(value, Mapping):
            for name, item in value.items():
                add(f"trainer.{name}", item)
        elif key != "trainer.callbacks":
            flat[key] = value

    for key, value in config.items() if isinstance(config, Mapping) else ():
        add(str(key), value)
    return flat


def short_class(path: str) -> str:
    """One of the zoo's own classes without its module: as it may be typed, and wherever its file lies."""
    return path.rpartition(".")[2] if path.startswith(("zoo.", "datamodules.")) else path


def effects(record: Record) -> dict[str, Any]:
    """What the options that may be left open came to, by option; none where no data have been read."""
    data = record.get("data", {})
    known = {**data.get("images", {}), "batch_size": data.get("batch_size")}
    return {key: known[name] for key, name in BY_EFFECT.items() if known.get(name) is not None}


def facts(record: Record) -> dict[str, Any]:
    """What a record says besides the options, under flat keys."""
    data, place = record.get("data", {}), record.get("place", {})
    code = record.get("code", {})
    return {
        **{f"arrays.{name}": value for name, value in data.get("arrays", {}).items()},
        **{f"splits.{name}": value for name, value in data.get("splits", {}).items()},
        "pixels": data.get("pixels"),
        "classes": data.get("classes") or data.get("class_digest"),
        "weights": record.get("weights", {}).get("sha256"),
        "code": code.get("source") or " ".join(filter(None, (code.get("commit"), code.get("changes")))) or None,
        **{f"versions.{name}": value for name, value in record.get("versions", {}).items()},
        **{name: place.get(name) for name in ("device", "devices", "threads", "processor")},
    }


def default_of_option(key: str, config: Record) -> Any:
    """What an option was where a record does not have it: the default."""
    if key in BEFORE:
        return BEFORE[key]
    owner, _, name = key.rpartition(".")
    if owner == "trainer":
        return default(Trainer, name)
    held: Any = config
    for part in owner.split("."):
        if not isinstance(held, Mapping):
            return None
        held = held.get(part) if part in held else (held.get("init_args") or {}).get(part)
    path = str(held.get("class_path", "")) if isinstance(held, Mapping) else ""
    module, _, class_name = path.rpartition(".")
    return default(getattr(sys.modules.get(module), class_name, None), name)  # imported, as the run is made of it


def default(kind: Any, name: str) -> Any:
    """The default of an argument of a class, or of one that it hands on to; None if there is none."""
    for each in inspect.getmro(kind) if inspect.isclass(kind) else ():
        parameter = inspect.signature(vars(each).get("__init__", object.__init__)).parameters.get(name)
        if parameter is not None:
            return None if parameter.default is inspect.Parameter.empty else parameter.default
    return None


def same_value(key: str, then: Any, now: Any) -> bool:
    """Whether two values of an option mean the same."""
    values = []
    for value in (then, now):
        table = ALIKE.get(key, {})
        known = table.get(value, value) if isinstance(value, str | int | float | None) else value
        values.append(list(known) if isinstance(known, tuple) else known)
    if all(isinstance(value, str) and value.startswith("zoo.") for value in values):
        values = [short_class(str(value)) for value in values]
    if key in SHARES and values[0] == 1 and type(values[0]) is not type(values[1]):
        return False
    booleans = [isinstance(value, bool) for value in values]
    return bool(values[0] == values[1]) and booleans[0] == booleans[1]


def is_number(value: Any) -> bool:
    """Whether it is a number, or a list of them."""
    if isinstance(value, list | tuple):
        return all(map(is_number, value))
    return isinstance(value, int | float) and not isinstance(value, bool)

"""The keys that say which class is meant, where they are misspelt: jsonargparse takes what is under them for options.

model: {class_path: MLP, init_arg: {hidden: [3]}}
    -> key init_arg in --model: expected class_path, with init_args, found another. Try: init_args
"""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from zoo.config.errors.option_errors import format_error, format_value

KEYS = ("class_path", "init_args", "dict_kwargs")
SAME = 0.8  # share of letters in common, from which a word is one of these misspelt; `init` and `classes` have less


def misspelt(value: Any, key: str = "") -> str | None:
    """The line for the first such key in a configuration, None if there is none.

    Args:
        value: the configuration, or the part of it under `key`.
        key: dotted, as flags have it.
    """
    return next(lines_within(value, key), None)


def lines_within(value: Any, key: str) -> Iterator[str]:
    """One for each such key."""
    if isinstance(value, list):
        for item in value:
            yield from lines_within(item, key)
    if not isinstance(value, Mapping):
        return
    for name in map(str, value):
        right = meant_key(name, value) if key and name not in KEYS else None
        if right:
            found = (
                f"{format_value(name)} beside them"
                if right == "init_args" and not is_misspelling(name, right)
                else format_value(name)
            )
            advice = f"init_args: {{{name}: …}}" if found.endswith("them") else right
            yield format_error(
                f"key {name[:60]}", f"--{key}", "class_path, and init_args with what it takes", found, advice
            )
    for name, item in value.items():
        yield from lines_within(item, key if name in KEYS else f"{key}.{name}".removeprefix("."))


def meant_key(name: str, among: Mapping[Any, Any]) -> str | None:
    """The key that is meant by another one of a class: by its letters, or by what it stands beside."""
    near = max(KEYS, key=lambda known: SequenceMatcher(None, known, name).ratio())
    if is_misspelling(name, near) and near not in among:
        return near
    if "class_path" in among:
        return "init_args"
    return "class_path" if "init_args" in among else None


def is_misspelling(name: str, key: str) -> bool:
    """Whether a word is this key, misspelt."""
    return SequenceMatcher(None, key, name).ratio() >= SAME

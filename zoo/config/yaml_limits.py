"""Yaml as it is read for a configuration: of a sensible size and depth, each key once.

    a: &a [x, x]      an alias counts as what it stands for: nine such lines of ten aliases are 10⁹ values, and
    b: &b [*a, *a]    `&a [*a]` has no end
    [[[[[[[[ …        overflows the stack of the reader, in C: the process ends without a word
    "[[[[[[[[ …"      so does text, as jsonargparse reads it as yaml again where no text is expected
    lr: 0.1           the last of two equal keys would win in silence, far below the first
    lr: 1.0
    x: hf://me/net    whatever takes it would read or write on the Hub, with the token of the user

All of it is seen while the text is read piece by piece, before anything is made of it.
"""

import re
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader

MOST_CHARACTERS = 200_000  # the largest configuration of the zoo has 3,000
MOST_VALUES = 20_000
DEEPEST = 50  # levels of lists and mappings
LONGEST = 10_000  # characters of one text; a class path of many dots would be looked at in the square of that

HUB = re.compile(
    r"\s*([\w+-]+::)*hf:/", re.IGNORECASE
)  # weights on the Hub are named on the command line, or in Python

Events = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is quicker, where there is one
_load = get_loader("yaml")


class BeyondLimitError(yaml.MarkedYAMLError):
    """Yaml that is too long, too deep or without end."""


class HubAddressError(BeyondLimitError):
    """An address that no file may name."""


def limit_yaml() -> None:
    """Has configurations, and values that are written in yaml, read by `load_yaml` in this process."""
    set_loader("yaml", load_yaml, exceptions=(yaml.YAMLError,))


def load_yaml(text: str) -> Any:
    """The values in a text, as jsonargparse reads it.

    Raises:
        YAMLError: it is not yaml, or beyond the limits.
    """
    if len(text) > MOST_CHARACTERS:
        raise BeyondLimitError(problem=f"more than {MOST_CHARACTERS:,} characters")
    count_values(text)
    return _load(text)


def count_values(text: str, deep: int = 0) -> int:
    """Number of values in a text, those of texts within it and those that aliases stand for included.

    Args:
        text: yaml.
        deep: levels around the text.

    Raises:
        BeyondLimitError: they are too many, too deep or without end.
        YAMLError: it is not yaml, or has a key twice.
    """
    held: dict[str | None, int] = {}  # number of values below each anchor that is complete
    levels: list[Level] = []
    count = 0
    event: Any  # the stubs know neither libyaml's marks nor which event has a value
    for event in yaml.parse(text, Loader=Events):
        if isinstance(event, yaml.CollectionEndEvent):
            level = levels.pop()
            held[level.anchor] = count - level.start
        if not isinstance(event, yaml.NodeEvent):
            continue
        where: dict[str, Any] = {"problem_mark": event.start_mark}
        if levels and levels[-1].has(event):
            raise yaml.MarkedYAMLError(problem=f"the key {getattr(event, 'value', '')} twice", **where)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in held:
                raise BeyondLimitError(problem="an alias of what it is part of", **where)
            count += held[event.anchor]
        elif isinstance(event, yaml.ScalarEvent) and HUB.match(event.value):
            raise HubAddressError(problem=f"an address of the Hub ({event.value.strip()[:60]})", **where)
        elif isinstance(event, yaml.CollectionStartEvent):
            levels.append(Level(event, count + 1))
            held.pop(event.anchor, None)  # from here on the name means this, though there may have been another
        else:
            held[event.anchor] = count_within(event, text, deep + len(levels))
            count += held[event.anchor]
        count += 1
        if count > MOST_VALUES:
            raise BeyondLimitError(problem=f"more than {MOST_VALUES:,} values", **where)
        if deep + len(levels) > DEEPEST:
            raise BeyondLimitError(problem=f"more than {DEEPEST} levels", **where)
    return count


def count_within(scalar: Any, text: str, deep: int) -> int:
    """Number of values below a scalar when its text is read as yaml again; 0 if it is no yaml, or one value."""
    if len(scalar.value) > LONGEST:
        raise BeyondLimitError(problem=f"more than {LONGEST:,} characters in one value", problem_mark=scalar.start_mark)
    if scalar.value == text:
        return 0
    try:
        return max(0, count_values(scalar.value, deep + 1) - 1)
    except BeyondLimitError as error:
        raise BeyondLimitError(problem=error.problem, problem_mark=scalar.start_mark) from error
    except yaml.YAMLError:
        return 0


class Level:
    """A list or mapping that has been opened and not yet closed.

    Args:
        event: its beginning.
        start: how many values there were, with it.
    """

    def __init__(self, event: yaml.CollectionStartEvent, start: int) -> None:
        self.anchor, self.start = event.anchor, start
        self.is_mapping = isinstance(event, yaml.MappingStartEvent)
        self.keys: set[str] = set()
        self.children = 0

    def has(self, event: yaml.NodeEvent) -> bool:
        """Takes a value, and says whether it is a key that was there before."""
        is_key = self.is_mapping and self.children % 2 == 0
        self.children += 1
        if not is_key or not isinstance(event, yaml.ScalarEvent):
            return False
        known = event.value in self.keys
        self.keys.add(event.value)
        return known

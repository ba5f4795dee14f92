"""The tensors in an operation's inputs and outputs, which may lie in lists, tuples and dictionaries of each other."""

from collections.abc import Callable, Iterator
from typing import Any


def leaves(value: Any) -> Iterator[Any]:
    """What lies in a value, in order; a value that holds no others is a leaf itself."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from leaves(each)
    else:
        yield value


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """The same lists, tuples and dictionaries, with a function of each leaf."""
    if isinstance(value, dict):
        return {key: mapped(function, each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([mapped(function, each) for each in value])
    return function(value)

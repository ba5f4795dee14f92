"""What each part of study.yaml must be; whatever is not is reported in one line with its key and the nearest name."""

from collections.abc import Iterable, Mapping
from typing import Any

from zoo.config.type_names import nearest
from zoo.errors import UsageError


def check_mapping(given: Any, where: str) -> dict[Any, Any]:
    """Raises UsageError unless this is a mapping."""
    if not isinstance(given, dict):
        raise UsageError(f"value in {where}: expected keys with values, found {str(given)[:60]!r}")
    return given


def check_list(given: Any, where: str) -> list[Any]:
    """Raises UsageError unless this is a list."""
    if not isinstance(given, list):
        raise UsageError(f"value in {where}: expected a list, found {str(given)[:60]!r}")
    return given


def check_keys(given: Mapping[Any, Any], known: Iterable[str], where: str) -> None:
    """Raises UsageError for a key that means nothing here."""
    for key in given:
        one_of(str(key), known, f"key in {where}")


def one_of(name: str, known: Iterable[str], what: str) -> str:
    """Raises UsageError, with the nearest name, unless this is one of those that are known."""
    known = list(known)
    if name not in known:
        near = nearest(name, known)
        raise UsageError(
            f"{what}: expected one of {', '.join(known[:14])}, found '{name[:60]}'." + (f" Try: {near}" if near else "")
        )
    return name

"""Is this a report? That of a run folder may be anybody's: what has another form is none.

result.json["report"]  ->  the same, or None
"""

from collections.abc import Callable
from typing import Any

from zoo.runs.report.numbers import BINS, COVERAGES, MOST_CLASSES, MOST_CONFUSIONS, MOST_LETTERS, Report

Check = Callable[[Any], bool]


def is_share(value: Any) -> bool:
    """A number from 0 to 1."""
    return type(value) in (int, float) and 0 <= value <= 1  # false for nan


def is_share_or_none(value: Any) -> bool:
    """The same, or null where it is undefined."""
    return value is None or is_share(value)


def is_count(value: Any) -> bool:
    """A whole number from 0."""
    return type(value) is int and 0 <= value < 2**53


def is_name(value: Any) -> bool:
    """The name of a class."""
    return isinstance(value, str) and len(value) <= MOST_LETTERS and value.isprintable()


def with_keys(**keys: Check) -> Check:
    """A mapping with these keys, whose values are of these forms."""
    return lambda value: isinstance(value, dict) and all(key in value and keys[key](value[key]) for key in keys)


def list_of(check: Check, most: int, least: int = 0) -> Check:
    """A list, not too long, of what has this form."""
    return lambda value: isinstance(value, list) and least <= len(value) <= most and all(map(check, value))


SCORES = dict.fromkeys(("precision", "recall", "f1"), is_share_or_none)
COUNTS = dict.fromkeys(("support", "predicted", "right"), is_count)
OF_BINS, OF_COVERAGES = (list_of(is_share_or_none, n, n) for n in (BINS, len(COVERAGES)))
is_report = with_keys(
    n=is_count,
    num_classes=is_count,
    accuracy=is_share,
    balanced_accuracy=is_share,
    micro=with_keys(**SCORES),
    macro=with_keys(**SCORES),
    classes=list_of(with_keys(**{"class": is_name}, **SCORES, **COUNTS), MOST_CLASSES),
    confusions=list_of(with_keys(label=is_name, predicted=is_name, count=is_count), MOST_CONFUSIONS),
    calibration=with_keys(
        bins=lambda value: value == BINS,
        expected_error=is_share,
        mean_confidence=is_share,
        images=list_of(is_count, BINS, BINS),
        confidence=OF_BINS,
        accuracy=OF_BINS,
    ),
    confidence=with_keys(
        coverage=lambda value: value == list(COVERAGES),
        accuracy=list_of(is_share, len(COVERAGES), len(COVERAGES)),
        least=list_of(is_share, len(COVERAGES), len(COVERAGES)),
        area_under_risk=is_share,
    ),
)


def report_in(record: Any) -> Report | None:
    """The report in the record of a run; None if it has none that can be shown."""
    found = record.get("report") if isinstance(record, dict) else None
    return found if is_report(found) and found["n"] > 0 else None  # type: ignore[index]

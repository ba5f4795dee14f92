"""What would support a claim: a difference between two cells of a study, and how large it must be to matter.

compare: {arm: [gelu, relu]}, more: 0.2                              gelu − relu ≥ 0.2, for each level of the others
compare: {arm: [gelu, [relu, tanh]]}, more: 0                        against each of several
compare: {pixels: [plain, shuffled]}, where: {arm: mlp}, same: 0.3   along another factor, within one arm
compare: {arm: [cnn, mlp]}, between: {pixels: [plain, shuffled]}     a difference of differences
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import UsageError
from zoo.studies.checks import check_keys, check_mapping, one_of
from zoo.studies.statistics import Kind


@dataclass(frozen=True)
class Expectation:
    """One expectation.

    Attributes:
        says: it in words.
        claim: id of the claim it belongs to; None means all of the study's.
        factor: along which levels are compared.
        first: the level that is expected to have more (or less, or the same).
        seconds: each of the levels it is compared with.
        where: levels of other factors to which it is limited; of those not named, it is meant for each level.
        between: factor and two levels: the difference at the first less the difference at the second counts.
        outcome: which; None means the first.
        kind: more, less or same.
        margin: by at least, or within, so much.
        somewhere: whether one place where it holds is enough.
    """

    says: str
    claim: str | None
    factor: str
    first: str
    seconds: tuple[str, ...]
    where: dict[str, str]
    between: tuple[str, str, str] | None
    outcome: str | None
    kind: Kind
    margin: float
    somewhere: bool


def parse_expectation(given: Any, factors: Mapping[str, Any], outcomes: list[str], where: str) -> Expectation:
    """One expectation."""
    given = check_mapping(given, where)
    check_keys(given, ("says", "claim", "compare", "where", "between", "of", "more", "less", "same", "holds"), where)
    factor, first, seconds_ = parse_pair(given.get("compare"), factors, f"{where}.compare")
    limits = {str(k): str(v) for k, v in check_mapping(given.get("where", {}), f"{where}.where").items()}
    for name, level in limits.items():
        one_of(level, factors[one_of(name, factors, f"factor in {where}.where")], f"level in {where}.where.{name}")
    between = None
    if "between" in given:
        name, one, others = parse_pair(given["between"], factors, f"{where}.between")
        between = (name, one, others[0])
    kinds = [kind for kind in ("more", "less", "same") if kind in given]
    if len(kinds) != 1 or type(given[kinds[0]]) not in (int, float) or not math.isfinite(given[kinds[0]]):
        raise UsageError(f"margin in {where}: expected a number as one of more, less, same, found {len(kinds)} of them")
    if "of" in given:
        one_of(str(given["of"]), outcomes, f"outcome in {where}.of")
    return Expectation(
        says=" ".join(str(given.get("says", "")).split()),
        claim=str(given["claim"]) if "claim" in given else None,
        factor=factor,
        first=first,
        seconds=tuple(seconds_),
        where=limits,
        between=between,
        outcome=str(given["of"]) if "of" in given else None,
        kind=kinds[0],  # type: ignore[arg-type]
        margin=float(given[kinds[0]]),
        somewhere=one_of(str(given.get("holds", "everywhere")), ("everywhere", "somewhere"), f"word in {where}.holds")
        == "somewhere",
    )


def parse_pair(given: Any, factors: Mapping[str, Any], where: str) -> tuple[str, str, list[str]]:
    """A factor, a level of it, and the level or levels to compare that with."""
    given = check_mapping(given, where)
    if len(given) != 1 or not isinstance(next(iter(given.values())), list) or len(next(iter(given.values()))) != 2:
        raise UsageError(f"pair in {where}: expected one factor with two levels, found another. Try: {{arm: [a, b]}}")
    name, (first, second) = next(iter(given.items()))
    there = factors[one_of(str(name), factors, f"factor in {where}")]
    seconds_ = [str(level) for level in (second if isinstance(second, list) else [second])]
    for level in (str(first), *seconds_):
        one_of(level, there, f"level in {where}.{name}")
    return str(name), str(first), seconds_

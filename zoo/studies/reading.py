"""Reads study.yaml and says in one line what is wrong in it, with the file, the key and the nearest name."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from zoo.runs.messages import UsageError
from zoo.runs.names import nearest
from zoo.runs.plain_yaml import load
from zoo.studies.expectations import Expectation
from zoo.studies.outcomes import Outcome, check_words
from zoo.studies.settings import FILES, RETEST, Settings, combinations, short
from zoo.studies.spec import ARM, Study, Tuning, of_seeds

KEYS = (
    *("question", "claims", "base", "arms", "factors", "baseline", "seeds", "tune", "report", "maps", "expect"),
    *("comment", "threats"),
)
ACCURACY = {"accuracy": {"value": "test.accuracy", "label": "test accuracy"}}


def read_study(folder: Path) -> Study:
    """The study in a folder.

    Raises:
        UsageError: there is none, or something in it cannot be; the line names file and key.
    """
    file = folder / "study.yaml"
    try:
        content = load(file.read_text())
    except OSError as error:
        there = [path.parent.as_posix() for path in sorted(folder.parent.glob("*/study.yaml"))]
        near = nearest(folder.as_posix(), there) or next(iter(there), None)
        advice = f" Try: {near}" if near else ""
        raise UsageError(f"study in STUDY: expected a folder with study.yaml, found none at {file}.{advice}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"content in {file}: expected yaml, found another ({' '.join(str(error).split())})") from error
    try:
        return made(folder, content)
    except UsageError as error:
        raise UsageError(str(error).replace(": expected ", f" of {file}: expected ", 1)) from error


def made(folder: Path, content: Any) -> Study:
    """A study from the content of its file."""
    content = mapping(content, "study")
    check_keys(content, KEYS, "study")
    for key in ("question", "arms", "baseline", "seeds"):
        if content.get(key) is None:
            raise UsageError(f"key in study: expected {key}, found none. Try: {key}: …")
    factors = {ARM: levels(content["arms"], "arms")}
    for name, given in mapping(content.get("factors", {}), "factors").items():
        factors[str(name)] = levels(given, f"factors.{name}")
    baseline = one_of(str(content["baseline"]), factors[ARM], "arm in baseline")
    report = [outcome(str(n), g) for n, g in mapping(content.get("report") or ACCURACY, "report").items()]
    names = [each.name for each in report]
    return Study(
        folder=folder,
        question=" ".join(str(content["question"]).split()),
        claims=[str(claim) for claim in listed(content.get("claims", []), "claims")],
        base=settings(content.get("base", {}), "base"),
        factors=factors,
        baseline=baseline,
        seeds=seeds(content["seeds"], "seeds"),
        tune=tuning(content["tune"], factors) if content.get("tune") else None,
        report=report,
        maps=[str(quantity) for quantity in listed(content.get("maps", []), "maps")],
        expect=[
            expectation(each, factors, names, f"expect[{i}]")
            for i, each in enumerate(listed(content.get("expect", []), "expect"))
        ],
        comment=str(content.get("comment") or "").strip(),
        threats=[" ".join(str(threat).split()) for threat in listed(content.get("threats", []), "threats")],
    )


def levels(given: Any, where: str) -> dict[str, Settings]:
    """Levels by name; `grid` stands for one level per combination of its values."""
    found: dict[str, Settings] = {}
    for name, each in mapping(given, where).items():
        if name != "grid":
            found[str(name)] = settings(each, f"{where}.{name}")
            continue
        values = {key: listed(value, f"{where}.grid.{key}") for key, value in mapping(each, f"{where}.grid").items()}
        for choice in combinations(values):
            found[" ".join(short(value) for value in choice.values())] = choice
    if not found:
        raise UsageError(f"levels in {where}: expected at least one, found none")
    return found


def settings(given: Any, where: str) -> Settings:
    """Dotted keys with values, `config` as a list of files."""
    found = {str(key): value for key, value in mapping(given, where).items()}
    for key, value in found.items():
        if isinstance(value, dict) and key != RETEST:
            raise UsageError(f"value in {where}.{key}: expected one, a list or null, found a mapping. Try: dotted keys")
    if FILES in found:
        files = found[FILES]
        found[FILES] = [str(file) for file in (files if isinstance(files, list) else [files])]
    if RETEST in found:
        found[RETEST] = settings(found[RETEST], f"{where}.{RETEST}")
    return found


def tuning(given: Any, factors: Mapping[str, Any]) -> Tuning:
    """What is tuned."""
    given = mapping(given, "tune")
    check_keys(given, ("values", "seeds", "settings", "per"), "tune")
    values = {
        str(key): listed(v, f"tune.values.{key}") for key, v in mapping(given.get("values"), "tune.values").items()
    }
    if not values or not all(values.values()):
        raise UsageError("candidates in tune.values: expected dotted keys with lists of values, found none")
    per = tuple(
        one_of(str(name), factors, "factor in tune.per") for name in listed(given.get("per", [*factors]), "per")
    )
    chosen_by = seeds(given.get("seeds", 1), "tune.seeds")
    return Tuning(values, chosen_by, settings(given.get("settings", {}), "tune.settings"), per)


def outcome(name: str, given: Any) -> Outcome:
    """One outcome, from its words or a mapping."""
    given = {"value": given} if isinstance(given, str) else mapping(given, f"report.{name}")
    check_keys(given, Outcome._fields[1:], f"report.{name}")
    value = str(given.get("value", ""))
    check_words(value)
    unit = str(given.get("unit", "points" if "accuracy" in value else ""))
    log = bool(given.get("log", False))
    return Outcome(name, value, str(given.get("label", value)), unit, log, int(given.get("digits", 2)))


def expectation(given: Any, factors: Mapping[str, Any], outcomes: list[str], where: str) -> Expectation:
    """One expectation."""
    given = mapping(given, where)
    check_keys(given, ("says", "claim", "compare", "where", "between", "of", "more", "less", "same", "holds"), where)
    factor, first, seconds_ = pair(given.get("compare"), factors, f"{where}.compare")
    limits = {str(k): str(v) for k, v in mapping(given.get("where", {}), f"{where}.where").items()}
    for name, level in limits.items():
        one_of(level, factors[one_of(name, factors, f"factor in {where}.where")], f"level in {where}.where.{name}")
    between = None
    if "between" in given:
        name, one, others = pair(given["between"], factors, f"{where}.between")
        between = (name, one, others[0])
    kinds = [kind for kind in ("more", "less", "same") if kind in given]
    if len(kinds) != 1 or not isinstance(given[kinds[0]], int | float):
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


def pair(given: Any, factors: Mapping[str, Any], where: str) -> tuple[str, str, list[str]]:
    """A factor, a level of it, and the level or levels to compare that with."""
    given = mapping(given, where)
    if len(given) != 1 or not isinstance(next(iter(given.values())), list) or len(next(iter(given.values()))) != 2:
        raise UsageError(f"pair in {where}: expected one factor with two levels, found another. Try: {{arm: [a, b]}}")
    name, (first, second) = next(iter(given.items()))
    there = factors[one_of(str(name), factors, f"factor in {where}")]
    seconds_ = [str(level) for level in (second if isinstance(second, list) else [second])]
    for level in (str(first), *seconds_):
        one_of(level, there, f"level in {where}.{name}")
    return str(name), str(first), seconds_


def seeds(given: Any, where: str) -> list[int]:
    """Seeds from their number or their list."""
    numbers = given if isinstance(given, list) else [given]
    if not all(type(number) is int and number >= 0 for number in numbers) or not of_seeds(given):
        raise UsageError(f"seeds in {where}: expected a number from 1 or a list of seeds, found {short(given)}. Try: 5")
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"seeds in {where}: expected each once, found {numbers}")
    return of_seeds(given)


def mapping(given: Any, where: str) -> dict[Any, Any]:
    """Raises UsageError unless this is a mapping."""
    if not isinstance(given, dict):
        raise UsageError(f"value in {where}: expected keys with values, found {str(given)[:60]!r}")
    return given


def listed(given: Any, where: str) -> list[Any]:
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

"""Reads study.yaml and says in one line what is wrong in it, with the file, the key and the nearest name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from zoo.runs.messages import UsageError
from zoo.runs.names import nearest
from zoo.runs.plain_yaml import load
from zoo.studies.checks import check_keys, listed, mapping, one_of
from zoo.studies.expectations import expectation
from zoo.studies.outcomes import Outcome, check_words
from zoo.studies.rows import columns
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
    study = Study(
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
    check_columns(study)
    return study


def check_columns(study: Study) -> None:
    """Refuses a factor, an outcome or a map that is called as another column of the rows."""
    names = columns(study)
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"name in study: expected each column of its rows once, found {twice!r} twice. Try: {twice} 2")


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


def seeds(given: Any, where: str) -> list[int]:
    """Seeds from their number or their list."""
    numbers = given if isinstance(given, list) else [given]
    if not all(type(number) is int and number >= 0 for number in numbers) or not of_seeds(given):
        raise UsageError(f"seeds in {where}: expected a number from 1 or a list of seeds, found {short(given)}. Try: 5")
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"seeds in {where}: expected each once, found {numbers}")
    return of_seeds(given)

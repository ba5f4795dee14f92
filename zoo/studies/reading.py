"""Reads study.yaml and says in one line what is wrong in it, with the file, the key and the nearest name."""

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import yaml

from zoo.config.type_names import nearest
from zoo.config.yaml_limits import load_yaml
from zoo.errors import UsageError
from zoo.studies.checks import check_keys, check_list, check_mapping, one_of
from zoo.studies.expectations import parse_expectation
from zoo.studies.outcomes import NAME, Outcome, check_outcome
from zoo.studies.rows import columns
from zoo.studies.settings import FILES, MOST_RUNS, RETEST, Settings, combinations, short_label
from zoo.studies.spec import ARM, Study, Tuning, of_seeds

KEYS = (
    *("question", "claims", "base", "arms", "factors", "baseline", "seeds", "tune", "report", "maps", "expect"),
    *("comment", "checks", "threats"),
)
TUNING_SEED = 100  # where tune names none: none of the seeds 0, 1, … that a study usually has
MOST_SEEDS, LAST_SEED, MOST_DIGITS = 10_000, 2**32 - 1, 9
FLAG = re.compile(r"[A-Za-z_]\w*(\.\w+)*\+?")  # nothing that the command would read as more than one word
NUMBER = re.compile(r"-[\d.]+(e[+-]?\d+)?")
ACCURACY = {"accuracy": {"value": "test.accuracy", "label": "test accuracy"}}


def read_study(folder: Path) -> Study:
    """The study in a folder.

    Raises:
        UsageError: there is none, or something in it cannot be; the line names file and key.
    """
    file = folder / "study.yaml"
    try:
        content = load_yaml(file.read_text(encoding="utf-8"))
    except OSError as error:
        there = [path.parent.as_posix() for path in sorted(folder.parent.glob("*/study.yaml"))]
        near = nearest(folder.as_posix(), there) or next(iter(there), None)
        advice = f" Try: {near}" if near else ""
        raise UsageError(f"study in STUDY: expected a folder with study.yaml, found none at {file}.{advice}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"content in {file}: expected yaml, found another ({' '.join(str(error).split())})") from error
    try:
        return parse_study(folder, content)
    except UsageError as error:
        raise UsageError(str(error).replace(": expected ", f" of {file}: expected ", 1)) from error


def parse_study(folder: Path, content: Any) -> Study:
    """A study from the content of its file."""
    content = check_mapping(content, "study")
    check_keys(content, KEYS, "study")
    for key in ("question", "arms", "baseline", "seeds"):
        if content.get(key) is None:
            raise UsageError(f"key in study: expected {key}, found none. Try: {key}: …")
    factors = {ARM: parse_levels(content["arms"], "arms")}
    for name, given in check_mapping(content.get("factors", {}), "factors").items():
        if str(name) == ARM:
            raise UsageError(f"name in factors: expected others than {ARM}, found it. Try: arms")
        factors[str(name)] = parse_levels(given, f"factors.{name}")
    baseline = one_of(str(content["baseline"]), factors[ARM], "arm in baseline")
    report = [parse_outcome(str(n), g) for n, g in check_mapping(content.get("report") or ACCURACY, "report").items()]
    names = [each.name for each in report]
    study = Study(
        folder=folder,
        question=" ".join(str(content["question"]).split()),
        claims=[str(claim) for claim in check_list(content.get("claims", []), "claims")],
        base=parse_settings(content.get("base", {}), "base"),
        factors=factors,
        baseline=baseline,
        seeds=parse_seeds(content["seeds"], "seeds"),
        tune=parse_tuning(content["tune"], factors) if content.get("tune") else None,
        report=report,
        maps=[check_figure_name(str(quantity), "maps") for quantity in check_list(content.get("maps", []), "maps")],
        expect=[
            parse_expectation(each, factors, names, f"expect[{i}]")
            for i, each in enumerate(check_list(content.get("expect", []), "expect"))
        ],
        comment=str(content.get("comment") or "").strip(),
        checks=[" ".join(str(check).split()) for check in check_list(content.get("checks", []), "checks")],
        threats=[" ".join(str(threat).split()) for threat in check_list(content.get("threats", []), "threats")],
    )
    check_columns(study)
    check_run_count(study)
    check_seeds(study)
    return study


def check_columns(study: Study) -> None:
    """Refuses a factor, an outcome or a map that is called as another column of the rows."""
    names = columns(study)
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"name in study: expected each column of its rows once, found {twice!r} twice. Try: {twice} 2")


def check_run_count(study: Study) -> None:
    """Refuses a study of so many runs that even their list has no end.

    Raises:
        UsageError: so it is.
    """
    cells = prod(map(len, study.factors.values()))
    tuning_runs = prod(map(len, study.tune.values.values())) * len(study.tune.seeds) if study.tune else 0
    if (runs := cells * (len(study.seeds) + tuning_runs)) > MOST_RUNS:
        raise UsageError(f"runs in study: expected at most {MOST_RUNS:,}, found {runs:,}. Try: fewer levels or seeds")


def check_seeds(study: Study) -> None:
    """Refuses seeds that choose and are compared too: an arm would be favoured on the very runs that are its test.

    Raises:
        UsageError: there are such seeds.
    """
    if both := sorted({*study.seeds} & {*(study.tune.seeds if study.tune else ())}):
        raise UsageError(
            f"seeds in tune.seeds: expected others than those of the study, found {both[0]} in both."
            f" Try: tune: {{seeds: [{max(study.seeds) + 1}]}}"
        )


def parse_levels(given: Any, where: str) -> dict[str, Settings]:
    """Levels by name; `grid` stands for one level per combination of its values."""
    found: dict[str, Settings] = {}
    for name, each in check_mapping(given, where).items():
        if name != "grid":
            found[str(name)] = parse_settings(each, f"{where}.{name}")
            continue
        values = {
            key: check_list(value, f"{where}.grid.{key}") for key, value in check_mapping(each, f"{where}.grid").items()
        }
        for choice in combinations(values):
            found[" ".join(short_label(value) for value in choice.values())] = parse_settings(choice, f"{where}.grid")
    if not found:
        raise UsageError(f"levels in {where}: expected at least one, found none")
    return found


def parse_settings(given: Any, where: str) -> Settings:
    """Dotted keys with values, `config` as a list of files."""
    found = {str(key): value for key, value in check_mapping(given, where).items()}
    for key, value in found.items():
        check_flag(key, value, where)
        if isinstance(value, dict) and key != RETEST:
            raise UsageError(f"value in {where}.{key}: expected one, a list or null, found a mapping. Try: dotted keys")
    if FILES in found:
        files = found[FILES]
        found[FILES] = [str(file) for file in (files if isinstance(files, list) else [files])]
    if RETEST in found:
        found[RETEST] = parse_settings(found[RETEST], f"{where}.{RETEST}")
    return found


def check_flag(key: str, value: Any, where: str) -> None:
    """Refuses a setting that would be another flag than it seems, or one that only the command line may give.

    Raises:
        UsageError: it is one.
    """
    if key.replace("-", "_").startswith("allow_import"):
        raise UsageError(
            f"option in {where}: expected it on the command line only, found allow_import."
            " Try: --allow_import MODULE behind study run, if you trust it"
        )
    if not FLAG.fullmatch(key):
        raise UsageError(f"key in {where}: expected dotted names such as model.hidden, found {key[:60]!r}")
    for text in value if isinstance(value, list) and key == FILES else [value]:
        if isinstance(text, str) and text.startswith("-") and not NUMBER.fullmatch(text):
            raise UsageError(f"value in {where}.{key}: expected none that begins as a flag does, found {text[:60]!r}")


def parse_tuning(given: Any, factors: Mapping[str, Any]) -> Tuning:
    """What is tuned."""
    given = check_mapping(given, "tune")
    check_keys(given, ("values", "seeds", "settings", "per"), "tune")
    values = {
        str(key): check_list(v, f"tune.values.{key}")
        for key, v in check_mapping(given.get("values"), "tune.values").items()
    }
    for key, tried in values.items():
        for value in tried:
            parse_settings({key: value}, "tune.values")
    if not values or not all(values.values()):
        raise UsageError("candidates in tune.values: expected dotted keys with lists of values, found none")
    per = tuple(
        one_of(str(name), factors, "factor in tune.per") for name in check_list(given.get("per", [*factors]), "per")
    )
    chosen_by = parse_seeds(given.get("seeds", [TUNING_SEED]), "tune.seeds")
    return Tuning(values, chosen_by, parse_settings(given.get("settings", {}), "tune.settings"), per)


def parse_outcome(name: str, given: Any) -> Outcome:
    """One outcome, from its words or a mapping."""
    given = {"value": given} if isinstance(given, str) else check_mapping(given, f"report.{name}")
    check_keys(given, Outcome._fields[1:], f"report.{name}")
    value = str(given.get("value", ""))
    check_outcome(value)
    check_figure_name(name, "report")
    unit = str(given.get("unit", "points" if "accuracy" in value else ""))
    log, digits = bool(given.get("log", False)), given.get("digits", 2)
    if type(digits) is not int or not 0 <= digits <= MOST_DIGITS:
        raise UsageError(
            f"value in report.{name}.digits: expected a number from 0 to {MOST_DIGITS}, found {str(digits)[:40]!r}"
        )
    return Outcome(name, value, str(given.get("label", value)), unit, log, digits)


def check_figure_name(name: str, where: str) -> str:
    """Refuses a name that could not be that of a figure's file."""
    if not NAME.fullmatch(name):
        raise UsageError(f"name in {where}: expected letters, digits, _, - and blanks, found {name[:60]!r}")
    return name


def parse_seeds(given: Any, where: str) -> list[int]:
    """Seeds from their number or their list."""
    numbers = given if isinstance(given, list) else [given]
    if not all(type(number) is int and number >= 0 for number in numbers) or given in (0, []):
        raise UsageError(
            f"seeds in {where}: expected a number from 1 or a list of seeds, found {short_label(given)}. Try: 5"
        )
    if not isinstance(given, list) and given > MOST_SEEDS:
        raise UsageError(f"seeds in {where}: expected at most {MOST_SEEDS:,}, found {given:,}. Try: 5, or [{given}]")
    if max(numbers) > LAST_SEED:
        raise UsageError(f"seeds in {where}: expected none above {LAST_SEED:,}, found {max(numbers):,}. Try: 5")
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"seeds in {where}: expected each once, found {numbers}")
    return of_seeds(given)

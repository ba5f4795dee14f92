"""Protects the words from parting with the rows: numbers of the comments are read off them, sentences are checked."""

import json
import re
from pathlib import Path

import pytest
import yaml

from studies import study_of, write_rows
from zoo.errors import UsageError
from zoo.runs.result import RULE
from zoo.studies.reading import read_study
from zoo.studies.report import has_ties, make_report, render_readme
from zoo.studies.rows import Rows
from zoo.studies.text_numbers import LONGEST, PLACE, Numbers
from zoo.studies.verdicts import assess, valid_rows

ROOT = Path(__file__).parents[2]
STUDIES = sorted((ROOT / "configs/studies").glob("*/study.yaml"))
FACTORS = {"pixels": {"plain": {}, "shuffled": {"data.shuffle_pixels": 0}}}
REPORT = {"accuracy": "test.accuracy", "ratio": {"value": "parameters", "log": True}}
EXPECT = [{"compare": {"arm": ["tanh", "relu"]}, "more": 2}]


def numbers_of(study) -> Numbers:
    found = valid_rows(study, Rows(study, Path("unused")).read())
    return Numbers(study, found, assess(study, found))


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Numbers:
    folder = tmp_path_factory.mktemp("words") / "s"
    study = study_of(folder, factors=FACTORS, seeds=5, report=REPORT, expect=EXPECT)
    means = {"relu, plain": 0.9, "tanh, plain": 0.95, "relu, shuffled": 0.9, "tanh, shuffled": 0.9}
    write_rows(study, means, spread=0)
    return numbers_of(study)


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.parent.name)
def test_comments_say_what_the_rows_say(file, monkeypatch):
    """A number stands there only if it is read off the rows or part of the design; orderings are among the checks."""
    monkeypatch.chdir(ROOT)
    study = read_study(file.parent)
    numbers = numbers_of(study)
    for text in (study.comment, *study.threats):
        assert "…" not in numbers.filled(text, "comment")
    broken = [check for check in study.checks if not numbers.holds(check, "checks")]
    assert broken == []
    content = {k: v for k, v in yaml.safe_load(file.read_text()).items() if k not in ("comment", "checks", "threats")}
    design = set(figures(json.dumps(content, ensure_ascii=False)))
    assert set(figures(PLACE.sub("", study.comment))) <= design
    assert study.checks
    compared = {cell for part in numbers.parts for each in part.contrasts for cell in each.cells}
    for row in (row for cell in compared for row in numbers.found.rows[cell]):  # docs/studies.md
        assert not has_ties(row) or row["chosen_by"] == RULE


def figures(text: str) -> list[str]:
    """All numbers in a text, without the commas of thousands."""
    return re.findall(r"(?<![A-Za-z\d.])\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3})", "", text))


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{mean('tanh', 'plain'):.1f} %", "95."),
        ("{diff('tanh', 'relu', 'plain'):+.0f} points", "+5 points"),
        ("{diff('relu', 'tanh', 'plain'):+.0f}", "−5"),
        ("{diff('plain', 'shuffled', 'relu'):.1f}", "0.0"),
        ("{shown('tanh', 'relu', 'plain')}", "+5.00 ± 0.00"),
        ("{verdict(1)} and {verdict(1, 2)}", "refuted and refuted"),
        ("{times(mean('relu', 'plain', of='ratio')):.1f}", "0.9"),
        ("{parameters('relu', 'plain') / 10:,.0f}", "637"),
        ("{100 * (mean('relu', 'plain') - 90):.0f}: {-max(1, 2):.0f}", ": −2"),
        ("a plain brace } and { one more", "a plain brace } and { one more"),
    ],
)
def test_a_number_is_put_where_it_is_asked_for(numbers, text, filled):
    assert filled in numbers.filled(text, "comment")


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{mean('rellu', 'plain'):.1f}",
        "{mean('relu'):.1f}",  # two cells
        "{mean('relu', 'plain')}",  # no digits
        "{mean('relu', 'plain', of='acuracy'):.1f}",
        "{mean('relu', 'plain'):>999999999}",
        "{verdict(9)}",
        "{verdict(0)}",
        "{1 / 0:.1f}",
        "{tuned('relu', 'plain'):.1f}",  # nothing is
        "{" + " * ".join(["9" * 90] * 6) + ":.1f}",
        "{mean(1):.1f}",
        "{mean():.1f}",
        "{diff('relu'):.1f}",
        "{9 ** 9 ** 9:.1f}",
        "{'a' * 1000000000:.1f}",
        "{__import__('os').system('true'):.1f}",
        "{mean.__globals__:.1f}",
        "{(lambda: 1)():.1f}",
        "{[0][0]:.1f}",
        "{open('/etc/passwd'):.1f}",
        "{mean(*('relu', 'plain')):.1f}",
        "{mean('relu', 'plain', **1):.1f}",
        "{" + "(" * LONGEST + ":.1f}",
    ],
)
def test_nothing_else_can_be_said(numbers, text):
    with pytest.raises(UsageError, match=r"expression in comment: expected "):
        numbers.filled(text, "comment")


def test_a_sentence_that_no_longer_holds_is_told(numbers):
    assert numbers.holds("mean('tanh', 'plain') > mean('relu', 'plain')", "checks") is True
    assert numbers.holds("1 < mean('tanh', 'plain') < 2 and 1 == 1", "checks") is False
    assert numbers.holds("verdict(1) == 'refuted'", "checks") is True
    assert make_report(study_with("mean('tanh', 'plain') < 90", numbers)).broken == ["mean('tanh', 'plain') < 90"]
    assert make_report(study_with("mean('tanh', 'plain') > 90", numbers)).broken == []


def study_with(check: str, numbers: Numbers):
    """The same study and rows with a check and a comment."""
    text = "tanh {mean('tanh', 'plain'):.1f}"
    more = {"checks": [check], "comment": text, "threats": [text]}
    return study_of(numbers.study.folder, factors=FACTORS, seeds=5, report=REPORT, expect=EXPECT, **more)


def test_before_there_are_rows_an_ellipsis_stands_for_a_number(tmp_path):
    study = study_of(tmp_path, comment="{mean('relu'):.1f} %, {verdict(1)}", checks=["mean('relu') > 3"], expect=EXPECT)
    report = make_report(study)
    assert report.comment == "… %, …"
    assert report.broken == []
    assert "… %, …" in render_readme(report, {"C8": "GELU."})

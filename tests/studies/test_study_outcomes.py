"""Protects what is read off a run: each kind of outcome, from files that a run leaves."""

import json
from pathlib import Path

import pytest

from zoo.errors import UsageError
from zoo.studies.outcomes import SMALLEST, Outcome, check_outcome, read_outcome, read_profile
from zoo.studies.rows import STEPS, pack_profile


@pytest.fixture
def run(tmp_path: Path) -> Path:
    result = {"train": {"accuracy": 0.99}, "test": {"accuracy": 0.9, "loss": None}, "parameters": 100}
    (tmp_path / "result.json").write_text(json.dumps(result))
    (tmp_path / "metrics.csv").write_text("epoch,step,val/loss,lr\n0,9,0.5,0.1\n1,19,0.25,\n2,29,0.375,0.3\n")
    lines = ["step,epoch,layer,quantity,value"]
    for layer, factor in (("net.1", 1), ("net.3", 10), ("net.5", 1000)):
        lines += [f"{step},0,{layer},gradient_norm,{factor * (step + 1)}" for step in (0, 50, 100)]
        lines += [f"0,0,{layer},dead_share,0.5"]
    (tmp_path / "diagnostics.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("test.accuracy", 0.9),
        ("train.accuracy - test.accuracy", 0.09),
        ("parameters", 100),
        ("last val/loss", 0.375),
        ("min val/loss", 0.25),
        ("first val/loss", 0.5),
        ("mean lr", 0.2),
        ("min gradient_norm at start", 1),
        ("max gradient_norm at end", 101_000),
        ("median gradient_norm at step 50", 510),
        ("first/last gradient_norm at start", 0.001),
        ("mean dead_share at end", 0.5),
    ],
)
def test_each_kind_of_outcome(run, words, value):
    check_outcome(words)
    assert read_outcome(words, run) == pytest.approx(value)


@pytest.mark.parametrize(
    "words", ["accuracy of test", "last of", "min gradient_norm", "test.loss - val.loss - 1", "most val/loss", ""]
)
def test_other_words_are_refused(words):
    with pytest.raises(UsageError, match="outcome in report: expected one such as"):
        check_outcome(words)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("test.loss", "expected a number at test.loss, found None"),
        ("test.top5", "expected a number at test.top5, found None"),
        ("last val/top5", "column in .+: expected val/top5, found none"),
        ("min weight_norm at start", "quantity in .+: expected weight_norm, found none"),
        ("min gradient_norm at step 7", "step in report: expected one of 0, 50, 100, found 7"),
    ],
)
def test_what_a_run_does_not_have_is_named(run, words, line):
    with pytest.raises(ValueError, match=line):
        read_outcome(words, run)


def test_units_and_logarithms():
    assert Outcome("a", "test.accuracy", "a", "points").scaled(0.91) == 91
    assert Outcome("a", "x", "a", log=True).scaled(1e-4) == pytest.approx(-4)
    assert Outcome("a", "x", "a", log=True).scaled(0) == pytest.approx(-30)  # gradients that have underflowed
    assert SMALLEST > 0


def test_a_long_profile_is_thinned_and_keeps_its_ends(run):
    profile = {"net.1": {step: step / 3 for step in range(1000)}}
    kept = [int(step) for step in json.loads(pack_profile(profile))["net.1"]]
    assert len(kept) == STEPS
    assert (kept[0], kept[-1]) == (0, 999)
    assert json.loads(pack_profile(read_profile(run, "dead_share"))) == {f"net.{i}": {"0": 0.5} for i in (1, 3, 5)}

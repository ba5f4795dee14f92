"""Protects study.yaml: what it expands to, which runs it names, and one line with file and key for each mistake."""

from pathlib import Path

import pytest

from cli import main
from studies import study_of, write_study
from zoo.config.yaml_limits import load_yaml
from zoo.errors import UsageError
from zoo.launch.in_process import run_in_process
from zoo.launch.jobs import Ended
from zoo.studies.reading import read_study
from zoo.studies.running import check_arms, num_runs, runnable
from zoo.studies.settings import merged, settings_fingerprint, to_argv
from zoo.studies.verdicts import contrasts

ROOT = Path(__file__).parents[2]
STUDIES = sorted((ROOT / "configs/studies").glob("*/study.yaml"))


def start(command):
    return run_in_process(command, main)


def test_a_grid_is_every_combination_and_a_cell_one_level_of_each_factor(tmp_path):
    study = study_of(
        tmp_path,
        arms={"plain": {}, "grid": {"model.activation": ["relu", "torch.nn.GELU"], "model.hidden": [[8], [8, 8]]}},
        factors={"norm": {"grid": {"model.norm": ["none", "batch"]}}},
        baseline="plain",
    )
    assert list(study.factors["arm"]) == ["plain", "relu 8", "relu 8-8", "GELU 8", "GELU 8-8"]
    assert len(study.cells) == 10
    assert study.cells[:2] == [("plain", "none"), ("relu 8", "none")]
    settings = study.settings(("GELU 8-8", "batch"), {"model.dropout": 0.1})
    assert settings["model.activation"] == "torch.nn.GELU"
    assert (settings["model.hidden"], settings["model.norm"], settings["model.dropout"]) == ([8, 8], "batch", 0.1)


def test_words_have_files_first_and_a_class_before_its_options():
    settings = merged(
        {"config": ["a.yaml"], "model.optimizer.lr": 0.1, "data.augment": None},
        {"model": "MLP", "config": ["b.yaml"], "test_with": {"data.normalize": "unit"}, "trainer.deterministic": True},
    )
    assert to_argv(settings) == [
        *("-c", "a.yaml", "-c", "b.yaml", "--model", "MLP"),
        *("--data.augment", "null", "--trainer.deterministic", "true", "--model.optimizer.lr", "0.1"),
    ]


def test_a_run_is_known_by_what_its_files_say_and_not_by_how(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("seed_everything: 1\ntrainer: {max_epochs: 2}\n")
    settings = {"config": [str(file)], "model": "MLP"}
    before = settings_fingerprint(settings)
    file.write_text("# a comment\ntrainer:\n  max_epochs: 2\n")
    assert settings_fingerprint(dict(reversed(settings.items()))) == before
    file.write_text("trainer: {max_epochs: 3}\n")
    assert settings_fingerprint(settings) != before
    assert settings_fingerprint({**settings, "model": "LeNet"}) != settings_fingerprint(settings)


def test_tuning_comes_first_and_the_rest_when_it_is_done(tmp_path):
    tune = {"values": {"model.optimizer.lr": [0.1, 0.2, 0.3]}, "seeds": [7], "settings": {"trainer.max_epochs": 1}}
    study = study_of(tmp_path, tune=tune, factors={"width": {"grid": {"model.hidden": [[8], [9]]}}})
    assert len(runnable(study, [])) == 2 * 2 * 3  # each cell for itself
    assert num_runs(study) == 12 + 4 * 2
    alike = study_of(tmp_path, tune={**tune, "per": ["arm"]}, factors={"width": {"grid": {"model.hidden": [[8], [9]]}}})
    assert {run.cell[1] for run in runnable(alike, []).values()} == {"8"}  # the first width chooses for both
    rows = [
        {"config": run.config, "seed": "7", "error": "", "val_accuracy": str(run.tuned["model.optimizer.lr"])}
        for run in runnable(alike, []).values()
    ]
    final = [run for run in runnable(alike, rows).values() if not run.tuning]
    assert {run.tuned["model.optimizer.lr"] for run in final} == {0.3}
    assert len(final) == 4 * 2
    rows[-1]["error"] = "loss is not finite"  # of tanh at 0.3
    assert {(r.cell[0], r.tuned["model.optimizer.lr"]) for r in runnable(alike, rows).values() if not r.tuning} == {
        ("relu", 0.3),
        ("tanh", 0.2),
    }


def test_a_difference_of_differences(tmp_path):
    study = study_of(
        tmp_path,
        factors={"pixels": {"plain": {}, "shuffled": {"data.shuffle_pixels": 0}}, "n": {"a": {}, "b": {}}},
        expect=[{"compare": {"arm": ["tanh", "relu"]}, "between": {"pixels": ["plain", "shuffled"]}, "more": 1}],
    )
    (first, signed), (second, _) = contrasts(study, study.expect[0])
    assert (first, second) == ("(tanh − relu) at plain − at shuffled, a", "(tanh − relu) at plain − at shuffled, b")
    assert signed == [
        (1, ("tanh", "plain", "a")),
        (-1, ("relu", "plain", "a")),
        (-1, ("tanh", "shuffled", "a")),
        (1, ("relu", "shuffled", "a")),
    ]


PAIR = {"compare": {"arm": ["tanh", "relu"]}, "more": 1}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"quesion": "?"},
            r"key in study of .+/study\.yaml: expected one of question, .+, found 'quesion'\. Try: question",
        ),
        ({"seeds": 0}, r"seeds in seeds of .+/study\.yaml: expected a number from 1 .+, found 0\. Try: 5"),
        ({"seeds": None}, r"key in study of .+/study\.yaml: expected seeds, found none"),
        ({"seeds": 1_000_000_000}, r"seeds in seeds of .+: expected at most 10,000, found 1,000,000,000\. Try: 5"),
        ({"seeds": [2**32]}, r"seeds in seeds of .+: expected none above 4,294,967,295"),
        ({"seeds": 10_000, "factors": {"n": {str(i): {} for i in range(99)}}}, r"runs in study of .+ found 1,980,000"),
        (
            {"arms": {"grid": {f"a{i}": [*range(10)] for i in range(30)}}},
            r"combinations in study of .+ at most 100,000",
        ),
        (
            {"tune": {"values": {"model.dropout": [0.1]}, "seeds": [1]}},
            r"seeds in tune\.seeds of .+, found 1 in both\. Try:",
        ),
        ({"report": {"../x": "test.accuracy"}}, r"name in report of .+: expected letters"),
        *[
            ({"report": {"a": {"value": "test.accuracy", "digits": n}}}, r"value in report\.a\.digits of .+")
            for n in (-1, 10**9, 1.5, "two", True)
        ],
        ({"factors": {"arm": {"a": {}}}}, r"name in factors of .+: expected others than arm"),
        ({"expect": [{**PAIR, "more": float("nan")}]}, r"margin in expect\[0\] of .+"),
        ({"expect": [{**PAIR, "more": float("inf")}]}, r"margin in expect\[0\] of .+"),
        ({"maps": ["a/b"]}, r"name in maps of .+: expected letters"),
        ({"seeds": [1, 1]}, r"seeds in seeds of .+: expected each once"),
        ({"baseline": "rellu"}, r"arm in baseline of .+: expected one of relu, tanh, found 'rellu'\. Try: relu"),
        ({"arms": {}}, r"levels in arms of .+: expected at least one, found none"),
        ({"arms": {"relu": {"model": {"hidden": 3}}}}, r"value in arms\.relu\.model of .+found a mapping"),
        ({"factors": {"data": {"a": {}}}}, r"name in study of .+/study\.yaml: .+, found 'data' twice\. Try: data 2"),
        ({"report": {"seed": "test.accuracy"}}, r"name in study of .+, found 'seed' twice"),
        ({"tune": {"value": {}}}, r"key in tune of .+found 'value'\. Try: values"),
        ({"tune": {"values": {"model.optimizer.lr": []}}}, r"candidates in tune\.values of .+"),
        ({"report": {"a": "test accuracy"}}, r"outcome in report of .+found 'test accuracy'"),
        ({"expect": [{**PAIR, "compare": {"arm": ["tanh", "elu"]}}]}, r"level in expect\[0\]\.compare\.arm of .+'elu'"),
        ({"expect": [{**PAIR, "less": 1}]}, r"margin in expect\[0\] of .+found 2 of them"),
        ({"expect": [{**PAIR, "where": {"dat": "x"}}]}, r"factor in expect\[0\]\.where of .+found 'dat'"),
        ({"expect": [{**PAIR, "of": "loss"}]}, r"outcome in expect\[0\]\.of of .+found 'loss'"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_key(tmp_path, changes, line):
    with pytest.raises(UsageError, match=f"^{line}"):
        study_of(tmp_path / "s", **changes)


WIDENED = r"option in {where}.*: expected it on the command line only, found allow_import"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"base": {"allow_import": "evil"}}, WIDENED.format(where="base")),
        ({"base": {"allow-import": "evil"}}, WIDENED.format(where="base")),
        ({"base": {"allow_import=evil": "x"}}, WIDENED.format(where="base")),
        ({"base": {"model": "MLP", "test_with": {"allow_import": "evil"}}}, WIDENED.format(where="base.test_with")),
        ({"arms": {"relu": {"allow_import": "evil"}}}, WIDENED.format(where="arms.relu")),
        ({"arms": {"grid": {"allow_import": ["relu", "b"]}}}, WIDENED.format(where="arms.grid")),
        ({"factors": {"f": {"a": {"allow_import": "evil"}}}}, WIDENED.format(where="factors.f.a")),
        ({"tune": {"values": {"allow_import": ["evil"]}}}, WIDENED.format(where="tune.values")),
        (
            {"tune": {"values": {"model.dropout": [0.1]}, "settings": {"allow_import": "evil"}}},
            WIDENED.format(where="tune.settings"),
        ),
        (
            {"base": {"model": "--allow_import=evil"}},
            r"value in base\.model of .+: expected none that begins as a flag",
        ),
        ({"base": {"config": ["--allow_import=evil"]}}, r"value in base\.config of .+ begins as a flag does"),
        ({"base": {"-allow_import": "evil"}}, r"key in base of .+: expected dotted names"),
        ({"base": {"model --allow_import": "evil"}}, r"key in base of .+: expected dotted names"),
        ({"tune": {"values": {"model": ["--allow_import=evil"]}}}, r"value in tune\.values\.model of .+ as a flag"),
    ],
)
def test_no_study_widens_what_may_be_imported(tmp_path, changes, line):
    """SECURITY.md: only the command line does, here scripts/study.py --allow_import."""
    with pytest.raises(UsageError, match=f"^{line}"):
        study_of(tmp_path / "s", **changes)


def test_a_file_that_a_study_names_does_not_either(tmp_path):
    file = tmp_path / "more.yaml"
    file.write_text("allow_import: evil\n")
    study = study_of(tmp_path / "s", base={"config": [str(file)], "data": "Digits", "model": "MLP"})
    with pytest.raises(UsageError, match="expected it on the command line only, found it in a configuration file"):
        check_arms(study, start)


def test_a_number_below_zero_is_no_flag(tmp_path):
    study = study_of(tmp_path / "s", base={"model.optimizer.lr": -0.1, "data.train_size": -3})
    assert to_argv(study.base) == ["--data.train_size", "-3", "--model.optimizer.lr", "-0.1"]


def test_a_check_that_is_told_to_stop_stops(tmp_path):
    with pytest.raises(SystemExit) as stop:
        check_arms(study_of(tmp_path / "s"), lambda argv: Ended(143, ""))
    assert stop.value.code == 143
    with pytest.raises(UsageError, match="exit code 9"):
        check_arms(study_of(tmp_path / "s"), lambda argv: Ended(9, "\n"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, r"study in STUDY: expected a folder with study\.yaml, found none at .+\. Try: .+/here"),
        ("question: [", r"content in .+/study\.yaml: expected yaml"),
        ("a: 1\na: 2", r"content in .+/study\.yaml: expected yaml, found another \(the key a twice"),
        ("- 3", r"value in study of .+: expected keys with values"),
    ],
)
def test_what_is_no_study(tmp_path, text, line):
    write_study(tmp_path / "here")
    folder = tmp_path / "her"
    if text is not None:
        folder.mkdir()
        (folder / "study.yaml").write_text(text)
    with pytest.raises(UsageError, match=line):
        read_study(folder)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"arms": {"relu": {}, "deep": {"model.hiden": [3]}}, "baseline": "relu"},
            r"option hiden in --model\.hiden of arms\.deep of .+/study\.yaml: expected .+ Try: --model\.hidden",
        ),
        (
            {"factors": {"n": {"a": {}, "b": {"data.train_size": "few"}}}},
            r"value in --data\.train_size of factors\.n\.b of .+/study\.yaml: expected",
        ),
        (
            {"base": {"config": ["configs/data/mnst.yaml"]}},
            r"file in arms\.relu of .+ Try: --config configs/data/mnist",
        ),
    ],
)
def test_an_arm_that_does_not_parse_is_told_before_any_run(tmp_path, changes, line, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(UsageError, match=f"^{line}"):
        check_arms(study_of(tmp_path, **changes), start)


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.parent.name)
def test_the_studies_here_are_understood(file, monkeypatch):
    monkeypatch.chdir(ROOT)
    study = read_study(file.parent)
    ended = start(
        ["fit", *to_argv(study.settings(study.cells[-1], {})), "--print_config"]
    )  # rows are made of all of them
    assert ended.code == 0, ended.stderr
    assert study.claims
    assert len(study.seeds) >= 3
    for expectation in study.expect:
        assert contrasts(study, expectation)


def patterns() -> list[str]:
    """The examples at the end of docs/studies.md, each begins with a comment."""
    last = (ROOT / "docs/studies.md").read_text().split("```yaml\n")[-1].split("```")[0]
    return [f"# {part}" for part in f"\n{last}".split("\n# ")[1:]]


@pytest.mark.parametrize("text", patterns(), ids=lambda text: text.splitlines()[0][2:30])
def test_the_patterns_of_the_documents_are_understood(tmp_path, text):
    content = load_yaml(text)
    study = study_of(tmp_path, **{"base": {}, **content, **first_arm(content)})
    assert len(study.cells) >= 2
    assert all(contrasts(study, each) for each in study.expect)


def first_arm(content: dict) -> dict:
    """A baseline, which the examples leave out."""
    grid = content["arms"].get("grid")
    return {"baseline": next(iter(grid.values()))[0] if grid else next(iter(content["arms"]))}

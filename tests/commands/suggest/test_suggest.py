"""The search of `suggest`: what is tried, how the time is shared out, that it goes on, and never sees test images."""

import csv
import json
import re
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cli
from zoo.commands.suggest.candidates import NETWORKS, all_candidates, batch_for, epochs_for
from zoo.commands.suggest.facts import Facts, given_flags, models_of, words_of_data
from zoo.commands.suggest.report import by_rank, cheaper
from zoo.commands.suggest.search import SPENT, climb
from zoo.commands.suggest.trials import Search, search_of
from zoo.errors import UsageError
from zoo.launch.jobs import Ended

FAST = ["--models", "SoftmaxRegression,MLP", "--epochs", "4", "--images", "200"]


class Runs:
    """Takes the place of training: a candidate's accuracy grows with the share of its training, its time alike.

    Args:
        accuracy: of each model at its end.
        pace: seconds of a step.
        stop_at: number of the call at which the run is told to stop.
    """

    def __init__(self, accuracy: dict[str, float], pace: dict[str, float], stop_at: int = 0) -> None:
        self.accuracy, self.pace, self.stop_at = accuracy, pace, stop_at
        self.calls: list[dict[str, str]] = []

    def __call__(self, words: Sequence[str]) -> Ended:
        flags = {words[i][2:]: words[i + 1] for i in range(len(words) - 1) if words[i].startswith("--")}
        self.calls.append(flags)
        if len(self.calls) == self.stop_at:
            return Ended(143, "")
        model, epochs = flags["model"], int(flags["trainer.max_epochs"])
        if model not in self.accuracy:
            return Ended(1, "error: images: expected larger ones, found 4 × 4\n")
        folder = Path(flags["run_dir"])
        folder.mkdir(parents=True)
        accuracy = self.accuracy[model] * (1 - 0.3 / epochs)
        seconds = self.pace[model] * epochs
        record = {"val": {"accuracy": accuracy, "loss": 1 - accuracy, "n": 100}, "seconds": seconds, "parameters": 10}
        (folder / "result.json").write_text(json.dumps(record))
        return Ended(0, "")


def search_in(folder: Path, images: int = 1000, full: int = 1000) -> Search:
    return Search(folder, ["--data", "Digits"], images, full, "digest")


MODELS = {network.model for network in NETWORKS}
EVEN = dict.fromkeys(MODELS, 1.0)


@given(st.integers(1, 100_000))
def test_batches_and_epochs_fit_any_number_of_images(images: int) -> None:
    batch = batch_for(images)
    assert 1 <= batch <= min(128, images) and 10 <= epochs_for(images, batch) <= 60


def test_a_flag_of_the_user_beats_that_of_a_candidate() -> None:
    plain = all_candidates(1000, 28, ("LeNet",), frozenset())[0]
    asked = all_candidates(1000, 28, ("LeNet",), frozenset({"data.augment", "model.norm"}))[0]
    assert {"data.augment", "model.norm"} <= plain.settings.keys()
    assert not {"data.augment", "model.norm"} & asked.settings.keys()


@pytest.mark.parametrize("best", sorted(MODELS))
def test_the_best_is_found(tmp_path: Path, best: str) -> None:
    accuracy = {model: 0.97 if model == best else 0.9 for model in MODELS}
    chosen = all_candidates(1000, 28, (), frozenset())
    trials = climb(search_in(tmp_path), chosen, Runs(accuracy, EVEN))
    assert by_rank(chosen, trials)[0].model == best


@given(st.lists(st.floats(0.01, 100.0), min_size=len(NETWORKS), max_size=len(NETWORKS)))
def test_the_search_takes_the_share_of_time_that_it_may(
    tmp_path_factory: pytest.TempPathFactory, pace: list[float]
) -> None:
    runs = Runs(dict.fromkeys(MODELS, 0.9), dict(zip([network.model for network in NETWORKS], pace, strict=True)))
    chosen = all_candidates(1000, 28, (), frozenset())
    search = search_in(tmp_path_factory.mktemp("search"))
    trials = climb(search, chosen, runs)
    spent = sum(float(row["seconds"]) for rows in trials.values() for row in rows)
    whole = sum(runs.pace[each.model] * each.epochs for each in chosen)
    assert spent <= 1.1 * SPENT * whole  # epochs are whole numbers


def test_it_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    chosen = all_candidates(1000, 28, (), frozenset())
    accuracy = dict(zip(sorted(MODELS), (0.9, 0.91, 0.92, 0.93, 0.94, 0.95), strict=True))
    whole = climb(search_in(tmp_path / "whole"), chosen, Runs(accuracy, EVEN))
    with pytest.raises(SystemExit) as stopped:
        climb(search_in(tmp_path / "parts"), chosen, Runs(accuracy, EVEN, stop_at=5))
    assert stopped.value.code == 143
    rest = Runs(accuracy, EVEN)
    assert climb(search_in(tmp_path / "parts"), chosen, rest) == whole
    assert len(rest.calls) == sum(map(len, whole.values())) - 4
    again = Runs(accuracy, EVEN)
    assert climb(search_in(tmp_path / "parts"), chosen, again) == whole and not again.calls


def test_other_data_are_searched_anew(tmp_path: Path) -> None:
    chosen, runs = all_candidates(1000, 28, ("MLP",), frozenset()), Runs(EVEN, EVEN)
    climb(search_in(tmp_path), chosen, runs)
    before = len(runs.calls)
    climb(Search(tmp_path, ["--data", "Digits"], 1000, 1000, "another"), chosen, runs)
    assert len(runs.calls) == 2 * before


def test_networks_that_do_not_fit_the_images_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = all_candidates(1000, 28, (), frozenset())
    trials = climb(search_in(tmp_path), chosen, Runs({"MLP": 0.9, "LeNet": 0.8}, EVEN))
    assert by_rank([each for each in chosen if not trials[each.name][0]["error"]], trials)[0].model == "MLP"
    assert "FastNet lr 0.05 is left out: images: expected larger ones" in capsys.readouterr().err
    with pytest.raises(ValueError, match="expected larger ones"):
        climb(search_in(tmp_path / "none"), chosen, Runs({}, EVEN))


def test_a_faster_network_that_is_as_good_gets_a_word(tmp_path: Path) -> None:
    chosen = all_candidates(1000, 28, (), frozenset())
    pace = {**EVEN, "LeNet": 0.1}
    accuracy = dict.fromkeys(MODELS, 0.7) | {"LeNet": 0.90, "FastNet": 0.92}
    search = search_in(tmp_path)
    trials = climb(search, chosen, Runs(accuracy, pace))
    order = by_rank(chosen, trials)
    found = cheaper(search, order, trials)
    assert order[0].model == "FastNet" and found is not None and found.model == "LeNet"
    worse = climb(search_in(tmp_path / "worse"), chosen, Runs({**accuracy, "LeNet": 0.8}, pace))
    assert cheaper(search, by_rank(chosen, worse), worse) is None


def test_of_few_images_a_fifth_validates_and_of_many_some_train() -> None:
    options = Namespace(images=5000)
    few = search_of(options, [], Facts("a", 900, 1000, False, 28, ""), frozenset(), Path())
    assert few.words == ["--data.val_size", "200"] and few.images == 800 and few.full == 900
    many = search_of(options, [], Facts("a", 54_000, 60_000, False, 28, ""), frozenset(), Path())
    assert many.words == ["--data.train_size", "5000"] and many.images == 5000 and many.full == 54_000
    own = search_of(options, [], Facts("a", 900, 1000, True, 28, ""), frozenset(), Path())
    assert own.words == []


def test_words_of_the_data_are_told_from_others() -> None:
    words = [
        "--data",
        "Digits",
        "--trainer.precision",
        "32",
        "--data.augment=null",
        "-c",
        "a.yaml",
        "--seed_everything",
        "1",
    ]
    assert words_of_data(words) == ["--data", "Digits", "--data.augment=null", "-c", "a.yaml"]


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["--data", "Digits", "--model", "MLP"], "--models NAME"),
        (["--data", "Digits", "--trainer.max_epochs", "3"], "--epochs N"),
        (["--data", "Digits", "--run_dir=x"], "--work DIR"),
        (["--data", "Digits", "--resume", "must"], "leave out --resume"),
        ([], "--data Digits"),
    ],
)
def test_what_the_search_sets_is_not_taken(words: list[str], advice: str) -> None:
    with pytest.raises(UsageError, match=re.escape(advice)):
        given_flags(words)


def test_an_unknown_model_gets_the_nearest() -> None:
    assert models_of("[MLP, LeNet]") == ("MLP", "LeNet")
    with pytest.raises(ValueError, match="Try: --models FastNet"):
        models_of("FastNett")


def test_the_whole_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    cli.main(["suggest", "--data", "Digits", *FAST])
    said = capsys.readouterr().out
    assert "Test images were not used" in said and "suggested: " in said
    command = said.rstrip().splitlines()[-1]
    assert " fit --data Digits --model " in command and "--trainer.max_epochs 4" in command
    with (tmp_path / "runs/suggest/digits/trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 4 and not any(row["error"] for row in rows) and {row["images"] for row in rows} == {"200"}
    assert not list((tmp_path / "runs/suggest/digits/trials").iterdir())
    cli.main(["suggest", "--data", "Digits", *FAST])  # nothing is trained again
    assert capsys.readouterr().out == said


def test_flags_are_checked_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, found in (
        (["--data", "Digits", "--data.normalise", "unit"], "--data.normalize"),
        (["--data", "Digit"], "Digits"),
        (["--data", "Digits", "--data.val_size", "0"], "leave out --data.val_size"),
        (["--data", "Digits", "--images", "0"], "1 or more"),
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main(["suggest", *words])
        assert ended.value.code == 2 and found in capsys.readouterr().err
    assert not (tmp_path / "runs/suggest/digits/trials.csv").exists()

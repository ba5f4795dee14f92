"""Protects what the weights are chosen by: `--monitor`, of any validation there is, whenever it comes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.strategies import SingleDeviceStrategy
from sklearn.metrics import balanced_accuracy_score

from cli import main
from small_runs import equal, signal_at, state
from zoo.checkpoints.storage import read_checkpoint
from zoo.resume.identity.comparison import compare
from zoo.resume.keep_best import KeepBest, is_better
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics
from zoo.runs.result import RULES
from zoo.training.accumulator import Accumulator
from zoo.training.scoring import ScoredModule

BALANCED = "val/balanced_accuracy"


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=60))
@pytest.mark.filterwarnings("ignore:y_pred contains classes")
def test_balanced_accuracy_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    """Also where classes have no images."""
    y, guess = torch.tensor(pairs).T
    device = torch.device("cpu")
    counted = Accumulator(6, device)
    counted.add(torch.nn.functional.one_hot(guess, 6).float(), y, torch.zeros(()))
    result = counted.result(SingleDeviceStrategy(device))
    assert result.balanced_accuracy == pytest.approx(balanced_accuracy_score(y, guess), abs=1e-12)
    assert result.numbers["n"] == len(pairs)


@pytest.mark.parametrize(
    ("monitor", "chosen"), [("val/accuracy", 1), (BALANCED, 2), ("val/loss", 0)], ids=lambda each: str(each)
)
def test_the_best_is_told_by_what_is_named(monitor: str, chosen: int) -> None:
    results = [
        {"accuracy": 0.5, "balanced_accuracy": 0.5, "loss": 0.1},
        {"accuracy": 0.9, "balanced_accuracy": 0.4, "loss": 0.2},
        {"accuracy": 0.6, "balanced_accuracy": 0.8, "loss": 0.3},
    ]
    for i, result in enumerate(results):
        assert is_better(results[chosen], result, monitor)
        assert is_better(result, results[chosen], monitor) == (i == chosen)  # the later of equals


@pytest.mark.parametrize("monitor", RULES)
def test_a_first_result_is_the_best_and_a_state_goes_round(monitor: str, tmp_path: Path) -> None:
    best = KeepBest(tmp_path / "best.ckpt", monitor)
    assert not best.found
    assert is_better({"accuracy": 0.0, "balanced_accuracy": 0.0, "loss": float("nan")}, best.best, monitor)
    best.load_state_dict({"accuracy": 0.5, "balanced_accuracy": 0.25, "loss": 2.0, "validated": 3})
    assert best.found
    again = KeepBest(tmp_path / "best.ckpt", monitor)
    again.load_state_dict(best.state_dict())
    assert again.state_dict() == best.state_dict()


def test_a_balanced_accuracy_that_nothing_could_beat_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="best result in the checkpoint: expected a share and a loss, found"):
        KeepBest(tmp_path, BALANCED).load_state_dict({"accuracy": 0.5, "loss": 1.0, "balanced_accuracy": 2.0})


def test_records_from_before_had_the_default() -> None:
    before = {"schema": 1, "config": {"seed_everything": 0, "trainer": {}}}
    now = {"schema": 1, "config": {"seed_everything": 0, "trainer": {}, "monitor": "val/accuracy"}}
    assert compare(before, now) == []
    now["config"]["monitor"] = BALANCED  # type: ignore[index]
    (change,) = compare(before, now)
    assert str(change) == f"--monitor val/accuracy → {BALANCED}"
    assert compare({}, now) == []


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Few images of one class: what is right of it tells on one accuracy more than on the other."""
    draw, path = np.random.default_rng(3), tmp_path_factory.mktemp("data") / "uneven.npz"
    labels = draw.choice(3, 400, p=(0.8, 0.15, 0.05))
    images = np.clip(draw.normal(100, 60, (400, 6, 6)) + 20 * labels[:, None, None], 0, 255).astype(np.uint8)
    arrays: dict[str, Any] = {
        "train_images": images,
        "train_labels": labels,
        "test_images": images[:90],
        "test_labels": labels[:90],
    }
    np.savez(path, **arrays)
    return str(path)


def argv(archive: str, folder: Path, *more: str) -> list[str]:
    flags = f"fit --data Arrays --data.path {archive} --data.batch_size 32 --data.val_size 100 --model MLP"
    flags += " --model.hidden [16] --model.optimizer.lr 0.03 --trainer.max_epochs 8 --trainer.accelerator cpu"
    return [*flags.split(), "--figures", "false", "--run_dir", str(folder), *more]


@pytest.fixture(scope="module")
def runs(archive: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    folder = tmp_path_factory.mktemp("runs")
    for i, monitor in enumerate(RULES):
        main(argv(archive, folder / str(i), "--monitor", monitor))
    return {monitor: RunFolder(folder / str(i)) for i, monitor in enumerate(RULES)}


def best_epoch(run: RunFolder, monitor: str) -> int:
    rows = read_metrics(run.metrics)
    sign = -1 if monitor == "val/loss" else 1
    other = "val/accuracy" if monitor == "val/loss" else "val/loss"
    return max((sign * row[monitor], sign * -row[other], row["epoch"]) for row in rows)[2] + 1  # type: ignore[return-value]


@pytest.mark.parametrize("monitor", RULES)
def test_weights_are_chosen_by_it(runs: dict[str, RunFolder], monitor: str) -> None:
    run = runs[monitor]
    record = json.loads(run.result.read_text())
    assert record["best_epoch"] == best_epoch(run, monitor)
    assert record["chosen_by"] == RULES[monitor]
    assert yaml.safe_load(run.config.read_text())["monitor"] == monitor
    assert read_checkpoint(run.best)["epoch"] == record["best_epoch"] - 1
    assert record["val"] == read_checkpoint(run.best)["results"]["val"]


def test_they_choose_differently_and_train_alike(runs: dict[str, RunFolder]) -> None:
    assert {monitor: best_epoch(run, monitor) for monitor, run in runs.items()}[BALANCED] == 5
    assert [best_epoch(runs[monitor], monitor) for monitor in ("val/accuracy", "val/loss")] == [4, 3]
    states = [read_checkpoint(run.last)["state_dict"] for run in runs.values()]
    assert all(equal(states[0], other) for other in states)


def test_a_run_is_repeated_with_it(runs: dict[str, RunFolder], tmp_path: Path) -> None:
    again = tmp_path / "again"
    main(["fit", "-c", str(runs[BALANCED].config), "--run_dir", str(again), "--figures", "false"])
    assert equal(state(RunFolder(again)), state(runs[BALANCED]))


def test_a_run_that_was_stopped_goes_on_with_it(
    runs: dict[str, RunFolder], archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        signal_at(patch, "validation_step", 4, 15)
        with pytest.raises(SystemExit):
            main(argv(archive, tmp_path / "b", "--monitor", BALANCED))
    main(["fit", "--resume", "must", "--run_dir", str(tmp_path / "b"), "--figures", "false"])
    assert equal(state(RunFolder(tmp_path / "b")), state(runs[BALANCED]))


def test_weights_of_an_end_in_mid_epoch_are_chosen_by_it(archive: str, tmp_path: Path) -> None:
    """They are validated after the training."""
    main(argv(archive, tmp_path / "a", "--monitor", BALANCED, "--trainer.max_steps", "13"))
    record = json.loads((tmp_path / "a/result.json").read_text())
    ending = read_checkpoint(tmp_path / "a/checkpoints/last.ckpt")["ending"]
    rows = read_metrics(tmp_path / "a/metrics.csv")
    assert ending["validated"]["balanced_accuracy"] == pytest.approx(rows[-1][BALANCED], rel=1e-6)
    assert record["val"]["balanced_accuracy"] == pytest.approx(max(row[BALANCED] for row in rows), rel=1e-6)


def test_training_stops_early_by_it(archive: str, tmp_path: Path) -> None:
    stop = "--trainer.callbacks EarlyStopping --trainer.callbacks.monitor val/balanced_accuracy"
    more = "--trainer.callbacks.mode max --trainer.callbacks.patience 1 --trainer.max_epochs 40 --monitor val/loss"
    main(argv(archive, tmp_path / "a", *stop.split(), *more.split()))
    record = json.loads((tmp_path / "a/result.json").read_text())
    curve = [row[BALANCED] for row in read_metrics(tmp_path / "a/metrics.csv")]
    assert record["ended"]["reason"] == "early stopping"
    assert curve[-1] <= max(curve[:-1]) and record["epochs"] < 40


def test_pruned_weights_are_chosen_by_it(archive: str, tmp_path: Path) -> None:
    prune = "--trainer.callbacks ModelPruning --trainer.callbacks.pruning_fn l1_unstructured"
    main(argv(archive, tmp_path / "a", *prune.split(), "--trainer.callbacks.amount", "0.1", "--monitor", BALANCED))
    record = json.loads((tmp_path / "a/result.json").read_text())
    assert record["zeros"] > 0.05
    assert record["chosen_by"] == RULES[BALANCED]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--monitor val_acc", "Try: --monitor val/accuracy"),
        ("--monitor test/balanced_accuracy", "Try: --monitor val/balanced_accuracy"),
        ("--monitor balanced", "Try: --monitor val/balanced_accuracy"),
        ("--monitor loss", "Try: --monitor val/loss"),
        (f"--monitor {BALANCED} --data.val_size 0", "metric in --monitor: expected a validation for"),
    ],
)
def test_what_there_is_not_is_refused(
    words: str, said: str, archive: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(argv(archive, tmp_path / "a", *words.split()))
    (line,) = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2
    assert said in line
    assert not (tmp_path / "a").exists()


def test_a_run_goes_on_with_no_other(runs: dict[str, RunFolder], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--resume", "must", "--run_dir", str(runs[BALANCED].path), "--monitor", "val/accuracy"])
    assert stop.value.code == 2
    assert f"Try: --monitor {BALANCED}" in capsys.readouterr().err


def test_nothing_is_logged_by_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Balanced accuracy is made of counts that are there, once in a pass."""
    logged: list[dict[str, Any]] = []
    monkeypatch.setattr(ScoredModule, "log_dict", lambda self, values, **options: logged.append(values))
    module = ScoredModule(torch.nn.Flatten())
    module.__dict__["_trainer"] = trainer = type("T", (), {"strategy": SingleDeviceStrategy(torch.device("cpu"))})()
    monkeypatch.setattr(ScoredModule, "trainer", trainer)
    for batch in batches_of(3):
        module.validation_step(batch, 0)
    assert not logged
    module.on_validation_epoch_end()
    (values,) = logged
    assert values.keys() == {"val/loss", "val/accuracy", BALANCED}


def batches_of(count: int) -> Iterator[tuple[torch.Tensor, ...]]:
    for seed in range(count):
        torch.manual_seed(seed)
        yield torch.rand(4, 5), torch.arange(4), torch.arange(4)

"""Protects the loggers beside metrics.csv: one file switches one on, several work together, none loses or doubles."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import wandb
import yaml
from lightning import LightningModule, Trainer
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cli import main
from zoo import Classifier
from zoo.loggers import TensorBoard, log_histogram
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

ROOT = Path(__file__).parents[2]
BASE = (
    "fit --data Digits --data.train_size 320 --data.batch_size 32 --model SoftmaxRegression --trainer.accelerator cpu"
)
BOARD, DASH = (["-c", str(ROOT / f"configs/logger/{name}.yaml")] for name in ("tensorboard", "wandb"))


@pytest.fixture(autouse=True)
def figures(monkeypatch) -> None:
    def draw(folder: RunFolder, *args: Any) -> None:
        folder.figures.mkdir(exist_ok=True)
        Image.new("L", (8, 6), 200).save(folder.figures / "confusion.png")

    monkeypatch.setattr("zoo.commands.cli.fitting.draw_run", draw)


def fit(folder: Path, flags: str, *files: str) -> RunFolder:
    main([*BASE.split(), *files, "--run_dir", str(folder), *flags.split()])
    return RunFolder(folder)


def board(folder: RunFolder) -> EventAccumulator:
    """What TensorBoard would show of a run."""
    found = EventAccumulator(
        str(folder.path / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0, "histograms": 0}
    )
    return found.Reload()


def curves(folder: RunFolder) -> dict[str, list[tuple[int, float]]]:
    found = board(folder)
    return {name: [(point.step, point.value) for point in found.Scalars(name)] for name in found.Tags()["scalars"]}


def same_as_the_file(folder: RunFolder) -> None:
    """Every number of metrics.csv is in TensorBoard, once, and no other."""
    rows = read_metrics(folder.metrics)
    names = {name for row in rows for name in row} - {"step", "epoch"}
    expected = {name: [(int(row["step"]), row[name]) for row in rows if name in row] for name in names}
    found = curves(folder)
    assert found.keys() == expected.keys()
    for name, points in expected.items():
        assert [step for step, _ in found[name]] == [step for step, _ in points]
        assert [value for _, value in found[name]] == pytest.approx([value for _, value in points], rel=1e-6)


def test_tensorboard_has_every_number_settings_result_and_pictures(tmp_path):
    run = fit(tmp_path / "a", "--trainer.max_epochs 2", *BOARD)
    same_as_the_file(run)
    found = board(run)
    (config,) = found.Tensors("config/text_summary")
    text = config.tensor_proto.string_val[0].decode().removeprefix("<pre>").removesuffix("</pre>")
    assert yaml.safe_load(text) == yaml.safe_load(run.config.read_text())
    (result,) = found.Tensors("result/text_summary")
    text = result.tensor_proto.string_val[0].decode().removeprefix("<pre>").removesuffix("</pre>")
    result = json.loads(run.result.read_text())
    del result["report"]  # a number for each class is too much
    assert yaml.safe_load(text) == result
    (picture,) = found.Images("figures/confusion")
    assert (picture.width, picture.height) == (8, 6)


def test_a_run_that_goes_on_continues_its_curves(tmp_path, monkeypatch):
    """Told to stop in its second epoch, then extended after its end: no number twice, none missing."""
    step, calls = Classifier.training_step, [0]

    def stop(self: Classifier, *args: Any) -> Any:
        calls[0] += 1
        if calls[0] == 14:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *args)

    handler = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "training_step", stop)
        with pytest.raises(SystemExit):
            fit(tmp_path / "a", "--trainer.max_epochs 2", *BOARD)
    signal.signal(signal.SIGTERM, handler)
    same_as_the_file(RunFolder(tmp_path / "a"))
    same_as_the_file(fit(tmp_path / "a", "--trainer.max_epochs 2 --resume must", *BOARD))
    run = fit(tmp_path / "a", "--trainer.max_epochs 3 --resume must", *BOARD)
    same_as_the_file(run)
    assert [row["epoch"] for row in read_metrics(run.metrics)] == [0, 1, 2]


def test_histograms_reach_tensorboard(tmp_path, monkeypatch):
    def watch(callback: Any, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        log_histogram(trainer, "weights", next(pl_module.parameters()))
        log_histogram(trainer, "broken", torch.tensor([float("nan")]))

    monkeypatch.setattr("zoo.training.callbacks.progress.EpochLines.on_train_batch_end", watch)
    found = board(fit(tmp_path / "a", "--trainer.max_epochs 1 --trainer.limit_train_batches 2", *BOARD))
    assert found.Tags()["histograms"] == ["weights"]
    assert [point.step for point in found.Histograms("weights")] == [1, 2]
    assert found.Histograms("weights")[0].histogram_value.num == 784 * 10


def test_diagnostics_send_histograms_of_gradients_and_weights(tmp_path):
    diagnostics = ["-c", str(ROOT / "configs/callbacks/diagnostics.yaml")]
    found = board(fit(tmp_path / "a", "--trainer.max_epochs 1 --trainer.limit_train_batches 3", *BOARD, *diagnostics))
    assert sorted(found.Tags()["histograms"]) == ["gradients/net.1", "weights/net.1"]
    for name in found.Tags()["histograms"]:
        assert [point.step for point in found.Histograms(name)] == [0, 2]  # the first update, and the epoch's last
    start = found.Histograms("weights/net.1")[0].histogram_value
    assert start.num == 784 * 10
    assert start.min < 0 < start.max


def test_several_loggers_together(tmp_path, monkeypatch):
    """One -c each, beside one of Lightning's own; given again when the run goes on, each is there once."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({"trainer": {"logger": [
        {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": str(tmp_path / "csv")}},
    ]}}))  # fmt: skip
    files = ["-c", str(own), *DASH, *BOARD]
    fit(tmp_path / "a", "--trainer.max_epochs 1", *files)
    # all are in its config.yaml already
    run = fit(tmp_path / "a", "--trainer.max_epochs 2 --resume must", *DASH, *BOARD)
    wandb.teardown()
    named = [logger["class_path"] for logger in yaml.safe_load(run.config.read_text())["trainer"]["logger"]]
    assert named == ["lightning.pytorch.loggers.CSVLogger", "zoo.loggers.Wandb", "zoo.loggers.TensorBoard"]
    same_as_the_file(run)
    assert len(list(run.path.glob("wandb/offline-run-*/*.wandb"))) == 2  # one for each start
    assert len(list(run.path.glob("tensorboard/events*"))) == 2
    assert list(tmp_path.glob("csv/**/metrics.csv"))


def test_a_logger_can_be_added_when_a_run_goes_on(tmp_path):
    fit(tmp_path / "a", "--trainer.max_epochs 1")
    run = fit(tmp_path / "a", "--trainer.max_epochs 2 --resume must", *BOARD)
    assert [step for step, _ in curves(run)["train/loss"]] == [9, 19]


def test_tensorboard_is_refused_where_it_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("zoo.loggers.tensorboard.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stop:
        fit(tmp_path / "a", "--trainer.max_epochs 1", *BOARD)
    assert stop.value.code == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert "logger in --trainer.logger: expected the package tensorboard" in error
    assert "Try: pip install 'small-image-zoo[tensorboard]'" in error
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("mode", ["off", "false"])
def test_off_writes_nothing(mode, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    run = fit(tmp_path / "a", f"--trainer.max_epochs 1 --trainer.logger.mode {mode}", *DASH)
    assert not (run.path / "wandb").exists()


def test_lightnings_own_board_works_as_before(tmp_path):
    run = fit(
        tmp_path / "a",
        f"--trainer.max_epochs 1 --trainer.logger TensorBoardLogger --trainer.logger.save_dir {tmp_path}",
    )
    assert run.result.exists()
    assert list(tmp_path.glob("lightning_logs/version_0/events*"))
    assert TensorBoard().experiment is None

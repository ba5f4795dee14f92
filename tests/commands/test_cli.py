"""Protects the command as a user types it: the four verbs, their files, and that a run repeats exactly."""

import csv
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from cli import main
from zoo.commands.arguments import complete
from zoo.errors import UsageError
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

TINY = ["--data", "Digits", "--data.batch_size", "64", "--trainer.accelerator", "cpu"]


def fit(folder: Path, *flags: str) -> RunFolder:
    main(
        [
            "fit",
            *TINY,
            "--model",
            "MLP",
            "--model.hidden",
            "[32]",
            "--trainer.max_epochs",
            "2",
            "--run_dir",
            str(folder),
            *flags,
        ]
    )
    return RunFolder(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    flags = ["--model.dropout", "0.2", "--data.augment", "[shift_rotate]", "--seed_everything", "3"]
    return fit(tmp_path_factory.mktemp("runs") / "a", *flags)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


def equal(a: Path, b: Path) -> bool:
    left, right = weights(a), weights(b)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_a_run_folder_holds_what_it_should(run):
    files = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    figures = {f"figures/{name}.png" for name in ("curves", "confusion", "report", "mistakes")}
    checkpoints = {f"checkpoints/{name}.ckpt" for name in ("best", "last", "last.prev")}
    assert files == {"config.yaml", "identity.json", "metrics.csv", "result.json"} | checkpoints | figures
    record = json.loads(run.result.read_text())
    assert {"data", "model", "seed", "parameters", "epochs", "seconds", "train", "val", "test"} <= record.keys()
    assert {"git_commit", "versions", "device", "precision"} <= record.keys()
    assert (record["data"], record["model"], record["seed"]) == ("Digits", "MLP", 3)
    assert record["parameters"] == 784 * 32 + 32 + 32 * 10 + 10
    assert record["test"]["n"] == 359
    assert record["val"]["n"] == 143


def test_the_result_is_of_the_epoch_that_validation_chose(run):
    record = json.loads(run.result.read_text())
    rows = read_metrics(run.metrics)
    assert [row["epoch"] for row in rows] == [0, 1]
    best = max(rows, key=lambda row: row["val/accuracy"])
    assert record["best_epoch"] == best["epoch"] + 1
    assert record["val"]["accuracy"] == pytest.approx(best["val/accuracy"], abs=1e-6)
    assert torch.load(run.best, weights_only=True)["epoch"] == best["epoch"]


def test_last_checkpoint_is_of_the_last_epoch(run):
    assert torch.load(run.last, weights_only=True)["epoch"] == 1


@pytest.mark.parametrize(("verb", "split"), [("test", "test"), ("validate", "val")])
def test_verbs_repeat_the_recorded_result_exactly(run, verb, split, capsys):
    main([verb, "--run_dir", str(run.path)])
    recorded = json.loads(run.result.read_text())[split]
    shown = capsys.readouterr().out
    assert f"{100 * recorded['accuracy']:.2f} %" in shown
    assert f"{recorded['loss']:.4f}" in shown


def test_an_explicit_checkpoint_in_a_run_needs_no_config(run, capsys):
    main(["test", "--ckpt_path", str(run.last)])
    assert str(run.last) in capsys.readouterr().out


def test_predictions_agree_with_the_result(run):
    main(["predict", "--run_dir", str(run.path)])
    with run.predictions.open(newline="") as file:
        rows = list(csv.DictReader(file))
    run.predictions.unlink()
    assert [int(row["index"]) for row in rows] == list(range(359))
    correct = sum(row["label"] == row["predicted"] for row in rows)
    assert correct / 359 == pytest.approx(json.loads(run.result.read_text())["test"]["accuracy"])
    for row in rows[:20]:
        p = np.array([float(row[f"p_{k}"]) for k in range(10)])
        assert p.sum() == pytest.approx(1, abs=1e-5)
        assert p.argmax() == int(row["predicted"])


def test_its_config_repeats_a_run_bit_for_bit(run, tmp_path):
    main(["fit", "-c", str(run.config), "--run_dir", str(tmp_path / "b")])
    assert equal(run.last, tmp_path / "b/checkpoints/last.ckpt")
    again, before = (json.loads(Path(folder, "result.json").read_text()) for folder in (tmp_path / "b", run.path))
    assert again["test"] == before["test"]
    assert again["train"] == before["train"]


def test_another_seed_is_another_run(run, tmp_path):
    main(["fit", "-c", str(run.config), "--seed_everything", "4", "--run_dir", str(tmp_path / "b")])
    assert not equal(run.last, tmp_path / "b/checkpoints/last.ckpt")


def test_a_resumed_run_ends_as_the_uninterrupted_one(run, tmp_path):
    """Stopped after one of two epochs and continued: weights, metrics and result as if nothing had happened."""
    part = ["-c", str(run.config), "--run_dir", str(tmp_path / "b")]
    main(["fit", *part, "--trainer.limit_test_batches", "1", "--trainer.max_epochs", "1"])
    main(["fit", *part, "--resume", "must"])
    assert equal(run.last, tmp_path / "b/checkpoints/last.ckpt")
    assert json.loads((tmp_path / "b/result.json").read_text())["test"] == json.loads(run.result.read_text())["test"]
    timeless = [{key: value for key, value in row.items() if key != "seconds"} for row in read_metrics(run.metrics)]
    assert [
        {k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(tmp_path / "b/metrics.csv")
    ] == timeless


def test_resume_auto_starts_where_there_is_nothing(tmp_path):
    assert fit(tmp_path / "new", "--resume", "auto", "--trainer.max_epochs", "1").result.exists()


def test_training_on_everything_tests_the_last_epoch(tmp_path):
    run = fit(tmp_path / "all", "--data.val_size", "0")
    record = json.loads(run.result.read_text())
    assert record["val"] == {"accuracy": None, "loss": None, "n": 0}
    assert record["best_epoch"] == 2
    assert not run.best.exists()


def test_a_run_without_a_test_says_so(tmp_path):
    record = json.loads(fit(tmp_path / "untested", "--trainer.limit_test_batches", "0").result.read_text())
    assert record["test"] == {"accuracy": None, "loss": None, "n": 0}


def test_default_folder_names_data_model_and_seed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["fit", *TINY, "--model", "SoftmaxRegression", "--trainer.max_epochs", "1", "--seed_everything", "5"])
    (folder,) = Path("runs/digits-softmaxregression").iterdir()
    assert folder.name.endswith("-s5")


def test_fast_dev_run_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["fit", *TINY, "--model", "MLP", "--trainer.fast_dev_run", "true"])
    assert list(tmp_path.iterdir()) == []


def test_print_config_is_a_config(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["fit", *TINY, "--model", "LeNet", "--print_config"])
    assert stop.value.code == 0
    assert yaml.safe_load(capsys.readouterr().out)["model"]["class_path"] == "zoo.LeNet"


@pytest.mark.parametrize(
    "flags",
    [
        ["--trainer.precision", "bf16-mixed"],
        ["--trainer.precision", "64-true"],
        ["--trainer.precision", "bf16-mixed", "--trainer.gradient_clip_val", "0.5"],
        ["--trainer.profiler", "simple", "--trainer.enable_progress_bar", "true"],
        ["--trainer.enable_model_summary", "true", "--trainer.reload_dataloaders_every_n_epochs", "1"],
        ["--trainer.gradient_clip_val", "0.5"],
        ["--trainer.accumulate_grad_batches", "2"],
        ["--trainer.limit_train_batches", "3", "--trainer.limit_val_batches", "1"],
        ["--trainer.max_epochs", "-1", "--trainer.max_steps", "7"],
        ["--trainer.overfit_batches", "2"],
        ["--trainer.deterministic", "true"],
        ["--trainer.val_check_interval", "0.5"],
        ["--trainer.check_val_every_n_epoch", "2"],
        ["--trainer.logger", "CSVLogger", "--trainer.logger.save_dir", "logs"],
        ["--model.schedule", "Cosine", "--model.schedule.warmup", "0.2"],
        ["--model.optimizer", "torch.optim.SGD", "--model.optimizer.lr", "0.1", "--model.optimizer.momentum", "0.9"],
        ["--model.activation", "torch.nn.LeakyReLU", "--model.activation.negative_slope", "0.2"],
        ["--model.label_smoothing", "0.1", "--model.norm", "layer", "--model.init", "xavier_normal"],
        ["--data.normalize", "symmetric", "--data.shuffle_pixels", "1", "--data.train_size", "500"],
    ],
    ids=lambda flags: flags[0].lstrip("-"),
)
def test_flags_go_through_the_whole_command(flags, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = json.loads(fit(tmp_path / "run", *flags).result.read_text())
    assert record["test"]["n"] == 359
    assert 0 <= record["test"]["accuracy"] <= 1
    if "--trainer.max_steps" in flags:
        assert read_metrics(tmp_path / "run/metrics.csv")[-1]["step"] == 6  # counted from 0


@pytest.mark.parametrize(("classes", "side", "channels"), [(2, 8, 1), (3, 64, 3), (7, 21, 3)])
def test_own_arrays_of_any_size(classes, side, channels, tmp_path):
    random = np.random.default_rng(1)
    labels = np.arange(90) % classes
    images = random.integers(0, 100, (90, side, side, channels), dtype=np.uint8) + (150 // classes * labels)[
        :, None, None, None
    ].astype(np.uint8)
    own = tmp_path / "own.npz"
    np.savez(own, train_images=images[:60], train_labels=labels[:60], test_images=images[60:], test_labels=labels[60:])
    argv = ["--data", "Arrays", "--data.path", str(own), "--trainer.accelerator", "cpu"]
    main(
        [
            "fit",
            *argv,
            "--model",
            "ConvNet",
            "--model.channels",
            "[4,8]",
            "--trainer.max_epochs",
            "1",
            "--run_dir",
            str(tmp_path / "r"),
        ]
    )
    assert json.loads((tmp_path / "r/result.json").read_text())["test"]["n"] == 30
    # new images without labels, normalised as the training images were
    np.savez(tmp_path / "new.npz", test_images=images[60:])
    main(["predict", "--run_dir", str(tmp_path / "r")])
    with_labels = (tmp_path / "r/predictions.csv").read_text().splitlines()
    main(["predict", "--run_dir", str(tmp_path / "r"), "--data.path", str(tmp_path / "new.npz")])
    without = (tmp_path / "r/predictions-new.csv").read_text().splitlines()
    assert [row.split(",")[2:] for row in without] == [row.split(",")[2:] for row in with_labels]
    assert without[1].split(",")[1] == ""


@pytest.mark.parametrize("name", ["#3", "null", "~", " # 3"])
def test_a_run_folder_that_yaml_reads_as_none_is_not_the_default_one(name: str) -> None:
    with pytest.raises(
        UsageError, match=r"in --run_dir: expected a name, found '.*', which YAML reads as none"
    ) as said:
        complete(["fit", "--run_dir", name])
    advised = shlex.split(str(said.value).partition("Try: ")[2])
    assert complete(["fit", *advised]) == ["fit", *advised]
    assert yaml.safe_load(advised[1]) is not None

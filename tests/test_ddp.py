"""Protects runs on several devices: the same training as on one, every test image counted once, one set of files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli import main
from zoo.runs.metrics import read_metrics

ROOT = Path(__file__).parents[1]


BASE = "fit --data Digits --data.batch_size 50 --data.augment [shift_rotate] --model MLP --trainer.max_epochs 2"
TWO = ("--trainer.devices", "2", "--trainer.strategy", "ddp")


def fit(folder: Path, *flags: str) -> None:
    """On one device in this process, on two in processes of their own."""
    words = [*BASE.split(), "--trainer.accelerator", "cpu", "--run_dir", str(folder), *flags]
    if "--trainer.devices" not in flags:
        main(words)
        return
    done = subprocess.run([sys.executable, "cli.py", *words], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_two_processes_train_as_one(tmp_path):
    fit(tmp_path / "one")
    fit(tmp_path / "two", *TWO)
    one, two = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("one", "two"))
    assert two["test"]["n"] == one["test"]["n"] == 359  # an odd number: no image doubled to fill a shard
    assert two["val"]["n"] == one["val"]["n"] == 143
    assert two["device"].startswith("2 x")
    rows = zip(read_metrics(tmp_path / "one/metrics.csv"), read_metrics(tmp_path / "two/metrics.csv"), strict=True)
    for left, right in rows:
        # the same global batches, augmented alike: only the order of float additions differs
        assert right["train/loss"] == pytest.approx(left["train/loss"], abs=1e-5)
        assert right["val/loss"] == pytest.approx(left["val/loss"], abs=1e-5)


def test_a_run_goes_on_with_another_number_of_devices(tmp_path):
    """1, then 2, then 1 processes, one epoch each: the same images in the same steps as on one all the time."""
    fit(tmp_path / "one", "--trainer.max_epochs", "3")
    for epochs, devices in ((1, ()), (2, TWO), (3, ())):
        fit(tmp_path / "mixed", *devices, "--resume", "auto", "--trainer.max_epochs", str(epochs))
    rows = zip(read_metrics(tmp_path / "one/metrics.csv"), read_metrics(tmp_path / "mixed/metrics.csv"), strict=True)
    for left, right in rows:
        assert right["train/loss"] == pytest.approx(left["train/loss"], abs=1e-5)
        assert right["val/loss"] == pytest.approx(left["val/loss"], abs=1e-5)
    tests = [json.loads((tmp_path / name / "result.json").read_text())["test"] for name in ("one", "mixed")]
    assert tests[0]["n"] == tests[1]["n"] == 359
    assert tests[0]["loss"] == pytest.approx(tests[1]["loss"], abs=1e-4)


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path):
    flags = [
        "--trainer.accelerator",
        "cpu",
        "--trainer.devices",
        "2",
        "--trainer.strategy",
        "ddp",
        "--data.batch_size",
        "51",
    ]
    command = [
        sys.executable,
        "cli.py",
        "fit",
        "--data",
        "Digits",
        "--model",
        "MLP",
        "--run_dir",
        str(tmp_path / "r"),
        *flags,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode in (1, 2)
    assert len(errors) == 1
    assert "multiple of the 2 devices" in errors[0]
    assert not (tmp_path / "r").exists()

"""Protects runs with averaged weights: validated, kept, tested and recorded are the averages."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from cli import main
from datamodules import Digits
from zoo import MLP
from zoo.runs.checkpoints import read_checkpoint
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

ROOT = Path(__file__).parents[1]
WORDS = (
    f"fit -c {ROOT}/configs/callbacks/ema.yaml --trainer.callbacks.decay 0.95 --data Digits --data.batch_size 32"
    " --model MLP --model.hidden [16] --model.norm batch --trainer.max_epochs 3 --trainer.accelerator cpu"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "a")
    main([*WORDS.split(), "--run_dir", str(folder.path)])
    return folder


def score(weights: dict[str, Any], split: str) -> dict[str, float]:
    """Accuracy and loss of these weights, by a plain loop."""
    data = Digits()
    data.setup()
    model = MLP(data.in_shape, 10, hidden=[16], norm="batch").eval()
    model.load_state_dict(weights)
    with torch.no_grad():
        logits, labels = (
            torch.cat(part) for part in zip(*((model(x), y) for x, y, _ in data.batches(split)), strict=True)
        )
    return {
        "accuracy": (logits.argmax(1) == labels).double().mean().item(),
        "loss": F.cross_entropy(logits, labels).item(),
    }


def test_validation_scores_the_averages(run):
    best = read_checkpoint(run.best)
    expected = score(best["state_dict"], "val")
    row = read_metrics(run.metrics)[best["epoch"]]
    assert row["val/accuracy"] == pytest.approx(expected["accuracy"])
    assert row["val/loss"] == pytest.approx(expected["loss"], abs=1e-5)
    assert score(best["current_model_state"], "val")["loss"] != pytest.approx(expected["loss"], abs=1e-3)


def test_the_result_belongs_to_the_averages(run):
    record = json.loads(run.result.read_text())
    averages = read_checkpoint(run.best)["state_dict"]
    for split in ("val", "test"):
        expected = score(averages, split)
        assert record[split]["accuracy"] == pytest.approx(expected["accuracy"])
        assert record[split]["loss"] == pytest.approx(expected["loss"], abs=1e-5)


def test_a_later_test_scores_the_averages_too(run, capsys):
    capsys.readouterr()
    main(["test", "--run_dir", str(run.path), "--trainer.accelerator", "cpu"])
    expected = 100 * score(read_checkpoint(run.best)["state_dict"], "test")["accuracy"]
    found = re.search(r"test\s+│\s+([\d.]+) %", capsys.readouterr().out)
    assert found
    assert float(found[1]) == pytest.approx(expected, abs=0.006)

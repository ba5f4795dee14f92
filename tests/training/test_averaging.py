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
from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

ROOT = Path(__file__).parents[2]
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


@pytest.mark.parametrize("epochs", [2, 5])
def test_until_averaging_begins_the_trained_weights_count(epochs, tmp_path):
    """Starts with the third epoch; the part before is that of a run without averages, also where a run goes on."""
    argv = WORDS.replace(f"-c {ROOT}/configs/callbacks/ema.yaml --trainer.callbacks.decay 0.95", "").split()
    late = ["--trainer.callbacks", "EMAWeightAveraging", "--trainer.callbacks.decay", "0.9"]
    late += ["--trainer.callbacks.update_starting_at_step", "80", "--figures", "false"]  # 40 steps an epoch
    with_average, without, in_parts = (RunFolder(tmp_path / name) for name in "abc")
    limit = ["--trainer.max_epochs", str(epochs)]
    main([*argv, *late, *limit, "--run_dir", str(with_average.path)])
    main([*argv, *limit, "--figures", "false", "--run_dir", str(without.path)])
    for end in ("1", "3", "5")[: 3 if epochs == 5 else 1]:
        main([*argv, *late, "--trainer.max_epochs", end, "--run_dir", str(in_parts.path), "--resume", "auto"])
    rows, plain = read_metrics(with_average.metrics), read_metrics(without.metrics)
    assert [row["val/loss"] for row in rows[:2]] == [row["val/loss"] for row in plain[:2]]
    same = [
        torch.equal(a["state_dict"]["net.1.weight"], b["state_dict"]["net.1.weight"])
        for a, b in [(read_checkpoint(with_average.last), read_checkpoint(without.last))]
    ]
    assert same == [epochs == 2]
    if epochs == 5:
        assert rows[3]["val/loss"] != plain[3]["val/loss"]
        last, parts = read_checkpoint(with_average.last), read_checkpoint(in_parts.last)
        for key in ("state_dict", "current_model_state"):
            assert all(torch.equal(last[key][name], parts[key][name]) for name in last[key])
        assert [row["val/loss"] for row in rows] == [row["val/loss"] for row in read_metrics(in_parts.metrics)]


@pytest.mark.parametrize(
    ("options", "updates", "said"),
    [
        ({"starting_at_epoch": "1"}, 81, True),  # after each of 80 steps, and after the second epoch
        ({"starting_at_step": "40"}, 40, False),
        ({"starting_at_epoch": "1", "every_n_steps": "0"}, 1, False),
    ],
)
def test_an_average_that_does_not_wait_for_its_epoch_is_told(options, updates, said, tmp_path, capsys):
    """Lightning's steps have a start of their own; what the line advises does wait."""
    argv = WORDS.replace(f"-c {ROOT}/configs/callbacks/ema.yaml --trainer.callbacks.decay 0.95", "").split()
    flags = [word for name, value in options.items() for word in (f"--trainer.callbacks.update_{name}", value)]
    late = ["--trainer.callbacks", "EMAWeightAveraging", *flags, "--figures", "false", "--trainer.max_epochs", "2"]
    main([*argv, *late, "--run_dir", str(tmp_path / "a")])
    assert read_checkpoint(RunFolder(tmp_path / "a").last)["averaging_state"]["n_averaged"] == updates
    warning = capsys.readouterr().err
    assert ("update_starting_at_epoch 1 alone" in warning and "Try: --trainer.callbacks.update_starting_at_step 40, or"
            " --trainer.callbacks.update_every_n_steps 0" in warning) == said  # fmt: skip
    assert said or not warning

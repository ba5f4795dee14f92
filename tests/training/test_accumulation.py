"""Protects what a step is: windows of batches are means over their own, schedules end with the last step, and an image
counts once however often an optimiser looks at it."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, GradientAccumulationScheduler
from torch import Tensor

from datamodules import Digits
from small_runs import fit, record
from zoo import MLP
from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.metrics import read_metrics
from zoo.schedules import Cosine

QUIET: dict[str, Any] = {
    **{"accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False},
    **{"enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0},
    **{"use_distributed_sampler": False, "limit_val_batches": 0},
}


def digits() -> Digits:
    data = Digits(train_size=320, batch_size=32)  # 10 batches
    data.prepare_data()
    data.setup()
    return data


def mlp(**settings: Any) -> MLP:
    torch.manual_seed(0)
    return MLP((1, 28, 28), 10, hidden=[8], optimizer=lambda params: torch.optim.SGD(params, lr=0.1), **settings)


def by_hand(data: Digits, windows: Any) -> dict[str, Tensor]:
    """Weights after plain gradient descent; `windows` has a list of their lengths for each epoch."""
    model = mlp()
    batches = data.batches("train")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch, lengths in enumerate(windows):
        batches.set_epoch(epoch)
        steps = iter(batches)
        for length in lengths:
            optimizer.zero_grad()
            for x, y, _ in (next(steps) for _ in range(length)):
                (F.cross_entropy(model(x), y) / length).backward()
            optimizer.step()
    return model.state_dict()


@pytest.mark.parametrize(
    ("settings", "scheduling", "windows"),
    [
        ({"accumulate_grad_batches": 4}, None, [[4, 4, 2], [4, 4, 2]]),
        ({"accumulate_grad_batches": 3}, None, [[3, 3, 3, 1], [3, 3, 3, 1]]),
        ({"accumulate_grad_batches": 5}, None, [[5, 5], [5, 5]]),
        ({"accumulate_grad_batches": 10}, None, [[10], [10]]),
        ({"accumulate_grad_batches": 4, "limit_train_batches": 7}, None, [[4, 3], [4, 3]]),
        ({"accumulate_grad_batches": 4, "max_steps": 5}, None, [[4, 4, 2], [4, 4]]),
        ({}, {0: 3, 1: 4}, [[3, 3, 3, 1], [4, 4, 2]]),
        ({}, {1: 6}, [[1] * 10, [6, 4]]),
    ],
)
def test_a_window_is_the_mean_over_its_own_batches(settings, scheduling, windows):
    data, model = digits(), mlp()
    callbacks: list[Callback] = [GradientAccumulationScheduler(scheduling)] if scheduling else []
    Trainer(**QUIET, max_epochs=2, callbacks=callbacks, **settings).fit(model, data)
    for name, expected in by_hand(data, windows).items():
        torch.testing.assert_close(model.state_dict()[name], expected, rtol=1e-4, atol=1e-6)


class Rates(Callback):
    """Writes down the learning rate of each step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        self.seen.append(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize(
    ("settings", "scheduling", "steps"),
    [
        ({}, {0: 5}, 6),
        ({}, {0: 2, 2: 4}, 13),
        ({"max_steps": 4}, {0: 5}, 4),
        ({"limit_train_batches": 4}, {0: 3}, 6),
        ({"accumulate_grad_batches": 3}, None, 12),
        ({"max_steps": 17}, None, 17),
    ],
)
def test_a_schedule_ends_with_the_last_step(settings, scheduling, steps):
    rates = Rates()
    callbacks = [rates, *([GradientAccumulationScheduler(scheduling)] if scheduling else [])]
    trainer = Trainer(**QUIET, max_epochs=3, callbacks=callbacks, **settings)
    trainer.fit(mlp(schedule=Cosine()), digits())
    assert rates.seen == pytest.approx([0.1 * Cosine()(step / steps) for step in range(steps)])
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


def refused(folder: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    with pytest.raises(SystemExit) as stop:
        fit(folder, *flags)
    assert stop.value.code == 2
    assert not folder.exists()
    return capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--trainer.accumulate_grad_batches", "--trainer.callbacks.scheduling"])
def test_a_window_longer_than_an_epoch_is_refused(flag, tmp_path, capsys):
    windows = '{"0":20}' if "scheduling" in flag else "20"
    callback = "--trainer.callbacks GradientAccumulationScheduler" if "scheduling" in flag else ""
    said = refused(tmp_path / "a", capsys, callback, flag, windows)
    assert f"{flag}: expected at most the 10 of an epoch, found 20" in said


@pytest.mark.parametrize("flag", ["--trainer.accumulate_grad_batches 2", "--trainer.gradient_clip_val 1"])
def test_lbfgs_takes_one_batch_a_step_and_no_clipping(flag, tmp_path, capsys):
    said = refused(tmp_path / "a", capsys, "--model.optimizer torch.optim.LBFGS", flag)
    assert flag.split()[0] in said
    assert "LBFGS" in said


def test_lbfgs_counts_each_image_once_and_sees_one_mask_a_batch(tmp_path):
    flags = "--model.optimizer torch.optim.LBFGS --model.dropout 0.5 --trainer.max_epochs"
    run = fit(tmp_path / "a", flags, "2")
    part = fit(tmp_path / "b", flags, "1")
    assert [row["train/loss"] < 5 for row in read_metrics(run.metrics)] == [True, True]  # with other masks 1e7
    fit(part.path, flags, "2 --resume must")
    assert record(part)["test"] == record(run)["test"]
    assert read_checkpoint(run.last)["results"]["train"]["n"] == 320

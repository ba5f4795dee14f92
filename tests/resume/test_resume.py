"""Protects runs that were told to stop: they save at the next boundary, leave honestly, and end as if undisturbed."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli import main
from small_runs import equal, signal_at, state
from zoo import Classifier
from zoo.checkpoints.storage import previous_of, read_checkpoint
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

BASE = (
    "fit --data Digits --data.train_size 320 --data.batch_size 32 --data.augment [shift_rotate] --model MLP"
    " --model.hidden [16] --model.dropout 0.3 --model.norm batch --trainer.max_epochs 3 --trainer.accelerator cpu"
)  # 10 steps an epoch
EMA = "--trainer.callbacks EMAWeightAveraging --trainer.callbacks.decay 0.9"
SETTINGS = {
    "plain": "",
    "schedule": "--model.schedule Cosine",
    "accumulation": "--trainer.accumulate_grad_batches 3",
    "changing windows": '--trainer.callbacks GradientAccumulationScheduler --trainer.callbacks.scheduling {"0":2,"1":4}'
    " --model.schedule Cosine",
    "two validations": "--trainer.val_check_interval 0.5",
    "no validation": "--data.val_size 0",
    "every second": "--trainer.check_val_every_n_epoch 2",
    "average": EMA,
    "fastnet": f"{EMA} --model FastNet --model.channels [2,4] --model.optimizer zoo.optimizers.Muon"
    " --model.optimizer.lr 0.1 --model.schedule Triangle --trainer.gradient_clip_val 1",
}


def fit(folder: Path, *flags: str) -> RunFolder:
    main([*BASE.split(), "--run_dir", str(folder), *" ".join(flags).split()])
    return RunFolder(folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Callable[[str], RunFolder]:
    done: dict[str, RunFolder] = {}

    def run(setting: str) -> RunFolder:
        if setting not in done:
            done[setting] = fit(tmp_path_factory.mktemp("runs") / "a", SETTINGS[setting])
        return done[setting]

    return run


STOPS = [
    *((setting, "training_step", 14) for setting in SETTINGS),
    ("plain", "training_step", 1),
    ("plain", "training_step", 10),  # the last step of an epoch: validation comes first
    ("two validations", "training_step", 15),  # a step with a validation behind it
    ("two validations", "training_step", 23),  # the next validation is of half an epoch, and the best
    ("plain", "validation_step", 2),
    ("two validations", "validation_step", 1),
    ("average", "validation_step", 1),
    ("plain", "on_train_epoch_end", 2),
    ("plain", "on_train_epoch_end", 3),
    ("no validation", "training_step", 20),
    ("accumulation", "training_step", 20),
]


@pytest.mark.parametrize(("setting", "hook", "call"), STOPS, ids=lambda value: str(value).replace("_", " "))
def test_a_stopped_run_ends_as_the_undisturbed_one(setting, hook, call, undisturbed, tmp_path, monkeypatch, capsys):
    folder = RunFolder(tmp_path / "b")
    with monkeypatch.context() as patched:
        signal_at(patched, hook, call, signal.SIGTERM)
        with pytest.raises(SystemExit) as stop:
            fit(folder.path, SETTINGS[setting])
    assert stop.value.code == 143
    assert not folder.result.exists()
    complaint = capsys.readouterr().err
    assert complaint.startswith("stopped in epoch")
    assert f"--resume must --run_dir '{folder.path}'" in complaint
    fit(folder.path, SETTINGS[setting], "--resume must")
    mine, other = state(folder), state(undisturbed(setting))
    assert not [name for name in mine if not equal(mine[name], other[name])]


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ((signal.SIGINT,), 130),
        ((signal.SIGUSR1,), 143),
        ((signal.SIGTERM, signal.SIGTERM), 143),
        ((signal.SIGINT, signal.SIGTERM), 130),
        ((signal.SIGUSR1, signal.SIGINT, signal.SIGINT), 143),
    ],
    ids=lambda value: " ".join(signal.Signals(n).name for n in value) if isinstance(value, tuple) else "",
)
def test_the_first_signal_counts_and_others_change_nothing(numbers, code, tmp_path, monkeypatch):
    before = {number: signal.getsignal(number) for number in numbers}
    with monkeypatch.context() as patched:
        signal_at(patched, "training_step", 14, *numbers)
        with pytest.raises(SystemExit) as stop:
            fit(tmp_path / "b")
    assert stop.value.code == code
    assert read_checkpoint(RunFolder(tmp_path / "b").last)["global_step"] == 14
    for number, handler in before.items():  # ignored until the process is gone; here it stays
        assert signal.getsignal(number) == signal.SIG_IGN
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def handlers():
    """Gives back the handlers that a process which is about to leave has no more use for."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_saves_are_due_every_so_many_seconds(tmp_path, monkeypatch):
    steps = []
    save = Classifier.on_save_checkpoint

    def saved(self: Classifier, checkpoint: dict[str, Any]) -> None:
        steps.append(self.trainer.global_step)
        save(self, checkpoint)

    monkeypatch.setattr(Classifier, "on_save_checkpoint", saved)
    fit(tmp_path / "often", "--checkpoint_every 1e-9 --data.val_size 0 --trainer.max_epochs 2")
    assert steps == [*range(1, 10), 10, *range(11, 20), 20]  # each step, each epoch's end
    steps.clear()
    fit(tmp_path / "seldom", "--checkpoint_every 1000 --data.val_size 0 --trainer.max_epochs 2")
    assert steps == [1, 10, 20]  # the first step: from then on there is a run


def test_saving_often_changes_nothing(undisturbed, tmp_path):
    mine = state(fit(tmp_path / "b", "--checkpoint_every 1e-9"))
    other = state(undisturbed("plain"))
    assert not [name for name in mine if not equal(mine[name], other[name])]


def test_a_damaged_last_checkpoint_costs_a_warning_and_nothing_else(undisturbed, tmp_path, capsys):
    folder = fit(tmp_path / "b", "--trainer.max_epochs 2")
    folder.result.unlink()
    folder.last.write_bytes(folder.last.read_bytes()[:-1000])
    fit(folder.path, "--resume must")
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:")]
    assert len(warnings) == 1
    assert str(previous_of(folder.last)) in warnings[0]
    mine, other = state(folder), state(undisturbed("plain"))
    assert not [name for name in mine if not equal(mine[name], other[name])]


def test_a_flag_beats_what_the_checkpoint_remembers(tmp_path):
    folder = fit(tmp_path / "b", "--model.optimizer torch.optim.Adam --model.optimizer.lr 0.001 --trainer.max_epochs 1")
    fit(folder.path, "--resume must --model.optimizer torch.optim.Adam --model.optimizer.lr 0.5 --trainer.max_epochs 2")
    assert [row["lr"] for row in read_metrics(folder.metrics)] == [0.001, 0.5]
    assert read_checkpoint(folder.last)["optimizer_states"][0]["param_groups"][0]["lr"] == 0.5


def test_a_flag_beats_the_checkpoint_under_a_schedule_too(tmp_path, monkeypatch):
    flags = "--model.schedule Steps --model.schedule.factor 0.1 --model.optimizer torch.optim.SGD"
    folder = tmp_path / "b"
    with monkeypatch.context() as patched:
        signal_at(patched, "training_step", 14, signal.SIGTERM)
        with pytest.raises(SystemExit):
            fit(folder, flags, "--model.optimizer.lr 0.1")
    run = fit(folder, flags, "--model.optimizer.lr 0.01 --resume must")
    rates = [row["lr"] for row in read_metrics(run.metrics)]
    straight = fit(tmp_path / "c", flags, "--model.optimizer.lr 0.01")
    assert rates[0] == pytest.approx(0.1)
    assert rates[1:] == [row["lr"] for row in read_metrics(straight.metrics)][1:]


def test_under_slurm_a_run_saves_as_everywhere_and_lightning_neither_saves_nor_requeues(
    undisturbed, tmp_path, monkeypatch
):
    """Lightning's way would save inside the signal handler, call scontrol, and resume from any hpc_ckpt it finds."""
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    task = {"JOB_ID": "12", "STEP_ID": "0", "NTASKS": "1", "STEP_TASKS_PER_NODE": "1", "NODELIST": "n1"}
    for name, value in {**task, "PROCID": "0", "LOCALID": "0", "NODEID": "0", "NNODES": "1"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    folder = RunFolder(tmp_path / "b")
    folder.path.mkdir()
    (folder.path / "hpc_ckpt_7.ckpt").write_bytes(b"of another job")
    with monkeypatch.context() as patched:
        signal_at(patched, "training_step", 14, signal.SIGUSR1)
        with pytest.raises(SystemExit) as stop:
            fit(folder.path)
    assert stop.value.code == 143
    assert read_checkpoint(folder.last)["global_step"] == 14
    fit(folder.path, "--resume must")
    mine, other = state(folder), state(undisturbed("plain"))
    assert not [name for name in mine if not equal(mine[name], other[name])]
    assert [path.name for path in folder.path.rglob("hpc_ckpt*")] == ["hpc_ckpt_7.ckpt"]
    assert not (tmp_path / "called").exists()

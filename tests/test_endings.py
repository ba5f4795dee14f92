"""Protects the end of a run: however training ends, the chosen weights are tested, and the same command changes
nothing more."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli import main
from test_resume import equal, state
from zoo.runs.checkpoints import read_checkpoint
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

BASE = (
    "fit --data Digits --data.train_size 320 --data.batch_size 32 --model MLP --model.hidden [16] --figures false"
    " --trainer.max_epochs 3 --trainer.accelerator cpu"
)  # 10 steps an epoch
STOPPING = "--trainer.callbacks EarlyStopping --trainer.callbacks.monitor val/accuracy --trainer.callbacks.mode max"
SAVING = "--trainer.callbacks ModelCheckpoint --trainer.callbacks.monitor val/accuracy --trainer.callbacks.mode max"
OWN = """
from lightning import Callback
class Grows(Callback):
    def __init__(self):
        self.epochs, self.by_epoch, self.best = [], {}, 0
    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs.append(trainer.current_epoch)
        self.by_epoch[str(trainer.current_epoch)] = self.best = sum(w.sum() for w in pl_module.parameters()).detach()
    def state_dict(self):
        return {"epochs": self.epochs, "by_epoch": self.by_epoch, "best": self.best}
    def load_state_dict(self, state):
        self.epochs, self.by_epoch, self.best = state["epochs"], state["by_epoch"], state["best"]
"""


def fit(folder: Path, *flags: str) -> RunFolder:
    main([*BASE.split(), "--run_dir", str(folder), *" ".join(flags).split()])
    return RunFolder(folder)


def record(folder: RunFolder) -> dict[str, Any]:
    return json.loads(folder.result.read_text())


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Flags for a user's callback whose state has more in it after each epoch."""
    (tmp_path / "grows.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return "--allow_import grows --trainer.callbacks grows.Grows"


def test_a_run_that_stops_early_is_tested(tmp_path):
    run = fit(tmp_path / "a", STOPPING, "--trainer.callbacks.patience 1 --trainer.max_epochs 60")
    rows = read_metrics(run.metrics)
    assert 2 < len(rows) < 60
    assert record(run)["best_epoch"] < record(run)["epochs"] == len(rows)
    assert record(run)["test"]["n"] == 359


@pytest.mark.parametrize(
    "flags", [SAVING, "own", "--trainer.callbacks OnExceptionCheckpoint --trainer.callbacks.dirpath x"]
)
def test_a_callback_whose_state_grows_is_in_nobodys_way(flags, own, tmp_path, monkeypatch, capsys):
    """Neither at the end nor in a resume, nor for those that only score."""
    monkeypatch.chdir(tmp_path)
    flags = own if flags == "own" else flags
    straight = fit(tmp_path / "a", flags, "--trainer.check_val_every_n_epoch 2 --trainer.max_epochs 4")
    part = fit(tmp_path / "b", flags, "--trainer.check_val_every_n_epoch 2 --trainer.max_epochs 2")
    fit(part.path, flags, "--trainer.check_val_every_n_epoch 2 --trainer.max_epochs 4 --resume must")
    assert equal(state(part), state(straight))
    imports = own.split()[:2] if flags == own else []
    for verb in ("validate", "test", "predict"):
        capsys.readouterr()
        main([verb, "--run_dir", str(part.path), *imports])
    if flags == own:
        assert read_checkpoint(part.last)["callbacks"]["Grows"]["epochs"] == [0, 1, 2, 3]


@pytest.mark.parametrize("callback", ["", "--trainer.callbacks Timer --trainer.callbacks.interval epoch"])
def test_a_run_with_a_time_limit_goes_on(callback, tmp_path):
    flags = f"{callback} --trainer.max_time 00:01:00:00"
    straight = fit(tmp_path / "a", flags)
    part = fit(tmp_path / "b", flags, "--trainer.max_epochs 1")
    fit(part.path, flags, "--resume must")
    assert equal(state(part), state(straight))


def test_spike_detection_is_tested_and_does_not_go_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = "--trainer.callbacks SpikeDetection --trainer.callbacks.rtol 1e9"
    run = fit(tmp_path / "a", flags)
    assert record(run)["test"]["n"] == 359
    with pytest.raises(SystemExit) as stop:
        fit(run.path, flags, "--resume must --trainer.max_epochs 4")
    assert stop.value.code == 2
    assert "found SpikeDetection" in capsys.readouterr().err

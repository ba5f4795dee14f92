"""Protects the end of a run: however training ends, the chosen weights are tested, and the same command changes
nothing more."""

import math
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli import main
from forked import done_by_two
from small_runs import BASE, equal, fit, record, signal_at, state
from zoo import Classifier
from zoo.checkpoints.storage import read_checkpoint
from zoo.resume.keep_best import KeepBest, is_better
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

STOPPING = "--trainer.callbacks EarlyStopping --trainer.callbacks.monitor val/accuracy --trainer.callbacks.mode max"
SAVING = "--trainer.callbacks ModelCheckpoint --trainer.callbacks.monitor val/accuracy --trainer.callbacks.mode max"
EMA = "--trainer.callbacks EMAWeightAveraging --trainer.callbacks.decay 0.9"
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
def test_a_run_with_a_time_limit_goes_on(callback, tmp_path, monkeypatch):
    """Also one that was stopped in its second validation: to Lightning's Timer the first one ended before it began."""
    flags = f"{callback} --trainer.max_time 00:01:00:00"
    straight, part = fit(tmp_path / "a", flags), RunFolder(tmp_path / "b")
    with monkeypatch.context() as patched:
        signal_at(patched, "validation_step", 2, signal.SIGTERM)
        with pytest.raises(SystemExit):
            fit(part.path, flags)
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


EVERY_SECOND = "--trainer.check_val_every_n_epoch 2"
LIMITS = {  # what ends the first part, and what the second: the rest is equal
    "steps": ("--trainer.max_epochs -1 --trainer.max_steps 20", "--trainer.max_epochs -1 --trainer.max_steps 40"),
    "steps in an epoch": (
        "--trainer.max_epochs -1 --trainer.max_steps 17",
        "--trainer.max_epochs -1 --trainer.max_steps 33",
    ),
    "steps before a validation": (
        "--trainer.max_epochs -1 --trainer.max_steps 7",
        "--trainer.max_epochs 2 --trainer.max_steps -1",
    ),
    "epochs": ("--trainer.max_epochs 2", "--trainer.max_epochs 3"),
    "validated every second": (f"{EVERY_SECOND} --trainer.max_epochs 3", f"{EVERY_SECOND} --trainer.max_epochs 5"),
    "validated every third step": (
        "--trainer.val_check_interval 3 --trainer.max_epochs 1",
        "--trainer.val_check_interval 3 --trainer.max_epochs 2",
    ),
    "validated every 25th step": (
        "--trainer.val_check_interval 25 --trainer.check_val_every_n_epoch null --trainer.max_epochs 3",
        "--trainer.val_check_interval 25 --trainer.check_val_every_n_epoch null --trainer.max_epochs 6",
    ),
    "a validation at the last step": (
        "--trainer.val_check_interval 3 --trainer.max_epochs -1 --trainer.max_steps 13",
        "--trainer.val_check_interval 3 --trainer.max_epochs -1 --trainer.max_steps 25",
    ),
    "patience": (
        f"{STOPPING} --trainer.callbacks.patience 1 --trainer.max_epochs 9",
        f"{STOPPING} --trainer.callbacks.patience 6 --trainer.max_epochs 9",
    ),
    "patience within an epoch": (
        f"{STOPPING} --trainer.callbacks.patience 1 --trainer.val_check_interval 3 --trainer.max_epochs 4",
        f"{STOPPING} --trainer.callbacks.patience 30 --trainer.val_check_interval 3 --trainer.max_epochs 4",
    ),
    "a stop that waits": (  # for more epochs
        f"{STOPPING} --trainer.callbacks.stopping_threshold 0.01 --trainer.min_epochs 3 --trainer.max_epochs 1",
        f"{STOPPING} --trainer.callbacks.stopping_threshold 0.01 --trainer.min_epochs 3 --trainer.max_epochs 5",
    ),
    "accumulation": (
        "--trainer.accumulate_grad_batches 3 --trainer.max_epochs -1 --trainer.max_steps 6",
        "--trainer.accumulate_grad_batches 3 --trainer.max_epochs -1 --trainer.max_steps 11",
    ),
    "average": (
        f"{EMA} --trainer.max_epochs -1 --trainer.max_steps 17",
        f"{EMA} --trainer.max_epochs 3 --trainer.max_steps -1",
    ),
    "a validation before and after the last step": (  # both in one row
        "--trainer.accumulate_grad_batches 4 --trainer.val_check_interval 3 --trainer.max_epochs -1"
        " --trainer.max_steps 4",
        "--trainer.accumulate_grad_batches 4 --trainer.val_check_interval 3 --trainer.max_epochs -1"
        " --trainer.max_steps 9",
    ),
    "double precision": (
        "--trainer.precision 64-true --trainer.max_epochs 1",
        "--trainer.precision 64-true --trainer.max_epochs 2",
    ),
}


QUICK = (
    *("steps in an epoch", "validated every second", "patience", "patience within an epoch", "average"),
    *("a validation before and after the last step", "double precision"),
)


@pytest.mark.parametrize(
    "limits", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in LIMITS]
)
def test_an_extended_run_is_the_longer_one(limits, tmp_path, capsys):
    """Also where the weights of the first end, which the longer run does not validate, were the best so far."""
    short, long = LIMITS[limits]
    part = fit(tmp_path / "a", short)
    first, files = record(part), contents(part)
    ending = read_checkpoint(part.last)["ending"]
    assert ending["steps"] == read_checkpoint(part.last)["global_step"]
    assert first["ended"]["reason"] == ending["reason"]
    best = read_checkpoint(part.best)
    assert (first["best_epoch"], first["val"]) == (best["epoch"] + 1, best["results"]["val"])
    rows = read_metrics(part.metrics)
    assert rows[-1]["step"] == ending["steps"] - 1
    assert {"train/loss", "val/loss"} <= rows[-1].keys()
    results = [(row["val/accuracy"], -row["val/loss"]) for row in rows if "val/loss" in row]
    assert (first["val"]["accuracy"], -first["val"]["loss"]) == pytest.approx(max(results), abs=1e-5)
    # the same command shows the same table, and changes nothing
    shown = table(capsys)
    fit(part.path, short, "--resume auto")
    assert table(capsys) == shown
    assert contents(part) == files
    # without its result, it is made anew
    part.result.unlink()
    fit(part.path, short, "--resume must")
    assert record(part) == first
    straight = fit(tmp_path / "b", long)
    fit(part.path, long, "--resume must")
    assert not differences(part, straight)


STOPS = """
from lightning import Callback
class Stops(Callback):
    def __init__(self, after: int):
        self.after = after
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        trainer.should_stop |= trainer.fit_loop.total_batch_idx + 1 == self.after
"""


def test_a_stop_in_the_middle_of_a_step_waits_for_it(tmp_path, monkeypatch, capsys):
    """After 14 batches, of which two wait for a third; with other settings of one's own callback it is another run."""
    (tmp_path / "stops.py").write_text(STOPS)
    monkeypatch.syspath_prepend(tmp_path)
    flags = "--allow_import stops --trainer.accumulate_grad_batches 3 --trainer.callbacks stops.Stops"
    run = fit(tmp_path / "a", flags, "--trainer.callbacks.after 14")
    assert record(run)["ended"] == {"reason": "should_stop", "message": "", "steps": 6}
    shown = table(capsys)
    fit(run.path, flags, "--trainer.callbacks.after 14 --trainer.max_epochs 5 --resume must")
    assert table(capsys) == shown
    with pytest.raises(SystemExit) as refused:
        fit(run.path, flags, "--trainer.callbacks.after 24 --trainer.max_epochs 3 --resume must")
    assert refused.value.code == 2
    assert "trainer.callbacks.Stops.after" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("later", "best", "takes_its_place"),
    [
        ((0.9, 0.5), (0.8, 0.1), True),
        ((0.8, 0.1), (0.9, 0.5), False),
        ((0.9, 0.1), (0.9, 0.5), True),
        ((0.9, 0.5), (0.9, 0.1), False),
        ((0.9, 0.5), (0.9, 0.5), True),
        ((0.9, math.nan), (0.9, 0.5), False),
        ((math.nan, 0.1), (0.9, 0.5), False),
    ],
)
def test_equal_accuracies_are_told_apart_by_loss_and_then_by_time(later, best, takes_its_place):
    after, before = (dict(zip(("accuracy", "loss"), result, strict=True)) for result in (later, best))
    assert is_better(after, before) == takes_its_place


def test_a_model_that_counts_in_its_own_way_and_a_state_of_old_are_taken(tmp_path):
    best = KeepBest(tmp_path / "best.ckpt")
    best.load_state_dict({"accuracy": 0.5})
    assert is_better({"accuracy": 0.5, "loss": 9.0}, best.state_dict())
    facts = {"sanity_checking": False, "callback_metrics": {}, "global_step": 7}
    trainer = cast(Any, SimpleNamespace(state=SimpleNamespace(fn="fit"), **facts))
    best.on_validation_end(trainer, trainer)
    assert best.validated == 7


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("hook", ["validation_step", "test_step"])
@pytest.mark.parametrize(
    "limit", ["--trainer.max_epochs -1 --trainer.max_steps 17", f"{EVERY_SECOND} --trainer.max_epochs 3"]
)
def test_a_run_that_was_killed_after_its_last_step_is_validated_and_tested(limit, hook, tmp_path, monkeypatch, capsys):
    straight = fit(tmp_path / "a", limit)
    original = getattr(Classifier, hook)

    def killed(self: Classifier, *args: Any) -> Any:
        if self.trainer.state.fn != "fit":
            raise Killed
        return original(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Classifier, hook, killed)
        with pytest.raises(Killed):
            fit(tmp_path / "b", limit)
    part = RunFolder(tmp_path / "b")
    assert not part.result.exists()
    fit(part.path, limit, "--resume auto")
    assert not differences(part, straight)
    assert record(part)["ended"] == record(straight)["ended"]


def test_a_signal_in_the_last_validation_loses_nothing(tmp_path, monkeypatch):
    limit = "--trainer.max_epochs -1 --trainer.max_steps 20"  # a validation in the training, and Lightning ends there
    straight = fit(tmp_path / "a", limit)
    with monkeypatch.context() as patched:
        signal_at(patched, "validation_step", 2, signal.SIGTERM)
        with pytest.raises(SystemExit) as stop:
            fit(tmp_path / "b", limit)
    assert stop.value.code == 143
    part = RunFolder(tmp_path / "b")
    assert not part.result.exists()
    fit(part.path, limit, "--resume must")
    assert not differences(part, straight)


def test_chosen_weights_that_are_gone_are_missed_in_words(tmp_path, capsys):
    """Whatever is tested in their place: nothing that follows has to be better than what is not there."""
    flags = "--model.optimizer.lr 0.3 --seed_everything 1"  # the third of five epochs is the best
    run = fit(tmp_path / "a", flags)
    assert record(run)["best_epoch"] == 3
    run.best.unlink()
    for argv in ("test", "fit --resume must", "fit --resume must --trainer.max_epochs 5"):
        capsys.readouterr()
        main([*argv.split(), "--run_dir", str(run.path)])
        said = capsys.readouterr()
        assert f"weights in {run.best}: expected those that validation chose, found none" in said.err
        assert "nothing was validated" not in said.out
    assert record(run)["best_epoch"] == 5
    assert read_checkpoint(run.best)["epoch"] == 4


@pytest.mark.parametrize("name", ["~/a", "-a", "b/../a"])
def test_a_run_is_found_where_it_was_put(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    main([*BASE.split(), "--trainer.max_epochs", "1", f"--run_dir={name}"])
    main(["test", f"--run_dir={name}"])
    main([*BASE.split(), "--trainer.max_epochs", "2", "--resume", "must", f"--run_dir={name}"])
    assert record(RunFolder(tmp_path / name.rpartition("/")[2]))["epochs"] == 2


def test_time_that_is_up_stays_up(tmp_path, capsys):
    limit = "--trainer.max_epochs 100000 --trainer.max_time 00:00:00:01"
    run = fit(tmp_path / "a", limit)
    shown, files = table(capsys), contents(run)
    assert record(run)["ended"]["reason"] == "max_time"
    assert read_checkpoint(run.best)["results"]["val"] == record(run)["val"]
    fit(run.path, limit, "--resume must")
    assert (table(capsys), contents(run)) == (shown, files)


def test_fewer_epochs_than_are_done_are_refused(tmp_path, capsys):
    run = fit(tmp_path / "a", "--trainer.max_epochs -1 --trainer.max_steps 13")
    for flags in ("--trainer.max_epochs 1 --trainer.max_steps -1", "--trainer.max_steps 10"):
        with pytest.raises(SystemExit) as stop:
            fit(run.path, flags, "--resume must")
        assert stop.value.code == 2
        assert "which the run has done" in capsys.readouterr().err


def test_an_epoch_has_only_its_own_results(tmp_path, capsys):
    """Lightning remembers those of the last validation, whenever that was."""
    flags = f"{EVERY_SECOND} --trainer.max_epochs"
    run = fit(tmp_path / "a", flags, "3")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert ["val" in line for line in lines] == [False, True, False]
    row = read_checkpoint(run.last)["row"]
    assert not [name for name in row if name.startswith("val/")]


def contents(folder: RunFolder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


def table(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What stands from the table on."""
    lines = capsys.readouterr().out.splitlines()
    return lines[next(i for i, line in enumerate(lines) if "seed 0" in line) :]


def differences(a: RunFolder, b: RunFolder) -> list[str]:
    left, right = state(a), state(b)
    best = [read_checkpoint(folder.best)["state_dict"] for folder in (a, b)]
    return [name for name in left if not equal(left[name], right[name])] + ["best"] * (not equal(*best))


def test_a_limit_that_changes_nothing_after_an_early_stop_is_explained(tmp_path, capsys):
    """And the advice lets the run go on."""
    stopping = f"{STOPPING} --trainer.callbacks.patience 1 --trainer.callbacks.min_delta 1"
    run = fit(tmp_path / "a", stopping, "--trainer.max_epochs 9")
    capsys.readouterr()
    fit(run.path, stopping, "--resume auto --trainer.max_epochs 9")
    assert "changes nothing" not in capsys.readouterr().out
    fit(run.path, stopping, "--resume auto --trainer.max_epochs 4")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "changes nothing" in line]
    assert line.startswith("--trainer.max_epochs 4 changes nothing: training had ended by early stopping after step 20")
    advice = line.partition("To go on: ")[2].partition(",")[0]
    assert advice == "--trainer.min_epochs 4"
    fit(run.path, stopping, "--resume auto --trainer.max_epochs 4", advice)
    assert record(run)["epochs"] == 4


@pytest.mark.slow
def test_two_processes_stop_early_and_validate_the_last_step(tmp_path):
    """In an epoch that is not validated: the end is agreed upon, and the same command shows the same table."""
    two = "--trainer.devices 2 --trainer.strategy ddp"
    stopping = "--trainer.callbacks EarlyStopping --trainer.callbacks.monitor train/loss --trainer.callbacks.patience 1"
    early = f"{stopping} --trainer.callbacks.min_delta 9 --trainer.callbacks.check_on_train_epoch_end true"
    run = RunFolder(tmp_path / "a")
    argv = f"{BASE} {two} {early} --trainer.check_val_every_n_epoch 3 --trainer.max_epochs 9".split()
    argv += ["--run_dir", str(run.path), "--resume"]
    tables = []
    for resume in ("never", "must"):
        (tmp_path / resume).mkdir()
        said, _ = done_by_two(tmp_path / resume, [*argv, resume])
        tables.append(said[said.index("MLP on Digits") :])
    assert tables[0] == tables[1]
    assert record(run)["ended"]["reason"] == "early stopping"
    ending = read_checkpoint(run.last)["ending"]
    assert (ending["steps"], record(run)["val"]["n"]) == (20, 143)
    whole = record(run)
    run.result.unlink()
    done_by_two(tmp_path, [*argv, "must"])
    assert record(run) == whole

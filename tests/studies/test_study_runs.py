"""Protects the runs of a study: as those of the command, each once, whatever happens to the processes that do them."""

import gc
import json
import os
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from cli import main
from datamodules import Digits, ImageDataModule
from datamodules.sharing import sharing
from forked import Forked, until
from studies import study_of, write_rows, write_study
from zoo.commands.studies.many_runs import starting
from zoo.errors import UsageError
from zoo.launch.in_process import restore_globals, run_in_process
from zoo.launch.jobs import Ended, start_here
from zoo.studies.outcomes import read_outcome
from zoo.studies.rows import NEWER, Rows, key_of, read_table, write_table
from zoo.studies.running import Place, Run, work
from zoo.studies.spec import Study
from zoo.studies.workers import Task, progress

ROOT = Path(__file__).parents[2]
FIT = ["fit", "--data", "Digits", "--model", "MLP", "--model.hidden", "[8]", "--model.dropout", "0.2"]
SHORT = [
    *(*FIT, "--data.augment", "[shift_rotate]", "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"),
    *("--figures", "false"),
]


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints/best.ckpt", weights_only=True)["state_dict"]


def test_a_run_among_others_is_the_run_of_a_process_of_its_own(tmp_path):
    """Bit for bit, after a run with another model, other settings of torch, a failure, and the same data again."""
    start = partial(run_in_process, command=main)
    with sharing():
        assert start([*SHORT, "--trainer.deterministic", "true", "--run_dir", str(tmp_path / "a")]).code == 0
        assert start(["fit", "--data", "Digits", "--model", "MLPP"]).code == 2
        other = ["fit", "--data", "Digits", "--model", "LeNet", "--data.shuffle_pixels", "1", "--seed_everything", "4"]
        assert start([*other, "--trainer.fast_dev_run", "true", "--trainer.precision", "bf16-mixed"]).code == 0
        assert start([*SHORT, "--run_dir", str(tmp_path / "b")]).code == 0
    assert start_here([*SHORT, "--run_dir", str(tmp_path / "c")], folder=ROOT).code == 0
    alone = weights(tmp_path / "c")
    for name, values in weights(tmp_path / "b").items():
        assert torch.equal(values, alone[name]), name
    scores = [read_outcome(value, tmp_path / run) for run in "bc" for value in ("val.loss", "test.loss", "train.loss")]
    assert scores[:3] == scores[3:]
    assert not (tmp_path / "b/figures").exists()


def test_a_run_leaves_the_process_as_it_was(monkeypatch):
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)  # from another test of this process
    torch.use_deterministic_algorithms(False)  # likewise
    with restore_globals():
        os.environ["KEPT"] = "2"
        os.environ["PL_GLOBAL_SEED"] = "3"
        torch.use_deterministic_algorithms(True)
    assert os.environ["KEPT"] == "1"
    assert "PL_GLOBAL_SEED" not in os.environ
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_mistake_of_ours_is_told_and_the_process_goes_on():
    def broken(argv):
        raise ZeroDivisionError("none of the user's business")

    assert run_in_process(["fit"], broken) == Ended(1, "ZeroDivisionError: none of the user's business\n")


def test_data_is_read_once_where_it_is_shared_and_only_there(monkeypatch):
    read: list[int] = []

    def read_digits(self):
        read.append(1)
        return self._images

    monkeypatch.setattr(Digits, "load", read_digits)
    for _ in range(2):
        Digits().setup()
    assert len(read) == 2
    with sharing():
        for _ in range(3):
            Digits().setup()
    assert len(read) == 3
    Digits().setup()
    assert len(read) == 4


def test_the_runs_of_one_process_read_the_data_once(monkeypatch, tmp_path):
    """And leave nothing behind in it."""
    read: list[int] = []

    def read_digits(self):
        read.append(1)
        return self._images

    monkeypatch.setattr(Digits, "load", read_digits)
    with starting(ImageDataModule) as start:
        for i in range(2):
            assert start([*SHORT, "--run_dir", str(tmp_path / str(i))]).code == 0
        assert len(read) == 1
    Digits().setup()
    assert (len(read), gc.get_freeze_count()) == (2, 0)


def rows_of(study: Study, tmp_path: Path) -> Rows:
    return Rows(study, tmp_path / "work/results.lock")


def do(study: Study, tmp_path: Path, start=None) -> list[str]:
    """Does a study in this process; returns what it says."""
    said: list[str] = []
    place = Place(tmp_path / "work", Path("data"))
    rows = rows_of(study, tmp_path)
    rows.forget_failures()
    runner = start or partial(run_in_process, command=main)
    work(study, rows, place, runner, lambda run, row, all_: said.append(row["error"] or row["test_accuracy"]))
    return said


def test_rows_that_are_there_are_not_run_again_and_a_changed_config_makes_new_ones(tmp_path):
    study = study_of(tmp_path / "s", seeds=1)
    assert len(do(study, tmp_path)) == 2
    assert do(study, tmp_path) == []
    assert len(do(study_of(tmp_path / "s"), tmp_path)) == 2  # a second seed
    changed = study_of(tmp_path / "s", arms={"relu": {}, "tanh": {"model.activation": "tanh", "model.hidden": [9]}})
    assert len(do(changed, tmp_path)) == 4  # the baseline says nothing of the activation any more: another config
    rows = rows_of(changed, tmp_path).read()
    assert len(rows) == 8
    assert len({key_of(row) for row in rows}) == 8
    assert not list((tmp_path / "work").glob("*-s*/"))  # the runs' folders are gone


def test_runs_that_tune_are_not_tested(tmp_path):
    """Nor printed, nor written down: whoever chooses cannot have seen how the choice does on the test images."""
    tune = {"values": {"model.optimizer.lr": [0.001, 0.01]}, "seeds": [100]}
    report = {"accuracy": "test.accuracy", "gap": "train.accuracy - test.accuracy", "loss": "last val/loss"}
    study = study_of(tmp_path / "s", arms={"relu": {}}, seeds=1, tune=tune, report=report)
    argv: list[list[str]] = []

    def start(given):
        argv.append(list(given))
        ended = run_in_process(given, main)
        record = json.loads((Path(given[given.index("--run_dir") + 1]) / "result.json").read_text())
        assert (record["test"]["accuracy"] is None) == ("100" in given)
        return ended

    said = do(study, tmp_path, start)
    assert [bool(text) for text in said] == [False, False, True]
    rows = rows_of(study, tmp_path).read()
    tuning, (final,) = ([row for row in rows if row["seed"] == seed] for seed in ("100", "0"))
    assert len(tuning) == 2
    for row in tuning:
        assert (row["test_accuracy"], row["accuracy"], row["gap"], row["error"]) == ("", "", "", "")
        assert row["val_accuracy"]
        assert row["loss"]
    assert all(final[name] for name in ("test_accuracy", "accuracy", "gap", "loss", "chosen_by", "processor"))
    row = {**tuning[0], "tuned": "lr=0.001"}
    assert "test" not in progress(Task(study.folder, Place(tmp_path, tmp_path), None, 1), study, TUNES, row, tuning)


TUNES = Run(("relu",), {}, 100, True, "0")


def test_rows_of_an_earlier_version_count(tmp_path):
    study = study_of(tmp_path / "s")
    write_rows(study, {"relu": 0.9, "tanh": 0.9})
    rows = rows_of(study, tmp_path)
    before = rows.read()
    write_table(rows.path, [drop(row) for row in before], [*drop(before[0])])
    assert [row["processor"] for row in rows.read()] == [""] * 4
    assert do(study, tmp_path) == []
    rows.add({**before[0], "processor": "abacus"})
    assert sorted(row["processor"] for row in rows.read()) == ["", "", "", "abacus"]


def drop(row: dict[str, str]) -> dict[str, str]:
    """A row as it was before the version that added columns."""
    return {name: value for name, value in row.items() if name not in NEWER}


def test_a_failed_run_is_a_row_and_the_rest_goes_on_and_the_next_call_tries_again(tmp_path):
    arms = {"relu": {}, "broken": {"model.hidden": [-1]}}
    study = study_of(tmp_path / "s", arms=arms, seeds=1)
    said = do(study, tmp_path)
    assert any("widths in --model.hidden: expected whole numbers from 1, found [-1]" in line for line in said)
    assert [bool(row["error"]) for row in rows_of(study, tmp_path).read()] == [False, True]
    assert len(do(study, tmp_path)) == 1


def test_a_stopped_run_leaves_no_row_and_its_folder(tmp_path):
    study = study_of(tmp_path / "s", seeds=1)

    def stopped(argv):
        folder = Path(argv[argv.index("--run_dir") + 1])
        folder.mkdir(parents=True)
        return Ended(143, "")

    with pytest.raises(SystemExit) as stop:
        do(study, tmp_path, stopped)
    assert stop.value.code == 143
    assert rows_of(study, tmp_path).read() == []
    assert list((tmp_path / "work").glob("*-s0/"))


def test_a_second_test_with_other_flags_takes_the_place_of_the_first(tmp_path):
    """Trained on pixels of zero mean, tested on those from 0 to 255: the images look like no digit it has seen."""
    arms = {
        "same": {},
        "other": {"test_with": {"data.normalize": "none"}},
        "again": {"test_with": {"data.normalize": "standard"}},
    }
    study = study_of(tmp_path / "s", arms=arms, baseline="same", seeds=1, base={**BASE, "trainer.max_epochs": 3})
    do(study, tmp_path)
    accuracy = {row["arm"]: float(row["accuracy"]) for row in rows_of(study, tmp_path).read()}
    assert accuracy["same"] == accuracy["again"]
    assert accuracy["other"] < accuracy["same"] - 0.02


BASE = {
    **{"data": "Digits", "data.batch_size": 64, "model": "MLP", "model.hidden": [8], "model.activation": "tanh"},
    "trainer.accelerator": "cpu",
}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            "old",
            r"columns in .+results\.csv: expected those of this study and version with .+, found others with .+ Try: ",
        ),
        ("folder", r"rows in .+results\.csv: expected a folder to write to, found a folder of this name"),
    ],
)
def test_rows_that_cannot_be_added_to(tmp_path, change, line):
    study = study_of(tmp_path)
    rows = rows_of(study, tmp_path)
    if change == "old":
        rows.path.write_text("arm,seed,top1\nrelu,0,0.9\n")
    else:
        rows.path.mkdir()
    with pytest.raises(UsageError, match=line):
        rows.check_writable()
        rows.read()


def test_a_folder_that_may_not_be_written(tmp_path):
    folder = write_study(tmp_path / "s")
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(
        UsageError, match=r"rows in .+: expected a folder to write to, found Permission denied\. Try: chmod"
    ):
        rows_of(study_of(folder), tmp_path).check_writable()


def test_killed_it_goes_on_and_two_at_once_do_no_run_twice(tmp_path):
    folder = write_study(tmp_path / "s", seeds=3)
    path = folder / "results.csv"
    argv = ["study", "run", str(folder), "--work", str(tmp_path / "work"), "--threads", "1"]
    first = Forked(tmp_path / "first.log", argv)
    until(lambda: len(read_table(path)) >= 2, 120)
    os.kill(first.pid, signal.SIGKILL)
    assert first.code() == -signal.SIGKILL
    before = {key_of(row) for row in read_table(path)}
    assert all(row["test_accuracy"] for row in read_table(path))  # no row is half a row
    flags: dict[str, list[str]] = {"second.log": [], "third.log": ["--jobs", "2"]}
    others = [Forked(tmp_path / log, [*argv, *more]) for log, more in flags.items()]
    assert [process.code(200) for process in others] == [0, 0]
    lines = [line for process in others for line in process.log.read_text().splitlines() if "seed" in line]
    rows = read_table(path)
    assert len({key_of(row) for row in rows}) == len(rows) == 6
    assert before <= {key_of(row) for row in rows}
    assert len(lines) == 6 - len(before)  # each of the three processes has done its own


def test_what_another_process_is_at_is_waited_for(tmp_path, monkeypatch):
    """It may fail or be killed; then its run is this one's."""
    study = study_of(tmp_path / "s", seeds=1)
    monkeypatch.setattr("zoo.studies.running.WAIT", 0.01)
    config = study.config(("relu",), {})
    other = FileLock(tmp_path / "work/claims" / f"{config}-s0")
    (tmp_path / "work/claims").mkdir(parents=True)
    other.acquire()
    waits: list[float] = []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            other.release()  # as the system does when the process ends

    monkeypatch.setattr("zoo.studies.running.time.sleep", wait)
    assert len(do(study, tmp_path)) == 2
    assert len(waits) >= 3

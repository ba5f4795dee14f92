"""Protects a run's folder from a second process, and the disk from what a start leaves that did not become a run."""

import fcntl
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import main
from forked import Forked, until
from zoo import Classifier
from zoo.runs.folder import RunFolder
from zoo.runs.lock import NAME, FolderInUse, FolderLock, in_use
from zoo.runs.metrics import read_metrics

ROOT = Path(__file__).parents[2]
BASE = (
    "--data Digits --data.train_size 320 --data.batch_size 32 --model MLP --model.hidden [16] --figures false"
    " --trainer.accelerator cpu"
)
IN_USE = re.compile(
    r"error: run folder in --run_dir: expected one that no other process is at, found (\S+) in use by pid (\d+) on \S+"
    r" since [-\d]+ [:\d]+ \(.+\)\. Try: .+"
)


def fit(folder: Path, *flags: str) -> list[str]:
    return ["fit", *BASE.split(), "--run_dir", str(folder), *" ".join(flags).split()]


def slow_steps() -> None:
    """A step takes a twentieth of a second."""
    step = Classifier.training_step

    def slow(self: Classifier, *args: Any, **kwargs: Any) -> Any:
        time.sleep(0.05)
        return step(self, *args, **kwargs)

    Classifier.training_step = slow  # type: ignore[method-assign]


@pytest.fixture(params=["disk", "tmpfs", "overlayfs"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder on each kind of file system that is here."""
    if request.param == "disk":
        yield tmp_path
        return
    folder = tmp_path / "mounted"
    folder.mkdir()
    options = {"tmpfs": ["-t", "tmpfs", "tmpfs"]}
    layers = [tmp_path / name for name in ("lower", "upper", "work")]
    for layer in layers:
        layer.mkdir()
    below = "tmpfs" if request.param == "tmpfs" else "overlay"
    where = ",".join(f"{name}dir={layer}" for name, layer in zip(("lower", "upper", "work"), layers, strict=True))
    options["overlay"] = ["-t", "overlay", "overlay", "-o", where]
    try:
        done = subprocess.run(["mount", *options[below], str(folder)], capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no mount: {error}")
    if done.returncode:
        pytest.skip(f"{request.param} cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_of_four_at_one_run_one_trains_and_the_others_are_told_who(place):
    """Then the holder is killed, which frees the run; it is gone on with, and no row is lost."""
    run = RunFolder(place / "run")
    argv = fit(run.path, "--trainer.max_epochs 5 --resume auto")
    several = [Forked(place / f"{i}.log", argv, slow_steps) for i in range(4)]
    until(lambda: run.metrics.exists() and sum(bool(one.errors) for one in several) == 3)
    (holder,) = [one for one in several if not one.errors]
    for one in several:
        if one is not holder:
            assert one.code() == 1
            (line,) = one.errors
            found = IN_USE.fullmatch(line)
            assert found, line
            assert found.group(2) == str(holder.pid)
            assert "run folder: " not in one.log.read_text()
    os.kill(holder.pid, signal.SIGKILL)
    assert holder.code() == -signal.SIGKILL
    assert (run.path / NAME).exists()  # no obstacle
    assert Forked(place / "next.log", argv).code() == 0
    assert [row["epoch"] for row in read_metrics(run.metrics)] == [0, 1, 2, 3, 4]
    assert json.loads(run.result.read_text())["epochs"] == 5
    assert not list(run.path.rglob(".*"))


def test_runs_without_a_name_that_begin_in_one_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zoo.runs.folder.time.strftime", lambda *args: "20261130-110000")
    sizes = [8, 32, 64]
    argv = ["fit", *BASE.split(), "--trainer.max_epochs", "1"]
    several = [Forked(tmp_path / f"{size}.log", [*argv, "--model.hidden", f"[{size}]"]) for size in sizes]
    assert [one.code() for one in several] == [0, 0, 0]
    folders = sorted((tmp_path / "runs/digits-mlp").iterdir())
    assert [folder.name for folder in folders] == [f"20261130-110000-s0{end}" for end in ("", "-2", "-3")]
    found = []
    for folder in folders:
        (size,) = re.findall(r"hidden:\n\s+- (\d+)", (folder / "config.yaml").read_text())
        found.append(int(size))
        assert json.loads((folder / "result.json").read_text())["parameters"] == 795 * int(size) + 10
    assert sorted(found) == sizes


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("runs") / "a"
    main(fit(folder, "--trainer.max_epochs 1"))
    return RunFolder(folder)


@pytest.mark.parametrize("verb", ["test", "validate", "predict", "fit"])
def test_whatever_is_at_a_run_keeps_others_away(verb, run, capsys):
    argv = [verb, "--run_dir", str(run.path)] + (["--resume", "must"] if verb == "fit" else [])
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    lock = FolderLock(run.path)
    lock.take()
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert IN_USE.fullmatch(line)
    assert in_use(run.path)
    lock.release()
    assert not in_use(run.path)
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.name != NAME} == before


def test_reading_is_shared_with_reading_alone(run, capsys):
    first, second = (FolderLock(run.path, shared=True) for _ in range(2))
    first.take()
    second.take()
    main(["test", "--run_dir", str(run.path)])
    first.release()
    with pytest.raises(FolderInUse):
        FolderLock(run.path).take()
    second.release()
    assert not (run.path / NAME).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[[[" * 9999,
        b'{"pid": "1"}',
        b'{"pid": 1, "host": "\\u001b[31m", "since": 1e999, "command": ""}',
    ],
    ids=["empty", "half", "list", "deep", "other", "bad time"],
)
def test_what_a_lock_says_is_not_trusted(content, run):
    file = run.path / NAME
    file.write_bytes(content)
    with file.open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(FolderInUse, match="in use by another process"):
            FolderLock(run.path).take()
    file.unlink()


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "second name"])
def test_what_only_has_the_name_of_a_lock_is_left_alone(kind, tmp_path, capsys):
    other, folder = tmp_path / "other", tmp_path / "run"
    other.write_text("precious")
    folder.mkdir()
    file = folder / NAME
    {
        "link": lambda: file.symlink_to(other),
        "folder": file.mkdir,
        "pipe": lambda: os.mkfifo(file),
        "second name": lambda: os.link(other, file),
    }[kind]()
    with pytest.raises(SystemExit) as stop:
        main(fit(folder))
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"error: .+: expected .+, found .+ Try: .+", line)
    assert other.read_text() == "precious"
    assert list(folder.iterdir()) == [file]


def test_a_file_system_without_locks_is_told_of_once(tmp_path, capsys, monkeypatch):
    def none(*args: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("zoo.runs.lock.fcntl.flock", none)
    main(fit(tmp_path / "run", "--trainer.max_epochs 1"))
    assert capsys.readouterr().err.count("has no locks") == 1
    assert RunFolder(tmp_path / "run").result.exists()


def test_a_process_that_was_forked_does_not_keep_the_lock(tmp_path):
    """As a worker that outlives the run for a while."""
    lock = FolderLock(tmp_path)
    lock.take()
    child = os.fork()
    if not child:
        time.sleep(30)
        os._exit(0)
    descriptor = lock._descriptor
    assert descriptor is not None
    os.close(descriptor)  # the death of its holder
    try:
        until(lambda: not in_use(tmp_path), 5)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


WRONG = {
    "a batch of one": "--model.norm batch --data.batch_size 1",
    "no such interval": "--trainer.val_check_interval 25",
    "a share of no batch": "--trainer.limit_val_batches 0.001",
}


@pytest.mark.parametrize("made", [True, False], ids=["new folder", "folder with notes"])
@pytest.mark.parametrize("name", WRONG)
def test_a_start_that_does_not_become_a_run_leaves_nothing(name, made, tmp_path, capsys):
    folder = tmp_path / "runs" / "a"
    if not made:
        folder.mkdir(parents=True)
        (folder / "notes.txt").write_text("mine")
        (folder / "figures").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((SystemExit, Exception)):
        main(fit(folder, WRONG[name]))
    assert sorted(tmp_path.rglob("*")) == before
    if made:
        main(fit(folder, "--trainer.max_epochs 1"))  # the corrected command
        assert RunFolder(folder).result.exists()


def test_a_default_folder_is_taken_back_with_those_above(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((SystemExit, Exception)):
        main(["fit", *BASE.split(), *WRONG["no such interval"].split()])
    assert not list(tmp_path.iterdir())


def test_a_kill_in_the_first_step_leaves_a_folder_in_which_any_command_works(tmp_path):
    run = RunFolder(tmp_path / "run")

    def die_at_once() -> None:
        Classifier.training_step = lambda *args: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign, assignment]

    assert Forked(tmp_path / "log", fit(run.path), die_at_once).code() == -signal.SIGKILL
    assert not run.holds_run
    main(fit(run.path, "--trainer.max_epochs 1 --model.hidden [8]"))
    assert run.result.exists()

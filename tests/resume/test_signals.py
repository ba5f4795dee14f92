"""Protects a run that is told to stop: an honest exit code, nothing half-written, and a run that can go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cli import main
from forked import Forked, until
from zoo import Classifier
from zoo.checkpoints.storage import read_checkpoint
from zoo.launch.start import begin
from zoo.runs.folder import RunFolder

ROOT = Path(__file__).parents[2]
TWO = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
WORDS = "--data Digits --model SoftmaxRegression --trainer.accelerator cpu"


@pytest.mark.parametrize(
    ("sent", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)],
    ids=["interrupt", "terminate", "preempt"],
)
def test_a_stopped_run_says_so_and_goes_on(sent, code, tmp_path):
    run = RunFolder(tmp_path / "run")
    argv = ["fit", *WORDS.split(), "--run_dir", str(run.path)]
    endless = [*argv, "--trainer.max_epochs", "100000"]
    if sent == signal.SIGINT:  # once as a user starts it
        command = [sys.executable, "cli.py", *endless]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout
            for line in process.stdout:
                if line.startswith("epoch"):
                    break
            process.send_signal(sent)
            _, errors = process.communicate(timeout=120)
        ended = process.returncode
    else:
        forked = Forked(tmp_path / "log", endless, errors=tmp_path / "errors")
        until(lambda: "\nepoch" in forked.log.read_text())
        os.kill(forked.pid, sent)
        ended, errors = forked.code(), forked.stderr.read_text()
    assert ended == code, errors
    assert errors.startswith("stopped in epoch"), errors
    assert "Traceback" not in errors
    assert not run.result.exists()
    assert not list(run.path.rglob("*.tmp"))
    main([*argv, "--resume", "must", "--trainer.max_epochs", "100000", "--trainer.max_time", "00:00:00:01"])
    assert run.result.exists()


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["interrupt", "terminate"]
)
def test_in_a_long_step_the_first_signal_says_what_it_waits_for_and_the_third_ends_it(sent, code, tmp_path):
    def long_step() -> None:
        step = Classifier.training_step

        def long(self: Classifier, *args: Any, **kwargs: Any) -> Any:
            if self.trainer.global_step == 3:
                (tmp_path / "there").touch()
                time.sleep(100)
            return step(self, *args, **kwargs)

        Classifier.training_step = long  # type: ignore[method-assign]

    run = RunFolder(tmp_path / "run")
    process = Forked(tmp_path / "log", ["fit", *WORDS.split(), "--run_dir", str(run.path)], long_step)
    until((tmp_path / "there").exists)
    os.kill(process.pid, sent)
    until(lambda: "told to stop" in process.log.read_text())
    os.kill(process.pid, sent)
    time.sleep(0.2)
    os.kill(process.pid, sent)
    assert process.code(5) == code
    assert process.log.read_text().count(f"told to stop ({sent.name}): waits for the end of the step") == 1
    assert read_checkpoint(run.last)["global_step"] == 1  # the save of the first step is whole


@pytest.mark.parametrize(
    "argv",
    [
        ["cli.py", "fit"],
        ["scripts/study.py", "activations"],
        ["scripts/report.py"],
        ["scripts/recipes.py"],
        ["scripts/chaos.py"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["interrupt", "terminate"]
)
def test_a_signal_during_the_imports_ends_the_process_without_a_word(argv, sent, code):
    with subprocess.Popen([sys.executable, *argv], cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        imported = Path(f"/proc/{process.pid}/maps")
        if not imported.exists():
            pytest.skip("no /proc to see in whether torch is being imported")
        until(lambda: "torch" in imported.read_text() or process.poll() is not None)
        process.send_signal(sent)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (code, "")


@pytest.mark.parametrize("end", ["| head -1", "> /dev/full", ">&- 2>&-"])
def test_a_run_goes_on_when_nobody_takes_what_it_says(end, tmp_path):
    def deaf() -> None:
        if end == ">&- 2>&-":
            os.close(1)
            os.close(2)
            sys.stdout = sys.stderr = None  # as Python has it then
        elif end == "> /dev/full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
        else:
            read, write = os.pipe()
            os.dup2(write, 1)
            os.close(write)
            os.close(read)
        begin()

    run = RunFolder(tmp_path / "run")
    argv = ["fit", *WORDS.split(), "--trainer.max_epochs", "1", "--figures", "false", "--run_dir", str(run.path)]
    process = Forked(tmp_path / "log", argv, deaf)
    assert process.code() == 0
    assert run.result.exists()
    assert not process.errors


def test_a_closed_terminal_ends_no_run(tmp_path):
    run = RunFolder(tmp_path / "run")

    def hang_up() -> None:
        step = Classifier.on_train_epoch_end

        def closed(self: Classifier, *args: Any, **kwargs: Any) -> Any:
            os.kill(os.getpid(), signal.SIGHUP)
            return step(self, *args, **kwargs)

        Classifier.on_train_epoch_end = closed  # type: ignore[method-assign]

    argv = ["fit", *WORDS.split(), "--trainer.max_epochs", "2", "--figures", "false", "--run_dir", str(run.path)]
    assert Forked(tmp_path / "log", argv, hang_up).code() == 0
    assert run.result.exists()

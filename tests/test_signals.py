"""Protects a run that is told to stop: an honest exit code, nothing half-written, and a run that can go on."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli import main
from zoo.runs.folder import RunFolder

ROOT = Path(__file__).parents[1]
WORDS = "--data Digits --model SoftmaxRegression --trainer.accelerator cpu"


@pytest.mark.parametrize(
    ("sent", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)],
    ids=["interrupt", "terminate", "preempt"],
)
def test_a_stopped_run_says_so_and_goes_on(sent, code, tmp_path):
    run = RunFolder(tmp_path / "run")
    words = ["fit", *WORDS.split(), "--run_dir", str(run.path)]
    command = [sys.executable, "cli.py", *words, "--trainer.max_epochs", "100000"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("epoch"):
                break
        process.send_signal(sent)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    assert errors.startswith("stopped in epoch"), errors
    assert "Traceback" not in errors
    assert not run.result.exists()
    assert not list(run.path.rglob("*.tmp"))
    main([*words, "--resume", "must", "--trainer.limit_train_batches", "1", "--trainer.max_time", "00:00:00:01"])
    assert run.result.exists()

"""Protects runs on several devices: the same training as on one, every test image counted once, one set of files."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import main
from forked import done_by_two, two, until
from zoo import Classifier
from zoo.runs.metrics import read_metrics

ROOT = Path(__file__).parents[2]


BASE = "fit --data Digits --data.batch_size 50 --data.augment [shift_rotate] --model MLP --trainer.max_epochs 2"
TWO = ("--trainer.devices", "2", "--trainer.strategy", "ddp")


def fit(folder: Path, *flags: str) -> None:
    """On one device in this process, on two in processes of their own."""
    argv = [*BASE.split(), "--trainer.accelerator", "cpu", "--run_dir", str(folder), *flags]
    if TWO[1] in flags:
        done_by_two(folder.parent, argv)
    else:
        main(argv)


def start(command: list[str], folder: Path = ROOT, **environ: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr


def curves(*folders: Path) -> list[tuple[dict[str, float], ...]]:
    """The rows of the metrics of two runs, side by side."""
    return list(zip(*(read_metrics(folder / "metrics.csv") for folder in folders), strict=True))


# Python runs it when it starts: at its end, the last of all, it writes down the threads of the process
AT_EXIT = """
import atexit, os, pathlib
def write():
    threads = [path.read_text().strip() for path in pathlib.Path("/proc/self/task").glob("*/comm")]
    (pathlib.Path(__file__).parent / f"{os.getpid()}.threads").write_text("\\n".join(threads))
atexit.register(write)
"""


def test_two_processes_that_lightning_starts_train_as_one(tmp_path):
    fit(tmp_path / "one")
    # without a folder: named by the clock, which has gone on when the second process starts
    argv = [*BASE.split(), "--trainer.accelerator", "cpu", *TWO]
    (tmp_path / "exit").mkdir()
    (tmp_path / "exit/sitecustomize.py").write_text(AT_EXIT)
    start([sys.executable, str(ROOT / "cli.py"), *argv], tmp_path, PYTHONPATH=str(tmp_path / "exit"))
    threads = [path.read_text() for path in (tmp_path / "exit").glob("*.threads")]
    assert len(threads) == 2
    assert "gloo" not in "".join(threads)  # a thread that talks to other processes can abort this one as it ends
    (folder,) = (tmp_path / "runs/digits-mlp").iterdir()
    one, two = (json.loads((path / "result.json").read_text()) for path in (tmp_path / "one", folder))
    assert two["test"]["n"] == one["test"]["n"] == 359  # an odd number: no image doubled to fill a shard
    assert two["val"]["n"] == one["val"]["n"] == 143
    assert two["device"].startswith("2 x")
    for left, right in curves(tmp_path / "one", folder):
        # the same global batches, augmented alike: only the order of float additions differs
        assert right["train/loss"] == pytest.approx(left["train/loss"], abs=1e-5)
        assert right["val/loss"] == pytest.approx(left["val/loss"], abs=1e-5)


def test_two_devices_report_and_choose_as_one(tmp_path):
    """Classes in balance, balanced accuracy, and the answers to all test images, each once."""
    flags = ("--data.balance", "true", "--monitor", "val/balanced_accuracy", "--figures", "false")
    fit(tmp_path / "one", *flags)
    fit(tmp_path / "two", *flags, *TWO)
    one, two = (json.loads((tmp_path / name / "result.json").read_text(encoding="utf-8")) for name in ("one", "two"))
    assert one["report"]["n"] == two["report"]["n"] == 359
    for name in ("classes", "confusions"):
        assert one["report"][name] == two["report"][name]
    for key in ("chosen_by", "best_epoch"):
        assert one[key] == two[key]
    assert one["val"]["balanced_accuracy"] == two["val"]["balanced_accuracy"]
    for row, other in curves(tmp_path / "one", tmp_path / "two"):
        assert row["train/loss"] == pytest.approx(other["train/loss"], rel=1e-3)


@pytest.mark.parametrize("launcher", ["its environment", pytest.param("itself", marks=pytest.mark.slow)])
def test_torchrun_gives_the_same_curve_step_by_step_and_all_test_images(launcher, real_data, tmp_path):
    """Epochs of one step, so that each row is a step's loss, of a network without batch normalisation in float32."""
    recipe = f"fit -c {ROOT}/configs/recipes/mnist_lenet.yaml --data.root {real_data} --data.val_size 100"
    short = "--trainer.accelerator cpu --trainer.max_epochs 20 --trainer.limit_train_batches 1"
    argv = [*recipe.split(), *short.split(), "--run_dir"]
    main([*argv, str(tmp_path / "one")])
    if launcher == "itself":
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "cli.py"]
        start([*torchrun, *argv, str(tmp_path / "two"), *TWO], OMP_NUM_THREADS="1")  # or torchrun says that it is 1
    else:
        done_by_two(tmp_path, [*argv, str(tmp_path / "two"), *TWO])
    pairs = curves(tmp_path / "one", tmp_path / "two")
    assert len(pairs) == 20
    for left, right in pairs:
        assert right["train/loss"] == pytest.approx(left["train/loss"], abs=1e-5)
    results = [json.loads((tmp_path / name / "result.json").read_text())["test"] for name in ("one", "two")]
    assert results[0]["n"] == results[1]["n"] == 10_000
    assert results[1]["loss"] == pytest.approx(results[0]["loss"], abs=1e-5)


def test_a_run_goes_on_with_another_number_of_devices(tmp_path):
    """1, then 2, then 1 processes, one epoch each: the same images in the same steps as on one all the time."""
    fit(tmp_path / "one", "--trainer.max_epochs", "3")
    one = ("--trainer.devices", "1", "--trainer.strategy", "auto")  # config.yaml says two by then
    for epochs, devices in ((1, ()), (2, TWO), (3, one)):
        fit(tmp_path / "mixed", *devices, "--resume", "auto", "--trainer.max_epochs", str(epochs))
    for left, right in curves(tmp_path / "one", tmp_path / "mixed"):
        assert right["train/loss"] == pytest.approx(left["train/loss"], abs=1e-5)
        assert right["val/loss"] == pytest.approx(left["val/loss"], abs=1e-5)
    tests = [json.loads((tmp_path / name / "result.json").read_text())["test"] for name in ("one", "mixed")]
    assert tests[0]["n"] == tests[1]["n"] == 359
    assert tests[0]["loss"] == pytest.approx(tests[1]["loss"], abs=1e-4)


@pytest.mark.parametrize("stopped", [0, 1])
def test_a_process_that_is_stopped_ends_the_others_within_the_bound(stopped, tmp_path):
    """One of two goes to sleep in a step, as after SIGSTOP; the other waits for it, but not for ever."""
    argv = [*BASE.split(), "--trainer.accelerator", "cpu", *TWO, "--process_timeout", "5"]
    argv += ["--run_dir", str(tmp_path / "run")]

    def prepare(rank: int) -> None:
        step = Classifier.training_step

        def training_step(self: Classifier, *args: Any) -> Any:
            if rank == stopped and self.trainer.global_step == 3:
                (tmp_path / "stopped").touch()
                os.kill(os.getpid(), signal.SIGSTOP)
            return step(self, *args)

        Classifier.training_step = training_step  # type: ignore[method-assign, assignment]

    ranks = two(tmp_path, argv, prepare)
    until((tmp_path / "stopped").exists)
    assert ranks[1 - stopped].code(5 + 10 + 10) == 1
    (line,) = ranks[1 - stopped].errors  # also if it is the first that does not answer, which speaks otherwise
    assert re.match(r"error: processes in --trainer.devices: expected .+ --process_timeout, found .+ Try: ", line)
    os.kill(ranks[stopped].pid, signal.SIGCONT)
    assert ranks[stopped].code() == 1
    one = ("--trainer.devices", "1", "--trainer.strategy", "auto")
    main([*argv, *one, "--resume", "must"])  # the save of the first step is there

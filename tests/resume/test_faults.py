"""Protects a run from what can happen to it: full disks, folders that cannot be written, numbers that are none,
checkpoints that do not belong to it. One line, an exit code that is not 0, and what was good before is still there."""

import re
import resource
from pathlib import Path

import pytest
import torch

from cli import main
from zoo import Classifier
from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.folder import RunFolder

FORM = re.compile(r"^error: .+ in .+: expected .+, found .+ Try: .+")
BASE = "fit --data Digits --data.train_size 320 --data.batch_size 32 --model MLP --model.hidden [64]"
MORE = "--trainer.accelerator cpu --trainer.max_epochs 2"


def fit(folder: Path, flags: str = "") -> RunFolder:
    main([*BASE.split(), *MORE.split(), "--run_dir", str(folder), *flags.split()])
    return RunFolder(folder)


def complaint(folder: Path, flags: str, capsys: pytest.CaptureFixture[str], code: int | None) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        fit(folder, flags)
    assert stop.value.code == code or code is None
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert FORM.match(lines[0]), lines[0]
    return lines[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> RunFolder:
    return fit(tmp_path_factory.mktemp("runs") / "trained")


@pytest.mark.parametrize(
    "bytes_allowed", [0, 1000, 100_000], ids=["not even config.yaml", "config.yaml", "no checkpoint"]
)
def test_a_full_disk(bytes_allowed, tmp_path, capsys):
    """No file may grow beyond so many bytes: the system refuses as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_allowed, hard))
    try:
        line = complaint(tmp_path / "run", "", capsys, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(tmp_path / "run") in line
    assert not list(tmp_path.rglob("*.tmp"))
    fit(tmp_path / "run", "--resume auto")  # there is room again


def test_a_disk_that_fills_up_in_a_run(trained, tmp_path, capsys, monkeypatch):
    from zoo.checkpoints import storage as checkpoints

    write, calls = checkpoints.write_through, []

    def fills_up(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) > 3:  # the start, the best and the last of the first epoch
            path.write_bytes(content[:1000])
            raise OSError(28, "No space left on device")
        write(path, content)

    with monkeypatch.context() as full:
        full.setattr(checkpoints, "write_through", fills_up)
        line = complaint(tmp_path / "run", "", capsys, 1)
    assert "No space left on device" in line
    assert "--resume auto --run_dir" in line
    run = RunFolder(tmp_path / "run")
    assert read_checkpoint(run.last)["epoch"] == 0
    assert not list(run.path.rglob("*.tmp"))
    fit(run.path, "--resume must")
    both = [read_checkpoint(folder.last)["state_dict"] for folder in (run, trained)]
    assert all(torch.equal(both[0][name], both[1][name]) for name in both[1])


@pytest.mark.parametrize("place", ["/proc/run", "/dev/null/run"])
def test_a_folder_that_cannot_be_written(place, capsys):
    assert place.split("/")[1] in complaint(Path(place), "", capsys, 1)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_loss_that_is_no_number_stops_before_the_step(precision, tmp_path, capsys, monkeypatch):
    """The weights on disk are those of the last step that was good."""
    step = Classifier.training_step
    weights: list[dict[str, torch.Tensor]] = []

    def spoilt(self: Classifier, batch: object, batch_idx: int) -> torch.Tensor:
        weights.append({name: value.clone() for name, value in self.state_dict().items()})
        loss = step(self, batch, batch_idx)  # type: ignore[arg-type]
        return loss * float("nan") if self.trainer.global_step == 13 else loss

    monkeypatch.setattr(Classifier, "training_step", spoilt)
    flags = f"--trainer.precision {precision} --checkpoint_every 1e-9"
    line = complaint(tmp_path / "run", flags, capsys, 1)
    assert "epoch 2, step 14 (learning rate 0.001)" in line
    assert "found nan" in line
    saved = read_checkpoint(RunFolder(tmp_path / "run").last)
    assert saved["global_step"] == 13
    assert all(torch.equal(saved["state_dict"][name], value) for name, value in weights[-1].items())


@pytest.mark.parametrize(
    "flags",
    [
        "--model.optimizer torch.optim.SGD --model.optimizer.lr 1e30",
        "--model.optimizer torch.optim.SGD --model.optimizer.lr 1e38 --trainer.precision bf16-mixed",
        "--model.optimizer torch.optim.SGD --model.optimizer.lr 1e30 --checkpoint_every 1e-9",
    ],
    ids=["float32", "bfloat16", "saved at each step"],
)
def test_a_learning_rate_far_too_high(flags, tmp_path, capsys):
    line = complaint(tmp_path / "run", flags, capsys, 1)
    assert "finite" in line
    assert "learning rate 1e+3" in line
    run = RunFolder(tmp_path / "run")
    assert all(torch.isfinite(value).all() for value in read_checkpoint(run.last)["state_dict"].values())
    assert not run.result.exists()


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        ("--data.batch_size 16", "--data.batch_size 32"),
        ("--data.train_size 300", "--data.train_size"),
        ("--model.optimizer torch.optim.SGD --model.optimizer.lr 0.1", "--model.optimizer torch.optim.Adam"),
        ("--model.hidden [32]", "--model.hidden [64]"),
        ("--model.norm batch", "--model.norm none"),
        ("--model SoftmaxRegression", "--model MLP"),
        ("--seed_everything 1", "--seed_everything 0"),
    ],
    ids=lambda value: value.split()[0].lstrip("-") + value.split()[-1] if value.startswith("--") else "",
)
def test_a_run_that_cannot_go_on_like_this(flags, hint, trained, capsys):
    before = {path: path.read_bytes() for path in trained.path.rglob("*") if path.is_file()}
    line = complaint(trained.path, f"{flags} --resume must --trainer.max_epochs 3", capsys, None)
    assert hint in line
    assert {path: path.read_bytes() for path in trained.path.rglob("*") if path.is_file()} == before

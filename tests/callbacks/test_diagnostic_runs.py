"""Protects runs with diagnostics: the same runs as without, measured when it is said, however cut or shared out."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from cli import main
from datamodules import Digits
from forked import done_by_two
from zoo import MLP, Classifier
from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.diagnostics import Reading, grid_of, read_diagnostics
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

ROOT = Path(__file__).parents[2]
ON = f"-c {ROOT}/configs/callbacks/diagnostics.yaml"
BASE = (
    "fit --data Digits --data.train_size 320 --data.batch_size 32 --model MLP --model.hidden [16,8]"
    " --trainer.max_epochs 2 --trainer.accelerator cpu"
)  # 10 steps an epoch
HARD = "--data.augment [shift_rotate] --model.dropout 0.3 --model.norm batch"
QUANTITIES = {
    "activation_mean", "activation_variance", "saturation", "dead_units", "gradient_norm", "bias_gradient_norm",
    "weight_norm", "update_ratio",
}  # fmt: skip
GAPS = {"gap/loss", "gap/accuracy"}


def fit(folder: Path, *flags: str) -> RunFolder:
    main([*BASE.split(), "--run_dir", str(folder), *" ".join(flags).split()])
    return RunFolder(folder)


def readings(run: RunFolder) -> list[Reading]:
    return read_diagnostics(run.diagnostics)


def at(run: RunFolder, quantity: str, step: int) -> list[float]:
    """A quantity at a step, from input to output."""
    return [each.value for each in readings(run) if (each.quantity, each.step) == (quantity, step)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return fit(tmp_path_factory.mktemp("runs") / "a", ON)


# the same run


@pytest.mark.parametrize(
    "flags",
    [
        "",
        "--trainer.accumulate_grad_batches 3 --trainer.gradient_clip_val 0.1",
        "--trainer.precision bf16-mixed",
        f"-c {ROOT}/configs/callbacks/ema.yaml",
        "--trainer.val_check_interval 0.5",
        "--data.val_size 0",
        "--model.activation torch.nn.ELU --model.activation.inplace true",
    ],
    ids=["plain", "accumulation", "bfloat16", "average", "two validations", "no validation", "in place"],
)
def test_a_run_is_the_same_with_and_without(flags, tmp_path):
    off, on = fit(tmp_path / "off", HARD, flags), fit(tmp_path / "on", HARD, flags, ON)
    one, two = (read_checkpoint(run.last) for run in (off, on))
    assert one["state_dict"].keys() == two["state_dict"].keys()
    assert all(torch.equal(value, two["state_dict"][name]) for name, value in one["state_dict"].items())
    for left, right in zip(read_metrics(off.metrics), read_metrics(on.metrics), strict=True):
        assert all(right[name] == value for name, value in left.items() if name != "seconds")
    assert not off.diagnostics.exists()
    assert readings(on)


def test_callbacks_have_short_names():
    """In a process of their own: here they are imported."""
    code = "from cli import main; main(['fit', '--trainer.callbacks.help', 'Gap'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Gap: Scores some training images")


def test_what_is_off_leaves_no_column(tmp_path):
    columns = {name for row in read_metrics(fit(tmp_path / "a").metrics) for name in row}
    assert columns == {
        "epoch",
        "step",
        "seconds",
        "lr",
        *(f"{s}/{m}" for s in ("train", "val") for m in ("loss", "accuracy")),
        "val/balanced_accuracy",
    }


# when and what


def test_the_start_and_each_epoch_are_measured(plain):
    steps = {name: grid_of(readings(plain), name).steps for name in QUANTITIES | GAPS}
    for name in ("activation_mean", "activation_variance", "saturation", "dead_units"):
        assert steps[name] == [0, 10, 20]  # after so many updates
    for name in ("gradient_norm", "bias_gradient_norm", "weight_norm", "update_ratio"):
        assert steps[name] == [0, 9, 19]  # of the update that followed
    assert steps["gap/loss"] == steps["gap/accuracy"] == [10, 20]
    assert grid_of(readings(plain), "gradient_norm").layers == ["net.1", "net.3", "net.5"]
    assert grid_of(readings(plain), "dead_units").layers == ["net.2", "net.4"]
    assert {each.quantity for each in readings(plain)} == QUANTITIES | GAPS
    assert {each.epoch for each in readings(plain)} == {0, 1}


def test_metrics_have_the_extremes_of_the_epochs_last_measurement(plain):
    for row, (update, after) in zip(read_metrics(plain.metrics), ((9, 10), (19, 20)), strict=True):
        for name in ("gradient_norm", "update_ratio"):
            values = at(plain, name, update)
            assert [row[f"{name}/min"], row[f"{name}/max"]] == pytest.approx([min(values), max(values)], rel=1e-6)
        for name in ("dead_units", "saturation"):
            values = at(plain, name, after)
            assert [row[f"{name}/min"], row[f"{name}/max"]] == pytest.approx([min(values), max(values)], rel=1e-6)
        assert [row["gap/loss"]] == pytest.approx(at(plain, "gap/loss", after), rel=1e-6)


def test_steps_in_between_can_be_asked_for(tmp_path):
    flags = (
        f"--trainer.callbacks+=zoo.callbacks.{name} --trainer.callbacks.every_n_steps 4"
        for name in ("gradients.GradientNorms", "updates.UpdateRatios", "dead_units.DeadUnits")
    )
    run = fit(tmp_path / "a", *flags, "--trainer.accumulate_grad_batches 2 --trainer.max_steps 9")
    for name in ("gradient_norm", "update_ratio"):
        assert grid_of(readings(run), name).steps == [0, 4, 8]  # 5 updates an epoch, the last is the ninth
    assert grid_of(readings(run), "dead_units").steps == [0, 4, 5, 8, 9]


# against a plain loop


def first_batch(size: int = 32) -> tuple[MLP, torch.Tensor, torch.Tensor]:
    """The network as it is initialised, and the first batch of the run."""
    data = Digits(train_size=320, batch_size=size)
    data.setup("fit")
    batches = data.batches("train")
    batches.set_epoch(0)
    x, y, _ = next(iter(batches))
    torch.manual_seed(0)
    return MLP(data.in_shape, data.num_classes, hidden=[16, 8]), x, y


def first_gradients(size: int = 32) -> list[float]:
    model, x, y = first_batch(size)
    F.cross_entropy(model(x), y).backward()
    weights = [model.get_parameter(f"net.{i}.weight") for i in (1, 3, 5)]
    return [weight.grad.norm().item() for weight in weights if weight.grad is not None]


def test_the_first_gradients_are_those_of_the_untrained_network(plain, tmp_path):
    assert at(plain, "gradient_norm", 0) == pytest.approx(first_gradients(), rel=1e-4)
    clipped = fit(tmp_path / "a", ON, "--trainer.gradient_clip_val 1e-3 --trainer.max_epochs 1")
    assert at(clipped, "gradient_norm", 0) == at(plain, "gradient_norm", 0)  # before clipping
    twice = fit(tmp_path / "b", ON, "--trainer.accumulate_grad_batches 2 --trainer.max_epochs 1")
    assert at(twice, "gradient_norm", 0) == pytest.approx(first_gradients(64), rel=1e-4)


def test_bfloat16_measures_nearly_the_same(plain, tmp_path):
    run = fit(tmp_path / "a", ON, "--trainer.precision bf16-mixed --trainer.max_epochs 1")
    for name in QUANTITIES - {"dead_units", "bias_gradient_norm"}:
        assert at(run, name, 0) == pytest.approx(at(plain, name, 0), rel=0.05, abs=0.02)
        assert at(run, name, 0) != at(plain, name, 0) or name == "weight_norm"


def test_activations_at_the_start_are_those_of_the_untrained_network(plain):
    net = first_batch()[0].net
    assert isinstance(net, torch.nn.Sequential)
    data = Digits(train_size=320)
    data.setup("fit")
    x = data.prepare_images(data.part("train").images[data.splits["train"]])  # all, as there are less than 512
    with torch.no_grad():
        outputs = [net[:i](x) for i in (3, 5)]
    assert at(plain, "dead_units", 0) == pytest.approx([(y == 0).all(0).float().mean().item() for y in outputs])
    assert at(plain, "activation_mean", 0) == pytest.approx([y.mean().item() for y in outputs], rel=1e-5)
    assert at(plain, "saturation", 0) == pytest.approx([(y == 0).float().mean().item() for y in outputs], rel=1e-5)


@pytest.mark.parametrize("flags", ["", f"-c {ROOT}/configs/callbacks/ema.yaml"], ids=["plain", "average"])
def test_the_gap_is_between_scores_of_the_weights_that_were_validated(flags, tmp_path):
    run = fit(tmp_path / "a", ON, flags, "--trainer.max_epochs 1 --model.label_smoothing 0.2 --model.dropout 0.5")
    data = Digits(train_size=320)
    data.setup("fit")
    model = MLP(data.in_shape, data.num_classes, hidden=[16, 8], dropout=0.5).eval()
    model.load_state_dict(read_checkpoint(run.best)["state_dict"])
    loss, accuracy = {}, {}
    for split in ("train", "val"):
        images, labels = (part[data.splits[split]] for part in data.part(split))
        with torch.no_grad():
            logits = model(data.prepare_images(images))
        loss[split] = F.cross_entropy(logits, labels).item()
        accuracy[split] = (logits.argmax(1) == labels).float().mean().item()
    assert at(run, "gap/loss", 10) == pytest.approx([loss["val"] - loss["train"]], abs=1e-5)
    assert at(run, "gap/accuracy", 10) == pytest.approx([accuracy["train"] - accuracy["val"]], abs=1e-6)


# cut and shared out


def stopped(folder: Path, monkeypatch: pytest.MonkeyPatch, hook: str, call: int, *flags: str) -> None:
    """Starts a run that is told to stop in the `call`-th call of a hook of the model."""
    original, left, before = getattr(Classifier, hook), [call], signal.getsignal(signal.SIGTERM)

    def hooked(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(Classifier, hook, hooked)
        with pytest.raises(SystemExit):
            fit(folder, *flags)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return fit(tmp_path_factory.mktemp("runs") / "a", HARD, ON)


@pytest.mark.parametrize(
    ("hook", "call"), [("training_step", 1), ("training_step", 14), ("training_step", 20), ("validation_step", 1)]
)
def test_a_run_that_was_stopped_ends_with_the_same_rows(hook, call, hard, tmp_path, monkeypatch):
    stopped(tmp_path / "b", monkeypatch, hook, call, HARD, ON)
    run = fit(tmp_path / "b", HARD, ON, "--resume must")
    assert sorted(readings(run)) == sorted(readings(hard))
    for left, right in zip(read_metrics(hard.metrics), read_metrics(run.metrics), strict=True):
        assert {**left, "seconds": 0} == {**right, "seconds": 0}
    weights = [read_checkpoint(each.last)["state_dict"] for each in (hard, run)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_rows_of_steps_that_are_made_again_are_there_once(hard, tmp_path, monkeypatch):
    """As after a kill: the file is ahead of the checkpoint."""
    stopped(tmp_path / "b", monkeypatch, "training_step", 14, HARD, ON)
    (tmp_path / "b/diagnostics.csv").write_bytes(hard.diagnostics.read_bytes())
    assert sorted(readings(fit(tmp_path / "b", HARD, ON, "--resume must"))) == sorted(readings(hard))


def test_the_same_command_goes_on_with_what_it_appends(tmp_path):
    """Its config.yaml has the callbacks already; Lightning refuses two of a kind."""
    flags = (ON, f"-c {ROOT}/configs/callbacks/ema.yaml", f"-c {ROOT}/configs/callbacks/early_stopping.yaml")
    run = fit(tmp_path / "a", *flags, "--resume auto --trainer.max_epochs 1")
    again = fit(tmp_path / "a", *flags, "--resume auto --trainer.max_epochs 2")
    assert grid_of(readings(again), "dead_units").steps == [0, 10, 20]
    assert run.config.read_text().count("class_path: lightning.pytorch.callbacks") == 2


def test_a_damaged_file_is_one_line(tmp_path, monkeypatch, capsys):
    stopped(tmp_path / "b", monkeypatch, "training_step", 14, ON)
    (tmp_path / "b/diagnostics.csv").write_text("no readings\n")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        fit(tmp_path / "b", ON, "--resume must")
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"error: readings in {tmp_path}/b/diagnostics.csv: expected rows of step, epoch, layer")


def test_two_processes_measure_what_one_does(tmp_path):
    argv = [*BASE.split(), *ON.split(), "--data.train_size", "321"]
    main([*argv, "--run_dir", str(tmp_path / "one")])
    two = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--run_dir", str(tmp_path / "two")]
    _, errors = done_by_two(tmp_path, [*argv, *two])
    assert not errors
    left, right = (readings(RunFolder(tmp_path / name)) for name in ("one", "two"))
    assert [each[:4] for each in left] == [each[:4] for each in right]
    start = [
        i
        for i, each in enumerate(left)
        if each.step == 0 and "norm" not in each.quantity and "ratio" not in each.quantity
    ]
    assert [left[i] for i in start] == [right[i] for i in start]  # the probe is the same everywhere


def test_what_was_read_at_an_end_in_mid_epoch_goes_when_the_run_goes_on(tmp_path):
    """As often as it ends and goes on, the file is that of one straight run."""
    straight, often = RunFolder(tmp_path / "straight"), RunFolder(tmp_path / "often")
    argv = [*BASE.split(), "--trainer.callbacks", "zoo.callbacks.gradients.GradientNorms", "--figures", "false"]
    argv += ["--trainer.callbacks.every_n_steps", "7", "--trainer.callbacks+", "zoo.callbacks.dead_units.DeadUnits"]
    main([*argv, "--run_dir", str(straight.path)])
    for limit in ("13", "17", "-1"):
        main([*argv, "--run_dir", str(often.path), "--resume", "auto", "--trainer.max_steps", limit])
        if limit == "13":
            assert 13 in {each.step for each in readings(often)}
    assert often.diagnostics.read_text() == straight.diagnostics.read_text()

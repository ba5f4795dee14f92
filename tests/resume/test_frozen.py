"""Protects fine-tuning: a frozen body stays bit for bit, is set free on time, and a stopped run ends as if undisturbed.

Their weights are gone when they go on.
"""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cli import main
from forked import done_by_two
from small_runs import equal, signal_at, state
from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

DATA = "--data Digits --data.train_size 320 --data.batch_size 32 --trainer.accelerator cpu --figures false"
MODELS = {
    "MLP": "--model MLP --model.hidden [16] --model.dropout 0.3 --model.norm batch",
    "FastNet": "--model FastNet --model.channels [2,4]",
    "LeNet": "--model LeNet --model.channels [2,3] --model.hidden [8]",
}
EMA = "--trainer.callbacks EMAWeightAveraging --trainer.callbacks.decay 0.9"
MUON = "--model.optimizer zoo.optimizers.Muon --model.optimizer.lr 0.1 --model.optimizer.weight_decay 0.1"
SETTINGS = {
    "plain": ("MLP", "--data.augment [shift_rotate]"),
    "decay": ("MLP", "--model.optimizer torch.optim.AdamW --model.optimizer.weight_decay 0.1 --model.schedule Cosine"),
    "accumulation": ("MLP", "--trainer.accumulate_grad_batches 3 --trainer.gradient_clip_val 1"),
    "average": ("MLP", EMA),
    "muon": ("FastNet", f"{MUON} {EMA} --model.schedule Triangle"),
    "lbfgs": ("LeNet", "--model.optimizer torch.optim.LBFGS --model.optimizer.max_iter 3"),
    "bfloat16": ("LeNet", "--trainer.precision bf16-mixed --model.optimizer torch.optim.SGD --model.optimizer.lr 0.1"),
}
FROZEN = "--model.freeze body --model.unfreeze_at 3 --trainer.max_epochs 4"  # 10 steps an epoch


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Callable[[str], Path]:
    """A run of each network, whose weights the others start from."""
    done: dict[str, Path] = {}

    def run(model: str) -> Path:
        if model not in done:
            done[model] = tmp_path_factory.mktemp("trained") / model
            words = f"fit {DATA} {MODELS[model]} --trainer.max_epochs 1 --seed_everything 7 --run_dir {done[model]}"
            main(words.split())
        return done[model]

    return run


def fit(folder: Path, weights: Path, setting: str, *flags: str) -> RunFolder:
    model, more = SETTINGS[setting]
    argv = [*f"fit {DATA} --model {model} --run_dir {folder} --model.weights {weights} {FROZEN} {more}".split()]
    main([*argv, *" ".join(flags).split()])
    return RunFolder(folder)


@pytest.fixture(scope="module")
def undisturbed(trained, tmp_path_factory) -> Callable[[str], RunFolder]:
    done: dict[str, RunFolder] = {}

    def run(setting: str) -> RunFolder:
        if setting not in done:
            folder = tmp_path_factory.mktemp("runs") / "a"
            done[setting] = fit(folder, trained(SETTINGS[setting][0]), setting)
        return done[setting]

    return run


STOPS = [
    *((setting, "training_step", call) for setting in SETTINGS if setting != "lbfgs" for call in (14, 34)),
    ("lbfgs", "on_train_epoch_end", 1),
    ("lbfgs", "on_train_epoch_end", 3),
    *(("plain", "on_train_epoch_end", call) for call in (1, 2, 3)),  # with the second the body goes
    ("plain", "training_step", 21),
]


@pytest.mark.parametrize(("setting", "hook", "call"), STOPS, ids=lambda value: str(value).replace("_", " "))
def test_a_stopped_run_ends_as_the_undisturbed_one(setting, hook, call, undisturbed, trained, tmp_path, monkeypatch):
    weights = shutil.copytree(trained(SETTINGS[setting][0]), tmp_path / "weights")
    folder = RunFolder(tmp_path / "b")
    with monkeypatch.context() as patched:
        signal_at(patched, hook, call, signal.SIGTERM)
        with pytest.raises(SystemExit) as stop:
            fit(folder.path, weights, setting)
    assert stop.value.code == 143
    shutil.rmtree(weights)
    fit(folder.path, weights, setting, "--resume must")
    mine, other = state(folder), state(undisturbed(setting))
    assert not [name for name in mine if not equal(mine[name], other[name])]


@pytest.mark.parametrize("setting", SETTINGS)
def test_until_then_all_but_the_last_layer_is_as_it_was(setting, trained, tmp_path):
    weights = trained(SETTINGS[setting][0])
    folder = fit(tmp_path / "a", weights, setting, "--trainer.max_epochs 2")
    before = read_checkpoint(RunFolder(weights).chosen)["state_dict"]
    last = read_checkpoint(folder.last)
    head = [name for name in before if name.endswith("weight")][-1].removesuffix("weight")
    changed = {name for name in before if not torch.equal(before[name], last["state_dict"][name])}
    assert changed <= {f"{head}weight", f"{head}bias"}
    assert f"{head}weight" in changed
    assert last["frozen"] is True
    if setting != "lbfgs":  # one state of all, in which those without gradients have zeros
        places = [name for name in before if "running" not in name and "num_batches" not in name]
        places = [name for name in places if name not in ("net.0.filters", "net.0.fitted")]
        # of an optimiser without momentum there is nothing at all
        assert {places[i] for i, held in last["optimizer_states"][0]["state"].items() if held} <= changed or (
            "muon" in setting
        )


@pytest.mark.parametrize("setting", SETTINGS)
def test_then_everything_is_trained(setting, undisturbed, trained):
    before = read_checkpoint(RunFolder(trained(SETTINGS[setting][0])).chosen)["state_dict"]
    last = read_checkpoint(undisturbed(setting).last)
    fixed = {"net.0.filters", "net.0.fitted"}  # a whitening is no weight, and is not fitted anew
    same = {name for name in before if torch.equal(before[name], last["state_dict"][name])}
    assert same <= fixed
    assert last["frozen"] is False


def test_two_devices_train_what_one_does(trained, tmp_path):
    """Also where the gradients of the body begin in mid-training; without norms, which see half of a batch each."""
    words = f"fit {DATA} --model LeNet --model.weights {trained('LeNet')} {FROZEN} --run_dir".split()
    main([*words, str(tmp_path / "one")])
    done_by_two(tmp_path, [*words, str(tmp_path / "two"), "--trainer.devices", "2", "--trainer.strategy", "ddp"])
    for left, right in zip(*(read_metrics(tmp_path / name / "metrics.csv") for name in ("one", "two")), strict=True):
        assert right["train/loss"] == pytest.approx(left["train/loss"], abs=1e-5)
        assert right["val/loss"] == pytest.approx(left["val/loss"], abs=1e-5)
    one, two = (read_checkpoint(tmp_path / name / "checkpoints/last.ckpt")["state_dict"] for name in ("one", "two"))
    assert max((one[name] - two[name]).abs().max() for name in one) < 1e-5

"""Protects the core against other versions of what it is built on: a step, a checkpoint, going on - in seconds."""

import os
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from lightning import Trainer

import zoo
from cli import main
from datamodules import Digits
from zoo import Classifier
from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
MODELS = [getattr(zoo, name) for name in zoo.list_architectures()]
SHORT = (
    "fit --data Digits --data.train_size 320 --data.batch_size 32 --model.schedule Cosine --trainer.accelerator cpu"
    " --figures false --trainer.max_epochs 2"
)


def floors() -> dict[str, str]:
    """The oldest version of each package that pyproject.toml allows."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    found = {}
    for each in asked:
        name, rest = re.fullmatch(r"([\w-]+)(?:\[\w+\])?(.*)", each).groups()  # type: ignore[union-attr]
        found[name] = next(part.removeprefix(">=") for part in rest.split(",") if part.startswith(">="))
    return found


def test_every_package_has_an_oldest_version():
    assert len(floors()) > 10


@pytest.mark.skipif("ZOO_OLDEST" not in os.environ, reason="not the environment of make test-oldest")
def test_what_is_tested_are_the_oldest_versions():
    here = {name: version(name).partition("+")[0] for name in floors()}
    padded = {name: f"{floor}.0.0"[: len(here[name])] for name, floor in floors().items()}
    assert here == padded


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_model_trains_a_step_and_comes_back_from_its_checkpoint(model: type[Classifier], tmp_path: Path):
    data = Digits(train_size=64, batch_size=32)
    torch.manual_seed(0)
    net: Any = model(data.in_shape, data.num_classes)  # type: ignore[arg-type]
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    trainer = Trainer(
        max_steps=1, accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False,
        num_sanity_val_steps=0, enable_model_summary=False, limit_val_batches=0, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(net, data)
    assert any(not torch.equal(weight, before[name]) for name, weight in net.state_dict().items())
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    again = model.load_from_checkpoint(tmp_path / "model.ckpt")
    images = torch.rand(3, *data.in_shape)
    assert torch.equal(again(images), net.eval()(images))


@pytest.mark.parametrize("name", ["MLP --model.hidden [16]", "ConvNet --model.channels [4]"])
def test_a_run_that_goes_on_is_the_straight_run(name: str, tmp_path: Path):
    """To its half in one command, and then to its end."""
    words = [*SHORT.split(), "--model", *name.split()]
    main([*words, "--run_dir", str(tmp_path / "straight")])
    halves = [*words, "--run_dir", str(tmp_path / "halves"), "--resume_schedule", "stretch", "--resume", "auto"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.resume.keep_last.KeepLast.on_train_epoch_start", stop_in_the_second)
        with pytest.raises(SystemExit):
            main(halves)
    main(halves)
    straight, other = RunFolder(tmp_path / "straight"), RunFolder(tmp_path / "halves")
    weights, same = (read_checkpoint(folder.last)["state_dict"] for folder in (straight, other))
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    rows, others = (read_metrics(folder.metrics) for folder in (straight, other))
    free = {"seconds"}
    assert [{k: v for k, v in row.items() if k not in free} for row in rows] == [
        {k: v for k, v in row.items() if k not in free} for row in others
    ]


def stop_in_the_second(self: Any, trainer: Trainer, pl_module: Any) -> None:
    if trainer.current_epoch == 1:
        raise SystemExit(143)


@pytest.mark.parametrize("name", ["mnist_lenet", "mnist_mlp_best"])  # weights in float32, and in float16
def test_weights_answer_alike_in_torch_and_as_a_graph(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The graph that came along, and one that is made here."""
    monkeypatch.delenv("ZOO_DATA", raising=False)
    monkeypatch.chdir(tmp_path)  # where there are no data: made images are asked
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    expected = zoo.load(name, runtime="torch")(images)
    assert np.abs(zoo.load(name, runtime="onnx")(images) - expected).max() < 1e-5
    main(["export", name, "--out", "net.onnx"])
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    assert np.abs(session.run(["probabilities"], {"images": images[..., None]})[0] - expected).max() < 1e-5

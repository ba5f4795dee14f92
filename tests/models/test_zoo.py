"""Protects the contract of the shelf: what every model with a file in configs/model must do on every data set."""

import inspect
import json
import math
import pickle
import re
import shutil
import subprocess
import sys
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning import Trainer

import datamodules
import zoo
import zoo.optimizers
from cli import main
from house import imported
from picture_folders import fill
from zoo.commands.cli.command import ZooCLI
from zoo.schedules import Cosine, Steps

ROOT = Path(__file__).parents[2]
MODELS = sorted(path.stem for path in (ROOT / "configs/model").glob("*.yaml"))
DATA = sorted(path.stem for path in (ROOT / "configs/data").glob("*.yaml"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Colour images of 8 x 8 in three classes, the smallest that must work; beside it a folder of pictures."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("arrays") / "own.npz"
    images, labels = random.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8), np.arange(40) % 3
    np.savez(path, train_images=images, train_labels=labels, test_images=images[:9], test_labels=labels[:9])
    fill(path.parent / "pictures", {"cat": 8, "dog": 8}, sizes=[(30, 20), (20, 20)])
    return path


def build(data: str, model: str, archive: Path, *flags: str) -> ZooCLI:
    argv = ["-c", f"{ROOT}/configs/data/{data}.yaml", "-c", f"{ROOT}/configs/model/{model}.yaml", *flags]
    if data == "arrays":
        argv += ["--data.path", str(archive)]
    if data == "folder":
        argv += ["--data.path", str(archive.parent / "pictures"), "--data.root", str(archive.parent / "data")]
    return ZooCLI(datamodules.ImageDataModule, argv, run=False)


@pytest.fixture(scope="module", params=MODELS)
def model(request, archive):
    return build("mnist", request.param, archive).model


def without_addresses(value: object) -> str:
    """The name of a case: the same in every process, or several cannot share the tests."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


def images(count: int, shape=(1, 28, 28), seed: int = 0) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", MODELS)
def test_logits_have_a_score_for_each_class(data, name, archive):
    if data == "arrays" and name == "lenet":
        pytest.skip("LeNet's second kernel needs a map of 5 x 5: images of 16 x 16 or more")
    cli = build(data, name, archive)
    logits = cli.model(images(3, cli.datamodule.in_shape))
    assert logits.shape == (3, cli.datamodule.num_classes)
    assert logits.isfinite().all()


def test_untrained_loss_is_near_that_of_guessing(model):
    x, y = images(256), torch.arange(256) % 10
    with torch.no_grad():
        assert F.cross_entropy(model(x), y).item() == pytest.approx(math.log(10), abs=0.1)


def test_every_parameter_gets_a_gradient(model):
    model.train()
    model.zero_grad()
    F.cross_entropy(model(images(64)), torch.arange(64) % 10).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_row_of_logits_depends_on_its_own_image_only(model):
    model.eval()
    x = images(4)
    with torch.no_grad():
        before = model(x)
        x[2] += 1
        after = model(x)
    assert torch.equal(before[[0, 1, 3]], after[[0, 1, 3]])
    assert not torch.equal(before[2], after[2])


@pytest.mark.parametrize("name", MODELS)
def test_learns_32_images_by_heart(name, archive):
    torch.manual_seed(0)
    model = build("mnist", name, archive).model.train()
    x, y = images(32), torch.arange(32) % 10
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        logits = model(x)
        if (logits.argmax(1) == y).all():
            return  # most know them after a few steps, and some models are slow
        optimizer.zero_grad()
        F.cross_entropy(logits, y).backward()
        optimizer.step()
    pytest.fail(f"only {(model(x).argmax(1) == y).sum()} of 32 known after 60 steps")


@pytest.mark.parametrize("name", MODELS)
def test_same_seed_same_losses(name, archive):
    def losses() -> list[float]:
        model = build("digits", name, archive, "--seed_everything", "7").model.train()
        optimizer = model.optimizer(model.parameters())
        values = []
        for step in range(3):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images(8, seed=step)), torch.arange(8))
            loss.backward()
            optimizer.step()
            values.append(loss.item())
        return values

    assert losses() == losses()


@pytest.mark.parametrize("name", MODELS)
def test_checkpoint_round_trip_without_code(name, archive, tmp_path):
    cli = build("mnist", name, archive, "--trainer.max_epochs", "1")
    path = tmp_path / "model.ckpt"
    cli.trainer.strategy.connect(cli.model)
    cli.trainer.save_checkpoint(path, weights_only=True)
    torch.load(path, weights_only=True)  # holds nothing but tensors and plain values
    again = type(cli.model).load_from_checkpoint(path, weights_only=True)
    x = images(2)
    cli.model.eval()
    again.eval()
    with torch.no_grad():
        assert torch.equal(cli.model(x), again(x))


# models made in Python: what they were made with, and what they are given


def own_sgd(params):
    return torch.optim.SGD(params, lr=0.5)


def saved(path: Path, **made_with) -> zoo.MLP:
    """A network in a checkpoint as a stock Trainer writes it."""
    model = zoo.MLP((1, 8, 8), 3, hidden=[4, 4], **made_with)
    trainer = Trainer(logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu")
    trainer.strategy.connect(model)
    trainer.save_checkpoint(path, weights_only=True)
    return model


@pytest.mark.parametrize(
    "made_with",
    [
        {},
        {"activation": torch.nn.Tanh},
        {"activation": torch.nn.LeakyReLU(0.3)},
        {"activation": partial(torch.nn.ELU, 2.0)},
        {"activation": torch.nn.PReLU()},
        {"schedule": Cosine(warmup=0.25)},
        {"schedule": Steps((0.2, 0.3), factor=0.5)},
        {"optimizer": torch.optim.RMSprop},
        {"optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9)},
        {"optimizer": partial(zoo.optimizers.Muon, matrices=True)},
    ],
    ids=without_addresses,
)
def test_what_a_model_was_made_with_comes_back(tmp_path, made_with):
    model, path = saved(tmp_path / "c.ckpt", **made_with).eval(), tmp_path / "c.ckpt"
    torch.load(path, weights_only=True)  # holds nothing but tensors and plain values
    again = zoo.MLP.load_from_checkpoint(path)
    assert repr(again.net) == repr(model.net)
    assert torch.equal(again(images(2, (1, 8, 8))), model(images(2, (1, 8, 8))))
    assert repr(again.make_optimizer()) == repr(model.make_optimizer())
    assert (again.schedule and vars(again.schedule)) == (model.schedule and vars(model.schedule))
    layers = list(model.net.children())
    assert len({id(layer) for layer in layers}) == len(layers) == 6  # no layer is there twice
    pickled = pickle.loads(pickle.dumps(again))
    assert repr(pickled.make_optimizer()) == repr(deepcopy(model).make_optimizer())


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("optimizer", own_sgd, "the function own_sgd"),
        ("optimizer", lambda params: torch.optim.SGD(params, lr=1.0), "the function "),
        ("activation", torch.nn.Sequential(torch.nn.ReLU()), "an object of Sequential"),
        ("activation", lambda: torch.nn.ReLU(), "the function "),
    ],
)
def test_what_a_file_cannot_hold_has_to_be_given_again(tmp_path, name, value, found):
    path = tmp_path / "c.ckpt"
    model = saved(path, **{name: value})
    with pytest.raises(ValueError, match=rf"^{name} in {path}: expected .*, found {found}.*{name}=…") as error:
        zoo.MLP.load_from_checkpoint(path)
    assert "\n" not in str(error.value)
    again = zoo.MLP.load_from_checkpoint(path, **{name: value})
    assert repr(again.make_optimizer()) == repr(model.make_optimizer())
    assert repr(again.net) == repr(model.net)


def test_an_earlier_version_left_objects_out_without_a_word(tmp_path):
    """That is seen, because names and null were always there."""
    saved(tmp_path / "c.ckpt", activation=torch.nn.Tanh)
    content = torch.load(tmp_path / "c.ckpt", weights_only=True)
    del content["hyper_parameters"]["activation"]
    torch.save(content, tmp_path / "c.ckpt")
    with pytest.raises(ValueError, match=r"^activation in .*: expected .*, found an object"):
        zoo.MLP.load_from_checkpoint(tmp_path / "c.ckpt")


def test_the_zoo_s_own_optimiser_is_known_to_whoever_reads_a_checkpoint():
    assert "zoo.optimizers" in imported(ROOT / "zoo/checkpoints/class_allowlist.py")


def test_a_loaded_model_answers_as_it_was_tested_and_trains_as_ever(tmp_path):
    saved(tmp_path / "c.ckpt", dropout=0.5)
    model = zoo.MLP.load_from_checkpoint(tmp_path / "c.ckpt")
    assert not any(module.training for module in model.modules())
    model.trainer = trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    model.on_fit_start()
    assert all(module.training for module in model.modules())
    first = next(model.net.children())
    first.eval()  # a layer that is frozen on purpose stays so
    model.on_fit_start()
    assert not first.training
    assert trainer


@pytest.mark.parametrize(
    ("made_with", "line"),
    [
        ({"activation": "rel"}, "--model.activation: expected one of relu, .*, found 'rel'. Try: .* relu"),
        ({"activation": "torch.nn.GELU"}, "--model.activation: .* Try: --model.activation gelu"),
        ({"activation": torch.relu}, "--model.activation: .*, found 'relu'"),
        ({"activation": torch.nn.Linear}, "--model.activation: .*, found 'Linear'"),
        ({"norm": "bath"}, "--model.norm: expected one of none, batch, layer, found 'bath'. Try: --model.norm batch"),
        ({"init": "he_norm"}, "--model.init: .* Try: --model.init he_normal"),
        ({"label_smoothing": 1.0}, "--model.label_smoothing: "),
    ],
    ids=without_addresses,
)
def test_a_constructor_says_which_names_there_are(made_with, line):
    with pytest.raises(ValueError, match=line):
        zoo.MLP((1, 8, 8), 3, **made_with)


@pytest.mark.parametrize(
    ("model", "made_with", "line"),
    [
        (zoo.LeNet, {"pool": "mx"}, "--model.pool: .* Try: --model.pool max"),
        (zoo.ConvNet, {"norm": "non"}, "--model.norm: .*, found 'non'. Try: --model.norm none"),
        (zoo.ViT, {"positions": "none"}, "--model.positions: expected one of learned, sincos, found 'none'"),
    ],
)
def test_so_do_those_of_other_models(model, made_with, line):
    with pytest.raises(ValueError, match=line):
        model((1, 28, 28), 3, **made_with)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda x, y: {"image": x, "label": y}, "batch in the loader: .*, found a dict of image, label"),
        (lambda x, y: x, "batch in the loader: .*, found a Tensor"),
        (lambda x, y: (x, F.one_hot(y, 10)), r"labels in the loader: .*\(4, 10\) int64. Try: labels.argmax\(1\)"),
        (lambda x, y: (x, y[:, None]), r"labels in the loader: .*\(4, 1\) int64. Try: labels.flatten\(\)"),
        (lambda x, y: (x, y.float()), r"labels in the loader: .* float32. Try: labels.long\(\)"),
        (lambda x, y: (x, y + 7), "labels in the loader: expected 0 to 9, found 7 to 10. Try: .*num_classes=11"),
        (lambda x, y: (x, y + 1 + 6 * (y == 3)), "labels in the loader: .*, found 1 to 10. Try: labels - 1"),
        (lambda x, y: ((255 * x).byte(), y), "images in the loader: .*float32, found uint8. Try: images / 255"),
        (lambda x, y: (x.double(), y), r"images in the loader: .*found float64. Try: images.to\(torch.float32\)"),
    ],
)
def test_batches_of_another_kind_are_refused_in_one_line(change, line):
    model = zoo.MLP((1, 8, 8), 10, hidden=[4])
    with pytest.raises(ValueError, match=f"^{line}") as error:
        model.training_step(change(images(4, (1, 8, 8)), torch.arange(4)), 0)
    assert "\n" not in str(error.value)


def test_class_numbers_of_any_whole_type_count(tmp_path):
    x, y = images(4, (1, 8, 8)), torch.arange(4)
    model = zoo.MLP((1, 8, 8), 10, hidden=[4])
    for dtype in (torch.uint8, torch.int16, torch.int32):
        assert torch.equal(model.training_step((x, y.to(dtype)), 0), model.training_step((x, y), 0))
    with pytest.raises(ValueError, match=r"^loaders of val images .* expected one, .* found several"):
        model.validation_step((x, y), 0, dataloader_idx=1)


# compiled networks


@pytest.mark.slow
def test_compiled_and_not_learn_alike(archive, tmp_path):
    """As near as sums in another order allow; the compiler needs a minute."""
    found = {}
    for compiled in ("true", "false"):
        folder = tmp_path / compiled
        argv = ["fit", "--data", "Digits", "--model", "MLP", "--model.hidden", "[16]", "--trainer.max_epochs", "2"]
        main([*argv, "--model.compile", compiled, "--run_dir", str(folder)])
        found[compiled] = torch.load(folder / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    for name, value in found["false"].items():
        torch.testing.assert_close(found["true"][name], value, rtol=1e-3, atol=1e-4)


def test_a_network_is_compiled_where_asked_and_keeps_its_names():
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    for asked in (True, False):
        model = zoo.MLP((1, 8, 8), 10, compile=asked)
        model.trainer = trainer
        names = list(model.state_dict())
        model.on_fit_start()
        assert (model.net._compiled_call_impl is not None) == asked
        assert list(model.state_dict()) == names


def test_what_the_compiler_cannot_do_is_told_in_one_line():
    """As where there is no C++ compiler; a shape that does not fit is still told as such."""

    def fails(*args):
        raise ValueError("no compiler on this machine")

    model = zoo.MLP((1, 8, 8), 10, compile=True)
    model.net.compile(backend=fails)
    with pytest.raises(ValueError, match=r"^network in --model.compile: .*no compiler.*compile false$") as error:
        model(torch.zeros(2, 1, 8, 8))
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"expected 1 × 8 × 8 \(C × H × W\), found 1 × 9 × 9"):
        model(torch.zeros(2, 1, 9, 9))


# a model of the user's own


MAXOUT = '''"""Maxout: x (B, C, H, W) -> the larger of two linear maps (B, K)."""

import math
from typing import Any

from torch import Tensor, nn

from zoo.training.classifier import Classifier


class Larger(nn.Module):
    """(B, 2 K) -> (B, K)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (2, -1)).amax(1)


class Maxout(Classifier):
    """The larger of two linear maps.

    Args:
        in_shape: channels, height and width of an image.
        num_classes: K.
        training: how it is trained, see `Classifier`.
    """

    def __init__(self, in_shape: tuple[int, int, int], num_classes: int, **training: Any) -> None:
        linear = nn.Linear(math.prod(in_shape), 2 * num_classes)
        super().__init__(nn.Sequential(nn.Flatten(), linear, Larger()), **training)
'''


def test_a_file_of_one_s_own_is_a_model_of_the_shelf(tmp_path):
    """As CONTRIBUTING.md says, in a copy of the repository."""
    for name in ("zoo", "datamodules"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("cli.py", "zoo/launch/start.py"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "zoo/maxout.py").write_text(MAXOUT)
    argv = ["describe", "--data", "Digits", "--model", "Maxout", "--json"]
    done = subprocess.run([sys.executable, "cli.py", *argv], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["parameters"] == 20 * 784 + 20


NAN = float("nan")
WRONG: dict[str, list[Any]] = {  # values of arguments that are numbers, by what they are called everywhere
    "in_shape": [(1, 28), (0, 8, 8), (1, -8, 8), (1.5, 8, 8), (True, 8, 8), (1, 8, 8, 8), "abc", None, 8, ["1", 8, 8]],
    "num_classes": [0, 1, -1, 2.5, True, "3", None],
    "dropout": [1.5, 1, -0.1, NAN, "0.5", None],
    "label_smoothing": [-1, 1, NAN, "0.1", None],
    "hidden": [[0], [2.5], [True], ["3"], 256, "abc", None],
    "channels": [[], [0], [2.5], [True], 16, "abc", None],
    "kernel_size": [0, -1, 2.5, True, "3", None],
    "whiten_kernel": [0, 2.5, "2", None],
    "depth": [0, -1, 2.5, True, "3", None],
    "patch_size": [0, 3, -4, 2.5, True, "4", None],
    "width": [0, 30, 2.5, 64.0, "64", None],
    "heads": [0, 2.0, -4, "4", None],
    "mlp_ratio": [0, -1, NAN, float("inf"), "2", None],
    "head_scale": [0, -1, NAN, float("inf"), "2", None],
}


@pytest.mark.parametrize("name", [name for name in zoo.__all__ if name != "Classifier"])
def test_a_number_that_cannot_be_is_said_in_one_line(name: str) -> None:
    """By each constructor, whoever calls it: torch would fail somewhere within, or take it."""
    model = getattr(zoo, name)
    own = inspect.signature(model).parameters.keys() | inspect.signature(zoo.Classifier).parameters.keys()
    assert {"in_shape", "num_classes"} <= own
    for argument in WRONG.keys() & own:
        for value in WRONG[argument]:
            with pytest.raises(ValueError, match=rf"^.+ in .*{argument}.*: expected .+, found .+") as error:
                model(**{"in_shape": (1, 28, 28), "num_classes": 10, argument: value})
            assert "\n" not in str(error.value)

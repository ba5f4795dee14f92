"""Protects the contract of the shelf: what every model with a file in configs/model must do on every data set."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import datamodules
import zoo
from cli import main
from zoo.runs.command import ZooCLI
from zoo.schedules import Cosine

ROOT = Path(__file__).parents[1]
MODELS = sorted(path.stem for path in (ROOT / "configs/model").glob("*.yaml"))
DATA = sorted(path.stem for path in (ROOT / "configs/data").glob("*.yaml"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Colour images of 8 x 8 in three classes, the smallest that must work."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("arrays") / "own.npz"
    images, labels = random.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8), np.arange(40) % 3
    np.savez(path, train_images=images, train_labels=labels, test_images=images[:9], test_labels=labels[:9])
    return path


def build(data: str, model: str, archive: Path, *flags: str) -> ZooCLI:
    words = ["-c", f"{ROOT}/configs/data/{data}.yaml", "-c", f"{ROOT}/configs/model/{model}.yaml", *flags]
    if data == "arrays":
        words += ["--data.path", str(archive)]
    return ZooCLI(datamodules.ImageDataModule, words, run=False)


@pytest.fixture(scope="module", params=MODELS)
def model(request, archive):
    return build("mnist", request.param, archive).model


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
        for step in range(5):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images(16, seed=step)), torch.arange(16) % 10)
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


def test_a_model_made_in_python_saves_plain_values(tmp_path):
    model = zoo.MLP((1, 28, 28), 10, activation=torch.nn.GELU, schedule=Cosine())
    content = {"hyper_parameters": dict(model.hparams)}
    model.on_save_checkpoint(content)
    torch.save(content, tmp_path / "c.ckpt")
    assert torch.load(tmp_path / "c.ckpt", weights_only=True)["hyper_parameters"]["hidden"] == (256,)


# compiled networks


@pytest.mark.slow
def test_compiled_and_not_learn_alike(archive, tmp_path):
    """As near as sums in another order allow; the compiler needs a minute."""
    found = {}
    for compiled in ("true", "false"):
        folder = tmp_path / compiled
        words = ["fit", "--data", "Digits", "--model", "MLP", "--model.hidden", "[16]", "--trainer.max_epochs", "2"]
        main([*words, "--model.compile", compiled, "--run_dir", str(folder)])
        found[compiled] = torch.load(folder / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    for name, value in found["false"].items():
        torch.testing.assert_close(found["true"][name], value, rtol=1e-3, atol=1e-4)


def test_a_network_is_compiled_where_asked_and_keeps_its_names():
    for asked in (True, False):
        model = zoo.MLP((1, 8, 8), 10, compile=asked)
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

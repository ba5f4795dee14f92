"""Protects FastNet: what whitening promises, that it sees the training images once, and the network's geometry."""

import json
import re

import pytest
import torch
import torch.nn.functional as F
from lightning import Trainer
from torch import Tensor, nn

from cli import main
from datamodules import Digits
from zoo import FastNet
from zoo.checkpoints.storage import read_checkpoint
from zoo.nn.fastnet import Scale, ShiftNorm
from zoo.nn.initialisers import INITIALISERS, initialise
from zoo.nn.whitening import EPSILON, Whitening, patch_covariance
from zoo.runs.folder import RunFolder


def correlated(count: int, channels: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Random images whose neighbouring pixels and whose channels are much alike, with a mean that is not zero."""
    noise = torch.randn(count, channels, height, width, generator=torch.Generator().manual_seed(seed))
    smooth = F.avg_pool2d(noise, 3, stride=1, padding=1)
    return 2 * smooth + smooth.mean(1, keepdim=True) + 0.1 * noise + 0.5


def covariance(maps: Tensor) -> Tensor:
    """Covariance of the channels of maps (B, C, H, W) over all images and places."""
    return torch.atleast_2d(torch.cov(maps.double().transpose(0, 1).flatten(1), correction=0))


# --- whitening


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_whitened_patches_are_uncorrelated_and_of_variance_one(channels, size):
    images = correlated(1200, channels, 9, 7)
    layer = Whitening(channels, size)
    layer.fit(images)
    with torch.no_grad():
        out = layer(images)
    half = channels * size**2
    assert out.shape == (1200, 2 * half, 10 - size, 8 - size)
    found = covariance(out[:, :half])
    # a direction of variance λ comes out with λ / (λ + ε)
    values = torch.linalg.eigvalsh(patch_covariance(images, size)).flip(0)
    expected = values / (values + EPSILON * values.mean())
    torch.testing.assert_close(found, expected.diag(), rtol=0, atol=1e-4)
    assert (found - torch.eye(half)).abs().max() < 1.1 * EPSILON * values.mean() / values.min()
    torch.testing.assert_close(out[:, half:], -out[:, :half])


def test_patch_covariance_is_that_of_all_patches():
    images = correlated(1100, 2, 5, 6)  # more than one chunk
    patches = torch.stack([images[:, :, i : i + 2, j : j + 2].flatten(1) for i in range(4) for j in range(5)], dim=1)
    expected = torch.cov(patches.flatten(0, 1).T.double(), correction=0)
    torch.testing.assert_close(patch_covariance(images, 2), expected)


def test_directions_without_variance_are_not_blown_up():
    layer = Whitening(3, 2)
    layer.fit(correlated(50, 1, 8, 8).expand(-1, 3, -1, -1))  # grey images in three channels
    assert layer.filters.flatten(1).norm(dim=1).max() < 1.1 / EPSILON**0.5 / 0.5
    layer.fit(torch.zeros(10, 3, 8, 8))
    assert layer(torch.zeros(1, 3, 8, 8)).isfinite().all()


def test_an_unfitted_layer_picks_pixels():
    x = correlated(2, 2, 4, 4)
    out = Whitening(2, 2)(x)
    assert torch.equal(out[:, 0], x[:, 0, :3, :3])
    assert torch.equal(out[:, 7], x[:, 1, 1:, 1:])
    assert torch.equal(out[:, 15], -x[:, 1, 1:, 1:])


def test_no_initialiser_and_no_optimiser_touches_the_filters():
    layer = Whitening(1, 2)
    layer.fit(correlated(20, 1, 6, 6))
    before = layer.filters.clone()
    net = nn.Sequential(layer, nn.Conv2d(8, 4, 3))
    for init in INITIALISERS:
        initialise(net, init)  # type: ignore[arg-type]
    assert torch.equal(layer.filters, before)
    assert [name for name, _ in layer.named_parameters()] == ["bias"]


# --- the network


def test_maps_are_those_of_the_docstring():
    model = FastNet((3, 32, 32), 10, channels=(4, 8, 8))
    shapes: list[tuple[int, ...]] = []
    for layer in model.net.modules():
        if isinstance(layer, Whitening | nn.MaxPool2d | nn.Linear):
            layer.register_forward_hook(lambda _layer, _x, out: shapes.append(tuple(out.shape[1:])))
    model(torch.zeros(2, 3, 32, 32))
    assert shapes == [(24, 31, 31), (4, 15, 15), (8, 7, 7), (8, 3, 3), (8, 1, 1), (10,)]


def expected_parameters(channels: int, classes: int, widths: list[int], depth: int, size: int) -> int:
    first = 2 * channels * size**2
    convolutions = sum(9 * a * b + (depth - 1) * 9 * b * b for a, b in zip([first, *widths], widths, strict=False))
    return first + convolutions + depth * sum(widths) + widths[-1] * classes


@pytest.mark.parametrize(
    ("shape", "widths", "depth", "size"),
    [((3, 32, 32), [64, 256, 256], 2, 2), ((1, 28, 28), [4, 6], 3, 3), ((1, 8, 8), [5, 6, 7], 1, 2)],
    ids=str,
)
def test_parameters_are_counted_by_formula(shape, widths, depth, size):
    model = FastNet(shape, 7, channels=widths, depth=depth, whiten_kernel=size)
    assert sum(p.numel() for p in model.parameters()) == expected_parameters(shape[0], 7, widths, depth, size)
    assert model.eval()(torch.zeros(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("side", [7, 8, 9, 15])
def test_small_images_are_framed_as_far_as_that_helps(side):
    assert FastNet((1, side, side + 3), 10, channels=(2, 2, 2)).eval()(torch.zeros(1, 1, side, side + 3)).shape == (
        1,
        10,
    )


REFUSED = [
    ({"in_shape": (1, 6, 20)}, r"geometry in pooling in group 3 of 3: expected a map of at least 2 × 2"),
    ({"whiten_kernel": 40, "channels": [2]}, "geometry in whitening: expected a map of at least 40 × 40"),
    ({"depth": 0}, r"convolutions per group in --model.depth: expected at least 1, found 0\. Try: --model\.depth 2"),
    ({"whiten_kernel": 0}, r"kernel size in --model.whiten_kernel: expected at least 1, found 0"),
    ({"channels": []}, r"widths in --model.channels: expected at least 1 whole number from 1, found \[\]"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_built_is_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        FastNet(**{"in_shape": (1, 28, 28), "num_classes": 10, **arguments})


def test_a_norm_without_scale_is_batch_normalisation_with_scale_one():
    x = 3 * torch.randn(8, 5, 4, 4) + 1
    norm, other = ShiftNorm(5), nn.BatchNorm2d(5)
    for layer in (norm, other):
        torch.nn.init.constant_(layer.bias, 0.3)
        layer(x)
    torch.testing.assert_close(norm(x), other(x))
    torch.testing.assert_close(norm.eval()(x), other.eval()(x))
    assert [name for name, _ in norm.named_parameters()] == ["bias"]
    assert Scale(0.5)(x).equal(x / 2)


# --- training: the layer sees images once

FIT = "fit --data Digits --data.batch_size 64 --model FastNet --model.channels [4,8] --trainer.accelerator cpu"


def fitted_on(data: Digits) -> Tensor:
    """The filters that whitening must have come to on this data."""
    layer = Whitening(data.in_shape[0], 2)
    layer.fit(data.prepare_images(data.part("train").images[data.splits["train"]]))
    return layer.filters


def test_the_filters_are_computed_once_and_kept(tmp_path, monkeypatch, capsys):
    seen: list[int] = []
    init_from_data = Whitening.init_from_data

    def counted(self: Whitening, images: Tensor) -> None:
        seen.append(len(images))
        init_from_data(self, images)

    monkeypatch.setattr(Whitening, "init_from_data", counted)
    folder = RunFolder(tmp_path / "a")
    main([*FIT.split(), "--run_dir", str(folder.path), "--trainer.max_epochs", "1"])
    data = Digits()
    data.setup("fit")
    assert seen == [len(data.splits["train"])]
    expected = fitted_on(data)
    seen.clear()
    main([*FIT.split(), "--run_dir", str(folder.path), "--trainer.max_epochs", "2", "--resume", "must"])
    assert not seen
    for path in (folder.last, folder.best):
        weights = read_checkpoint(path)["state_dict"]
        assert weights["net.0.fitted"]
        assert torch.equal(weights["net.0.filters"], expected)
    model = FastNet.load_from_checkpoint(folder.best)
    assert torch.equal(model.net.get_submodule("0").filters, expected)  # type: ignore[arg-type]
    accuracy = json.loads(folder.result.read_text())["test"]["accuracy"]
    capsys.readouterr()
    main(["test", "--run_dir", str(folder.path), "--trainer.accelerator", "cpu"])
    found = re.search(r"test\s+│\s+([\d.]+) %", capsys.readouterr().out)
    assert found
    assert float(found[1]) == pytest.approx(100 * accuracy, abs=0.006)
    assert not seen


def test_the_images_are_prepared_as_the_batches_are(tmp_path):
    data = Digits(normalize="unit", shuffle_pixels=3, train_size=200, batch_size=50)
    model = FastNet((1, 28, 28), 10, channels=(2,))
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(model, datamodule=data)
    seen = torch.cat([x for x, _, _ in data.batches("train")])
    layer = Whitening(1, 2)
    layer.fit(seen)  # the same images in another order
    found = model.net.get_submodule("0").filters
    assert isinstance(found, Tensor)
    torch.testing.assert_close(found.flatten(1).abs(), layer.filters.flatten(1).abs(), rtol=1e-3, atol=1e-3)


def test_without_a_data_module_it_says_what_to_do(tmp_path):
    model = FastNet((1, 8, 8), 3, channels=(2,))
    loader = torch.utils.data.DataLoader([(torch.zeros(1, 8, 8), 0)] * 4, batch_size=2)  # type: ignore[arg-type, var-annotated]

    def fit() -> None:
        Trainer(
            max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=tmp_path,
        ).fit(model, loader)  # fmt: skip

    with pytest.raises(ValueError, match=r"model.net\[0\].fit\(images\) before"):
        fit()
    layer = model.net.get_submodule("0")
    assert isinstance(layer, Whitening)
    layer.fit(correlated(20, 1, 8, 8))
    fit()

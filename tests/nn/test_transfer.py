"""Protects trained weights on the way into a new network: what fits is taken over, and computes what it computed."""

from typing import Any

import pytest
import torch
from torch import nn

from zoo.nn.convnet import convnet
from zoo.nn.fastnet import fastnet
from zoo.nn.lenet import lenet
from zoo.nn.mlp import mlp
from zoo.nn.resnet import resnet
from zoo.nn.softmax import softmax_regression
from zoo.nn.transfer import layers_of, resample, take_over, transfer
from zoo.nn.vit import sincos, vit

MAKE: dict[str, Any] = {
    "softmax": softmax_regression,
    "mlp": lambda shape, k, dropout=0.0: mlp(shape, k, [8], "relu", "batch", dropout),
    "lenet": lambda shape, k, dropout=0.0: lenet(shape, k, [3, 4], 5, [9, 8], "relu", "none", "max", dropout),
    "convnet": lambda shape, k, dropout=0.0: convnet(shape, k, [4, 5], 1, 3, "relu", "batch", "max", dropout),
    "resnet": lambda shape, k, dropout=0.0: resnet(shape, k, 8, [4, 5, 6], 3, "relu", "batch", dropout),
    "vit": lambda shape, k, dropout=0.0: vit(shape, k, 4, 8, 1, 2, 2.0, "gelu", "learned", dropout),
    "waves": lambda shape, k, dropout=0.0: vit(shape, k, 4, 8, 1, 2, 2.0, "gelu", "sincos", dropout),
    "fastnet": lambda shape, k: fastnet(shape, k, [4, 6], 1, 2, "gelu", 1 / 9),
}
GREY, COLOUR = (1, 16, 16), (3, 16, 16)


def made(name: str, shape: Any, classes: int = 5, seed: int = 0, **more: Any) -> nn.Module:
    """A network in eval mode, with norms that have seen something."""
    torch.manual_seed(seed)
    net = MAKE[name](shape, classes, **more)
    net(torch.randn(8, *shape))
    return net.eval()


def moved(old: nn.Module, new: nn.Module, before: Any, after: Any, new_head: bool = False) -> list[str]:
    found = transfer(new, old.state_dict(), before, after, new_head)
    take_over(new, found.weights)
    return found.new


@pytest.mark.parametrize("name", [name for name in MAKE if name != "fastnet"])
def test_a_grey_image_in_colours_gives_what_it_gave(name):
    old, new = made(name, GREY), made(name, COLOUR, seed=1)
    assert not moved(old, new, GREY, COLOUR)
    images = torch.randn(4, *GREY)
    torch.testing.assert_close(new(images.expand(-1, 3, -1, -1)), old(images), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in MAKE if name != "fastnet"])
def test_a_network_of_colours_sees_a_grey_image_as_one_in_colours(name):
    old, new = made(name, COLOUR), made(name, GREY, seed=1)
    assert not moved(old, new, COLOUR, GREY)
    images = torch.randn(4, *GREY)
    torch.testing.assert_close(new(images), old(images.expand(-1, 3, -1, -1)), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in MAKE if name != "softmax"])
def test_of_other_classes_all_but_the_last_layer_is_taken_over(name):
    old, new, drawn = made(name, GREY), made(name, GREY, 7, seed=1), made(name, GREY, 7, seed=1)
    last = layers_of(new)[-1][0]
    assert {each.rpartition(".")[0] for each in moved(old, new, GREY, GREY)} == {last}
    for key, value in new.state_dict().items():
        expected = drawn if key.startswith(f"{last}.") else old
        assert torch.equal(value, expected.state_dict()[key]), key


@pytest.mark.parametrize("name", [name for name in MAKE if name not in ("softmax", "fastnet")])
def test_a_dropout_changes_the_names_of_layers_and_nothing_else(name):
    old, new = made(name, GREY), made(name, GREY, seed=1, dropout=0.5)
    assert not moved(old, new, GREY, GREY)
    images = torch.randn(4, *GREY)
    assert torch.equal(old(images), new(images))


@pytest.mark.parametrize("name", ["convnet", "resnet", "vit", "waves", "fastnet"])
def test_other_sizes_keep_every_layer_but_one_that_sees_the_whole_map(name):
    old, larger = made(name, GREY), made(name, (1, 24, 20), seed=1)
    new = moved(old, larger, GREY, (1, 24, 20))
    assert {each.rpartition(".")[0] for each in new} <= {layers_of(larger)[-1][0]}
    assert name == "convnet" or not new


def test_a_lenet_of_another_size_keeps_its_convolutions():
    old, larger = made("lenet", GREY), made("lenet", (1, 28, 28), seed=1)
    new = moved(old, larger, GREY, (1, 28, 28))
    assert [*dict.fromkeys(each.rpartition(".")[0] for each in new)] == ["7", "9", "11"]
    assert torch.equal(larger.state_dict()["3.weight"], old.state_dict()["3.weight"])


@pytest.mark.parametrize(("name", "after"), [("softmax", (1, 8, 8)), ("mlp", (1, 8, 8)), ("fastnet", COLOUR)])
def test_where_not_even_the_first_layer_fits_it_is_said(name, after):
    with pytest.raises(ValueError, match="the first layer does not fit"):
        moved(made(name, GREY, 4), made(name, after, 4), GREY, after)


def test_of_a_softmax_regression_of_other_classes_nothing_is_left():
    with pytest.raises(ValueError, match="the first layer does not fit"):
        moved(made("softmax", GREY, 4), made("softmax", GREY, 5), GREY, GREY)


def test_other_layers_are_refused():
    with pytest.raises(ValueError, match="tensors of the same layers"):
        moved(made("lenet", GREY), made("convnet", GREY), GREY, GREY)


def test_resampled_positions_are_those_of_the_same_places():
    """Waves of low frequency come out nearly as computed for the new grid, where row and column are scaled."""
    places = sincos(7, 7, 16)
    assert torch.equal(resample(places, (7, 7), (7, 7)), places)
    flat = torch.ones(49, 3) * torch.tensor([1.0, -2.0, 0.5])
    torch.testing.assert_close(resample(flat, (7, 7), (5, 9)), flat[:1].expand(45, 3))
    slope = torch.arange(7.0).repeat_interleave(7)[:, None]  # the row of each place
    rows = resample(slope, (7, 7), (14, 7)).view(14, 7)
    torch.testing.assert_close(rows[3:11, 0], (torch.arange(3.0, 11) + 0.5) / 2 - 0.5, atol=1e-4, rtol=0)

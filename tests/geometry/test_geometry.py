"""Protects the geometry of networks: what each unit sees against gradients, costs and parameters against PyTorch's own
counts, the sums against what they add up to, and that a network which does not take an image says where."""

import copy
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import datamodules
import zoo.training.checks
from zoo import MLP, Classifier, ConvNet, LeNet, ResNet
from zoo.geometry import Layer, arithmetic_of, check_geometry, oversized, walk
from zoo.geometry.receptive_field import pixels
from zoo.geometry.walk import Follower

ROOT = Path(__file__).parents[2]
MODELS = sorted(path.stem for path in (ROOT / "configs/model").glob("*.yaml"))
SHAPES = {data.__name__: (data.in_shape, data.num_classes) for data in (datamodules.MNIST, datamodules.CIFAR10)}
SHAPES["Arrays"] = ((3, 16, 20), 3)
SHAPES["Folder"] = ((1, 100, 80), 2)
SMALL = (2, 15, 12)  # the image whose units are all looked at: sides of which neither is half of the other


def made(model: str, data: str) -> Classifier:
    """A model as its yaml in configs/model says, for the images of a data set."""
    held = yaml.safe_load((ROOT / f"configs/model/{model}.yaml").read_text())["model"]
    module, _, name = held["class_path"].rpartition(".")
    in_shape, num_classes = SHAPES[data]
    return getattr(import_module(module), name)(in_shape, num_classes, **held.get("init_args", {}))


# --- what the units see


class Residual(nn.Module):
    """Two convolutions beside a 1 × 1 convolution."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels, 3, stride, 1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.shortcut = nn.Conv2d(channels_in, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class Sliced(nn.Module):
    """Every second unit, with zeros for the channels that are missing: option A of He et al. 2015."""

    def __init__(self) -> None:
        super().__init__()
        self.residual = nn.Conv2d(2, 3, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 1))


class Branches(nn.Module):
    """Kernels of two sizes side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.small, self.large = nn.Conv2d(2, 1, 1), nn.Conv2d(2, 2, (3, 5), padding=(1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.small(x), self.large(x)], 1)


class Tokens(nn.Module):
    """Patches as tokens, behind a learned one."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(2, 4, 3, 3)
        self.own = nn.Parameter(torch.ones(1, 1, 4))
        self.mix = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)  # (B, N, D)
        return self.mix(torch.cat([self.own.expand(len(x), -1, -1), tokens], 1))


class Attention(nn.Module):
    """All rows of the image ask all rows."""

    def forward(self, x: Tensor) -> Tensor:
        rows = x.transpose(1, 2).flatten(2)  # (B, H, C W)
        return F.scaled_dot_product_attention(rows, rows, rows)


class Cut(nn.Module):
    """Patches cut out without a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(2 * 5 * 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        patches = x.unflatten(2, (3, 5)).unflatten(4, (4, 3)).permute(0, 2, 4, 1, 3, 5)  # (B, 3, 4, C, 5, 3)
        return self.mix(patches.flatten(3))


def maps(model: Classifier, behind: int) -> nn.Module:
    """A network without its last layers, which would see the whole image."""
    return nn.Sequential(*[*model.net.children()][:-behind])


NETS: dict[str, nn.Module] = {
    "lenet": maps(LeNet(SMALL, 3, channels=(2,), kernel_size=3, hidden=(4,)), 4),
    "convnet max": maps(ConvNet(SMALL, 3, channels=(2, 3), depth=1), 2),
    "convnet avg": maps(ConvNet(SMALL, 3, channels=(2, 3), depth=2, pool="avg"), 2),
    "convnet stride": maps(ConvNet(SMALL, 3, channels=(2, 3), pool="stride"), 2),
    "resnet": maps(ResNet(SMALL, 3, depth=6, channels=(2, 3)), 3),
    "whole lenet": LeNet(SMALL, 3, channels=(2, 3), kernel_size=3).net,
    "strided": nn.Sequential(nn.Conv2d(2, 2, 3, 2), nn.Conv2d(2, 2, 2, 3, 1)),
    "dilated": nn.Sequential(nn.Conv2d(2, 2, 3, dilation=2), nn.Conv2d(2, 2, (2, 3), dilation=(3, 1), padding=1)),
    "same": nn.Sequential(nn.Conv2d(2, 2, (5, 3), padding="same"), nn.Conv2d(2, 2, 2, padding="valid", groups=2)),
    # the last row of a map is lost, and padding puts a window where it was
    "lost row": nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(2, 2, 3, padding=1)),
    "rounded up": nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(2, 1, 2)),
    "adaptive": nn.Sequential(nn.Conv2d(2, 1, 3), nn.AdaptiveAvgPool2d((5, 3)), nn.Conv2d(1, 1, 2)),
    "residual": nn.Sequential(Residual(2, 2, 1), Residual(2, 3, 2), Residual(3, 2, 2)),
    "sliced": nn.Sequential(Sliced(), nn.Conv2d(3, 1, 3, padding=1)),
    "branches": nn.Sequential(Branches(), nn.AvgPool2d(3, 2)),
    "tokens": Tokens(),
    "attention": Attention(),
    "cut": Cut(),
    "upsampled": nn.Sequential(nn.AvgPool2d(3), nn.Upsample(scale_factor=2), nn.Conv2d(2, 1, 3)),
    "average": nn.Sequential(nn.Conv2d(2, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)),
}


def boxes_by_gradient(net: nn.Module, shape: tuple[int, int, int]) -> Tensor:
    """First and last row and column of the pixels that each unit depends on, (4, units), as (-top, bottom, …)."""
    net = copy.deepcopy(net).double().eval()
    for module in net.modules():
        for name, child in module.named_children():  # a maximum has a gradient to one unit only
            if isinstance(child, nn.MaxPool2d):
                setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode))
    for parameter in net.parameters():  # where all is positive nothing cancels, and no ReLU is dead
        parameter.data = parameter.data.abs() + 0.1
    image = torch.rand(1, *shape, dtype=torch.double, generator=torch.Generator().manual_seed(0)) + 0.1
    units = net(image).numel()
    x = image.repeat(units, 1, 1, 1).requires_grad_()
    net(x).reshape(units, units).diagonal().sum().backward()  # unit i of image i
    assert x.grad is not None
    seen = x.grad.ne(0).any(1)  # (units, H, W)
    rows, columns = (seen.any(axis).double() for axis in (2, 1))
    edges = []
    for flags in (rows, columns):
        first, last = flags.argmax(1), flags.shape[1] - 1 - flags.flip(1).argmax(1)
        sees = flags.any(1)
        edges += [torch.where(sees, -first, -torch.inf), torch.where(sees, last, -torch.inf)]
    return torch.stack(edges)


def boxes(net: nn.Module, shape: tuple[int, int, int]) -> Tensor:
    """The same by the rules."""
    image, follower = torch.zeros(1, *shape), Follower(net, "net")
    follower.learn(image, pixels(*shape))
    with torch.inference_mode(), follower:
        seen = follower.seen_by(net.eval()(image))
    assert seen is not None
    return seen.edges[4:].reshape(4, -1)


@pytest.mark.parametrize("name", NETS)
def test_each_unit_sees_the_pixels_that_its_gradient_reaches(name: str) -> None:
    assert torch.equal(boxes(NETS[name], SMALL), boxes_by_gradient(NETS[name], SMALL))


PAIRS = st.tuples(st.integers(1, 4), st.integers(1, 4))
LAYERS = st.lists(
    st.tuples(st.sampled_from(["conv", "max", "avg"]), PAIRS, PAIRS, PAIRS, PAIRS), min_size=1, max_size=3
)


def stack(layers: list[Any]) -> nn.Sequential:
    parts: list[nn.Module] = []
    for kind, kernel, stride, dilation, rim in layers:
        padding = (rim[0] - 1, rim[1] - 1)
        if kind == "conv":
            parts.append(nn.Conv2d(2, 2, kernel, stride, padding, dilation))
        else:
            half = (min(padding[0], kernel[0] // 2), min(padding[1], kernel[1] // 2))  # PyTorch takes no more
            parts.append((nn.MaxPool2d if kind == "max" else nn.AvgPool2d)(kernel, stride, half))
    return nn.Sequential(*parts)


@given(LAYERS)
def test_any_windows_one_after_the_other(layers: list[Any]) -> None:
    net = stack(layers)
    try:
        net(torch.zeros(1, *SMALL))
    except RuntimeError:
        assume(False)
    assert torch.equal(boxes(net, SMALL), boxes_by_gradient(net, SMALL))
    size, jump = [1, 1], [1, 1]
    for kind, kernel, stride, dilation, _ in layers:
        for axis in (0, 1):
            size[axis] += (dilation[axis] if kind == "conv" else 1) * (kernel[axis] - 1) * jump[axis]
            jump[axis] *= stride[axis]
    field = walk(net, SMALL)[-1].field
    assert field is not None
    assert field.size == tuple(size)


def fields(layers: list[Layer]) -> list[tuple[int, int] | None]:
    return [layer.field.size if layer.field else None for layer in layers]


def test_lenet_on_colour_images_has_the_fields_of_the_textbook() -> None:
    layers = walk(LeNet((3, 32, 32), 10).net, (3, 32, 32))
    assert [layer.output for layer in layers[:4:3]] == [(6, 28, 28), (16, 10, 10)]
    assert fields(layers) == [(n, n) for n in (5, 5, 6, 14, 14, 16, 16, 32, 32, 32, 32, 32)]
    assert layers[7].field is not None
    assert layers[7].field.within == (32, 32)


def test_a_field_that_is_as_large_as_the_image_may_still_reach_over_its_rim() -> None:
    field = walk(ConvNet((3, 32, 32), 10).net, (3, 32, 32))[17].field  # 8 × 8 units, none of them in the middle
    assert field is not None
    assert (field.size, field.within) == ((32, 32), (30, 30))
    unit = walk(nn.Conv2d(1, 1, 9, padding=4), (1, 3, 7))[0].field
    assert unit is not None
    assert (unit.size, unit.within) == ((9, 9), (3, 7))


def test_a_learned_token_sees_nothing() -> None:
    layers = {layer.name: layer for layer in walk(Tokens(), SMALL)}
    assert layers["net.own"].field is None
    assert layers["net.cat"].field == layers["net.patches"].field
    assert layers["net.cat"].output == (21, 4)


def test_attention_sees_everything() -> None:
    (layer,) = walk(Attention(), SMALL)
    assert (layer.kind, layer.field and layer.field.within) == ("Attention", SMALL[1:])


def test_a_layer_of_torch_is_one_line_whatever_is_inside() -> None:
    net = nn.Sequential(nn.Flatten(2), nn.TransformerEncoderLayer(180, 2, 7, batch_first=True))
    layers = walk(net, SMALL)
    assert [(layer.name, layer.output) for layer in layers] == [("net.0", (2, 180)), ("net.1", (2, 180))]
    assert fields(layers) == [(1, 1), (15, 12)]


class ByHand(nn.Module):
    """Attention without torch's function for it, over the columns, behind a linear map."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.mix = nn.Linear(30, 30), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        columns = x.permute(0, 3, 1, 2).flatten(2)  # (B, W, C H)
        scores = self.query(columns) @ columns.transpose(1, 2)
        return self.mix(scores.softmax(-1) @ columns)


def test_attention_by_hand_is_two_products() -> None:
    layers = walk(ByHand(), SMALL)
    assert [layer.name for layer in layers] == ["net.query", "net.matmul", "net.matmul_2", "net.mix"]
    assert [layer.field and layer.field.within for layer in layers] == [(15, 1), (15, 12), (15, 12), (15, 12)]
    assert [layer.multiply_adds for layer in layers] == [12 * 30 * 30, 12 * 12 * 30, 12 * 12 * 30, 0]


def test_the_statistics_of_norms_are_not_seen() -> None:
    expected = walk(ConvNet((3, 32, 32), 10, norm="none").net, (3, 32, 32))
    for norm in ("batch", "layer"):
        layers = walk(ConvNet((3, 32, 32), 10, norm=norm).net, (3, 32, 32))
        assert fields([layer for layer in layers if "Norm" not in layer.kind]) == fields(expected)


class Untraceable(nn.Module):
    """Leaves torch, looks at values, and puts in units one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.from_numpy(x.numpy()) * float(x.mean() if x.sum() > 0 else len(x))
        y = torch.zeros_like(x)
        y[:, :, 1:] = x[:, :, :-1]
        return self.mix(y)


def test_a_network_that_cannot_be_followed_is_described_as_far_as_it_can() -> None:
    layer = walk(Untraceable(), SMALL)[-1]
    assert (layer.name, layer.output, layer.field, layer.multiply_adds) == ("net.mix", (2, 13, 10), None, 2 * 130 * 18)


# --- costs and parameters


@pytest.mark.parametrize("data", SHAPES)
@pytest.mark.parametrize("name", MODELS)
def test_models_cost_what_torch_counts(name: str, data: str) -> None:
    model, (in_shape, _) = made(name, data), SHAPES[data]
    layers = walk(model.net, in_shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(1, *in_shape))
    assert 2 * sum(layer.multiply_adds for layer in layers) == counter.get_total_flops() > 0
    assert sum(layer.num_parameters for layer in layers) == sum(p.numel() for p in model.parameters())
    for layer in layers:
        if layer.name in (names := dict(model.named_modules())):
            assert layer.num_parameters == sum(p.numel() for p in names[layer.name].parameters())


ODD: dict[str, nn.Module] = {
    "grouped": nn.Conv2d(2, 4, (3, 1), 2, groups=2),
    "transposed": nn.ConvTranspose2d(2, 3, 3, 2),
    "tokens": nn.Sequential(nn.Flatten(2), nn.Linear(180, 5), nn.Linear(5, 1, bias=False)),
    "encoder": nn.Sequential(nn.Flatten(2), nn.TransformerEncoderLayer(180, 2, 7, batch_first=True)),
    "shared twice": nn.Sequential(*[nn.Conv2d(2, 2, 3)] * 2),
    "attention": Attention(),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_layers_cost_what_torch_counts(name: str) -> None:
    net, image = (
        ODD[name].eval(),
        torch.zeros(1, *SMALL, requires_grad=True),
    )  # without a gradient torch fuses the encoder
    layers = walk(net, SMALL)
    with FlopCounterMode(display=False) as counter:
        net(image)
    assert 2 * sum(layer.multiply_adds for layer in layers) == counter.get_total_flops() > 0
    assert sum(layer.num_parameters for layer in layers) == sum(p.numel() for p in net.parameters())


def test_what_is_described_stays_as_it_was() -> None:
    net = ConvNet((1, 28, 28), 10, dropout=0.5).net
    next(net.children()).eval()
    modes = [module.training for module in net.modules()]
    before, random = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    walk(net, (1, 28, 28))
    check_geometry(net, (1, 28, 28))
    assert [module.training for module in net.modules()] == modes
    assert not [module for module in net.modules() if module._forward_hooks or module._forward_pre_hooks]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


# --- the sums


def value(text: str) -> float:
    """What a sum in the notation of the lines comes to."""
    assert re.fullmatch(r"[\d ()·+−/]+", text), text
    return float(eval(text.replace("·", "*").replace("−", "-")))


def results(layer: Layer) -> dict[str, int]:
    """What the lines of a layer state, after it is computed that each is right."""
    stated = {}
    for what, text in arithmetic_of(layer):
        left, _, right = text.rpartition(" = ")
        numbers = [float(number.replace(",", "")) for number in re.findall(r"\d[\d,.]*(?<![,.])", right)]
        if left:
            assert value(left) == pytest.approx(numbers[0], abs=0.005), text
        if "rounded" in text:
            assert numbers[1] == (numbers[0] // 1 if "down" in text else -(-numbers[0] // 1)), text
        stated[what] = int(numbers[1] if "rounded" in text else numbers[0])
    return stated


@pytest.mark.parametrize("data", SHAPES)
@pytest.mark.parametrize("name", MODELS)
def test_sums_come_to_the_numbers_of_the_layer(name: str, data: str) -> None:
    layers = walk(made(name, data).net, SHAPES[data][0])
    for layer in layers:
        stated = results(layer)
        assert stated.get("parameters", 0) == layer.num_parameters
        assert stated.get("multiply-adds", 0) == layer.multiply_adds
        if layer.slide:
            side = stated.get("map side")
            assert layer.output[1:] == (stated.get("map height", side), stated.get("map width", side))
            assert layer.field is not None
            size = stated.get("receptive field")
            assert layer.field.size == (stated.get("receptive height", size), stated.get("receptive width", size))


def test_sums_of_a_convolution_as_in_the_lecture() -> None:
    layers = walk(LeNet((3, 32, 32), 10).net, (3, 32, 32))
    assert arithmetic_of(layers[0]) == [
        ("map side", "(32 − 5)/1 + 1 = 28"),
        ("receptive field", "1 + (5 − 1)·1 = 5"),
        ("parameters", "6·(3·5·5) + 6 = 456"),
        ("per position", "3·5·5 = 75 multiplications"),
        ("multiply-adds", "6·28·28·75 = 352,800"),
    ]
    assert arithmetic_of(walk(LeNet((1, 28, 28), 10).net, (1, 28, 28))[0])[0][1] == "(28 + 2·2 − 5)/1 + 1 = 28"


def test_rounding_is_said() -> None:
    assert arithmetic_of(walk(nn.MaxPool2d(2), (1, 7, 7))[0])[0] == ("map side", "(7 − 2)/2 + 1 = 3.5, rounded down: 3")
    up = walk(nn.MaxPool2d(3, 2, ceil_mode=True), (1, 8, 7))[0]
    assert [line[1] for line in arithmetic_of(up)[:2]] == ["(8 − 3)/2 + 1 = 3.5, rounded up: 4", "(7 − 3)/2 + 1 = 3"]
    odd = walk(nn.Conv2d(1, 1, (3, 5), 2, 1, (2, 1)), (1, 15, 12))[0]
    assert results(odd)["map height"], results(odd)["map width"] == odd.output[1:]
    assert results(odd)["receptive height"] == results(odd)["receptive width"] == 5


# --- networks that do not take an image


WRONG: list[tuple[Classifier, tuple[int, ...], str]] = [
    (LeNet((1, 28, 28), 10), (2, 3, 32, 32), "expected 1 × 28 × 28 .*found 3 × 32 × 32: net.0 .*1 channel .*1 × 5 × 5"),
    (LeNet((1, 28, 28), 10), (2, 1, 32, 32), "found 1 × 32 × 32: net.7 .Linear. takes 400 features, .*input is 576"),
    (LeNet((1, 28, 28), 10), (2, 1, 6, 6), "found 1 × 6 × 6: net.3 .*at least 5 × 5 .*input is 6 × 3 × 3"),
    (LeNet((1, 28, 28), 10), (2, 28, 28), "expected 1 × 28 × 28 .*found 28 × 28: net.7"),
    (LeNet((1, 28, 28), 10), (1, 28, 28), r"expected a batch B × 1 × 28 × 28, found one of .*Try: x\[None\]"),
    (ConvNet((3, 32, 32), 10), (2, 3, 2, 2), "found 3 × 2 × 2: net.13 .MaxPool2d. .*at least 2 × 2 .*64 × 1 × 1"),
    (MLP((1, 28, 28), 10), (2, 3, 32, 32), "found 3 × 32 × 32: net.1 .Linear. takes 784 features, .*input is 3072"),
    (
        Classifier(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(9, 3))),
        (2, 1, 8, 8),
        "net.2 .Linear.: expected 9 features, found 144 from images of 1 × 8 × 8",
    ),
    (
        Classifier(nn.Sequential(nn.Flatten(2), nn.BatchNorm1d(2), nn.LayerNorm(9))),
        (2, 2, 4, 4),
        "net.2 .LayerNorm.: expected inputs of 9, found 2 × 16 from images of 2 × 4 × 4",
    ),
]


@pytest.mark.parametrize(("model", "shape", "line"), WRONG)
def test_images_of_another_shape_are_refused_by_layer(model: Classifier, shape: tuple[int, ...], line: str) -> None:
    with pytest.raises(ValueError, match=f"^(images|geometry) in .*{line}") as caught:
        model.train()(torch.zeros(shape))
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert model.training


def test_other_errors_stay_as_they_are() -> None:
    model = LeNet((1, 28, 28), 10)
    model.net.register_forward_hook(lambda *args: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        model(torch.zeros(2, 1, 28, 28))


def test_images_that_fit_cost_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo.training.checks, "misfit", None)  # would fail if it were asked
    model = LeNet((1, 28, 28), 10)
    assert torch.equal(model(images := torch.rand(2, 1, 28, 28)), model.net(images))


@pytest.mark.parametrize(
    ("net", "line"),
    [
        (nn.Sequential(nn.Conv2d(1, 4, 3)), "net.0 .Conv2d.: expected maps of 1 channel .*found 3 × 9 × 9 from images"),
        (nn.Sequential(nn.Conv2d(3, 4, 11)), "net.0 .Conv2d.: expected a map of at least 11 × 11 .*found 3 × 9 × 9"),
        (
            nn.Sequential(nn.Conv2d(3, 4, 13, padding=(1, 0))),
            "net.0 .*at least 11 × 13 for its 13 × 13 kernel with padding 1 × 0",
        ),
        (nn.Sequential(nn.AvgPool2d(4), nn.MaxPool2d(3)), "net.1 .*at least 3 × 3 for its 3 × 3 .*found 3 × 2 × 2"),
        (nn.Sequential(nn.Flatten(), nn.LazyLinear(4), nn.Linear(5, 1)), "net.2 .*expected 5 features, found 4"),
        (nn.Sequential(nn.BatchNorm2d(4)), "net.0 .BatchNorm2d.: expected 4 channels, found 3 × 9 × 9"),
        (nn.Sequential(Sliced()), "net.0.residual .Conv2d.: expected maps of 2 channels for its 2 × 3 × 3 kernels"),
        (nn.Sequential(nn.PixelShuffle(2)), r"net.0 .PixelShuffle.: expected inputs that fit it, found 3 × 9 × 9 .*\("),
    ],
)
def test_a_network_is_checked_before_it_is_used(net: nn.Sequential, line: str) -> None:
    with pytest.raises(ValueError, match=f"^geometry in {line}"):
        check_geometry(net, (3, 9, 9))


@pytest.mark.parametrize(
    ("kernel", "refused", "pointed_out"),
    [(3, False, False), (7, False, False), (9, False, True), (29, False, True), (55, False, True), (57, True, True)],
)
def test_a_kernel_beyond_the_image(kernel: int, refused: bool, pointed_out: bool) -> None:
    """28 × 28 images: from 29 a kernel is larger than the image, from 57 some of it never meets a pixel."""
    net = nn.Sequential(
        nn.Conv2d(1, 1, kernel, padding=kernel // 2), nn.AvgPool2d(4), nn.Conv2d(1, 1, kernel, padding=kernel // 2)
    )
    if refused:
        with pytest.raises(ValueError, match=r"net.0 \(Conv2d\): .* 55 × 55 .*, found 57 × 57. Try: .*kernel_size 27$"):
            check_geometry(net, (1, 28, 28))
    else:
        check_geometry(net, (1, 28, 28))
        assert bool(oversized(net, (1, 28, 28))) == pointed_out

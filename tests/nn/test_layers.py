"""Protects the mathematics of the parts: initial weights, layers, shapes, learning-rate schedules, counted results."""

import math
from collections.abc import Callable
from itertools import pairwise, product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from zoo.convnet import ConvNet
from zoo.lenet import LeNet
from zoo.mlp import MLP
from zoo.nn.initialisers import INITIALISERS, InitialiserName, initialise
from zoo.nn.layers import ACTIVATIONS, ActivationName, ChannelNorm, NormName, PoolName, activate, check_map, out_side
from zoo.schedules import Cosine, Schedule, Steps, Triangle
from zoo.softmax import SoftmaxRegression
from zoo.training.accumulator import Accumulator


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


# --- initialisers: the variance of a weight from its fan-in n and fan-out m

VARIANCES: dict[InitialiserName, Callable[[int, int], float]] = {
    "he_normal": lambda n, m: 2 / n,
    "he_uniform": lambda n, m: 2 / n,
    "xavier_normal": lambda n, m: 2 / (n + m),
    "xavier_uniform": lambda n, m: 2 / (n + m),
    "normal": lambda n, m: 0.01**2,
    "uniform": lambda n, m: 0.05**2 / 3,
    "zeros": lambda n, m: 0,
    "pytorch": lambda n, m: 1 / (3 * n),
}
UNIFORM: dict[InitialiserName, Callable[[int, int], float]] = {
    "he_uniform": lambda n, m: math.sqrt(6 / n),
    "xavier_uniform": lambda n, m: math.sqrt(6 / (n + m)),
    "uniform": lambda n, m: 0.05,
    "pytorch": lambda n, m: 1 / math.sqrt(n),
}


def started(init: InitialiserName) -> tuple[list[nn.Linear | nn.Conv2d], list[tuple[int, int]]]:
    """A convolution, a dense layer and a last dense layer, with the fan-in and fan-out of each."""
    net = nn.Sequential(nn.Conv2d(32, 64, 5), nn.ReLU(), nn.Flatten(), nn.Linear(600, 300), nn.Linear(300, 200))
    initialise(net, init)
    layers = [layer for layer in net if isinstance(layer, nn.Conv2d | nn.Linear)]
    return layers, [(32 * 25, 64 * 25), (600, 300), (300, 200)]


def test_every_initialiser_is_tested_here() -> None:
    assert {*VARIANCES, "orthogonal", "dirac"} == {*INITIALISERS, "pytorch"}


@pytest.mark.parametrize("init", VARIANCES)
def test_initial_variance(init: InitialiserName) -> None:
    layers, fans = started(init)
    for layer, (n, m), factor in zip(layers, fans, (1, 1, 1 if init == "pytorch" else 0.1), strict=True):
        w = layer.weight.double()
        expected = VARIANCES[init](n, m) * factor**2
        # tens of thousands of weights: the sample variance has a relative standard error below 0.6 %
        assert w.var(correction=0).item() == pytest.approx(expected, rel=0.03)
        assert abs(w.mean().item()) <= 5 * math.sqrt(expected / w.numel())
        if init in UNIFORM:
            bound = UNIFORM[init](n, m) * factor
            assert 0.99 * bound < w.abs().max().item() <= bound * (1 + 1e-6)
        assert layer.bias is not None
        if init != "pytorch":
            assert not layer.bias.any()


def test_orthogonal_rows_or_columns() -> None:
    layers, _ = started("orthogonal")
    for layer, gain in zip(layers, (2, 2, 0.02), strict=True):
        w = layer.weight.flatten(1).double()
        gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        torch.testing.assert_close(gram, gain * torch.eye(len(gram), dtype=torch.double), atol=1e-5, rtol=0)


def test_dirac_hands_the_first_channels_on() -> None:
    layers, ((n, _), *_) = started("dirac")
    first = layers[0]
    assert isinstance(first, nn.Conv2d)
    x = torch.randn(2, 32, 9, 9)
    torch.testing.assert_close(first(x)[:, :32], x[:, :, 2:-2, 2:-2], rtol=1e-5, atol=1e-5)
    rest = first.weight[32:]
    assert rest.var().item() == pytest.approx(2 / n, rel=0.03)
    fewer = nn.Sequential(nn.Conv2d(6, 4, 3, padding=1), nn.Linear(3, 2))
    initialise(fewer, "dirac")
    torch.testing.assert_close(fewer[0](x[:, :6]), x[:, :4])


def test_pytorch_leaves_the_network_as_it_is() -> None:
    net = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 4))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    initialise(net, "pytorch")
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())


def test_initialisers_leave_norms_and_slopes_alone() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.PReLU(), nn.Flatten(), nn.Linear(4, 2))
    initialise(net, "zeros")
    norm, slope = net[1], net[2]
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(slope, nn.PReLU)
    assert norm.weight.eq(1).all()
    assert slope.weight.item() == 0.25


# --- activations


def elu(z: float, alpha: float = 1.0) -> float:
    return z if z > 0 else alpha * (math.exp(z) - 1)


FORMULAS: dict[ActivationName, Callable[[float], float]] = {
    "relu": lambda z: max(z, 0),
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "tanh": lambda z: (math.exp(z) - math.exp(-z)) / (math.exp(z) + math.exp(-z)),
    "leaky_relu": lambda z: max(z, 0) + 0.01 * min(z, 0),
    "prelu": lambda z: max(z, 0) + 0.25 * min(z, 0),  # before training
    "elu": elu,
    "selu": lambda z: 1.0507009873554804934193349852946 * elu(z, 1.6732632423543772848170429916717),
    "silu": lambda z: z / (1 + math.exp(-z)),
    "gelu": lambda z: z * (1 + math.erf(z / math.sqrt(2))) / 2,
    "identity": lambda z: z,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_equals_its_formula(name: ActivationName) -> None:
    z = torch.linspace(-6, 6, 97, dtype=torch.float64)
    expected = torch.tensor([FORMULAS[name](value) for value in z.tolist()], dtype=torch.float64)
    torch.testing.assert_close(activate(name).double()(z), expected, rtol=1e-12, atol=1e-12)


def test_activation_by_class_and_never_shared() -> None:
    assert isinstance(activate(nn.Hardswish), nn.Hardswish)
    assert activate("prelu") is not activate("prelu")  # the slopes are parameters


# --- schedules

SCHEDULES: list[Schedule] = [
    Cosine(),
    Cosine(warmup=0.1),
    Cosine(warmup=0.3, floor=0.2),
    Cosine(warmup=1.0),
    Triangle(),
    Triangle(peak=0.0, floor=0.3),
    Triangle(peak=1.0),
    Triangle(peak=0.4, floor=0.05, start=0.0),
]


def name_of(schedule: Schedule) -> str:
    return f"{type(schedule).__name__}{vars(schedule)}"


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name_of)
def test_schedule_is_continuous_and_bounded(schedule: Schedule) -> None:
    values = [schedule(i / 10_000) for i in range(10_001)]
    assert max(values) == pytest.approx(1, abs=1e-3)
    assert all(0 <= value <= 1 for value in values)
    # the steepest is a rise over a tenth of the training
    assert max(abs(after - before) for before, after in pairwise(values)) < 11 / 10_000


def test_cosine_at_its_corners() -> None:
    schedule = Cosine(warmup=0.2, floor=0.1)
    assert (schedule(0), schedule(0.1), schedule(0.2)) == (0, 0.5, 1)
    assert schedule(0.6) == pytest.approx((1 + 0.1) / 2)  # half-way down
    assert schedule(0.4) == pytest.approx(0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2)
    assert schedule(1) == pytest.approx(0.1)
    assert Cosine()(0) == 1
    assert Cosine()(1) == pytest.approx(0)


def test_triangle_at_its_corners() -> None:
    schedule = Triangle(peak=0.2, floor=0.1, start=0.5)
    assert (schedule(0), schedule(0.1), schedule(0.2)) == (0.5, 0.75, 1)
    assert schedule(0.6) == pytest.approx(0.55)
    assert schedule(1) == pytest.approx(0.1)


def test_steps_at_its_corners() -> None:
    schedule = Steps(at=(0.5, 0.75), factor=0.1)
    values = [schedule(progress) for progress in (0, 0.499, 0.5, 0.749, 0.75, 1)]
    assert values == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_schedules_stay_between_their_ends(warmup: float, floor: float, progress: float) -> None:
    for schedule in (Cosine(warmup, floor), Triangle(warmup, floor, floor)):
        value = schedule(progress)
        assert 0 <= value <= 1 + 1e-12
        if progress >= warmup:
            assert value >= floor - 1e-12


@pytest.mark.parametrize(
    "make", [lambda: Cosine(warmup=1.5), lambda: Cosine(floor=-0.1), lambda: Triangle(peak=2), lambda: Steps(at=(3,))]
)
def test_schedules_refuse_what_is_no_share(make: Callable[[], Schedule]) -> None:
    with pytest.raises(ValueError, match=r"--model\.schedule\.\w+: expected 0 to 1, found"):
        make()


# --- models that are one another


def test_mlp_without_hidden_layers_is_softmax_regression() -> None:
    x = torch.rand(5, 3, 8, 6)
    mlp, softmax = MLP((3, 8, 6), 4, hidden=[]), SoftmaxRegression((3, 8, 6), 4)
    assert not mlp(x).equal(softmax(x))
    mlp.load_state_dict(softmax.state_dict())
    assert mlp(x).equal(softmax(x))


def test_softmax_regression_is_its_formula() -> None:
    model = SoftmaxRegression((3, 8, 6), 4)
    x = torch.rand(5, 3, 8, 6)
    weight, bias = model.net.get_parameter("1.weight"), model.net.get_parameter("1.bias")
    torch.testing.assert_close(model(x), x.reshape(5, -1) @ weight.T + bias)


def test_identity_collapses_to_one_linear_map() -> None:
    model = MLP((1, 8, 6), 4, hidden=[30, 20, 10], activation="identity", init="pytorch").double()
    weight, bias = torch.eye(48, dtype=torch.float64), torch.zeros(48, dtype=torch.float64)
    for layer in model.net.modules():
        if isinstance(layer, nn.Linear):
            weight, bias = layer.weight @ weight, layer.weight @ bias + layer.bias
    assert weight.shape == (4, 48)
    x = torch.randn(9, 1, 8, 6, dtype=torch.float64)
    torch.testing.assert_close(model(x), x.flatten(1) @ weight.T + bias)
    relu = MLP((1, 8, 6), 4, hidden=[30, 20, 10], init="pytorch").double()
    relu.load_state_dict(model.state_dict())
    assert not torch.allclose(relu(x), model(x))


# --- shapes


@pytest.mark.parametrize(("kernel_size", "stride", "padding"), [*product((1, 2, 3, 5), (1, 2, 3), (0, 1, 2))])
def test_out_side_is_that_of_a_convolution(kernel_size: int, stride: int, padding: int) -> None:
    layer = nn.Conv2d(1, 1, kernel_size, stride, padding)
    for side in range(kernel_size, 15):
        assert layer(torch.zeros(1, 1, side, 5)).shape[2] == out_side(side, kernel_size, stride, padding)


def test_check_map_accepts_what_a_convolution_accepts() -> None:
    for height, width, kernel_size, padding in product((1, 2, 4, 5), (1, 3, 5), (1, 3, 5), (0, 1, 2)):
        try:
            nn.Conv2d(1, 1, kernel_size, padding=padding)(torch.zeros(1, 1, height, width))
        except RuntimeError:
            with pytest.raises(ValueError, match=f"geometry in it: expected .* found 1 × {height} × {width}"):
                check_map("it", (1, height, width), kernel_size, padding)
        else:
            check_map("it", (1, height, width), kernel_size, padding)


def map_shapes(net: nn.Module, x: Tensor, kind: type[nn.Module] | tuple[type[nn.Module], ...]) -> list[tuple[int, ...]]:
    """Shapes of what the layers of a kind put out, without the batch."""
    shapes: list[tuple[int, ...]] = []
    for layer in net.modules():
        if isinstance(layer, kind):
            layer.register_forward_hook(lambda _layer, _x, out: shapes.append(tuple(out.shape[1:])))
    net(x)
    return shapes


def test_lenet_has_the_maps_of_its_docstring() -> None:
    model = LeNet((1, 28, 28), 10)
    shapes = map_shapes(model.net, torch.zeros(2, 1, 28, 28), (nn.Conv2d, nn.MaxPool2d, nn.Flatten, nn.Linear))
    assert shapes == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (400,), (120,), (84,), (10,)]
    # LeCun et al. 1998: 156 in C1; full connections make 2,416 of the 1,516 in C3; then 400-120-84-10
    parameters = [p.numel() for p in model.parameters()]
    assert sum(parameters) == 156 + 2_416 + 48_120 + 10_164 + 850


def test_lenet_takes_32_by_32_without_padding() -> None:
    model = LeNet((3, 32, 32), 10)
    shapes = map_shapes(model.net, torch.zeros(2, 3, 32, 32), (nn.Conv2d, nn.MaxPool2d))
    assert shapes == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5)]


def test_convnet_has_the_maps_of_its_docstring() -> None:
    model = ConvNet((1, 28, 28), 10)
    shapes = map_shapes(model.net, torch.zeros(2, 1, 28, 28), (nn.MaxPool2d, nn.Flatten, nn.Linear))
    assert shapes == [(32, 14, 14), (64, 7, 7), (128, 3, 3), (1152,), (10,)]


@pytest.mark.parametrize(("norm", "pool"), [*product(("none", "batch", "layer"), ("max", "avg", "stride"))])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 19, 26)], ids=str)
def test_images_give_one_row_of_scores_each(shape: tuple[int, int, int], norm: NormName, pool: PoolName) -> None:
    models = [
        LeNet(shape, 7, norm=norm, pool=pool),
        ConvNet(shape, 7, channels=(4, 8), depth=1, norm=norm, pool=pool),
        MLP(shape, 7, hidden=[5], norm=norm),
    ]
    x = torch.rand(3, *shape)
    for model in models:
        model.eval()
        assert model(x).shape == (3, 7)
        torch.testing.assert_close(model(x[1:2]), model(x)[1:2])
        # a device for which no image is left over evaluates an empty batch
        nothing = model(x[:0])
        assert nothing.shape == (0, 7)
        assert F.cross_entropy(nothing, torch.zeros(0, dtype=torch.long), reduction="sum") == 0


@pytest.mark.parametrize(("norm", "dense", "conv"), [
    ("none", [nn.Linear, nn.ReLU], [nn.Conv2d, nn.ReLU]),
    ("batch", [nn.Linear, nn.BatchNorm1d, nn.ReLU], [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]),
    ("layer", [nn.Linear, nn.LayerNorm, nn.ReLU], [nn.Conv2d, ChannelNorm, nn.ReLU]),
])  # fmt: skip
def test_norms_stand_between_a_layer_and_its_activation(
    norm: NormName, dense: list[type[nn.Module]], conv: list[type[nn.Module]]
) -> None:
    mlp = MLP((1, 28, 28), 10, hidden=[20, 30], norm=norm, dropout=0.5)
    hidden = [*dense, nn.Dropout]
    assert [type(layer) for layer in mlp.net.children()] == [nn.Flatten, *hidden, *hidden, nn.Linear]
    convnet = ConvNet((1, 28, 28), 10, channels=[4, 8], depth=2, norm=norm)
    stage = [*conv, *conv, nn.MaxPool2d]
    assert [type(layer) for layer in convnet.net.children()][: 2 * len(stage)] == 2 * stage


def test_channel_norm_is_layer_norm_over_the_whole_map() -> None:
    x = 3 * torch.randn(4, 6, 5, 7) + 1
    torch.testing.assert_close(ChannelNorm(6)(x), nn.LayerNorm((6, 5, 7))(x), rtol=1e-5, atol=1e-5)


# --- accumulator


@pytest.mark.parametrize("num_classes", [2, 10])
def test_tally_equals_torchmetrics(num_classes: int) -> None:
    accuracy = MulticlassAccuracy(num_classes, average="micro")
    confusion = MulticlassConfusionMatrix(num_classes)
    accumulator = Accumulator(num_classes, torch.device("cpu"))
    all_logits, all_labels = [], []
    for size in (100, 100, 37, 0, 1):
        logits, y = torch.randn(size, num_classes), torch.randint(num_classes, (size,))
        accumulator.add(logits, y, F.cross_entropy(logits, y, reduction="sum"))
        all_logits.append(logits)
        all_labels.append(y)
        if size:
            accuracy.update(logits, y)
            confusion.update(logits, y)
    result = accumulator.result(SingleDeviceStrategy(torch.device("cpu")))
    assert result.n == 238
    assert result.accuracy == pytest.approx(accuracy.compute().item(), abs=1e-7)
    assert result.confusion.equal(confusion.compute())
    whole = F.cross_entropy(torch.cat(all_logits).double(), torch.cat(all_labels)).item()
    assert result.loss == pytest.approx(whole, rel=1e-6)
    assert (type(result.accuracy), type(result.loss), type(result.n)) == (float, float, int)


def test_tally_rows_are_labels() -> None:
    accumulator = Accumulator(3, torch.device("cpu"))
    accumulator.add(torch.tensor([[0.0, 0, 9], [0, 0, 9], [9, 0, 0]]), torch.tensor([1, 1, 0]), torch.tensor(0.0))
    expected = [[1, 0, 0], [0, 0, 2], [0, 0, 0]]
    assert accumulator.result(SingleDeviceStrategy(torch.device("cpu"))).confusion.tolist() == expected


def test_tally_of_nothing() -> None:
    result = Accumulator(3, torch.device("cpu")).result(SingleDeviceStrategy(torch.device("cpu")))
    assert result.n == 0
    assert math.isnan(result.accuracy)
    assert math.isnan(result.loss)

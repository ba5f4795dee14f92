"""Protects what the diagnostics say about networks and tensors of known answer, their file, their pictures."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from zoo import MLP
from zoo.callbacks.activations import activation_statistics, saturated_share, slopes
from zoo.callbacks.dead_units import dead_share, dead_units
from zoo.callbacks.diagnostic import Diagnostic, learned_biases, learned_weights
from zoo.callbacks.gap import Gap, gap
from zoo.callbacks.gradients import gradient_norms
from zoo.callbacks.probe import ProbeDiagnostic, is_activation, record_activations
from zoo.callbacks.updates import update_ratios
from zoo.nn.layers import ACTIVATIONS
from zoo.runs.diagnostics import DiagnosticsFile, Reading, grid_of, read_diagnostics
from zoo.runs.figures.diagnostic_figures import HEAT_MAPS, draw_diagnostics, limits
from zoo.training.accumulator import Result

FUNCTIONS = [name for name in ACTIVATIONS if name != "identity"]


def mlp(**options: Any) -> MLP:
    torch.manual_seed(0)
    return MLP((1, 4, 4), 3, hidden=[8, 6], **options)


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(20, 1, 4, 4, generator=generator), torch.arange(20) % 3


# gradients and updates


def test_gradient_norms_are_those_of_a_plain_loop():
    model = mlp()
    x, y = batch()
    F.cross_entropy(model(x), y).backward()
    for found, name in (
        (gradient_norms(learned_weights(model)), "weight"),
        (gradient_norms(learned_biases(model)), "bias"),
    ):
        assert list(found) == ["net.1", "net.3", "net.5"]
        for layer, norm in found.items():
            gradient = model.get_parameter(f"{layer}.{name}").grad
            assert gradient is not None
            total = 0.0
            for value in gradient.flatten().tolist():
                total += value**2
            assert norm == pytest.approx(math.sqrt(total), rel=1e-5)


def test_gradients_behind_sigmoids_shrink_as_the_chain_rule_says():
    """One unit a layer, weights 1: the gradient of layer k is h[k-1] times the product of h (1 - h) above it."""
    depth = 6
    chain = nn.Sequential(*[layer for _ in range(depth) for layer in (nn.Linear(1, 1), nn.Sigmoid())])
    for parameter in chain.parameters():
        nn.init.constant_(parameter, float(parameter.ndim > 1))
    chain(torch.ones(1, 1)).sum().backward()
    h = [1.0]
    for _ in range(depth):
        h.append(1 / (1 + math.exp(-h[-1])))
    expected = [h[k] * math.prod(value * (1 - value) for value in h[k + 1 :]) for k in range(depth)]
    assert list(gradient_norms(learned_weights(chain)).values()) == pytest.approx(expected, rel=1e-5)


def test_what_is_not_learned_has_no_gradient_to_measure():
    model = mlp(norm="batch")
    model.get_parameter("net.1.weight").requires_grad_(False)
    assert list(learned_weights(model)) == ["net.4", "net.7"]  # and the scales of the norms are no weights
    assert gradient_norms(learned_weights(model)) == {}  # no backward pass yet


def test_the_update_ratio_of_gradient_descent_is_its_formula():
    model, lr = mlp(), 0.3
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    x, y = batch()
    F.cross_entropy(model(x), y).backward()
    weights = learned_weights(model)
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    gradients = gradient_norms(weights)
    optimizer.step()
    ratios = update_ratios(before, weights)
    for name, weight in before.items():
        assert ratios[name] == pytest.approx(lr * gradients[name] / weight.norm().item(), rel=1e-4)


def test_update_ratios_of_weights_that_are_zero_or_stay():
    one, zero = torch.ones(2, 2), torch.zeros(2, 2)
    assert update_ratios({"a": one, "b": zero, "c": zero}, {"a": one, "b": one, "c": zero}) == {
        "a": 0.0,
        "b": math.inf,
        "c": 0.0,
    }


# activations


@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes_are_the_quotients_of_differences(name):
    activation, h = ACTIVATIONS[name]().double(), 1e-6
    x = torch.linspace(-5, 5, 200, dtype=torch.float64)[:, None]  # the kink at 0 is not among them
    quotients = (activation(x + h) - activation(x - h)) / (2 * h)
    torch.testing.assert_close(slopes(activation, x).double(), quotients.detach(), rtol=1e-4, atol=1e-5)


def test_saturation_of_sigmoid_and_tanh_is_that_of_their_formulas():
    x = 4 * torch.randn(500, 7, generator=torch.Generator().manual_seed(0))
    y = x.sigmoid()
    expected = (4 * y * (1 - y) < 0.05).float().mean()  # its slope y (1 - y) is 1/4 at most
    assert 0.2 < expected < 0.8
    assert saturated_share(nn.Sigmoid(), x) == expected
    assert saturated_share(nn.Tanh(), x) == (1 - x.tanh() ** 2 < 0.05).float().mean()
    assert saturated_share(nn.Tanh(), x / 2) == expected  # tanh(x / 2) = 2 sigmoid(x) - 1


def test_saturation_of_functions_with_a_straight_side():
    x = torch.tensor([[-1.0, -2.0, -3.0, 1.0]])
    assert saturated_share(nn.ReLU(), x) == 0.75
    assert saturated_share(nn.LeakyReLU(0.01), x) == 0.75
    assert saturated_share(nn.LeakyReLU(0.2), x) == 0
    assert saturated_share(nn.PReLU(num_parameters=4, init=0.2), x) == 0  # a slope for each unit
    assert saturated_share(nn.ReLU(inplace=True), x) == 0.75
    assert x.tolist() == [[-1.0, -2.0, -3.0, 1.0]]


def test_mean_and_variance_are_those_of_numpy():
    x = torch.randn(50, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    y = np.maximum(x.numpy().astype(np.float64), 0)
    assert activation_statistics(nn.ReLU(), x).tolist() == pytest.approx([y.mean(), y.var(), (y == 0).mean()], rel=1e-5)


# dead units


def test_dead_units_of_a_network_made_by_hand():
    """Unit 0 is alive; 1 is never reached; 2 is alive on one image only; 3 has a weight but lies too low."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU())
    first, second = net[1], net[3]
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)
    first.weight.data = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    first.bias.data = torch.tensor([0.0, 0.0, -8.5, -100.0])
    second.bias.data.fill_(-10.0)
    second.weight.data.fill_(0.1)
    x = torch.arange(20.0).reshape(10, 1, 1, 2) / 2  # 0 to 9 in the first column
    assert record_activations(net, x, lambda layer, z: dead_units(layer.forward(z)).tolist()) == {
        "net.2": [False, True, False, True],
        "net.4": [True] * 4,
    }
    assert {name: share.item() for name, share in record_activations(net, x, dead_share).items()} == {
        "net.2": 0.5,
        "net.4": 1.0,
    }


def test_units_are_columns_channels_and_features_of_tokens():
    for shape, axis in (((5, 3), 1), ((5, 3, 2, 2), 1), ((5, 7, 3), 2)):
        y = torch.ones(shape)
        y.select(axis, 1).zero_()
        assert dead_units(y).tolist() == [False, True, False]
        y.select(axis, 1)[(2, *[0] * (len(shape) - 2))] = 1e-9  # somewhere, on one image
        assert not dead_units(y).any()


@pytest.mark.parametrize(("name", "share"), [("relu", 1), ("leaky_relu", 0), ("prelu", 0), ("elu", 0), ("selu", 0)])
def test_a_bias_of_minus_ten_kills_relus_only(name, share):
    model = mlp(activation=name)
    bias = model.get_parameter("net.1.bias")
    bias.data.fill_(-10.0)
    assert record_activations(model.net, batch()[0], dead_share)["net.2"] == share


# the pass that looks


def test_every_activation_of_the_zoo_is_looked_at_and_nothing_else():
    assert all(is_activation(ACTIVATIONS[name]()) for name in FUNCTIONS)
    others = (
        nn.Identity(),
        nn.BatchNorm1d(2),
        nn.Dropout(),
        nn.Softmax(1),
        nn.MultiheadAttention(4, 2),
        nn.Linear(2, 2),
    )
    assert not any(is_activation(layer) for layer in others)


def test_looking_changes_nothing():
    model = mlp(norm="batch", dropout=0.5, activation=lambda: nn.ReLU(inplace=True))
    model.train()
    model.get_submodule("net.2").eval()  # a mode of its own
    x = batch()[0]
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    tracking = [getattr(module, "track_running_stats", None) for module in model.modules()]
    pixels, random = x.clone(), torch.get_rng_state()
    first, second = (record_activations(model.net, x, activation_statistics) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in ("net.3", "net.7"))  # nothing is dropped
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert modes == [module.training for module in model.modules()]
    assert tracking == [getattr(module, "track_running_stats", None) for module in model.modules()]
    assert torch.equal(pixels, x)
    assert torch.equal(random, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


def test_batch_normalisation_is_in_force_from_the_start():
    """Its running statistics say 0 and 1 before the first step, whatever comes in."""
    model = mlp(norm="batch")
    seen = record_activations(model.net, 100 * batch()[0] + 50, lambda layer, x: x)
    for x in seen.values():
        torch.testing.assert_close(x.mean(0), torch.zeros_like(x[0]), atol=1e-4, rtol=0)
        torch.testing.assert_close(x.var(0, correction=0), torch.ones_like(x[0]), atol=1e-3, rtol=0)


# the gap, and values that are refused


def test_the_gap_is_positive_where_validation_is_worse():
    train, val = (Result(accuracy, loss, 10, torch.zeros(1)) for accuracy, loss in ((0.9, 0.25), (0.7, 0.75)))
    assert gap(train, val) == pytest.approx({"gap/loss": 0.5, "gap/accuracy": 0.2})


@pytest.mark.parametrize(
    ("make", "option"), [(Diagnostic, "every_n_steps"), (ProbeDiagnostic, "images"), (Gap, "images")]
)
def test_numbers_that_mean_nothing_are_refused(make, option):
    with pytest.raises(ValueError, match=rf"in --trainer\.callbacks\.{option}: expected at least \d, found -1\. Try: "):
        make(**{option: -1})


# the file


READINGS = [
    Reading(0, 0, "net.1", "gradient_norm", 0.25),
    Reading(0, 0, "net.10", "gradient_norm", 0.0),
    Reading(0, 0, "", "gap/loss", -0.5),
    Reading(9, 0, "net.1", "gradient_norm", math.inf),
    Reading(19, 1, "net.10", "gradient_norm", 1e-12),
]


def file_of(path: Path, *readings: Reading) -> DiagnosticsFile:
    file = DiagnosticsFile(path)
    file.add(readings)
    file.write()
    return file


def test_readings_come_back_from_the_file(tmp_path):
    assert read_diagnostics(tmp_path / "none.csv") == []
    file_of(tmp_path / "a.csv", *READINGS)
    assert read_diagnostics(tmp_path / "a.csv") == READINGS
    assert (tmp_path / "a.csv").read_text().splitlines()[0] == "step,epoch,layer,quantity,value"


def test_a_run_that_goes_on_has_each_reading_once(tmp_path):
    path = tmp_path / "a.csv"
    file_of(path, *READINGS)
    file = DiagnosticsFile(path)
    file.continue_from(9)
    file.add([READINGS[3]._replace(value=4.0), READINGS[4]])
    file.write()
    assert read_diagnostics(path) == [*READINGS[:3], READINGS[3]._replace(value=4.0), READINGS[4]]


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = DiagnosticsFile()
    file.add(READINGS)
    file.write()
    assert file.readings == READINGS
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "step,epoch,layer,quantity,value\n1,0,net,x\n", "step\0"])
def test_another_file_is_refused(text, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=r"readings in .+a\.csv: expected rows of step, .+, found others .+ Try: "):
        read_diagnostics(tmp_path / "a.csv")


def test_the_grid_keeps_the_order_of_layers_and_sorts_steps():
    grid = grid_of([READINGS[3], READINGS[0], READINGS[1], READINGS[4]], "gradient_norm")
    assert (grid.layers, grid.steps) == (["net.1", "net.10"], [0, 9, 19])
    np.testing.assert_array_equal(grid.values, [[0.25, np.inf, np.nan], [0, np.nan, 1e-12]])
    assert grid_of(READINGS, "dead_units").values.shape == (0, 0)


# pictures


def heat(figure: Figure) -> np.ndarray:
    values = figure.axes[0].images[0].get_array()
    assert values is not None
    return np.ma.filled(values, np.nan)


def test_heat_maps_show_powers_of_ten_with_the_input_on_top():
    figure = draw_diagnostics(READINGS, "MLP")["gradient_norm"]
    np.testing.assert_allclose(heat(figure), [[np.log10(0.25), np.nan, np.nan], [np.nan, np.nan, -12]])
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["net.1", "net.10"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "9", "19"]
    assert axes.yaxis_inverted()
    assert {text.get_text() for text in axes.texts} == {"−0.6", "−12.0"}


def test_there_is_a_picture_of_each_quantity_that_was_read():
    assert draw_diagnostics([], "MLP") == {}
    readings = [Reading(step, 0, "net.2", name, 0.5) for name in HEAT_MAPS for step in range(40)]
    readings += [Reading(5, 0, "", name, 0.1) for name in ("gap/loss", "gap/accuracy")]
    assert list(draw_diagnostics(readings, "MLP")) == [*HEAT_MAPS, "gap"]
    assert not draw_diagnostics(readings, "MLP")["saturation"].axes[0].texts  # 40 numbers in a row cannot be read


@pytest.mark.parametrize(
    ("values", "ends"), [([-1.0, -1.0], (-2, 0)), ([np.nan], (-1, 1)), ([-7.0, np.nan, 1.5], (-7, 1.5))]
)
def test_limits_of_a_scale(values, ends):
    assert limits(np.array(values)) == ends


def test_the_picture_of_the_gap_says_what_it_is():
    """And its steps are whole."""
    readings = [Reading(step, 0, "", quantity, 0.1) for quantity in ("gap/loss", "gap/accuracy") for step in (10, 20)]
    figure = draw_diagnostics(readings, "MLP")["gap"]
    for axes, words in zip(figure.axes, ("validation − training", "training − validation"), strict=True):
        assert words in axes.get_ylabel()
        assert all(tick == round(tick) for tick in axes.get_xticks())

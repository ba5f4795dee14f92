"""Protects Muon: its mathematics against slow references, and what an optimiser of torch owes to those who use it."""

import copy
import io
import math
import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cli import main
from zoo.checkpoints.storage import read_checkpoint
from zoo.optimizers import QUINTIC, Muon, orthogonalise
from zoo.runs.folder import RunFolder

SHAPES = [(16, 40), (40, 16), (24, 24), (3, 200)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def slowly(matrix: Tensor, steps: int) -> Tensor:
    """What the iteration comes to, by singular values in float64: each goes through the quintic, vectors stay."""
    u, s, v = torch.linalg.svd(matrix.double() / matrix.double().norm(), full_matrices=False)
    a, b, c = QUINTIC
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    return (u * s) @ v * max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("steps", [1, 3, 5])
def test_orthogonalised_equals_the_slow_reference(shape, steps):
    matrix = random(*shape)
    torch.testing.assert_close(orthogonalise(matrix, steps).double(), slowly(matrix, steps), rtol=1e-4, atol=1e-5)


def test_hardly_varying_directions_do_not_break_the_iteration():
    """Sums of squares in float32 lose what is below some thousandth of the largest value: little may come of it."""
    matrix = random(32, 4) @ random(4, 90, seed=1) + 1e-4 * random(32, 90, seed=2)
    for steps in (3, 5):
        torch.testing.assert_close(orthogonalise(matrix, steps).double(), slowly(matrix, steps), rtol=0, atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_singular_values_come_near_one_and_vectors_stay(shape):
    matrix = random(*shape)
    scale = max(1, shape[0] / shape[1]) ** 0.5
    u, s, v = torch.linalg.svd(matrix.double(), full_matrices=False)
    inner = (u.T @ orthogonalise(matrix, 5).double() @ v.T) / scale
    found = inner.diagonal()
    above = s / s.norm() > 0.03  # smaller ones need more steps
    assert above.sum() > 0.7 * len(s)
    assert ((found[above] > 0.66) & (found[above] < 1.15)).all()
    assert (inner - found.diag()).abs().max() < 1e-3


def test_the_size_of_a_gradient_does_not_matter_and_none_moves_nothing():
    matrix = random(8, 20)
    torch.testing.assert_close(orthogonalise(1e4 * matrix, 3), orthogonalise(matrix, 3))
    assert not orthogonalise(torch.zeros(8, 20), 3).any()


def net() -> nn.Sequential:
    torch.manual_seed(0)
    layers = (nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3, bias=False), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(4 * 16, 5)).to(memory_format=torch.channels_last)


def learn(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(random(10, 2, 8, 8, seed=step)), torch.arange(10) % 5)
        loss.backward()
        optimizer.step()


def test_everything_but_filters_moves_as_with_sgd():
    """Bit for bit, given the same gradients, and filters have SGD's momentum."""
    model, other = net(), net()
    muon = Muon(model.parameters(), lr=0.1, momentum=0.7, sgd_lr=0.2, sgd_momentum=0.9, bias_factor=0.5)
    groups = [
        {"params": [p for p in other.parameters() if p.ndim == 4], "momentum": 0.7},
        {"params": [p for p in other.parameters() if p.ndim == 2], "lr": 0.2},
        {"params": [p for p in other.parameters() if p.ndim == 1], "lr": 0.1},
    ]
    sgd = torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=True)
    for step in range(4):
        learn(model, muon, range(step, step + 1))
        for mine, its in zip(model.parameters(), other.parameters(), strict=True):
            assert mine.grad is not None
            its.grad = mine.grad.clone()
        sgd.step()
        for mine, its in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.equal(muon.state[mine]["momentum_buffer"], sgd.state[its]["momentum_buffer"])
            assert mine.ndim == 4 or torch.equal(mine, its)


@pytest.mark.parametrize("unit", [False, True], ids=["free", "unit"])
def test_filters_move_by_the_orthogonalised_momentum(unit):
    weight = nn.Parameter(random(6, 4, 3, 3).to(memory_format=torch.channels_last))
    optimizer = Muon([weight], lr=0.3, momentum=0.5, weight_decay=0.2, steps=3, unit_filters=unit)
    expected, momentum = weight.detach().double(), torch.zeros(6, 4, 3, 3, dtype=torch.double)
    for step in range(3):
        gradient = random(6, 4, 3, 3, seed=10 + step)
        weight.grad = gradient.clone(memory_format=torch.channels_last)
        optimizer.step()
        momentum = 0.5 * momentum + gradient
        turned = slowly((gradient + 0.5 * momentum).flatten(1), 3).view_as(expected)
        if unit:
            expected = expected / expected.square().mean(0).sum().sqrt()  # rows of norm 1 on average
        expected = (1 - 0.3 * 0.2) * expected - 0.3 * turned
        torch.testing.assert_close(weight.detach().double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("unit", [False, True], ids=["free", "unit"])
def test_matrices_are_turned_on_request_and_keep_their_size(unit):
    """A Linear moves as the convolution with 1 × 1 kernels that does the same, filters of free size, does."""
    matrix, filters = nn.Parameter(random(6, 9)), nn.Parameter(random(6, 9, 1, 1))
    muon = Muon([matrix, nn.Parameter(random(2, 2, 1, 1))], lr=0.3, matrices=True, unit_filters=unit, weight_decay=0.2)
    other = Muon([filters], lr=0.3, weight_decay=0.2)
    for step in range(3):
        matrix.grad = random(6, 9, seed=5 + step)
        filters.grad = matrix.grad.view(6, 9, 1, 1).clone()
        muon.step()
        other.step()
    torch.testing.assert_close(matrix, filters.view(6, 9))


def test_only_vectors_are_left_to_sgd_beside_matrices():
    model = net()
    groups = Muon(model.parameters(), lr=0.1, sgd_lr=0.2, bias_factor=0.5, matrices=True).param_groups
    assert [(group["lr"], group["orthogonal"]) for group in groups] == [(0.1, True), (0.1, False)]
    assert [sorted({p.ndim for p in group["params"]}) for group in groups] == [[2, 4], [1]]


def test_the_size_of_unit_filters_does_not_matter():
    for start in (random(6, 4, 3, 3), torch.zeros(6, 4, 3, 3)):
        results = []
        for scale in (1.0, 50.0):
            weight = nn.Parameter(scale * start)
            weight.grad = random(6, 4, 3, 3, seed=1)
            Muon([weight], unit_filters=True).step()
            results.append(weight.detach())
        torch.testing.assert_close(*results)
        assert results[0].isfinite().all()


def test_decay_is_scaled_by_the_rate_and_spares_biases():
    model = net()
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = Muon(model.parameters(), lr=0.1, sgd_lr=0.5, weight_decay=0.2)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    shares = {4: 1 - 0.1 * 0.2, 2: 1 - 0.5 * 0.2, 1: 1}
    for p, start in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(p.detach(), shares[p.ndim] * start)


def test_a_parameter_without_gradient_stays():
    model = net()
    optimizer = Muon(model.parameters())
    first = next(model.parameters())
    first.requires_grad_(False)
    before = first.clone()
    learn(model, optimizer, range(2))
    assert torch.equal(first, before)
    assert first not in optimizer.state
    optimizer.zero_grad()
    weights = [p.clone() for p in model.parameters()]
    optimizer.step()
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), weights, strict=True))


def test_goes_on_from_its_state_bit_for_bit():
    model = net()
    optimizer = Muon(model.parameters(), weight_decay=0.01)
    learn(model, optimizer, range(3))
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    again = copy.deepcopy(model)
    learn(model, optimizer, range(3, 6))
    file.seek(0)
    resumed = Muon(again.parameters(), lr=9.0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    learn(again, resumed, range(3, 6))
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))


def test_a_closure_is_run_with_gradients_and_its_loss_returned():
    weight = nn.Parameter(random(2, 2, 1, 1))
    optimizer = Muon([weight])

    def closure() -> Tensor:
        loss = weight.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == pytest.approx(random(2, 2, 1, 1).square().sum().item())


def test_a_scaler_of_losses_works_with_it():
    """As in 16-mixed: scaled gradients are unscaled before the step, a step whose gradients overflow is left out."""
    model, other = net(), net()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    optimizer, plain = Muon(model.parameters()), Muon(other.parameters())
    for net_, optimizer_, scale in ((model, optimizer, scaler.scale), (other, plain, lambda loss: loss)):
        scale(F.cross_entropy(net_(random(10, 2, 8, 8)), torch.arange(10) % 5)).backward()
        scaler.step(optimizer_) if optimizer_ is optimizer else optimizer_.step()
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters(), strict=True))
    scaler.update()
    weight, other_weight = next(model.parameters()), next(other.parameters())
    weight.grad = torch.full_like(weight, torch.inf)
    scaler.step(optimizer)
    assert torch.equal(weight, other_weight)


WORDS = (
    "--data Digits --data.train_size 320 --data.batch_size 32 --model LeNet --model.channels [4,8]"
    " --model.optimizer zoo.optimizers.Muon --model.optimizer.lr 0.1 --model.optimizer.sgd_lr 0.02"
    " --model.schedule Steps --model.schedule.at [0.9] --model.schedule.factor 1"
    " --trainer.accelerator cpu --trainer.gradient_clip_val 1 --trainer.accumulate_grad_batches 2"
)


def test_the_command_trains_with_it_and_goes_on(tmp_path):
    argv = ["fit", *WORDS.split()]
    main([*argv, "--run_dir", str(tmp_path / "a"), "--trainer.max_epochs", "2"])
    main([*argv, "--run_dir", str(tmp_path / "b"), "--trainer.max_epochs", "1"])
    longer = ["--trainer.max_epochs", "2", "--resume", "must", "--resume_schedule", "stretch"]
    main([*argv, "--run_dir", str(tmp_path / "b"), *longer])
    mine, other = (read_checkpoint(RunFolder(tmp_path / name).last) for name in "ab")
    assert [group["lr"] for group in mine["optimizer_states"][0]["param_groups"]] == [0.1, 0.02, 0.02]
    assert mine["global_step"] == 10
    for name, weight in mine["state_dict"].items():
        assert torch.equal(weight, other["state_dict"][name]), name


BAD: list[tuple[dict[str, Any], str]] = [
    ({"lr": -1.0}, "number in --model.optimizer.lr: expected 0 or more, found -1.0"),
    ({"lr": math.nan}, "number in --model.optimizer.lr: expected 0 or more, found nan"),
    ({"sgd_lr": math.inf}, "number in --model.optimizer.sgd_lr: expected 0 or more, found inf"),
    ({"weight_decay": -0.1}, "number in --model.optimizer.weight_decay: expected 0 or more, found -0.1"),
    ({"bias_factor": -2}, "number in --model.optimizer.bias_factor: expected 0 or more, found -2"),
    ({"momentum": 1.0}, "share in --model.optimizer.momentum: expected 0 to below 1, found 1.0"),
    ({"sgd_momentum": -0.5}, "share in --model.optimizer.sgd_momentum: expected 0 to below 1, found -0.5"),
    ({"steps": 0}, "iterations in --model.optimizer.steps: expected at least 1, found 0"),
]


@pytest.mark.parametrize(("settings", "message"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_bad_settings_are_told(settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Muon([nn.Parameter(torch.zeros(2, 2, 1, 1))], **settings)


def test_a_network_without_filters_is_told():
    with pytest.raises(ValueError, match=r"convolutions among them, found none.*--model\.optimizer\.matrices true$"):
        Muon(nn.Linear(3, 2).parameters())
    with pytest.raises(ValueError, match="expected filters of convolutions among them, found none"):
        Muon([nn.Parameter(torch.zeros(3))], matrices=True)

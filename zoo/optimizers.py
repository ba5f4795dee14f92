"""Muon: filters, on request matrices too, move by their orthogonalised momentum; the rest moves by SGD.

    filters W (C', C, k, k), gradient G:  M <- μ M + G,  W <- (1 - ηλ) W - η · orthogonalise(G + μ M, as (C', C·k·k))
    matrices W (M, N), on request:        the same, as they are
    the rest w, gradient g:               m <- μ m + g,  w <- (1 - ηλ) w - η (g + μ m)

Orthogonalised means that the singular values become 1 and the singular vectors stay: all directions of a filter bank
move alike, not only the few that dominate its gradient. Jordan et al. 2024, "Muon", and arXiv 2404.00498, whose
networks it trains. `torch.optim.Muon` takes matrices only, and would need a second optimiser beside it for the rest.

    --model.optimizer zoo.optimizers.Muon --model.optimizer.lr 0.24 --model.optimizer.sgd_lr 0.05
    --model.optimizer zoo.optimizers.Muon --model.optimizer.matrices true --model.optimizer.lr 0.01       a Transformer
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

# x -> a x + b x³ + c x⁵ lifts small values steeply and holds large ones between 0.68 and 1.13 (Jordan et al. 2024):
# it does not converge to 1, but is near it in fewer steps than a polynomial that does
QUINTIC = (3.4445, -4.7750, 2.0315)


class Muon(Optimizer):
    """One optimiser for all parameters of a network, in up to three groups with rates of their own.

    Args:
        params: the parameters; those with four axes are filters, those with two matrices.
        lr: rate of orthogonalised updates: in a step without momentum the weights of each filter, or each row of a
            matrix, move by about this norm.
        momentum: μ of orthogonalised updates, from 0 to below 1.
        sgd_lr: rate of the rest.
        sgd_momentum: μ of the rest, from 0 to below 1.
        bias_factor: multiplies `sgd_lr` for parameters with one axis: biases, and scales and shifts of norms.
        weight_decay: λ, the share of a weight that is taken off for each unit of rate (Loshchilov and Hutter 2019,
            arXiv 1711.05101); none for parameters with one axis.
        steps: of the Newton–Schulz iteration that orthogonalises.
        unit_filters: whether filters are brought back to a norm of 1 (all C' of a layer together to √C') before each
            step. A norm behind them hides their size, but as they grow the same step turns them less and less; so
            `lr` alone says how far they turn (Jordan 2024, arXiv 2404.00498, the repository's airbench94_muon).
        matrices: whether updates of matrices are orthogonalised as those of filters are: for Transformers and MLPs.
            Their size stays free, since there need not be a norm behind them.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.1,
        momentum: float = 0.6,
        sgd_lr: float = 0.05,
        sgd_momentum: float = 0.85,
        bias_factor: float = 1.0,
        weight_decay: float = 0.0,
        steps: int = 3,
        unit_filters: bool = False,
        matrices: bool = False,
    ) -> None:
        for name, value in (
            ("lr", lr),
            ("sgd_lr", sgd_lr),
            ("bias_factor", bias_factor),
            ("weight_decay", weight_decay),
        ):
            if not 0 <= value < math.inf:
                raise ValueError(f"number in --model.optimizer.{name}: expected 0 or more, found {value}")
        for name, value in (("momentum", momentum), ("sgd_momentum", sgd_momentum)):
            if not 0 <= value < 1:
                raise ValueError(f"share in --model.optimizer.{name}: expected 0 to below 1, found {value}")
        if steps < 1:
            raise ValueError(f"iterations in --model.optimizer.steps: expected at least 1, found {steps}")
        parameters = list(params)
        axes = (2, 4) if matrices else (4,)
        orthogonalised = [p for p in parameters if p.ndim in axes]
        if not orthogonalised:
            raise ValueError(
                "parameters of zoo.optimizers.Muon: expected filters of convolutions among them, found none."
                f" Try: {'torch.optim.SGD' if matrices else '--model.optimizer.matrices true'}"
            )
        sgd = {"momentum": sgd_momentum, "orthogonal": False}
        groups: list[dict[str, Any]] = [
            {"params": orthogonalised, "lr": lr},
            {"params": [p for p in parameters if p.ndim > 1 and p.ndim not in axes], "lr": sgd_lr, **sgd},
            {"params": [p for p in parameters if p.ndim < 2], "lr": sgd_lr * bias_factor, "weight_decay": 0.0, **sgd},
        ]
        defaults = {"momentum": momentum, "weight_decay": weight_decay, "orthogonal": True}
        defaults |= {"steps": steps, "unit": unit_filters}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)
        return loss

    def _move(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Moves one parameter."""
        state, momentum = self.state[weight], group["momentum"]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        buffer = state["momentum_buffer"].mul_(momentum).add_(gradient)
        update = gradient.add(buffer, alpha=momentum)  # as if the gradient were taken one step ahead (Nesterov)
        if group["orthogonal"]:
            update = orthogonalise(update.flatten(1), group["steps"]).view(weight.shape)
            if group["unit"] and weight.ndim == 4:
                weight.mul_(len(weight) ** 0.5 / weight.norm().clamp_min(1e-7))
        weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"])


def orthogonalise(matrix: Tensor, steps: int) -> Tensor:
    """A matrix (M, N) -> about the nearest with orthogonal rows, of norm 1 (columns of equal norm where M > N).

    Newton–Schulz: with X = U Σ Vᵀ, a X + b (X Xᵀ) X + c (X Xᵀ)² X = U (a Σ + b Σ³ + c Σ⁵) Vᵀ, products alone. All steps
    but the last product are done on the small square X Xᵀ: filter banks are oblong, and in float32 that costs what the
    plain iteration costs in bfloat16, whose error is a thousand times as large.
    """
    a, b, c = QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.float()
    x = x.mT if tall else x  # of the two squares the smaller one
    x = x / x.norm().clamp_min(1e-7)  # no singular value above 1
    square = x @ x.mT
    whole = one = torch.eye(len(square), device=x.device)
    for step in range(steps):
        factor = torch.addmm(square, square, square, beta=b, alpha=c).add_(one, alpha=a)  # a + b X Xᵀ + c (X Xᵀ)²
        whole = factor @ whole
        if step < steps - 1:
            square = factor @ square @ factor
    x = whole @ x
    x = x.mT * (matrix.shape[0] / matrix.shape[1]) ** 0.5 if tall else x
    return x.to(matrix.dtype)

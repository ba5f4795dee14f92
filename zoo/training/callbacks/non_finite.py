"""Are loss and weights still finite? If not, the run stops before the step that would spoil the weights.

The loss is checked before every backward pass, the weights before every save: so no checkpoint ever holds a weight
that is NaN or infinite. Gradients that overflow in float16 are the loss scaler's business and do not count.
"""

import math
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor

HIGHEST = 0.1  # learning rate that is advised: above it few optimisers go well


class StopAtNonFinite(Callback):
    """Raises ValueError, which names epoch, step and learning rate, if the loss or a weight becomes nan or inf."""

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(not_finite_message(trainer, "loss", value))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        for name, weight in checkpoint["state_dict"].items():
            if not weight.is_floating_point() or not weight.numel():
                continue
            low, high = weight.aminmax()  # nan if any is nan; a sum of finite numbers may overflow
            if not (math.isfinite(low) and math.isfinite(high)):
                raise ValueError(not_finite_message(trainer, f"weight {name}", float("nan")))


def not_finite_message(trainer: Trainer, what: str, value: float) -> str:
    """The one line for a value that is NaN or infinite."""
    rate = trainer.optimizers[0].param_groups[0]["lr"] if trainer.optimizers else 0.0
    rate = float(rate)
    advice = f"--model.optimizer.lr {min(rate / 10, HIGHEST):g}, or --trainer.gradient_clip_val 1"
    if trainer.precision == "16-true":  # its largest number is 65,504, and Adam's eps is too small for float16
        advice = "--trainer.precision bf16-mixed, or --model.optimizer.eps 1e-4 if that is Adam's 1e-8"
    return (
        f"{what} in epoch {trainer.current_epoch + 1}, step {trainer.global_step + 1} (learning rate {rate:g}):"
        f" expected a finite number, found {value}; the last checkpoint is from before."
        f" Try: {advice}"
    )

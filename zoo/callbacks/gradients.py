"""Are gradients vanishing, or exploding? Their length in each layer.

    gradient_norm = |∂loss/∂W| = √Σ (∂loss/∂W)²   of a layer's weights; bias_gradient_norm the same of its bias

Behind k sigmoids a layer gets at most (1/4)ᵏ of what the last one gets, times the weights between (Hochreiter 1991).
"""

from lightning import LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.callbacks.diagnostic import StepDiagnostic, learned_biases, learned_weights, norms
from zoo.loggers import log_histogram


def gradient_norms(parameters: dict[str, nn.Parameter]) -> dict[str, float]:
    """Length of the gradient of each parameter that has one."""
    gradients: dict[str, Tensor] = {
        name: parameter.grad for name, parameter in parameters.items() if parameter.grad is not None
    }
    return norms(gradients)


class GradientNorms(StepDiagnostic):
    """Measures the gradients that the optimiser is about to use, in the first update and the last of each epoch.

    They are those of one whole batch: averaged over the devices, accumulated if that was asked for, with the scale of
    float16 taken off, and not clipped yet. Dashboards that are on get their histograms too.

    Args:
        every_n_steps: also in each so many updates; 0 for no more.
    """

    quantities = ("gradient_norm", "bias_gradient_norm")

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        if self.is_due(trainer):
            weights = learned_weights(pl_module)
            self.note(trainer, "gradient_norm", gradient_norms(weights))
            self.note(trainer, "bias_gradient_norm", gradient_norms(learned_biases(pl_module)))
            for layer, weight in weights.items():
                if weight.grad is not None:
                    log_histogram(trainer, f"gradients/{layer}", weight.grad)

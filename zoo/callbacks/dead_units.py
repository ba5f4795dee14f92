"""Which units are dead? Those whose activation is exactly zero on every image of a fixed batch.

    dead_units = share of them in a layer: of the columns of (B, D), the channels of (B, C, H, W) at all places, the
                 features of tokens (B, N, D)

Such a ReLU gives nothing on and gets no gradient back: on these images it cannot come to life again.
"""

from lightning import Trainer
from torch import Tensor, nn

from zoo.callbacks.probe import ProbeDiagnostic, record_activations
from zoo.training.classifier import Classifier


def dead_units(y: Tensor) -> Tensor:
    """Which units of a layer are zero throughout, (D,) bool.

    Args:
        y: its activations: (B, D), (B, C, H, W) or tokens (B, N, D).
    """
    axis = y.ndim - 1 if y.ndim == 3 else 1
    return (y == 0).transpose(0, axis).flatten(1).all(1)


def dead_share(activation: nn.Module, x: Tensor) -> Tensor:
    """Share of the units that are dead behind an activation layer with this input, ()."""
    return dead_units(activation.forward(x)).float().mean()


class DeadUnits(ProbeDiagnostic):
    """Measures the share of dead units of each activation layer on a fixed batch.

    Args:
        images: how many are in the batch; the more there are, the fewer units are zero on all of them.
        every_n_steps: besides at initialisation and after each epoch, after each so many updates; 0 for no more.
    """

    quantities = ("dead_units",)

    def measure(self, trainer: Trainer, model: Classifier, x: Tensor) -> None:
        shares = record_activations(model.net, x, dead_share)
        self.note(trainer, "dead_units", {layer: share.item() for layer, share in shares.items()})

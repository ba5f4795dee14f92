"""What do the activations look like? Mean, variance, and how many of them are saturated.

    activation_mean, activation_variance   of y = f(x) over all images, units and places of a layer
    saturation                             share of them with |f'(x)| below a twentieth of the steepest slope of f

Where a function is flat nothing comes back: a saturated sigmoid is below 0.013 or above 0.987, a saturated tanh beyond
±0.975, a saturated ReLU is zero (Glorot and Bengio 2010, §3).
"""

import torch
from lightning import Trainer
from torch import Tensor, nn

from zoo.callbacks.probe import ProbeDiagnostic, record_activations
from zoo.training.classifier import Classifier

FLAT = 1 / 20  # of the steepest slope; less is called saturated
REACH, POINTS = 6.0, 1201  # where the steepest slope is looked for: at so many points from -REACH to REACH


def slopes(activation: nn.Module, x: Tensor) -> Tensor:
    """f'(x) of a function of single numbers, of the shape of x, float32."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = activation.forward(x.clone())  # not called: hooks would look again; a copy, as it may work in place
        return torch.autograd.grad(y.float().sum(), x)[0].float()


def saturated_share(activation: nn.Module, x: Tensor) -> Tensor:
    """Share of the inputs (B, C, …) at which the function is flat, ()."""
    grid = torch.linspace(-REACH, REACH, POINTS, dtype=x.dtype, device=x.device)[:, None].expand(-1, x.shape[1])
    steepest = slopes(activation, grid).abs().max()
    return (slopes(activation, x).abs() < FLAT * steepest).float().mean()


def activation_statistics(activation: nn.Module, x: Tensor) -> Tensor:
    """Mean and variance of f(x), and its saturation, (3,) float32."""
    y = activation.forward(x.clone()).float()
    variance, mean = torch.var_mean(y, correction=0)
    return torch.stack([mean, variance, saturated_share(activation, x)])


class Activations(ProbeDiagnostic):
    """Measures mean, variance and saturation of each activation layer on a fixed batch.

    Args:
        images: how many are in the batch.
        every_n_steps: besides at initialisation and after each epoch, after each so many updates; 0 for no more.
    """

    quantities = ("activation_mean", "activation_variance", "saturation")

    def measure(self, trainer: Trainer, model: Classifier, x: Tensor) -> None:
        found = {
            layer: values.tolist() for layer, values in record_activations(model.net, x, activation_statistics).items()
        }
        for i, quantity in enumerate(self.quantities):
            self.note(trainer, quantity, {layer: values[i] for layer, values in found.items()})

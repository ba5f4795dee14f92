"""A fixed batch of training images, sent through the network now and then to look at its activations.

    images (B, C, H, W) -> net -> in front of each activation layer: measure(layer, its input) -> a number per layer

The pass leaves no trace: nothing is dropped, nothing is learned, and batch normalisation takes the statistics of these
images, as it would in training, without remembering them. Its own running ones mean nothing at initialisation yet.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from lightning import LightningModule, Trainer
from torch import Tensor, nn

from zoo.callbacks.diagnostic import Diagnostic
from zoo.geometry.running import forward_hooks
from zoo.training.boundaries import accumulates
from zoo.training.classifier import Classifier
from zoo.training.training_images import training_images

T = TypeVar("T")
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
NOT_BY_ELEMENT = (nn.MultiheadAttention, nn.GLU, nn.Softmax, nn.Softmax2d, nn.Softmin, nn.LogSoftmax)


def is_activation(module: nn.Module) -> bool:
    """Whether a layer is one of torch's functions of single numbers, such as ReLU or sigmoid."""
    return type(module).__module__ == nn.ReLU.__module__ and not isinstance(module, NOT_BY_ELEMENT)


@torch.no_grad()
def record_activations(net: nn.Module, x: Tensor, measure: Callable[[nn.Module, Tensor], T]) -> dict[str, T]:
    """Runs a network in evaluation mode and measures each of its activation layers, in the order in which they run.

    Args:
        net: is afterwards as it was.
        x: images (B, C, H, W).
        measure: gets the layer and a copy of its input.
    """
    found: dict[str, T] = {}

    def entering(name: str, module: nn.Module, args: Any) -> None:
        if is_activation(module):
            found[name] = measure(module, args[0].clone())  # a copy: the layer may work in place

    with forward_hooks(net, "net", entering, lambda *_: None), statistics_of_the_batch(net):
        net(x)
    return found


@contextmanager
def statistics_of_the_batch(net: nn.Module) -> Iterator[None]:
    """Inside, batch normalisation uses the statistics of its batch and does not keep them."""
    layers = [layer for layer in net.modules() if isinstance(layer, BATCH_NORMS) and layer.track_running_stats]
    modes = [layer.training for layer in layers]
    try:
        for layer in layers:
            layer.training, layer.track_running_stats = True, False
        yield
    finally:
        for layer, mode in zip(layers, modes, strict=True):
            layer.training, layer.track_running_stats = mode, True


class ProbeDiagnostic(Diagnostic):
    """Looks at the activations of a fixed batch, at initialisation and after each epoch.

    Args:
        images: how many are in the batch, the first training images in their fixed order, without augmentation.
        every_n_steps: also after each so many updates; 0 for no more.
    """

    def __init__(self, images: int = 512, every_n_steps: int = 0) -> None:
        super().__init__(every_n_steps)
        if images < 1:
            raise ValueError(f"images in --trainer.callbacks.images: expected at least 1, found {images}. Try: 512")
        self.images = images
        self._x: Tensor | None = None

    def measure(self, trainer: Trainer, model: Classifier, x: Tensor) -> None:
        """Looks at these images (B, C, H, W) and notes what is seen."""
        raise NotImplementedError

    def _measure(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Classifier)
        if self._x is None:
            self._x = training_images(trainer, slice(self.images))[0].to(pl_module.device)
        precision = trainer.precision_plugin
        with precision.forward_context():  # in the run's own precision
            self.measure(trainer, pl_module, precision.convert_input(self._x))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._x = None
        if trainer.global_step == 0:
            self._measure(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.falls_on(trainer.global_step) and not accumulates(trainer):
            self._measure(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._measure(trainer, pl_module)
        super().on_train_epoch_end(trainer, pl_module)

"""Some training images besides the batches: layers are computed from them, and diagnostics look at them.

trainer.datamodule  ->  the first N of their fixed, stratified order, normalised, without augmentation
"""

from typing import Any

from lightning import Trainer
from torch import Tensor, nn

from zoo.nn.layers import DataDependentInit

SEEN = 5000  # images that a layer is computed from, where one is: more change nothing


def training_images(trainer: Trainer, part: slice) -> tuple[Tensor, Tensor]:
    """Some training images, as batches hold them but without augmentation; alike everywhere.

    Args:
        trainer: has the data module.
        part: of their fixed, stratified order.

    Returns:
        Images (B, C, H, W) float32 and labels (B,) on the CPU.
    """
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    if data is None:
        raise ValueError(
            "data in trainer.fit: expected a data module, of whose images some are needed besides the batches,"
            " found none. Try: trainer.fit(model, datamodule=…); where the first layer is computed from them, also"
            " model.net[0].fit(images) before"
        )
    images, labels = data.part("train")
    chosen = data.splits["train"][part]
    return data.prepare_images(images[chosen]), labels[chosen]


def fit_layers(net: nn.Module, trainer: Trainer) -> None:
    """Computes those layers from the training images that have to be, and are not yet."""
    for layer in net.modules():
        if isinstance(layer, DataDependentInit) and not layer.fitted:
            layer.fit(training_images(trainer, slice(SEEN))[0])

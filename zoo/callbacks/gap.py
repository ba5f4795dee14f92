"""How far apart are training and validation?

    gap/loss = loss on validation images - loss on training images,  gap/accuracy the other way round

Both kinds of images are scored alike: by the same weights, after an epoch, without dropout, augmentation or label
smoothing. The row `train/loss` is counted while the weights still move, and no gap can be read from it.
"""

from typing import Any

import torch.nn.functional as F
from lightning import LightningModule, Trainer

from zoo.callbacks.diagnostic import Diagnostic
from zoo.training.accumulator import Accumulator, Result
from zoo.training.classifier import Classifier
from zoo.training.training_images import training_images

STEP = 1000  # images at once


def gap(train: Result, val: Result) -> dict[str, float]:
    """Loss and accuracy by which validation is worse."""
    return {"gap/loss": val.loss - train.loss, "gap/accuracy": train.accuracy - val.accuracy}


class Gap(Diagnostic):
    """Scores some training images in each validation, and notes the distance.

    Args:
        images: how many, the first training images in their fixed, stratified order; all if there are fewer.
    """

    quantities = ("gap/loss", "gap/accuracy")
    looks_at_ends = False  # but in validations, which come when they come

    def __init__(self, images: int = 5000) -> None:
        super().__init__()
        if images < 1:
            raise ValueError(f"images in --trainer.callbacks.images: expected at least 1, found {images}. Try: 5000")
        self.images = images
        self._train: Result | None = None

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        # in a validation, and not around it: averaged weights have taken their place by now
        if batch_idx == 0 and trainer.state.fn == "fit" and not trainer.sanity_checking:
            assert isinstance(pl_module, Classifier)
            self._train = self._score(trainer, pl_module)

    def _score(self, trainer: Trainer, model: Classifier) -> Result:
        """The result on the training images; each device scores its share."""
        accumulator: Accumulator | None = None
        for start in range(trainer.global_rank, self.images, STEP * trainer.world_size):
            stop = min(start + STEP * trainer.world_size, self.images)
            part = training_images(trainer, slice(start, stop, trainer.world_size))
            x, y = (tensor.to(model.device) for tensor in part)
            with trainer.precision_plugin.val_step_context():
                logits = model(trainer.precision_plugin.convert_input(x))
            accumulator = accumulator or Accumulator(logits.shape[1], logits.device)
            accumulator.add(logits, y, F.cross_entropy(logits.float(), y, reduction="sum"))
        assert accumulator is not None
        return accumulator.result(trainer.strategy)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._train is None:
            return
        assert isinstance(pl_module, Classifier)
        for quantity, value in gap(self._train, pl_module.results["val"]).items():
            self.note(trainer, quantity, {"": value})
        self._train = None

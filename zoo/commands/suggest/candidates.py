"""What is tried: a handful of networks, from a linear one to residual blocks, most with two learning rates.

(number of training images, side of an image)  ->  Candidate(name, the flags of `fit`), …

Networks and rates are those of the recipes (configs/recipes), which were tuned on sets of 50,000 images and more. Fewer
images are seen more often, in smaller batches, so that a training makes some 2,000 steps whatever there is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STEPS = 2_000  # of a full training, about
FEWEST_EPOCHS, MOST_EPOCHS = 10, 60
SMALLEST_BATCH, LARGEST_BATCH = 16, 128
BATCHES = 40  # of an epoch, where there are few images

ADAM = {"model.optimizer": "torch.optim.AdamW", "model.optimizer.fused": True, "model.optimizer.weight_decay": 0.02}
COSINE = {"model.schedule": "Cosine", "model.schedule.warmup": 0.1}
MUON = {
    "model.optimizer": "zoo.optimizers.Muon",
    "model.optimizer.momentum": 0.6,
    "model.optimizer.sgd_momentum": 0.85,
    "model.optimizer.unit_filters": True,
    "model.schedule": "Triangle",
    "model.schedule.peak": 0,
    "model.label_smoothing": 0.1,
}


@dataclass(frozen=True)
class Network:
    """A model with what belongs to it.

    Attributes:
        model: its class.
        settings: its flags, the optimiser's among them.
        rates: learning rates that are tried.
        moved: whether it is trained on images that are moved a little.
    """

    model: str
    settings: Mapping[str, Any]
    rates: tuple[float, ...]
    moved: bool = True


NETWORKS = (
    Network("SoftmaxRegression", ADAM | COSINE, (0.001, 0.01), moved=False),
    Network("MLP", {"model.hidden": [256], "model.norm": "batch"} | ADAM | COSINE, (0.001, 0.004)),
    Network("LeNet", {"model.norm": "batch"} | ADAM | COSINE, (0.002, 0.008)),
    Network("ConvNet", {"model.channels": [16, 32, 64]} | ADAM | COSINE, (0.002, 0.008)),
    Network("ResNet", {"model.channels": [16, 32, 64], "model.depth": 8, "model.optimizer.sgd_lr": 0.1} | MUON, (0.1,)),
    Network("FastNet", {"model.channels": [32, 64, 128], "model.optimizer.sgd_lr": 2} | MUON, (0.05, 0.15)),
)


@dataclass(frozen=True)
class Candidate:
    """One way to train a network.

    Attributes:
        model: class of the network.
        rate: learning rate.
        batch: images per step.
        epochs: of the full training.
        settings: flags of `fit` but these and those of the data.
    """

    model: str
    rate: float
    batch: int
    epochs: int
    settings: Mapping[str, Any] = field(hash=False, compare=False)

    @property
    def name(self) -> str:
        """Model and rate, which tell it from the others."""
        return f"{self.model} lr {self.rate:g}"

    def flags(self, epochs: int) -> dict[str, Any]:
        """Its flags, for a training of so many epochs."""
        return {
            "model": self.model,
            **self.settings,
            "model.optimizer.lr": self.rate,
            "data.batch_size": self.batch,
            "trainer.max_epochs": epochs,
        }


def batch_for(images: int) -> int:
    """Images per step: a power of two that makes about 40 steps of an epoch, from 16 to 128."""
    batch = SMALLEST_BATCH
    while batch < LARGEST_BATCH and images >= 2 * batch * BATCHES:
        batch *= 2
    return min(batch, images)


def epochs_for(images: int, batch: int) -> int:
    """Epochs of a full training of about 2,000 steps, from 10 to 60."""
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(STEPS / max(1, images // batch))))


def all_candidates(
    images: int, side: int, models: tuple[str, ...], given: frozenset[str], epochs: int | None = None
) -> list[Candidate]:
    """All that is tried.

    Args:
        images: of the training.
        side: the shorter side of an image, in pixels.
        models: those asked for; empty means all.
        given: flags that the user gives, which beat those of a candidate.
        epochs: of a full training, if the user says so.
    """
    batch = batch_for(images)
    epochs = epochs or epochs_for(images, batch)
    crop = {
        "data.augment": [{"class_path": "datamodules.augmentations.Crop", "init_args": {"padding": max(1, side // 14)}}]
    }
    found = []
    for network in NETWORKS:
        if models and network.model not in models:
            continue
        settings = {**network.settings, **(crop if network.moved else {})}
        settings = {key: value for key, value in settings.items() if key not in given}
        found += [Candidate(network.model, rate, batch, epochs, settings) for rate in network.rates]
    return found

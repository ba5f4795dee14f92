"""ImageDataModule: what every data set has in common. A data set adds only where its arrays come from.

    load() -> {"train": (images, labels), "test": (images, labels)}
           -> splits: train and validation by one fixed stratified order, the official test set untouched
           -> Batches: x (B, C, H, W) float32, y (B,) int64, index (B,) int64

It shares two words with the models, `in_shape` and `num_classes`; `cli.py` joins them.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, get_args

import torch
from lightning import LightningDataModule
from torch import Tensor

from datamodules.augmentations import Augmentation, AugmentationName, Pipeline
from datamodules.balance import balance_note
from datamodules.batches import Batches
from datamodules.checkpoint_state import check_same_steps, check_statistics, identity_of, state_of
from datamodules.held import HeldImages
from datamodules.held import Images as Images  # data sets take it from here
from datamodules.normalisation import BY_STATISTICS, Normalisation, NormalizeName, Statistics
from datamodules.sharing import sharing
from datamodules.splits import make_splits
from zoo.errors import check_name, report, warn
from zoo.prepare import other_brightness

DEFAULT_BATCH_SIZE = 128
EVAL_BATCH_SIZE = 200  # images per evaluation step: more were no faster, and need memory that training does not


class ImageDataModule(LightningDataModule, ABC):
    """Images in memory, in fixed splits.

    Args:
        root: folder where data sets lie or are downloaded to, in torchvision's layout; None takes $ZOO_DATA, else
            `data`. Sets that need none ignore it.
        batch_size: images per optimisation step, over all devices together; None takes 128, or as many as there are
            where there are fewer.
        val_size: validation images, a fixed stratified choice from the training set; None takes a tenth of it, 0
            trains on everything.
        train_size: train on the first so many images of a fixed stratified order; None takes all.
        normalize: `none` 0 to 255, `unit` 0 to 1, `symmetric` -1 to 1, `standard` zero mean and unit variance per
            channel by the statistics of the official training images, `weights` as the images came on which the
            weights were trained that a model starts from. The same for all splits.
        augment: random changes of training images, in this order: names, or class paths with arguments; None makes
            none.
        shuffle_pixels: seed of one fixed permutation of the pixel positions, for all splits; None leaves them.
        balance: in training each class equally often, however many images it has; an epoch is as long as without.
        seed: names the draws of order and augmentation.
    """

    in_shape: tuple[int, int, int]  # C, H, W
    num_classes: int
    classes: Sequence[str]
    named = True  # whether the classes have names in an order of their own
    test_from: str | None = None  # where the test images are from, if the data have no test set of their own
    sharing = staticmethod(sharing)  # within it, what was read is kept for the runs that follow

    def __init__(
        self,
        root: str | None = None,
        batch_size: int | None = None,
        val_size: int | None = None,
        train_size: int | None = None,
        normalize: NormalizeName = "standard",
        augment: list[AugmentationName | Augmentation] | None = None,
        shuffle_pixels: int | None = None,
        balance: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_counts(batch_size=batch_size, val_size=val_size, train_size=train_size)
        check_name("--data.normalize", normalize, get_args(NormalizeName))
        self.root = root or os.environ.get("ZOO_DATA") or "data"
        self.batch_size = batch_size
        self.val_size = val_size
        self.train_size = train_size
        self.normalize = normalize
        self.augmentation = Pipeline(augment or [])
        self.shuffle_pixels = shuffle_pixels
        self.balance = balance
        self.seed = seed
        self.splits: dict[str, Tensor] = {}  # indices of train and val in the training arrays, of test in the test ones
        self.held = HeldImages(self)
        self.normalisation = Normalisation(self)
        self._compared = False  # whether the test images have been compared with those of the training

    @abstractmethod
    def load(self) -> dict[str, Images]:
        """Reads `train` and `test` from disk and checks them; raises ValueError or OSError with one clear message."""

    @property
    @abstractmethod
    def statistics(self) -> Statistics:
        """Mean and standard deviation of the official training images per channel, pixels taken from 0 to 1."""

    @property
    def official_validation(self) -> int:
        """How many images at the end of `train` are a validation set that the data set has of its own."""
        return 0

    @property
    def settled(self) -> dict[str, Any]:
        """Options that were left open and are settled by the data; config.yaml names them."""
        return {}

    @property
    def origin(self) -> tuple[Any, ...]:
        """What `load` depends on, so that many runs in one process can share what it returns."""
        return type(self), self.root

    def setup(self, stage: str | None = None) -> None:
        if not self.held.parts:
            self.held.read()
            self.splits = make_splits(
                self.held.parts["train"].labels, len(self.held.parts["test"].labels), stage,
                val_size=self.val_size, train_size=self.train_size, official=self.official_validation,
            )  # fmt: skip
        if stage == "fit":
            self.batch_size = global_batch_size(self.batch_size, len(self.splits["train"]), self._world_size)
            if self.balance:
                report(balance_note(self.held.parts["train"].labels[self.splits["train"]], self.classes))

    def prepare_images(self, x: Tensor) -> Tensor:
        """Raw images (B, C, H, W) uint8 -> what the network sees, float32, see `normalisation.py`."""
        return self.normalisation(x)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must remember of the data: what images look like to the network, and what a step is."""
        return state_of(self)

    def identity(self, splits: Sequence[str] = ("train", "val", "test")) -> dict[str, Any]:
        """What a run depends on of its data, as plain values; to be asked once they are set up.

        Args:
            splits: those that matter.
        """
        return identity_of(self, splits)

    def checked_sum(self, part: str) -> str | None:
        """SHA-256 of the images of `train` or `test`, (N, C, H, W) uint8, where `load` has compared them with it."""
        return None

    def trained_with(self, state: dict[str, Any]) -> None:
        """Lets images look to a trained network as those of its training did, whatever data these are.

        Args:
            state: what is known of its data: `mean` and `std`, if it was trained with them.
        """
        if "mean" in state and self.normalize in BY_STATISTICS:
            self.normalisation.trained_with(check_statistics(state, self.in_shape[0]))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.trained_with(state_dict)
        if self.trainer and self.trainer.state.fn == "fit":
            check_same_steps(state_dict, self.batch_size, len(self.splits["train"]))

    def part(self, split: str) -> Images:
        """The arrays that the indices `splits[split]` point into: those of the official training or test set."""
        return self.held.parts["test" if split == "test" else "train"]

    def batches(self, split: str) -> Batches:
        """The batches of `train`, `val` or `test` for this device."""
        trainer = self.trainer
        device = trainer.strategy.root_device if trainer else torch.device("cpu")
        images, labels = self.held.on_device("test" if split == "test" else "train", device)
        train = split == "train"
        return Batches(
            images,
            labels,
            self.splits[split].to(device),
            (self.batch_size or DEFAULT_BATCH_SIZE) if train else EVAL_BATCH_SIZE,
            self.prepare_images,
            train=train,
            shuffle=not (trainer and trainer.overfit_batches),  # type: ignore[attr-defined]
            augmentation=self.augmentation,
            seed=self.seed,
            rank=trainer.global_rank if trainer else 0,
            world_size=self._world_size,
            balance=self.balance,
        )

    @property
    def _world_size(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    def train_dataloader(self) -> Any:
        return self.batches("train")

    def val_dataloader(self) -> Any:
        return self.batches("val") if len(self.splits["val"]) else []

    def test_dataloader(self) -> Any:
        self._compare_grey()
        return self.batches("test")

    def predict_dataloader(self) -> Any:
        self._compare_grey()
        return self.batches("test")

    def _compare_grey(self) -> None:
        """Warns if the test images are much darker or lighter than those of the training: they may be inverted."""
        train, test = self.held.parts["train"].images, self.held.parts["test"].images
        # the images of weights may be of another kind
        known = None if self.normalize == "weights" else self.normalisation.known
        if self._compared or not len(test) or (known is None and not len(train)):
            return
        self._compared = True
        if known is None and self.normalize == "standard":
            known = self.statistics
        warn(other_brightness(mean_grey(test), 255 * sum(known[0]) / len(known[0]) if known else mean_grey(train)))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch  # the arrays lie there already


def check_counts(**counts: int | None) -> None:
    """Raises ValueError if a number of images is below what makes sense; None is left to the data."""
    for name, least, advice in (("batch_size", 1, DEFAULT_BATCH_SIZE), ("val_size", 0, 0), ("train_size", 1, 1000)):
        value = counts[name]
        if value is not None and value < least:
            raise ValueError(
                f"number of images in --data.{name}: expected at least {least}, found {value}."
                f" Try: --data.{name} {advice}"
            )


def global_batch_size(batch_size: int | None, images: int, world: int) -> int:
    """Images of an optimisation step.

    Args:
        batch_size: as asked for; None takes 128, or as many as there are where there are fewer.
        images: those that train.
        world: number of devices that share them.

    Raises:
        ValueError: it cannot be shared out, or is more than there is.
    """
    size = min(DEFAULT_BATCH_SIZE, images) if batch_size is None else batch_size
    if size > images:
        raise ValueError(
            f"batch size in --data.batch_size: expected at most the {images} training images,"
            f" found {size}. Try: --data.batch_size {max(world, min(DEFAULT_BATCH_SIZE, images) // world * world)}"
        )
    if size % world:
        below = size // world * world
        nearest = " or ".join(str(size) for size in (below, below + world) if 0 < size <= images)
        raise ValueError(
            f"global batch size in --data.batch_size: expected a multiple of the {world} devices,"
            f" found {size}{', the default' * (batch_size is None)}."
            f" Try: {f'--data.batch_size {nearest}' if nearest else 'fewer devices'}"
        )
    return size


def mean_grey(images: Tensor) -> float:
    """Mean of all pixels, 0 to 255."""
    return images.sum(dtype=torch.int64).item() / images.numel()

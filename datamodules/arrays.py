"""Arrays: the user's own images, in one NumPy archive or in a file or folder of another format that is known.

    FILE.npz: train_images (N, H, W) or (N, H, W, C) uint8, train_labels (N,), test_images, test_labels,
              [val_images, val_labels], [classes (K,)]
           -> images (N, C, H, W) uint8, labels (N,) int64

    np.savez("own.npz", train_images=…, train_labels=…, test_images=…, test_labels=…)

Which other formats there are says formats/; what else can mean one thing only, contents.py. Each verb asks only for
what it uses: `predict` does with `test_images` alone.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from datamodules.archive import fitting
from datamodules.base import ImageDataModule, Images
from datamodules.classes import Names, check_learnable, images_per_class
from datamodules.contents import (
    KEYS,
    OPTIONAL,
    SPLITS,
    UNKNOWN,
    Contents,
    all_classes,
    converted,
    in_order,
    mendable,
    read_contents,
    require_arrays,
)
from datamodules.duplicates import repeated
from datamodules.formats.recognise import MOST_FILES, read_raw
from datamodules.formats.source import Want
from datamodules.forms import shaped
from datamodules.missing import missing_error
from datamodules.normalisation import statistics_of
from datamodules.sharing import shared
from zoo.errors import DataError, report, shorten, warn

NEEDED = {"fit": KEYS, "validate": KEYS[:2], "test": KEYS[2:], "predict": KEYS[2:3]}
FEW_NAMES = 20  # so many are printed

LabelsName = Literal["fine", "coarse", "compact"]


class Arrays(ImageDataModule):
    """The user's own data: any number of classes, 1 or 3 channels, any one size.

    Args:
        path: a file or a folder: an .npz archive, IDX files, tables of text, MATLAB's or Parquet files, CIFAR's. Labels
            are the whole numbers 0 to K - 1, or text.
        known_classes: K, where neither `classes` nor training labels in the archive tell it; None takes the number of
            names in `classes`, or else the largest training label plus one.
        labels: `fine` or `coarse`, where an image has both, as in CIFAR-100; `compact` takes numbers that leave gaps
            for names, so that there is no empty class.
        options: the arguments of ImageDataModule.
    """

    def __init__(
        self, path: str, known_classes: int | None = None, labels: LabelsName | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.path = path
        self.known_classes = known_classes
        self.labels = labels
        self._network_classes: Names | None = None
        self._reported = False

    @cached_property
    def _own(self) -> Contents:
        try:
            return shared(("archive", *self.origin), lambda: read_contents(Path(self.path), Want(SPLITS, self.labels)))
        except ValueError as error:
            raise DataError(str(error)) from error

    @property
    def origin(self) -> tuple[Any, ...]:
        path = Path(self.path)
        # what is wrong with it, `read_contents` says
        files = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
        when = tuple(file.stat().st_mtime_ns for file in files[:MOST_FILES] if file.is_file())
        return type(self), str(path.absolute()), when, self.known_classes, self.labels, self._network_classes

    @property
    def classes(self) -> Sequence[str]:  # type: ignore[override]
        if self._network_classes is not None:
            return self._network_classes
        own = self._own
        names = all_classes(own, self.known_classes)
        if names is not None:
            return names
        there = [name for key, name in own.called.items() if key != "classes"]
        lost = [key for key in KEYS if key not in own.called]
        problem = missing_error(Path(self.path), KEYS, there, lost, packed=own.packed)
        if own.labels.splits or "train" in own.images:
            raise problem
        # only images, to be predicted: the network tells how many classes there are
        raise DataError(f"{problem} (--data.known_classes K, if it does not tell its number of classes)")

    def call_classes(self, names: Sequence[str]) -> None:
        """From now on the classes are those of a network, in its order; labels with names are brought to it.

        Args:
            names: of the network's classes.
        """
        self._network_classes = tuple(names)

    @property
    def named(self) -> bool:  # type: ignore[override]
        return "classes" in self._own.called

    @property
    def num_classes(self) -> int:  # type: ignore[override]
        return len(self.classes)

    @property
    def in_shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        images = self._own.images
        height, width, channels = next(images[split] for split in ("train", "test", "val") if split in images).shape[1:]
        return channels, height, width

    @cached_property
    def statistics(self) -> tuple[Sequence[float], Sequence[float]]:
        if "train" not in self._own.images:
            require_arrays(Path(self.path), self._own.called, KEYS[:1], packed=self._own.packed)
        images = self._own.images["train"]
        channels = [torch.from_numpy(images[..., c].reshape(-1)) for c in range(images.shape[3])]
        return statistics_of(np.stack([channel.bincount(minlength=256).numpy() for channel in channels]))

    def setup(self, stage: str | None = None) -> None:
        path, own = Path(self.path), self._own
        needed = NEEDED[stage or "fit"]
        if stage == "validate" and "val" in own.labels.splits:
            needed = OPTIONAL[:2]
        require_arrays(path, own.called, needed, packed=own.packed)
        with fitting(path), mendable(path, packed=own.packed):
            super().setup(stage)
            if not self._reported:
                self._report(stage)
                self._reported = True

    def _report(self, stage: str | None) -> None:
        """Warns of what is odd, and before training reports what is there."""
        own, notes = self._own, list(self._own.notes)
        if stage in (None, "fit"):
            notes += repeated(Path(self.path), own.images)
            named = own.names is not None or bool(own.rows) or self.known_classes is not None
            notes += check_learnable(own.labels, self.classes, named=named, rows=bool(own.rows))
            names = f" ({', '.join(map(shorten, self.classes))})" if self.num_classes <= FEW_NAMES else ""
            order = ", numbered in this order" if own.texts and "classes" not in own.called else ""
            kind = f"{own.kind}; " if own.packed else ""
            report(
                f"{Path(self.path)}: {kind}{self.num_classes} classes{names}{order if names else ''};"
                f" images of one class: {images_per_class(own.labels.splits, self.classes)}"
            )
        for note in notes:
            warn(note)

    def load(self) -> dict[str, Images]:
        parts = {split: self._part(split) for split in SPLITS}
        if len(parts["val"].labels) == 0:
            return {"train": parts["train"], "test": parts["test"]}
        both = (torch.cat(pair) for pair in zip(parts["train"], parts["val"], strict=True))
        return {"train": Images(*both), "test": parts["test"]}

    @property
    def official_validation(self) -> int:
        return len(self._own.labels.splits.get("val", ()))

    def _part(self, split: str) -> Images:
        path, own = Path(self.path), self._own
        channels, height, width = self.in_shape
        images = own.images.get(split, np.empty((0, height, width, channels), np.uint8))
        if images.shape[1:] != (height, width, channels):
            first = next(key for key in ("train", "test") if key in own.images)
            raise ValueError(
                f"image shape (H, W, C) of {own.called[f'{split}_images']} in {path}: expected"
                f" {(height, width, channels)} as in {own.called[f'{first}_images']}, found {images.shape[1:]}."
                " Try: bring all images to one shape"
            )
        if split in own.labels.splits:
            of_network = self._network_classes is not None
            labels = in_order(path, own, split, tuple(self.classes), of_network=of_network)
        else:
            labels = np.full(len(images), UNKNOWN)
        pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        return Images(torch.from_numpy(pixels), torch.from_numpy(labels.astype(np.int64)))

    def shaped_for(self, in_shape: tuple[int, int, int]) -> str:
        """What to type so that the images are of another shape, (C, H, W)."""
        raw = read_raw(Path(self.path), Want(SPLITS, self.labels))
        names = {key: name for key, name in raw.called.items() if key.endswith("_images")}
        values = [shaped(name, raw.arrays[key], self.in_shape, in_shape) for key, name in names.items()]
        code = f"import PIL.Image; {', '.join(names.values())} = {', '.join(values)}"
        return f"{converted(Path(self.path))}, and there {code}" if raw.packed else code

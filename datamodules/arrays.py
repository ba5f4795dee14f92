"""Arrays: the user's own images, in one NumPy archive.

    FILE.npz: train_images (N, H, W) or (N, H, W, C) uint8, train_labels (N,), test_images, test_labels, [classes (K,)]
           -> images (N, C, H, W) uint8, labels (N,) int64

    np.savez("own.npz", train_images=…, train_labels=…, test_images=…, test_labels=…)

Each verb asks only for what it uses: `predict` does with `test_images` alone.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datamodules.archive import read_arrays, readable
from datamodules.base import ImageDataModule, Images
from datamodules.checks import short
from datamodules.sharing import shared

KEYS = ("train_images", "train_labels", "test_images", "test_labels")
ALL_KEYS = (*KEYS, "classes")
NEEDED = {"fit": KEYS, "validate": KEYS[:2], "test": KEYS[2:], "predict": KEYS[2:3]}
UNKNOWN = -1  # label of an image that has none
MOST_CLASSES = 10_000  # unless they are named; a larger label is an identifier or an error, not a class
MOST_NAMES = 1_000_000  # a name is longer in Python than in the archive


class Arrays(ImageDataModule):
    """The user's own data: any number of classes, 1 or 3 channels, any one size.

    Args:
        path: the archive. Labels are the whole numbers 0 to K - 1.
        known_classes: K, where neither `classes` nor training labels in the archive tell it; None takes the number of
            names in `classes`, or else the largest training label plus one.
        options: the arguments of ImageDataModule.
    """

    def __init__(self, path: str, known_classes: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.path = path
        self.known_classes = known_classes

    @cached_property
    def _archive(self) -> Mapping[str, np.ndarray]:
        return shared(("archive", *self.origin), lambda: read(Path(self.path)))

    @property
    def origin(self) -> tuple[Any, ...]:
        path = Path(self.path)
        when = path.stat().st_mtime_ns if path.is_file() else 0  # `read` says what is wrong with it
        return type(self), str(path.absolute()), when, self.known_classes

    @property
    def classes(self) -> Sequence[str]:  # type: ignore[override]
        if "classes" in self._archive:
            return tuple(str(name) for name in self._archive["classes"])
        if "train_labels" in self._archive:
            return tuple(str(k) for k in range(int(self._archive["train_labels"].max()) + 1))
        if self.known_classes is not None:
            return tuple(str(k) for k in range(self.known_classes))
        raise ValueError(
            f"number of classes in {self.path}: expected classes or train_labels to tell it, found neither."
            " Try: --data.known_classes K"
        )

    @property
    def num_classes(self) -> int:  # type: ignore[override]
        return len(self.classes)

    @property
    def in_shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        key = "train_images" if "train_images" in self._archive else "test_images"
        height, width, channels = self._archive[key].shape[1:]
        return channels, height, width

    @cached_property
    def statistics(self) -> tuple[Sequence[float], Sequence[float]]:
        check_keys(Path(self.path), self._archive, KEYS[:1])
        images = self._archive["train_images"]
        # counts of the 256 values say it exactly, without a float copy of the images
        channels = [torch.from_numpy(images[..., c].reshape(-1)) for c in range(images.shape[3])]
        counts = np.stack([channel.bincount(minlength=256).numpy() for channel in channels])
        values = np.arange(256) / 255
        share = counts / counts.sum(axis=1, keepdims=True)
        mean = share @ values
        std = np.sqrt(share @ values**2 - mean**2)
        return mean.tolist(), np.maximum(std, 1 / 255).tolist()  # a channel of one single value has no scale of its own

    def setup(self, stage: str | None = None) -> None:
        check_keys(Path(self.path), self._archive, NEEDED[stage or "fit"])
        super().setup(stage)

    def load(self) -> dict[str, Images]:
        return {split: self._part(split) for split in ("train", "test")}

    def _part(self, split: str) -> Images:
        path, images, labels = (
            Path(self.path),
            self._archive.get(f"{split}_images"),
            self._archive.get(f"{split}_labels"),
        )
        channels, height, width = self.in_shape
        if images is None:
            images = np.empty((0, height, width, channels), np.uint8)
        if images.shape[1:] != (height, width, channels):
            raise ValueError(
                f"image shape (H, W, C) of {split}_images in {path}: expected {(height, width, channels)}"
                f" as in train_images, found {images.shape[1:]}. Try: bring all images to one shape"
            )
        if labels is None:
            labels = np.full(len(images), UNKNOWN)
        else:
            check_label_range(path, f"{split}_labels", labels, self.num_classes)
        pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        return Images(torch.from_numpy(pixels), torch.from_numpy(labels.astype(np.int64)))


def read(path: Path) -> Mapping[str, np.ndarray]:
    """Reads and checks an archive: images come out as (N, H, W, C) uint8.

    Raises:
        FileNotFoundError, ValueError: with one message that names the file, what was expected and what was found.
    """
    with readable(path):
        there = path.is_file()
    if not there:
        raise FileNotFoundError(
            f"archive in --data.path: expected an .npz file, found nothing at {path}. Try: --data.path FILE.npz"
        )
    found, names = read_arrays(path, ALL_KEYS)
    if "train_images" not in found and "test_images" not in found:
        check_keys(path, found, KEYS, names)
    for split in ("train", "test"):
        if f"{split}_images" in found:
            found[f"{split}_images"] = check_images(path, f"{split}_images", found[f"{split}_images"])
        if f"{split}_labels" in found:
            check_labels(path, split, found)
    if "classes" in found:
        check_classes(path, found["classes"])
    largest = int(found["train_labels"].max()) if "train_labels" in found else 0
    if "classes" not in found and largest >= MOST_CLASSES:
        raise ValueError(
            f"labels of train_labels in {path}: expected 0 to K - 1, found {largest}."
            " Try: name the classes in an array `classes` if it is one"
        )
    return found


def check_keys(
    path: Path, archive: Mapping[str, np.ndarray], needed: Sequence[str], names: Sequence[str] | None = None
) -> None:
    """Raises ValueError if an array that is needed is not in the archive."""
    missing = [key for key in needed if key not in archive]
    if missing:
        found = short(", ".join(archive if names is None else names)) or "none"
        raise ValueError(
            f"arrays in {path}: expected {', '.join(needed)}, found {found}: {', '.join(missing)} missing."
            " Try: numpy.savez with the arrays under these names"
        )


def check_labels(path: Path, split: str, archive: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError unless there is one whole number, not negative, for each image."""
    key, labels, images = f"{split}_labels", archive[f"{split}_labels"], archive.get(f"{split}_images")
    if images is None:
        raise ValueError(f"arrays in {path}: expected {split}_images with {key}, found none. Try: leave out {key}")
    if labels.shape != (len(images),):
        raise ValueError(
            f"shape of {key} in {path}: expected {(len(images),)}, one per image, found {labels.shape}."
            " Try: labels.argmax(1) if each is a row with a one"
        )
    if labels.dtype.kind not in "iu":
        raise ValueError(
            f"type of {key} in {path}: expected whole numbers (an integer type), found {short(labels.dtype)}."
            " Try: numpy.unique(labels, return_inverse=True)[1]"
        )
    if labels.min() < 0:
        raise ValueError(
            f"labels of {key} in {path}: expected 0 to K - 1, found {labels.min()}. Try: number the classes from 0"
        )


def check_images(path: Path, key: str, images: np.ndarray) -> np.ndarray:
    """Returns the images as (N, H, W, C) uint8 or raises ValueError."""
    if images.dtype != np.uint8:
        nan = " with NaN" if images.dtype.kind == "f" and np.isnan(images).any() else ""
        raise ValueError(
            f"type of {key} in {path}: expected uint8 (0 to 255), found {short(images.dtype)}{nan}."
            " Try: images.astype(numpy.uint8), after scaling to 0 to 255"
        )
    shape = images.shape
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"shape of {key} in {path}: expected (N, H, W), (N, H, W, 1) or (N, H, W, 3), none of them 0,"
            f" found {shape}. Try: numpy.reshape or numpy.moveaxis"
        )
    return images


def check_label_range(path: Path, key: str, labels: np.ndarray, num_classes: int) -> None:
    """Raises ValueError unless every label, none of them negative, is one of 0 … num_classes - 1."""
    low, high = int(labels.min()), int(labels.max())
    if high >= num_classes:
        raise ValueError(
            f"labels of {key} in {path}: expected 0 to {num_classes - 1}, found {low} to {high}."
            " Try: number the classes from 0, as in train_labels"
        )


def check_classes(path: Path, classes: np.ndarray) -> None:
    """Raises ValueError unless these are names: text, or numbers that serve as such."""
    if classes.ndim != 1 or not 0 < len(classes) <= MOST_NAMES:
        raise ValueError(
            f"shape of classes in {path}: expected one name per class, 1 to {MOST_NAMES} of them,"
            f" found {classes.shape}. Try: numpy.array(['cat', 'dog'])"
        )
    if classes.dtype.kind not in "Uiu":
        raise ValueError(
            f"type of classes in {path}: expected text, found {short(classes.dtype)}. Try: classes.astype(str)"
        )
    with readable(path):
        "".join(map(str, classes)).encode()  # not every number of 32 bits is a character

"""Which images train and which validate: one fixed, stratified order of the training images.

    labels (N,) -> order (N,)       train = the front of it, validation = its end

The order depends on nothing but the labels: neither on the run's seed nor on a random generator, whose stream may
change between library versions. Images of one class are ranked by an integer hash of their index (splitmix64, Steele,
Lea, Flood 2014), and the classes are interleaved so that the front and the end of the order, however long, hold each
class in its share.
"""

import hashlib

import numpy as np
import torch
from torch import Tensor


def splitmix64(index: np.ndarray) -> np.ndarray:
    """Scrambles integers: (N,) uint64 -> (N,) uint64, one to one."""
    z = index.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def stratified_order(labels: Tensor) -> Tensor:
    """A fixed order of all images whose front and end, however long, hold each class in its share, within one image.

    Exactly: of K classes, one with the share s of all images is within (1 + K s) / 2 images of its share, which is one
    image where the classes are equally large, and in a stretch from the middle within twice that.

    Args:
        labels: class of each image, (N,) integers.

    Returns:
        The indices 0 … N-1, (N,) int64.
    """
    y = labels.numpy()
    key = splitmix64(np.arange(len(y)))
    position = np.empty(len(y))
    for k in np.unique(y):
        members = np.flatnonzero(y == k)
        members = members[np.argsort(key[members], kind="stable")]
        # the r-th of n images of a class stands at (r + 1/2) / n of the way
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return torch.from_numpy(np.lexsort((key, position)).astype(np.int64))


def make_splits(
    labels: Tensor, num_test: int, stage: str | None, *, val_size: int | None, train_size: int | None, official: int
) -> dict[str, Tensor]:
    """Cuts the training images into train (front of the fixed order) and validation (its end).

    Where the data set has a validation set of its own, that is the validation; with `val_size` 0 it trains too.
    A split that the stage does not use need not be as large as asked for: it may be of other data than the run's.

    Args:
        labels: of the training images, (N,).
        num_test: number of test images.
        stage: `fit`, `validate`, `test`, `predict`, or None for all.
        val_size: images to validate on; None takes the official validation set, else a tenth.
        train_size: how many of the rest train; None takes all.
        official: how many images at the end are a validation set of the data's own.

    Returns:
        Indices of train and val in the training images, and of test in the test images.
    """
    total = len(labels)
    val_size = validation_size(total, stage, val_size, official)
    rest = total - val_size
    if stage in (None, "fit") and total > 0 and train_size is not None and train_size > rest:
        raise ValueError(
            f"number of images in --data.train_size: expected at most {rest}"
            f" ({total} training images less {val_size} for validation), found {train_size}."
            f" Try: --data.train_size {rest}"
        )
    if official and val_size:
        order = torch.cat([stratified_order(labels[:rest]), torch.arange(rest, total)])
    else:
        order = stratified_order(labels)
    return {
        "train": order[:rest][:train_size],
        "val": order[rest:].sort().values,
        "test": torch.arange(num_test),
    }


def validation_size(total: int, stage: str | None, val_size: int | None, official: int) -> int:
    """How many of all training images validate; arguments as those of `make_splits`.

    Raises:
        ValueError: not as many as asked for, in a stage that uses them.
    """
    fits = stage in (None, "fit")
    val_size = val_size if val_size is not None else official or total // 10
    if official and val_size not in (0, official):
        if fits:
            raise ValueError(
                f"number of images in --data.val_size: expected {official}, as many as the data's own validation"
                f" set has, or 0 to train on all, found {val_size}. Try: --data.val_size {official}"
            )
        return official
    if 0 < total <= val_size and not official:
        if fits or stage == "validate":
            raise ValueError(
                f"number of images in --data.val_size: expected less than the {total} training images,"
                f" found {val_size}. Try: --data.val_size {total // 10}"
            )
        return total
    return val_size


def indices_digest(indices: Tensor) -> str:
    """SHA-256 of a list of indices, as int64 little-endian bytes: the name of a split."""
    return hashlib.sha256(indices.numpy().astype("<i8").tobytes()).hexdigest()

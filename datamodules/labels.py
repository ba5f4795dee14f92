"""Forms of the user's labels: numbers, text or one-hot rows, (N,), (N, 1) or (1, N)  ->  (N,) int64 or text."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.archive import readable
from datamodules.checks import form_error
from zoo.errors import shorten


class Labels(NamedTuple):
    """The labels of a file.

    Attributes:
        path: the file, for messages.
        splits: (N,) int64 or text for each split that has some.
        called: name of each split's array in the file.
    """

    path: Path
    splits: dict[str, np.ndarray]
    called: dict[str, str]


def as_labels(path: Path, key: str, labels: np.ndarray, images: int) -> tuple[np.ndarray, int]:
    """One label for each image: (N,) int64, or (N,) text.

    Args:
        path: the file, for messages.
        key: the array's name in it.
        labels: the array.
        images: how many images they belong to.

    Returns:
        The labels; and the number of classes, where one-hot rows have given it, else 0.

    Raises:
        ValueError: they can mean several things, or nothing; the message ends with what to type.
    """
    classes = 0
    if labels.shape != (images,):
        labels, classes = flat(path, key, labels, images)
    kind = labels.dtype.kind
    if kind in "US":
        return as_text(path, key, labels), 0
    if kind == "f" and bool((np.isfinite(labels) & (labels == np.rint(labels))).all()):
        return labels.astype(np.int64), classes
    if kind == "f":
        odd = labels[~(np.isfinite(labels) & (labels == np.rint(labels)))][0]
        numbers = np.isfinite(labels).all()
        advice = f"{key} = {key}.astype(str)  # if each number is a class; quantities to be predicted are none"
        advice = advice if numbers else keep_only(key, f"numpy.isfinite({key})")
        raise form_error("type", key, path, "whole numbers or text", f"{shorten(labels.dtype)} such as {odd}", advice)
    if kind not in "biu":
        advice = f"{key} = {key}.astype(str)  # if each value is a class"
        raise form_error("type", key, path, "whole numbers or text", shorten(labels.dtype), advice)
    if kind == "u" and labels.max(initial=0) > np.iinfo(np.int64).max:
        found = str(labels.max())
        raise form_error("labels", key, path, "0 to K - 1", found, f"{key} = {key}.astype(str)  # if it is a class")
    return labels.astype(np.int64), classes


def num_labelled(labels: np.ndarray) -> int:
    """How many images labels are for: all of them in one row or column, or one row for each."""
    return labels.size if sum(side != 1 for side in labels.shape) <= 1 else labels.shape[0]


def images_of(key: str) -> str:
    """Name of the images that labels belong to."""
    return key.replace("labels", "images") if "labels" in key else key.replace("y_", "x_")


def keep_only(key: str, condition: str) -> str:
    """What to type to keep the images whose labels fulfil a condition, and these labels."""
    images = images_of(key)
    return f"keep = {condition}; {images}, {key} = {images}[keep], {key}[keep]"


def flat(path: Path, key: str, labels: np.ndarray, images: int) -> tuple[np.ndarray, int]:
    """Labels (N, 1), (1, N) or one-hot rows as (N,), and the length of the rows."""
    shape = labels.shape
    if labels.size == images and sum(side != 1 for side in shape) <= 1:
        return labels.reshape(-1), 0
    expected, found = f"{(images,)}, one per image", str(shape)
    if labels.ndim == 2 and shape[0] != images and shape[1] == images and labels.dtype.kind in "biuf":
        raise form_error("shape", key, path, expected, found, f"{key} = {key}.T  # one row per image")
    if labels.ndim != 2 or shape[0] != images:
        raise form_error(
            "shape", key, path, expected, found, f"one label for each of the {images} images, in their order"
        )
    if labels.dtype.kind in "biuf" and bool(((labels == 0) | (labels == 1)).all()):
        ones = (labels == 1).sum(axis=1)
        if (ones == 1).all():
            return labels.argmax(axis=1), shape[1]
        row = int((ones != 1).argmax())
        found = f"{shape}, rows of which some, such as row {row}, have {ones[row]} ones"
        keep = keep_only(key, f"{key}.sum(1) == 1")
        advice = f"{keep}  # the images with one label; more than one label per image: not supported"
        raise form_error("shape", key, path, expected, found, advice)
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and labels.min() >= 0 and np.allclose(labels.sum(1), 1):
        raise form_error("shape", key, path, expected, f"{shape}, shares of classes", f"{key} = {key}.argmax(1)")
    raise form_error(
        "shape", key, path, expected, found, f"{key} = {key}[:, 0]  # with the column that holds the classes"
    )


def as_text(path: Path, key: str, labels: np.ndarray) -> np.ndarray:
    """Text or bytes as text, without blanks around it."""
    if labels.dtype.kind == "S":
        try:
            labels = np.char.decode(labels, "utf-8")
        except UnicodeError as error:
            advice = f"{key} = numpy.char.decode({key}, 'latin-1')"
            raise form_error("text", key, path, "UTF-8", "other bytes", advice) from error
    with readable(path):
        "".join(labels.tolist()).encode()  # not every number of 32 bits is a character
        return np.char.strip(labels)

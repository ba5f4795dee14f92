"""Images that a trained network is asked about: the test part of a file of any format, read without torch.

FILE.npz: test_images, [test_labels], [classes], or x_test, [y_test]  ->  NewImages(images, labels, notes)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.archive import fitting
from datamodules.contents import KEYS, UNKNOWN, checked, in_order, mendable
from datamodules.formats.recognise import read_raw
from datamodules.formats.source import Want
from datamodules.missing import missing_error


class NewImages(NamedTuple):
    """What a network is asked about.

    Attributes:
        images: (N, H, W, C) uint8.
        labels: (N,) int64, the number of the network's class; below 0 where the file has none.
        name: of the array of images in the file.
        notes: what is odd.
    """

    images: np.ndarray
    labels: np.ndarray
    name: str
    notes: list[str]


def new_images(path: Path, classes: Sequence[str]) -> NewImages:
    """Reads the test images of a file, and their labels, if it has some.

    Args:
        path: the file, or a folder of files that belong together.
        classes: of the network, in its order.

    Raises:
        ValueError: with one message that names the file, what was expected and what was found.
    """
    raw = read_raw(path, Want(("test",), alone="test", needed=False))
    if "test_images" not in raw.arrays:
        raise missing_error(path, KEYS[2:3], raw.names, KEYS[2:3], packed=raw.packed)
    with fitting(path), mendable(path, packed=raw.packed):
        own = checked(path, raw)
        images = own.images["test"]
        labels = np.full(len(images), UNKNOWN)
        if "test" in own.labels.splits:
            labels = in_order(path, own, "test", tuple(classes), of_network=True)
    return NewImages(images, labels, own.called["test_images"], own.notes)

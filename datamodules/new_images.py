"""Images that a trained network is asked about: the test part of an archive, read without torch.

FILE.npz: test_images, [test_labels], [classes], or x_test, [y_test]  ->  NewImages(images, labels, notes)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.archive import fitting, read_arrays
from datamodules.contents import KERAS, KEYS, UNKNOWN, in_order, read_contents
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
    """Reads the test images of an archive, and their labels, if it has some.

    Args:
        path: the file.
        classes: of the network, in its order.

    Raises:
        ValueError: with one message that names the file, what was expected and what was found.
    """
    _, names = read_arrays(path, ())
    if not any(KERAS.get(name, name) == KEYS[2] for name in names):
        raise missing_error(path, KEYS[2:3], names, KEYS[2:3])
    with fitting(path):
        own = read_contents(path, ("test",))
        images = own.images["test"]
        labels = np.full(len(images), UNKNOWN)
        if "test" in own.labels.splits:
            labels = in_order(path, own, "test", tuple(classes), of_network=True)
    return NewImages(images, labels, own.called["test_images"], own.notes)

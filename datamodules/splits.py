"""Which images train and which validate: one fixed, stratified order of the training images.

    labels (N,) -> order (N,)       train = the front of it, validation = its end

The order depends on nothing but the labels: neither on the run's seed nor on a random generator, whose stream may
change between library versions. Images of one class are ranked by an integer hash of their index (splitmix64, Steele,
Lea, Flood 2014), and the classes are interleaved so that the front and the end of the order, however long, hold each
class in its share.
"""

import hashlib

import numpy as np
from torch import Tensor, from_numpy


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
    return from_numpy(np.lexsort((key, position)).astype(np.int64))


def indices_digest(indices: Tensor) -> str:
    """SHA-256 of a list of indices, as int64 little-endian bytes: the name of a split."""
    return hashlib.sha256(indices.numpy().astype("<i8").tobytes()).hexdigest()

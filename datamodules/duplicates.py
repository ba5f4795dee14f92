"""Images that are there twice: within a split, or in two of them. A test on images of the training flatters.

    {split: images (N, H, W, C) uint8}  ->  how many, of each two splits

By a hash of each image's bytes, 30 ms for the 60,000 of MNIST; those whose hashes agree are compared.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import shorten

Hashes = NDArray[np.int64]
WORDS = {"train": "training", "val": "validation", "test": "test"}


def hashes(images: NDArray[np.uint8]) -> Hashes:
    """A number for each image, (N,); equal images have equal ones."""
    rows = images.reshape(len(images), -1)
    return np.fromiter((hash(row.tobytes()) for row in rows), np.int64, len(rows))


def doubles(images: NDArray[np.uint8], own: Hashes) -> int:
    """How many images of a split are there before already."""
    order = np.argsort(own, kind="stable")
    same = np.flatnonzero(own[order][1:] == own[order][:-1])
    return sum(bool(np.array_equal(images[order[k]], images[order[k + 1]])) for k in same)


def common(images: NDArray[np.uint8], own: Hashes, others: NDArray[np.uint8], theirs: Hashes) -> list[int]:
    """Which images of a split are in another split too."""
    if images.shape[1:] != others.shape[1:]:
        return []
    alike = np.flatnonzero(np.isin(own, theirs)).tolist()
    if not alike:
        return []
    first = dict(zip(theirs[::-1].tolist(), range(len(theirs) - 1, -1, -1), strict=True))
    return [k for k in alike if np.array_equal(images[k], others[first[int(own[k])]])]


def between(images: Mapping[str, NDArray[np.uint8]]) -> Iterator[tuple[str, str, list[int]]]:
    """Each two splits, and which images of the first are in the second too."""
    keys = {split: hashes(each) for split, each in images.items()}
    for split, other in (("test", "train"), ("val", "train"), ("test", "val")):
        if split in images and other in images:
            yield split, other, common(images[split], keys[split], images[other], keys[other])


def repeated(path: Path, images: Mapping[str, NDArray[np.uint8]]) -> list[str]:
    """What to tell of images that are in two splits.

    Args:
        path: where they come from.
        images: of each split, (N, H, W, C) uint8.
    """
    notes = []
    for split, other, places in between(images):
        if places:
            some = f", such as number {places[0]}" if len(places) < len(images[split]) else ""
            notes.append(
                f"{len(places)} of {len(images[split])} {WORDS[split]} images in {shorten(path)} are"
                f" {WORDS[other]} images too{some}: what is measured on them flatters"
            )
    return notes

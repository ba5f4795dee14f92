"""Do two ways of computing a network say the same? Probabilities (N, K), twice -> how many predictions agree."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TIE = 1e-5  # between the two likeliest classes: either may come first


class Agreement(NamedTuple):
    """How two ways compare.

    Attributes:
        images: N.
        agree: on how many the likeliest class is the same, or may be either.
        largest: difference of two probabilities.
    """

    images: int
    agree: int
    largest: float


def compare_answers(expected: NDArray[np.float32], found: NDArray[np.float32]) -> Agreement:
    """Compares probabilities (N, K) with others of the same images."""
    best = np.sort(expected, axis=1)[:, -2:]
    same = (expected.argmax(1) == found.argmax(1)) | (best[:, 1] - best[:, 0] <= TIE)
    finite = np.isfinite(found).all(1)
    return Agreement(len(same), int((same & finite).sum()), float(np.abs(expected - found).max(initial=0)))


def check_agreement(expected: NDArray[np.float32], found: NDArray[np.float32], where: str) -> Agreement:
    """Compares them, and raises ValueError if a prediction differs.

    Args:
        expected: probabilities (N, K).
        found: others of the same images.
        where: the file that gave them.
    """
    result = compare_answers(expected, found)
    if result.agree < result.images:
        raise ValueError(
            f"predictions in {where}: expected those of torch for {result.images:,} images, found"
            f" {result.images - result.agree:,} others"
        )
    return result

"""Are the test images as bright as those of the training? If not, they may be inverted, or of another scale."""

import torch
from torch import Tensor

FAR = 50  # of 255: images that differ by so much on average are of another kind, or inverted


def mean_grey(images: Tensor) -> float:
    """Mean of all pixels, 0 to 255."""
    return images.sum(dtype=torch.int64).item() / images.numel()


def other_brightness(grey: float, before: float) -> str | None:
    """The message for images whose mean grey is far from that of the training images; None if it is near."""
    if abs(grey - before) < FAR:
        return None
    inverted = abs(255 - grey - before) < FAR / 2
    advice = " inverted? Try: test_images = 255 - test_images" if inverted else " are they of the same kind and scale?"
    return f"mean grey of these images is {grey:.0f}, of the training images {before:.0f}:{advice}"

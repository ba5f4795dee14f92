"""Digits: the 1,797 handwritten digits that scikit-learn carries, brought to MNIST's shape. Needs no download.

    8 × 8, 0 … 16  ->  20 × 20, 0 … 255, in a black frame of 4 pixels as in MNIST  ->  (N, 1, 28, 28) uint8

The set has no official test part; a fifth of it (359 images, fixed and stratified) is kept as one. Alpaydin and Kaynak
1998, the test set of "Optical Recognition of Handwritten Digits". A result on it says little about MNIST: the images
are few and easy, and one test image is 0.28 points.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from datamodules.base import ImageDataModule, Images
from datamodules.splits import stratified_order


class Digits(ImageDataModule):
    """1,797 real digits from inside scikit-learn: 1,438 for training and validation, 359 for the test."""

    in_shape = (1, 28, 28)
    num_classes = 10
    classes = tuple("0123456789")

    @cached_property
    def _images(self) -> dict[str, Images]:
        raw = load_digits()
        small = torch.from_numpy(raw.images).float()[:, None] * (255 / 16)  # (N, 1, 8, 8)
        images = F.pad(F.interpolate(small, size=(20, 20), mode="bilinear"), (4, 4, 4, 4)).round().to(torch.uint8)
        labels = torch.from_numpy(raw.target).long()
        order = stratified_order(labels)
        train, test = order[len(labels) // 5 :], order[: len(labels) // 5]
        return {"train": Images(images[train], labels[train]), "test": Images(images[test], labels[test])}

    def load(self) -> dict[str, Images]:
        return self._images

    @cached_property
    def statistics(self) -> tuple[Sequence[float], Sequence[float]]:
        pixels = self._images["train"].images / 255.0
        return [pixels.mean().item()], [pixels.std(correction=0).item()]

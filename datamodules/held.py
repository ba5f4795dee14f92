"""The images of a data set in memory: read once, given a name by their sums, copied to a device once.

load()  ->  pixels permuted, if that is asked for  ->  "train" and "test", as they are read or on a device
"""

import hashlib
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from datamodules.checks import sha256
from datamodules.randomness import generator
from datamodules.sharing import shared


class Images(NamedTuple):
    """One part of a data set: images (N, C, H, W) uint8 and labels (N,) int64, -1 where a label is not known."""

    images: Tensor
    labels: Tensor


class Loads(Protocol):
    """What is asked of the data; see ImageDataModule."""

    in_shape: tuple[int, int, int]
    shuffle_pixels: int | None

    @property
    def origin(self) -> tuple[Any, ...]: ...

    def load(self) -> dict[str, Images]: ...

    def checked_sum(self, part: str) -> str | None: ...


class HeldImages:
    """The parts `train` and `test` of a data module.

    Args:
        data: says where they come from.
    """

    def __init__(self, data: Loads) -> None:
        self.data = data
        self.parts: dict[str, Images] = {}  # none before `read`
        self._digests: dict[str, str] = {}  # of arrays that are not kept as they were read
        self._on_device: dict[tuple[str, torch.device], Images] = {}

    def read(self) -> None:
        """Reads them, or takes what another run of this process has read."""
        self.parts = shared(self.data.origin, self.data.load)
        if self.data.shuffle_pixels is not None:
            self._digests = {part: self.digest(part) for part in self.parts}
            self.parts = {part: self._permuted(images) for part, images in self.parts.items()}

    def permutation(self) -> Tensor:
        """Which pixel comes to each place, (H W,) int64."""
        assert self.data.shuffle_pixels is not None
        _, height, width = self.data.in_shape
        return torch.randperm(height * width, generator=generator(self.data.shuffle_pixels, "pixels"))

    def _permuted(self, part: Images) -> Images:
        """The same images with their pixel positions permuted."""
        images = part.images
        return Images(images.flatten(2)[:, :, self.permutation()].reshape(images.shape), part.labels)

    def digest(self, part: str) -> str:
        """SHA-256 of the images and labels of `train` or `test`, before their pixels are permuted."""

        def made() -> str:
            images, labels = self.parts[part]
            of_images = self.data.checked_sum(part) or sha256(images.numpy())
            return hashlib.sha256(f"{tuple(images.shape)} {of_images} {sha256(labels.numpy())}".encode()).hexdigest()

        return self._digests.get(part) or shared(("digest", part, *self.data.origin), made)

    def on_device(self, part: str, device: torch.device) -> Images:
        """The arrays on the device that computes: they are copied there once, not batch by batch."""
        if (part, device) not in self._on_device:
            images, labels = self.parts[part]
            self._on_device[part, device] = Images(images.to(device), labels.to(device))
        return self._on_device[part, device]

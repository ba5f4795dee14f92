"""Normalisation of pixels: raw images (B, C, H, W) uint8 -> what the network sees, float32.

    none        0 … 255
    unit        0 … 1
    symmetric  -1 … 1
    standard    zero mean and unit variance per channel, over the training images

x ↦ (x - shift) · scale, with shift and scale (C, 1, 1). The data module's `prepare_images` calls it, and nothing else
normalises pixels.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor

NormalizeName = Literal["none", "unit", "symmetric", "standard"]
Statistics = tuple[Sequence[float], Sequence[float]]  # mean and standard deviation per channel, pixels from 0 to 1


class HasStatistics(Protocol):
    """What is asked of the data."""

    normalize: NormalizeName

    @property
    def statistics(self) -> Statistics: ...


class Normalisation:
    """Normalises images of a data module, on any device.

    Args:
        data: says which normalisation; its statistics are read when they are needed first.
    """

    def __init__(self, data: HasStatistics) -> None:
        self.data = data
        self.known: Statistics | None = None  # those a checkpoint was trained with
        self._constants: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def __call__(self, x: Tensor) -> Tensor:
        """Raw images (B, C, H, W) uint8 -> float32 of the same shape."""
        if self.data.normalize == "none":
            return x.float()
        if x.device not in self._constants:
            self._constants[x.device] = self._shift_and_scale(x.device)
        shift, scale = self._constants[x.device]
        return x.float().sub_(shift).mul_(scale)

    @property
    def statistics(self) -> Statistics:
        """Those that `standard` uses: of a checkpoint if there is one, else of the data."""
        return self.known or self.data.statistics

    def trained_with(self, statistics: Statistics) -> None:
        """Uses the statistics of a checkpoint from now on."""
        self.known = statistics
        self._constants.clear()

    def _shift_and_scale(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """What to subtract from a pixel in 0 … 255 and what to multiply it by, each (C, 1, 1)."""
        mean: Sequence[float] = [0.0]
        std: Sequence[float] = [1.0]
        if self.data.normalize == "symmetric":
            mean, std = [0.5], [0.5]
        elif self.data.normalize == "standard":
            mean, std = self.statistics
        shift, scale = 255 * torch.tensor(mean)[:, None, None], 1 / (255 * torch.tensor(std)[:, None, None])
        return shift.to(device), scale.to(device)

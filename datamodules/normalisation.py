"""Normalisation of pixels: raw images (B, C, H, W) uint8 -> what the network sees, float32.

    none        0 … 255
    unit        0 … 1
    symmetric  -1 … 1
    standard    zero mean and unit variance per channel, over the training images
    weights     as the images came on which the weights were trained that the model starts from

x ↦ (x - shift) · scale, with shift and scale (C, 1, 1). The data module's `prepare_images` calls it, and nothing else
normalises pixels.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from zoo.errors import UsageError

NormalizeName = Literal["none", "unit", "symmetric", "standard", "weights"]
BY_STATISTICS = ("standard", "weights")  # those of the data, or those that somebody else has told
Statistics = tuple[Sequence[float], Sequence[float]]  # mean and standard deviation per channel, pixels from 0 to 1


def statistics_of(counts: np.ndarray) -> Statistics:
    """Exact mean and standard deviation per channel, without a float copy of the images.

    Args:
        counts: how often each of the 256 values occurs, (C, 256).
    """
    values = np.arange(256) / 255
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    std = np.sqrt(share @ values**2 - mean**2)
    return mean.tolist(), np.maximum(std, 1 / 255).tolist()  # a channel of one single value has no scale of its own


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
        """Those that are used: of a checkpoint or of weights if there are some, else of the data."""
        if self.known is None and self.data.normalize == "weights":
            raise UsageError(
                "normalisation in --data.normalize: expected weights to take its numbers from (--model.weights), found"
                " none. Try: --data.normalize standard"
            )
        return self.known or self.data.statistics

    def trained_with(self, statistics: Statistics) -> None:
        """Uses the statistics of a checkpoint, or of weights, from now on."""
        self.known = statistics
        self._constants.clear()

    def _shift_and_scale(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """What to subtract from a pixel in 0 … 255 and what to multiply it by, each (C, 1, 1)."""
        mean: Sequence[float] = [0.0]
        std: Sequence[float] = [1.0]
        if self.data.normalize == "symmetric":
            mean, std = [0.5], [0.5]
        elif self.data.normalize in BY_STATISTICS:
            mean, std = self.statistics
        shift, scale = 255 * torch.tensor(mean)[:, None, None], 1 / (255 * torch.tensor(std)[:, None, None])
        return shift.to(device), scale.to(device)

"""Counting results: sums over images that come out the same on any number of devices.

    logits (B, K), y (B,)  ->  confusion (K, K) int64, loss () float64   per split and pass

Whole counts are added over batches and devices and divided once at the end, so no image is counted twice and no
average of averages arises. Nothing is read back to the host before the end of a pass.
"""

import math
from typing import NamedTuple

import torch
import torch.distributed
from lightning.pytorch.strategies import Strategy
from torch import Tensor


class Result(NamedTuple):
    """What a pass over a split came to.

    Attributes:
        accuracy: share of images classified correctly, in [0, 1].
        loss: mean cross-entropy per image, in nats.
        n: images counted.
        confusion: (K, K) int64, row = label, column = prediction.
        balanced_accuracy: the same share for each class that has images, and the mean of these.
    """

    accuracy: float
    loss: float
    n: int
    confusion: Tensor
    balanced_accuracy: float = math.nan

    @property
    def numbers(self) -> dict[str, float]:
        """The result as plain numbers, for records."""
        shares = {"accuracy": self.accuracy, "balanced_accuracy": self.balanced_accuracy}
        return {**shares, "loss": self.loss, "n": self.n}


class Accumulator:
    """Running sums of one pass.

    Args:
        num_classes: K.
        device: where the logits will be.
    """

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self.num_classes = num_classes
        self.confusion = torch.zeros(num_classes * num_classes, dtype=torch.int64, device=device)
        # on MPS there is no float64
        self.loss = torch.zeros((), dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)

    def add(self, logits: Tensor, y: Tensor, loss: Tensor) -> None:
        """Counts a batch: logits (B, K), y (B,), and the sum of its images' losses ()."""
        cell = y * self.num_classes + logits.argmax(1)
        self.confusion.index_add_(0, cell, torch.ones_like(cell))
        self.loss += loss

    def rows(self) -> dict[str, Tensor]:
        """The sums so far, one row per device, for a checkpoint: confusion (devices, K²), loss (devices,)."""
        sums = {"confusion": self.confusion, "loss": self.loss}
        return {name: torch.stack(of_all_devices(value)).cpu() for name, value in sums.items()}

    @classmethod
    def from_rows(cls, rows: dict[str, Tensor], rank: int, device: torch.device) -> "Accumulator":
        """Goes on from such rows: each device from its own, or the first from all if there were not as many devices."""
        confusion, loss = rows["confusion"], rows["loss"]
        accumulator = cls(math.isqrt(confusion.shape[1]), device)
        devices = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
        if len(loss) != devices:
            confusion, loss = confusion.sum(0, keepdim=True), loss.sum(0, keepdim=True)
        if rank < len(loss):
            accumulator.confusion += confusion[rank].to(accumulator.confusion)
            accumulator.loss += loss[rank].to(accumulator.loss)
        return accumulator

    def result(self, strategy: Strategy) -> Result:
        """Sums over all devices and divides; every device gets the same answer."""
        confusion = strategy.reduce(self.confusion, reduce_op="sum")
        loss = strategy.reduce(self.loss, reduce_op="sum")
        assert isinstance(confusion, Tensor)
        assert isinstance(loss, Tensor)
        confusion = confusion.view(self.num_classes, self.num_classes).cpu()
        images, right = confusion.sum(1), confusion.diagonal()  # of each class
        n = int(images.sum())
        if not n:
            return Result(math.nan, math.nan, 0, confusion)
        balanced = (right.double() / images)[images > 0].mean().item()
        return Result(int(right.sum()) / n, loss.item() / n, n, confusion, balanced)


def of_all_devices(value: Tensor) -> list[Tensor]:
    """The value of each device; a list of one where there is only one."""
    if not torch.distributed.is_initialized():
        return [value]
    values = [torch.empty_like(value) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(values, value)
    return values

"""Batches of one split, cut from arrays in memory.

    images (N, C, H, W) uint8, labels (N,)  ->  [x (B, C, H, W) float32, y (B,) int64, index (B,) int64] per step

A batch is one gather from an array: nothing is loaded, decoded or collated per image, so there is no work for loader
processes (`num_workers`). The split is a list of indices into the full arrays; a copy of it never exists. Small batches
are made several at a time, and handed out one by one: an operation on a hundred images costs mostly its call.

What a batch holds is a function of (seed, epoch, step): the order is one permutation per epoch, the augmentation of
an image one row of a table drawn per epoch; where classes are balanced, an image may come again, with another row.
Several devices share the same global batches, each taking every
`world_size`-th image, so that neither order nor augmentation depends on how many there are.
"""

from collections.abc import Callable, Iterator
from typing import Any, Self

import torch
from torch import Tensor

from datamodules.augmentations import Augmentation
from datamodules.balance import balanced_order
from datamodules.randomness import generator

Batch = tuple[Tensor, Tensor, Tensor]
CHUNK_PIXELS = 500_000  # pixels that are made ready at a time: about what a core's own cache holds


class Batches:
    """Iterates over one split; a new pass sees the order of the epoch last set by `set_epoch`.

    Args:
        images: (N, C, H, W) uint8, the whole array the indices point into.
        labels: (N,) int64.
        indices: images of this split, (M,) int64.
        batch_size: images per step, over all devices together.
        prepare: maps raw images (B, C, H, W) uint8 to what the network sees, float32.
        train: shuffle, augment and leave out the last incomplete batch; else every image once, in order.
        augmentation: applied to training batches before `prepare`.
        seed: names the random draws.
        rank: which of the `world_size` devices this is.
        world_size: number of devices that share the batches.
        balance: in training, each class equally often, see `balance.py`.
    """

    batch_sampler = None  # Lightning looks for it wherever it finds a `sampler`

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        indices: Tensor,
        batch_size: int,
        prepare: Callable[[Tensor], Tensor],
        *,
        train: bool = False,
        shuffle: bool = True,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        balance: bool = False,
    ) -> None:
        self.images, self.labels, self.indices = images, labels, indices
        self.batch_size, self.prepare, self.train = batch_size, prepare, train
        self.shuffle, self.augmentation, self.seed = train and shuffle, augmentation if train else None, seed
        self.rank, self.world_size = rank, world_size
        self.balance = train and balance
        self.epoch = 0
        self.position = 0  # steps of the running pass already handed out
        self._start = 0  # where the next pass begins: not 0 only after a resume

    def __len__(self) -> int:
        """Steps of a pass, the same on every device."""
        full, rest = divmod(len(self.indices), self.batch_size)
        return full if self.train else full + (rest > 0)

    @property
    def sampler(self) -> Self:
        """Lightning tells the epoch to `loader.sampler`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order and the augmentation of the passes that follow."""
        self.epoch = epoch

    def state_dict(self) -> dict[str, Any]:
        """Where the running pass stands; Lightning keeps it in a checkpoint taken in mid-epoch."""
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Lets the next pass begin where the saved one stood."""
        self._start = state["position"] % max(1, len(self))

    def __iter__(self) -> Iterator[Batch]:
        # a generator runs from its first `next` on, that is after Lightning has set the epoch and the place in it
        start, self._start = self._start, 0
        order, parameters, self.position = self.order(), self.augmentation_parameters(), start
        chunk, share = self.batches_per_chunk(), -(-self.batch_size // self.world_size)
        for first in range(start, len(self), chunk):
            last = min(first + chunk, len(self))
            places = slice(first * self.batch_size + self.rank, last * self.batch_size, self.world_size)
            index = order[places]
            x = self.images.index_select(0, index)  # ten times as fast as self.images[index] on a CPU
            if parameters is not None and self.augmentation is not None:
                x = self.augmentation(x, parameters[places if self.balance else index])
            arrays = self.prepare(x), self.labels.index_select(0, index), index
            for batch in zip(*(array.split(share) for array in arrays), strict=True):
                self.position += 1
                yield batch
        self.position = 0

    def batches_per_chunk(self) -> int:
        """How many batches are cut from the arrays at a time."""
        if self.batch_size % self.world_size:  # the devices take turns at who has one image more
            return 1
        return max(1, CHUNK_PIXELS // (self.batch_size * self.images[0].numel()))

    def order(self) -> Tensor:
        """Indices of the images in the order of this epoch, (M,) int64, the same on every device."""
        if self.balance:  # without shuffling it is the same choice in each epoch
            labels = self.labels.index_select(0, self.indices).cpu()
            chosen = balanced_order(labels, self.seed, self.epoch if self.shuffle else 0)
            return self.indices[chosen.to(self.indices.device)]
        if not self.shuffle:
            return self.indices
        permutation = torch.randperm(len(self.indices), generator=generator(self.seed, "order", self.epoch))
        return self.indices[permutation.to(self.indices.device)]

    def augmentation_parameters(self) -> Tensor | None:
        """Uniform numbers for the augmentation of this epoch, one row for each of the N images.

        Where classes are balanced: one for each of the M places of the epoch.
        """
        if self.augmentation is None or self.augmentation.num_draws == 0:
            return None
        shape = (len(self.indices if self.balance else self.images), self.augmentation.num_draws)
        return torch.rand(shape, generator=generator(self.seed, "augment", self.epoch)).to(self.images.device)

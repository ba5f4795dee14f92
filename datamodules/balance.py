"""Each class equally often in training, however many images it has: `--data.balance true`.

    labels (M,), seed, epoch  ->  which of the M images each of the epoch's M places holds, (M,) int64

An epoch has as many places as the training set has images, shared out evenly among the classes that have any. Within a
class every image comes equally often, or once more than others, which are drawn: of a large class only a part is seen
in an epoch, another in each; an image of a small one is seen several times, each time augmented anew.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from datamodules.randomness import generator
from zoo.errors import shorten


def balanced_order(labels: Tensor, seed: int, epoch: int) -> Tensor:
    """The images of an epoch, (M,) int64: a function of its arguments alone.

    Args:
        labels: class of each training image, (M,) on the CPU.
        seed: of the run.
        epoch: from 0.
    """
    draws = generator(seed, "balance", epoch)
    count = len(labels)
    _, class_of, sizes = labels.unique(return_inverse=True, return_counts=True)
    places = torch.full_like(sizes, count // len(sizes))
    places[torch.randperm(len(sizes), generator=draws)[: count % len(sizes)]] += 1  # who has the places that are left
    # the images class by class, in a random order within each
    shuffled = torch.randperm(count, generator=draws)
    by_class = shuffled[class_of[shuffled].argsort(stable=True)]
    first_image, first_place = sizes.cumsum(0) - sizes, places.cumsum(0) - places
    owner = torch.arange(len(sizes)).repeat_interleave(places)  # class of each place
    turn = torch.arange(count) - first_place[owner]
    order = by_class[first_image[owner] + turn % sizes[owner]]
    return order[torch.randperm(count, generator=draws)]


def balance_note(labels: Tensor, classes: Sequence[str]) -> str:
    """How often images are seen in an epoch, in one line.

    Args:
        labels: class of each training image, (M,).
        classes: names of all.
    """
    there, sizes = labels.unique(return_counts=True)
    share = len(labels) / len(there)
    ends = [(int(sizes[at]), str(classes[int(there[at])])) for at in (int(sizes.argmin()), int(sizes.argmax()))]
    seen = [f"of {shorten(name, 40)} ({size:,}) is seen {share / size:.3g} times" for size, name in ends]
    each = f"each of {len(there):,} classes has {share:,.0f} of the {len(labels):,} places of an epoch"
    return f"balanced: {each}; on average an image {', one '.join(dict.fromkeys(seen))}"

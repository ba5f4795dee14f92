"""Protects what a batch holds: a function of seed, epoch and step, on any number of devices and after any resume."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from datamodules.augmentations import Crop, Cutout, Flip, Pipeline, ShiftRotate
from datamodules.batches import Batch, Batches

N = 50  # images in the arrays
SPLIT = torch.randperm(N, generator=torch.Generator().manual_seed(1))[
    :37
]  # images in the split: 4 batches of 8 and 5 more
IMAGES = torch.randint(0, 256, (N, 3, 9, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
LABELS = torch.arange(N) % 4


def halve(x: Tensor) -> Tensor:
    return x / 2


def batches(batch_size: int = 8, indices: Tensor = SPLIT, **options: Any) -> Batches:
    options = {"train": True, "augmentation": Pipeline([Crop(2), Flip(), ShiftRotate(), Cutout(3)]), **options}
    return Batches(IMAGES, LABELS, indices, batch_size, halve, **options)


def run(loader: Batches, epoch: int = 0) -> list[Batch]:
    loader.set_epoch(epoch)
    return list(loader)


def flat(lists: list[list[int]]) -> list[int]:
    return [item for each in lists for item in each]


def order(loader: Batches, epoch: int = 0) -> list[list[int]]:
    return [index.tolist() for _, _, index in run(loader, epoch)]


def assert_equal(found: list[Batch], expected: list[Batch]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert all(a.equal(b) and a.dtype == b.dtype for a, b in zip(one, other, strict=True))


@given(st.integers(3, 37), st.integers(1, 3), st.integers(0, 4), st.booleans())
def test_batches_made_together_are_those_made_one_by_one(batch_size: int, world: int, start: int, train: bool) -> None:
    """Also for each of several devices, after a resume in mid-epoch, and in the last, incomplete batch."""
    for rank in range(world):
        loader = batches(batch_size, train=train, rank=rank, world_size=world)
        found: list[list[Batch]] = []
        for together in (0, 3 * batch_size * IMAGES[0].numel()):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("datamodules.batches.CHUNK_PIXELS", together)
                assert loader.batches_per_chunk() == (3 if together and batch_size % world == 0 else 1)
                loader.load_state_dict({"position": start})
                found.append([])
                for batch in loader:
                    found[-1].append(batch)
                    assert loader.state_dict() == {"position": len(found[-1]) + start % max(1, len(loader))}
        assert_equal(*found)


@given(st.integers(1, 37), st.integers(0, 5))
def test_training_epoch_visits_distinct_images_of_the_split(batch_size: int, epoch: int) -> None:
    loader = batches(batch_size, augmentation=None)
    steps = order(loader, epoch)
    seen = flat(steps)
    assert len(steps) == len(loader)
    assert {len(step) for step in steps} == {batch_size}
    assert len(seen) == len(set(seen)) > len(SPLIT) - batch_size
    assert set(seen) <= set(SPLIT.tolist())


def test_order_is_a_function_of_seed_and_epoch() -> None:
    names = [(seed, epoch) for seed in (0, 1, 7) for epoch in (0, 1, 2)]
    orders = [order(batches(seed=seed), epoch) for seed, epoch in names]
    assert len({str(each) for each in orders}) == len(names)
    torch.manual_seed(123)  # of no concern
    assert orders == [order(batches(seed=seed), epoch) for seed, epoch in names]


def test_augmentation_is_a_function_of_seed_epoch_and_image() -> None:
    def images(seed: int, epoch: int, batch_size: int) -> dict[int, Tensor]:
        steps = run(batches(batch_size, seed=seed), epoch)
        return {int(i): image for x, _, index in steps for image, i in zip(x, index, strict=True)}

    first, other_sizes = images(0, 0, 37), images(0, 0, 5)
    assert all(first[i].equal(image) for i, image in other_sizes.items())
    for seed, epoch in ((1, 0), (0, 1)):
        changed = images(seed, epoch, 37)
        assert sum(not first[i].equal(changed[i]) for i in first) > 30


def test_epoch_set_after_iter_counts() -> None:
    # Lightning makes the iterator first and sets the epoch afterwards
    loader = batches()
    iterator = iter(loader)
    loader.set_epoch(3)
    assert_equal(list(iterator), run(batches(), 3))


@pytest.mark.parametrize("stop", [0, 1, 3, 4])
def test_resumed_pass_continues_as_the_uninterrupted_one(stop: int) -> None:
    uninterrupted = run(batches(), 2)
    loader = batches()
    loader.set_epoch(2)
    iterator = iter(loader)
    for _ in range(stop):
        next(iterator)
    resumed = batches()
    resumed.load_state_dict(loader.state_dict())
    # a state taken after the last batch means that the next pass starts at the front
    assert_equal(run(resumed, 2), uninterrupted[stop:] if stop < 4 else uninterrupted)
    assert_equal(run(resumed, 3), run(batches(), 3))  # and the pass after it is whole


def test_position_is_back_at_the_front_after_a_whole_pass() -> None:
    loader = batches()
    run(loader)
    assert loader.state_dict() == batches().state_dict()


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_devices_share_the_same_global_batches(world_size: int) -> None:
    alone = run(batches(), 1)
    ranks = [run(batches(rank=rank, world_size=world_size), 1) for rank in range(world_size)]
    for step, (x, y, index) in enumerate(alone):
        shards = [rank[step] for rank in ranks]
        assert {len(shard[2]) for shard in shards} == {8 // world_size}
        # interleaved again, the shards are the batch of one device, augmented pixels included
        assert torch.stack([shard[2] for shard in shards], dim=1).flatten().equal(index)
        assert torch.stack([shard[0] for shard in shards], dim=1).flatten(0, 1).equal(x)
        assert torch.stack([shard[1] for shard in shards], dim=1).flatten().equal(y)


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [0, 1, 2, 8, 10, 11, 37])
def test_evaluation_counts_every_image_once(size: int, world_size: int) -> None:
    shards = [batches(5, SPLIT[:size], train=False, rank=rank, world_size=world_size) for rank in range(world_size)]
    orders = [order(shard) for shard in shards]
    assert {len(shard) for shard in shards} == {len(steps) for steps in orders} == {-(-size // 5)}
    assert sorted(flat([flat(steps) for steps in orders])) == sorted(SPLIT[:size].tolist())


def test_a_device_without_images_gets_an_empty_batch() -> None:
    x, y, index = run(batches(5, SPLIT[:1], train=False, rank=2, world_size=3))[0]
    assert (x.shape, y.shape, index.shape) == ((0, 3, 9, 7), (0,), (0,))


def test_evaluation_is_in_order_and_unchanged() -> None:
    for x, y, index in run(batches(train=False), epoch=4):
        assert x.equal(IMAGES[index] / 2)
        assert y.equal(LABELS[index])
    assert flat(order(batches(train=False), epoch=4)) == SPLIT.tolist()


def test_unshuffled_training_keeps_the_order_of_the_split() -> None:
    assert flat(order(batches(shuffle=False), epoch=4)) == SPLIT[:32].tolist()


@pytest.mark.parametrize("steps", [[], [Flip()], [Crop(2), Flip(), Cutout(3)]])
def test_batch_equals_the_reference_image_by_image(steps: list[Any]) -> None:
    loader = batches(augmentation=Pipeline(steps), seed=5)
    loader.set_epoch(2)
    draws, position = loader.augmentation_parameters(), 0
    for x, y, index in loader:
        assert (x.dtype, y.dtype, index.dtype) == (torch.float32, torch.int64, torch.int64)
        for k in range(len(index)):
            i = int(loader.order()[position])
            image = IMAGES[i : i + 1]
            if draws is not None:
                image = Pipeline(steps)(image, draws[i : i + 1])
            assert int(index[k]) == i
            assert int(y[k]) == int(LABELS[i])
            assert x[k].equal(image[0].float() / 2)
            position += 1
    assert position == 32

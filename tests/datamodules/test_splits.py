"""Protects the fixed, stratified choice of training and validation images, on which every published number rests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules import MNIST, Arrays, Digits, FashionMNIST, ImageDataModule
from datamodules.splits import indices_digest, splitmix64, stratified_order

# SHA-256 of the 6,000 default validation indices as int64, little-endian. A change here is a change of every result.
MNIST_VALIDATION = "7fe53c9d696714a688afe5aed628b32f799803e6e9016a088d20cd2bf8a4f4d0"
FASHION_MNIST_VALIDATION = "36d2384f65c47d464bd5d07a2b545a3ed82442c094efd608035636aa416a10d8"
DIGITS_VALIDATION = "0323ab3cc893a4000c457a35994f172e89a5ceaaf41071b46127521c16c8c5fe"

some_labels = st.lists(st.integers(0, 6), min_size=1, max_size=300).map(torch.tensor)


@pytest.fixture(scope="module")
def real(real_data: Path) -> Iterator[dict[str, ImageDataModule]]:
    modules: dict[str, ImageDataModule] = {"MNIST": MNIST(str(real_data))}
    if (real_data / "FashionMNIST" / "raw").is_dir():
        modules["FashionMNIST"] = FashionMNIST(str(real_data))
    for module in modules.values():
        module.setup()
    yield modules


def split_of(path: str, **options: Any) -> dict[str, torch.Tensor]:
    module = Arrays(path, **options)
    module.setup()
    return module.splits


def test_splitmix64_gives_the_published_sequence() -> None:
    # first three outputs of the reference generator (Vigna, splitmix64.c) with seed 0: it adds the constant, then mixes
    gamma = 0x9E3779B97F4A7C15
    states = np.array([0, gamma, 2 * gamma % 2**64], dtype=np.uint64)
    assert [hex(z) for z in splitmix64(states)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f"]


@given(some_labels)
def test_order_is_a_permutation(labels: torch.Tensor) -> None:
    assert stratified_order(labels).sort().values.equal(torch.arange(len(labels)))


def excess(labels: torch.Tensor) -> np.ndarray:
    """How many images of each class the front of each length holds beyond the class's share of it, (N + 1, K)."""
    y = labels.numpy()
    counts = np.cumsum(np.eye(y.max() + 1)[y[stratified_order(labels).numpy()]], axis=0)
    counts = np.concatenate([np.zeros_like(counts[:1]), counts])
    return counts - np.arange(len(y) + 1)[:, None] * counts[-1] / len(y)


@given(some_labels)
def test_every_stretch_holds_each_class_in_its_share(labels: torch.Tensor) -> None:
    classes, sizes = labels.unique(return_counts=True)
    bound = (1 + len(classes) * sizes.numpy() / len(labels)) / 2 + 1e-9
    off = excess(labels)[:, classes.numpy()]
    assert (np.abs(off) <= bound).all()  # a front; the end that it leaves is off by as much to the other side
    assert (off.max(axis=0) - off.min(axis=0) <= 2 * bound).all()  # a stretch is the difference of two fronts


@given(st.integers(1, 10), st.integers(1, 20))
def test_front_and_end_are_within_one_image_for_equal_classes(num_classes: int, size: int) -> None:
    assert np.abs(excess(torch.arange(num_classes * size) % num_classes)).max() < 1 + 1e-9


def test_front_and_end_are_within_one_image_on_the_real_sets(real: dict[str, ImageDataModule]) -> None:
    for module in real.values():
        assert np.abs(excess(module.part("train").labels)).max() < 1


def test_order_ignores_global_seeds() -> None:
    labels = torch.arange(200) % 7
    orders = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 the global state is what must not matter
        orders.append(stratified_order(labels))
    assert orders[0].equal(orders[1])


def test_images_of_a_class_are_not_taken_in_file_order() -> None:
    order = stratified_order(torch.zeros(1000, dtype=torch.long))
    assert abs(np.corrcoef(order.numpy(), np.arange(1000))[0, 1]) < 0.1


@pytest.mark.parametrize(("name", "golden"), [("MNIST", MNIST_VALIDATION), ("FashionMNIST", FASHION_MNIST_VALIDATION)])
def test_golden_validation_of_the_real_sets(real: dict[str, ImageDataModule], name: str, golden: str) -> None:
    if name not in real:
        pytest.skip(f"no real {name}")
    splits = real[name].splits
    assert (len(splits["train"]), len(splits["val"]), len(splits["test"])) == (54_000, 6_000, 10_000)
    assert indices_digest(splits["val"]) == golden


def test_golden_validation_of_digits() -> None:
    module = Digits()
    module.setup()
    assert indices_digest(module.splits["val"]) == DIGITS_VALIDATION


@pytest.mark.parametrize("options", [{}, {"val_size": 7}, {"val_size": 0}, {"val_size": 29}, {"train_size": 5}])
def test_training_and_validation_are_disjoint(npz: Callable[..., str], options: dict[str, int]) -> None:
    splits = split_of(npz(), **options)
    both = torch.cat([splits["train"], splits["val"]])
    assert len(both.unique()) == len(both)
    assert len(splits["val"]) == options.get("val_size", 3)
    assert len(splits["train"]) == options.get("train_size", 30 - len(splits["val"]))


def test_validation_depends_on_neither_training_size_nor_seed(npz: Callable[..., str]) -> None:
    path = npz()
    expected = split_of(path)["val"]
    for options in ({"train_size": 4}, {"train_size": 20}, {"seed": 1}, {"seed": 2**31}, {"shuffle_pixels": 3}):
        assert split_of(path, **options)["val"].equal(expected)


def test_smaller_training_sets_are_the_front_of_larger_ones(npz: Callable[..., str]) -> None:
    path = npz()
    whole = split_of(path)["train"]
    for size in (1, 2, 13, 27):
        assert split_of(path, train_size=size)["train"].equal(whole[:size])

"""Protects `--data.balance true`: classes equally often, as a function of seed, epoch and place."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cli import main
from datamodules import Arrays
from datamodules.augmentations import Augmentation, Crop, Flip, Pipeline
from datamodules.balance import balance_note, balanced_order
from datamodules.batches import Batch, Batches
from small_runs import equal, signal_at, state
from zoo.runs.folder import RunFolder

SIZES = (1, 3, 20, 40)  # images of each class
LABELS = torch.arange(4).repeat_interleave(torch.tensor(SIZES))[torch.randperm(64, generator=torch.Generator())]
IMAGES = torch.randint(0, 256, (64, 1, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


class Kept(Augmentation):
    """Leaves images alone, and keeps the numbers drawn for them."""

    num_draws = 2

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, x: Tensor, parameters: Tensor) -> Tensor:
        self.seen.append(parameters)
        return x


def batches(batch_size: int = 8, **options: Any) -> Batches:
    options = {"train": True, "balance": True, "augmentation": Pipeline([Crop(2), Flip()]), **options}
    return Batches(IMAGES, LABELS, torch.arange(64), batch_size, lambda x: x / 2, **options)


def run(loader: Batches, epoch: int = 0) -> list[Batch]:
    loader.set_epoch(epoch)
    return list(loader)


def same(one: list[Batch], other: list[Batch]) -> bool:
    return all(a.equal(b) for xs, ys in zip(one, other, strict=True) for a, b in zip(xs, ys, strict=True))


@given(st.lists(st.integers(-3, 12), min_size=1, max_size=80), st.integers(0, 99), st.integers(0, 99))
def test_classes_come_equally_often_and_so_do_the_images_of_each(names: list[int], seed: int, epoch: int) -> None:
    """Within one: what does not divide is shared out."""
    labels = torch.tensor(names)
    order = balanced_order(labels, seed, epoch)
    assert len(order) == len(labels)
    of_class = labels[order].unique(return_counts=True)
    assert of_class[0].equal(labels.unique())
    assert of_class[1].max() - of_class[1].min() <= 1
    seen = order.bincount(minlength=len(labels))
    for name in labels.unique():
        assert seen[labels == name].max() - seen[labels == name].min() <= 1


def test_an_order_is_a_function_of_seed_and_epoch() -> None:
    orders = [balanced_order(LABELS, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert balanced_order(LABELS, 0, 0).equal(orders[0])
    assert not any(orders[i].equal(orders[j]) for i in range(4) for j in range(i))
    # all of a large class come in turn: 16 places for 40 images
    seen = torch.cat([balanced_order(LABELS, 0, epoch) for epoch in range(20)])
    assert len(seen[LABELS[seen] == 3].unique()) == 40


@pytest.mark.parametrize("world_size", [2, 4])
def test_devices_share_the_same_global_batches(world_size: int) -> None:
    whole = run(batches(), 3)
    parts = [run(batches(rank=rank, world_size=world_size), 3) for rank in range(world_size)]
    for step, batch in enumerate(whole):
        for rank, part in enumerate(parts):
            assert all(a[rank::world_size].equal(b) for a, b in zip(batch, part[step], strict=True))


@pytest.mark.parametrize("stop", [1, 5])
def test_a_resumed_pass_goes_on_as_if_it_had_not_stopped(stop: int) -> None:
    whole, resumed = run(batches(), 2), batches()
    resumed.load_state_dict({"position": stop})
    assert same(run(resumed, 2), whole[stop:])


def test_an_image_that_comes_again_is_augmented_anew() -> None:
    """And each time by numbers that no other place has."""
    kept = Kept()
    loader = batches(augmentation=kept)
    index = torch.cat([each[2] for each in run(loader)])
    draws = torch.cat(kept.seen)
    assert (index == index[LABELS[index] == 0][0]).sum() == 16  # the class of one image
    assert len(draws.unique(dim=0)) == len(draws) == 64
    parameters = loader.augmentation_parameters()
    assert parameters is not None and draws.equal(parameters)


def test_without_shuffling_an_epoch_is_like_the_other() -> None:
    """As --trainer.overfit_batches has it."""
    loader = batches(shuffle=False, augmentation=None)
    assert same(run(loader, 0), run(loader, 1))
    assert not same(run(batches(augmentation=None), 0), run(batches(augmentation=None), 1))


def test_evaluation_is_not_balanced() -> None:
    assert torch.cat([index for _, _, index in run(batches(train=False))]).equal(torch.arange(64))


def test_how_often_images_are_seen_is_said() -> None:
    assert balance_note(LABELS, ["a\x1b[2J", "b", "c", "d"]) == (
        "balanced: each of 4 classes has 16 of the 64 places of an epoch; on average an image of a\\x1b[2J (1) is seen"
        " 16 times, one of d (40) is seen 0.4 times"
    )


@pytest.fixture
def uneven(tmp_path: Any) -> str:
    path, draw = tmp_path / "uneven.npz", np.random.default_rng(0)
    labels = np.repeat(np.arange(3), (100, 10, 4))
    images = draw.integers(0, 80, (114, 8, 8), dtype=np.uint8) + (80 * labels[:, None, None]).astype(np.uint8)
    names = np.array(["common", "rare", "rarest"])
    np.savez(
        path, train_images=images, train_labels=labels, test_images=images[::2], test_labels=labels[::2], classes=names
    )
    return str(path)


def argv(path: str, folder: Any, *more: str) -> list[str]:
    flags = f"fit --data Arrays --data.path {path} --data.balance true --data.batch_size 16 --model MLP"
    flags += f" --model.hidden [8] --trainer.max_epochs 3 --trainer.accelerator cpu --figures false --run_dir {folder}"
    return [*flags.split(), *more]


def test_a_run_that_is_stopped_in_mid_epoch_goes_on_bit_for_bit(
    uneven: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(argv(uneven, tmp_path / "a"))
    assert "balanced: each of 3 classes has 34 of the 103 places of an epoch" in capsys.readouterr().out
    with monkeypatch.context() as patch:
        signal_at(patch, "training_step", 9, 15)
        with pytest.raises(SystemExit):
            main(argv(uneven, tmp_path / "b"))
    main(["fit", "--resume", "must", "--run_dir", str(tmp_path / "b")])
    assert equal(state(RunFolder(tmp_path / "a")), state(RunFolder(tmp_path / "b")))


def test_a_run_is_not_resumed_without_it(uneven: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    main(argv(uneven, tmp_path / "a"))
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--resume", "must", "--run_dir", str(tmp_path / "a"), "--data.balance", "false"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "settings in --data.balance: expected --data.balance true" in said and "Try: --data.balance true" in said


def test_training_images_are_as_they_were_without_it(uneven: str) -> None:
    data = Arrays(uneven, batch_size=16)
    data.setup("fit")
    loader = data.batches("train")
    index = torch.cat([index for _, _, index in loader])
    assert len(index.unique()) == len(index) == 96

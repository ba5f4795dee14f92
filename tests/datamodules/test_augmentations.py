"""Protects the augmentations: each against a slow reference for one image, and one independent draw per image."""

import math
from itertools import product
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from datamodules.augmentations import AUGMENTATIONS, Augmentation, Crop, Cutout, Flip, Pipeline, ShiftRotate

ALL: list[Augmentation] = [
    Crop(3),
    Crop(3, "zero"),
    Flip(),
    ShiftRotate(),
    Cutout(5),
    Pipeline(["crop", "flip", "shift_rotate", "cutout"]),
]
SHAPES = [(1, 12, 12), (3, 12, 12), (1, 9, 14), (3, 14, 9)]


def images(batch: int, *shape: int) -> Tensor:
    return torch.randint(1, 256, (batch, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def draws(batch: int, num_draws: int, seed: int = 0) -> Tensor:
    return torch.rand(batch, num_draws, generator=torch.Generator().manual_seed(seed))


def name(augmentation: Augmentation) -> str:
    return type(augmentation).__name__


# --- every augmentation


def test_every_named_augmentation_is_tested_here() -> None:
    assert {type(augmentation) for augmentation in ALL} == {*AUGMENTATIONS.values(), Pipeline}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("augmentation", ALL, ids=name)
def test_shape_and_type_are_kept(augmentation: Augmentation, shape: tuple[int, int, int]) -> None:
    x, u = images(5, *shape), draws(5, augmentation.num_draws)
    before = x.clone()
    out = augmentation(x, u)
    assert (out.shape, out.dtype) == (x.shape, torch.uint8)
    assert x.equal(before)  # the images in memory are not to be written on


@pytest.mark.parametrize("augmentation", ALL, ids=name)
def test_equal_images_come_out_different(augmentation: Augmentation) -> None:
    x = images(1, 3, 12, 12).expand(32, -1, -1, -1)
    out = augmentation(x, draws(32, augmentation.num_draws))
    assert len(out.flatten(1).unique(dim=0)) >= (2 if isinstance(augmentation, Flip) else 16)


@pytest.mark.parametrize("augmentation", ALL, ids=name)
def test_an_image_depends_on_its_own_draws_only(augmentation: Augmentation) -> None:
    x, u = images(6, 3, 12, 9), draws(6, augmentation.num_draws)
    together = augmentation(x, u)
    for i in range(6):
        others = draws(6, augmentation.num_draws, seed=1)
        others[i] = u[i]
        assert augmentation(x, others)[i].equal(together[i])
        assert augmentation(x[i : i + 1], u[i : i + 1])[0].equal(together[i])


# --- crop


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mode", ["reflect", "zero"])
def test_crop_cuts_every_window_of_the_padded_image(mode: Literal["reflect", "zero"], shape: tuple[int, ...]) -> None:
    padding, (_, height, width) = 3, shape
    windows = list(product(range(2 * padding + 1), repeat=2))
    image = images(1, *shape)
    centres = (torch.tensor(windows) + 0.5) / (2 * padding + 1)
    out = Crop(padding, mode)(image.expand(len(windows), -1, -1, -1), centres)
    frame = ((0, 0), (padding, padding), (padding, padding))
    padded = np.pad(image[0].numpy(), frame, mode="reflect" if mode == "reflect" else "constant")
    for found, (top, left) in zip(out, windows, strict=True):
        assert np.array_equal(found.numpy(), padded[:, top : top + height, left : left + width])


def test_crop_draws_every_window_equally_often() -> None:
    # equally spaced draws fall on the windows equally often; the largest float below 1 still falls on the last one
    u = (torch.arange(70) + 0.5) / 70
    x = torch.arange(12, dtype=torch.uint8).expand(70, 1, 12, 12)  # a pixel's value is its column
    out = Crop(3, "reflect")(x, torch.stack([u, u], dim=1))
    assert out[:, 0, 0, 5].bincount().tolist() == [0, 0, *[10] * 7]
    last = torch.full((1, 2), 1 - 2**-24)
    assert Crop(3, "reflect")(x[:1], last)[0, 0, 0, 5] == 8


def test_crop_by_nothing_changes_nothing() -> None:
    x = images(4, 3, 8, 6)
    assert Crop(0)(x, draws(4, 2)).equal(x)


# --- flip


def test_flip_mirrors_the_columns_of_half_of_the_images() -> None:
    x, u = images(200, 3, 5, 8), draws(200, 1)
    out = Flip()(x, u)
    for i in range(200):
        expected = x[i, :, :, list(range(7, -1, -1))] if u[i, 0] < 0.5 else x[i]
        assert out[i].equal(expected)
    assert 70 < (u < 0.5).sum() < 130


# --- cutout


@given(st.integers(1, 9), st.floats(0, 1, exclude_max=True, width=32), st.floats(0, 1, exclude_max=True, width=32))
def test_cutout_blackens_the_part_of_a_square_that_lies_inside(size: int, u: float, v: float) -> None:
    height, width = 12, 9
    x = images(1, 3, height, width)  # no pixel is black before
    out = Cutout(size)(x, torch.tensor([[u, v]]))[0]
    top, left = int(u * height) - size // 2, int(v * width) - size // 2
    expected = x[0].clone()
    expected[:, max(top, 0) : top + size, max(left, 0) : left + size] = 0
    assert out.equal(expected)
    rows, columns = min(top + size, height) - max(top, 0), min(left + size, width) - max(left, 0)
    assert (out == 0).sum() == 3 * rows * columns


# --- shift_rotate


def distorted(image: np.ndarray, angle: float, size: float, shift: tuple[float, float]) -> np.ndarray:
    """Slow reference: one channel (H, W), bilinear, black outside; sizes in pixels, y downwards, about the centre."""
    height, width = image.shape
    out = np.zeros((height, width))
    for row, column in product(range(height), range(width)):
        x, y = column - (width - 1) / 2, row - (height - 1) / 2
        from_x = size * (math.cos(angle) * x - math.sin(angle) * y) + shift[0] + (width - 1) / 2
        from_y = size * (math.sin(angle) * x + math.cos(angle) * y) + shift[1] + (height - 1) / 2
        left, top = math.floor(from_x), math.floor(from_y)
        for j, i in product((top, top + 1), (left, left + 1)):
            if 0 <= j < height and 0 <= i < width:
                out[row, column] += (1 - abs(from_y - j)) * (1 - abs(from_x - i)) * image[j, i]
    return out


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 10, 10), (1, 9, 14), (1, 14, 9)], ids=str)
def test_shift_rotate_equals_the_reference(shape: tuple[int, int, int]) -> None:
    x, u = images(6, *shape), draws(6, 4)
    out = ShiftRotate(degrees=30, shift=2.5, scale=0.2)(x, u).numpy()
    for i in range(6):
        turn, grow, right, down = (2 * u[i].double() - 1).tolist()
        for c in range(shape[0]):
            expected = distorted(x[i, c].numpy(), math.radians(30 * turn), 1 + 0.2 * grow, (2.5 * right, 2.5 * down))
            assert np.abs(out[i, c] - expected).max() < 0.51  # rounding to whole values, and float32


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 9, 14)], ids=str)
def test_shift_rotate_by_nothing_gives_the_image_back(shape: tuple[int, int, int]) -> None:
    x = images(8, *shape)
    assert ShiftRotate()(x, torch.full((8, 4), 0.5)).equal(x)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 9, 14)], ids=str)
def test_shift_rotate_by_one_pixel_moves_by_one_pixel(shape: tuple[int, int, int]) -> None:
    x = images(1, *shape)
    step = ShiftRotate(degrees=0, scale=0, shift=2)  # draws of 3/4 and 1/4 are one pixel
    left = torch.zeros_like(x)
    left[..., :-1] = x[..., 1:]
    right = torch.zeros_like(x)
    right[..., 1:] = x[..., :-1]
    up = torch.zeros_like(x)
    up[..., :-1, :] = x[..., 1:, :]
    down = torch.zeros_like(x)
    down[..., 1:, :] = x[..., :-1, :]
    for expected, draw in ((left, (0.75, 0.5)), (right, (0.25, 0.5)), (up, (0.5, 0.75)), (down, (0.5, 0.25))):
        assert step(x, torch.tensor([[0.5, 0.5, *draw]])).equal(expected)


def test_shift_rotate_turns_anticlockwise_and_shrinks_above_one_half() -> None:
    x = torch.zeros(1, 1, 11, 11, dtype=torch.uint8)
    x[0, 0, 5, 9] = 255  # four pixels to the right of the centre
    quarter = ShiftRotate(degrees=90, shift=0, scale=0)(x, torch.tensor([[1.0, 0.5, 0.5, 0.5]]))
    assert quarter[0, 0].nonzero().tolist() == [[1, 5]]  # four pixels above it
    half = ShiftRotate(degrees=0, shift=0, scale=1.0)(x, torch.tensor([[0.5, 1.0, 0.5, 0.5]]))
    assert half[0, 0].nonzero().tolist() == [[5, 7]]  # two pixels to the right


# --- pipeline


def test_pipeline_gives_each_step_its_own_columns() -> None:
    x, u = images(16, 3, 12, 9), draws(16, 9)
    crop, flip, turn, cutout = Crop(3), Flip(), ShiftRotate(), Cutout(4)
    pipeline = Pipeline([crop, flip, turn, cutout])
    assert pipeline.num_draws == 9
    expected = cutout(turn(flip(crop(x, u[:, 0:2]), u[:, 2:3]), u[:, 3:7]), u[:, 7:9])
    assert pipeline(x, u).equal(expected)


def test_pipeline_of_names_is_the_pipeline_of_defaults() -> None:
    x, u = images(4, 1, 12, 12), draws(4, 3)
    assert Pipeline(["flip", "cutout"])(x, u).equal(Pipeline([Flip(), Cutout()])(x, u))


def test_empty_pipeline_changes_nothing() -> None:
    x = images(4, 1, 12, 12)
    assert Pipeline([]).num_draws == 0
    assert Pipeline([])(x, draws(4, 0)).equal(x)

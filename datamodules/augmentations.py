"""Augmentations: pure functions of a batch and of one row of uniform numbers per image.

    x (B, C, H, W) uint8,  u (B, num_draws) in [0, 1)  ->  x' (B, C, H, W) uint8

Every image has its own draw. (Transforms that were written for single images draw once for a whole batch when they are
given one: every image is then shifted alike, which is not only cheaper but wrong.) The numbers come from outside,
so an augmentation has no state and a test can say which image is moved where.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.errors import check_name


class Augmentation(ABC):
    """Changes each image of a batch at random; `num_draws` is how many uniform numbers one image needs."""

    num_draws: int

    @abstractmethod
    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        """Maps images (B, C, H, W) uint8 and draws u (B, num_draws) in [0, 1) to images of the same shape and type."""


class Crop(Augmentation):
    """Pads each side and cuts a window of the old size at a random place (He et al. 2015, arXiv 1512.03385, §4.2).

    Args:
        padding: pixels added on each side, so the image moves by at most so many.
        mode: `reflect` mirrors the border, `zero` adds black.
    """

    num_draws = 2

    def __init__(self, padding: int = 4, mode: Literal["reflect", "zero"] = "reflect") -> None:
        self.padding, self.mode = padding, mode

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        p = self.padding
        rows = torch.arange(height, device=x.device) + (u[:, :1] * (2 * p + 1)).long() - p  # (B, H), from -p to H-1+p
        columns = torch.arange(width, device=x.device) + (u[:, 1:] * (2 * p + 1)).long() - p  # (B, W)
        inside = None
        if self.mode == "reflect":
            rows, columns = reflect(rows, height), reflect(columns, width)
        else:
            inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
            rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
        images = torch.arange(batch, device=x.device)[:, None, None]
        out = x.permute(0, 2, 3, 1)[images, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)  # (B, C, H, W)
        return out if inside is None else out * inside[:, None]


def reflect(index: Tensor, size: int) -> Tensor:
    """Folds indices back into [0, size): -1 -> 1, size -> size - 2, as a mirror at the border pixel does."""
    return (size - 1) - ((size - 1) - index.abs()).abs()


class Flip(Augmentation):
    """Mirrors an image left to right with probability one half. Not for digits or letters."""

    num_draws = 1

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        return torch.where(u[:, :, None, None] < 0.5, x.flip(3), x)


class ShiftRotate(Augmentation):
    """Turns, scales and shifts each image a little: the affine distortions of Simard et al. 2003, for digits.

    The draws are turn, size, shift in x, shift in y. Half of each, 0.5, changes nothing; more than that turns the image
    anticlockwise, makes it smaller, moves it left and moves it up. What comes in from outside is black.

    Args:
        degrees: largest turn to either side.
        shift: largest shift in each direction, in pixels.
        scale: largest relative change of size, up or down.
    """

    num_draws = 4

    def __init__(self, degrees: float = 10.0, shift: float = 2.0, scale: float = 0.1) -> None:
        self.degrees, self.shift, self.scale = degrees, shift, scale

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        centred = 2 * u - 1  # (B, 4) in [-1, 1)
        angle = centred[:, 0] * math.radians(self.degrees)
        size = 1 + centred[:, 1] * self.scale
        shift = centred[:, 2:] * self.shift * 2 / torch.tensor([x.shape[3], x.shape[2]], device=x.device)
        cos, sin = size * angle.cos(), size * angle.sin()
        # the grid runs from -1 to 1 along either side: without the ratio an oblong image would be sheared, not turned
        ratio = x.shape[2] / x.shape[3]  # H / W
        rotation = torch.stack([cos, -sin * ratio, sin / ratio, cos], dim=1).unflatten(1, (2, 2))  # (B, 2, 2)
        theta = torch.cat([rotation, shift[:, :, None]], dim=2)  # (B, 2, 3)
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)  # (B, H, W, 2)
        out = F.grid_sample(x.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        return out.round_().clamp_(0, 255).to(torch.uint8)


class Cutout(Augmentation):
    """Blackens a square at a random place, part of it possibly outside (DeVries and Taylor 2017, arXiv 1708.04552).

    Args:
        size: side of the square in pixels.
    """

    num_draws = 2

    def __init__(self, size: int = 8) -> None:
        self.size = size

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        height, width = x.shape[2:]
        top = (u[:, 0] * height).long() - self.size // 2  # (B,)
        left = (u[:, 1] * width).long() - self.size // 2
        rows = torch.arange(height, device=x.device) - top[:, None]  # (B, H)
        columns = torch.arange(width, device=x.device) - left[:, None]  # (B, W)
        hit = ((rows >= 0) & (rows < self.size))[:, :, None] & ((columns >= 0) & (columns < self.size))[:, None, :]
        return x.masked_fill(hit[:, None], 0)


AugmentationName = Literal["crop", "flip", "shift_rotate", "cutout"]
AUGMENTATIONS: dict[str, type[Augmentation]] = {
    "crop": Crop,
    "flip": Flip,
    "shift_rotate": ShiftRotate,
    "cutout": Cutout,
}


class Pipeline(Augmentation):
    """Several augmentations, one after the other, each with its own columns of the draws."""

    def __init__(self, steps: Sequence[AugmentationName | Augmentation]) -> None:
        for step in steps:
            if isinstance(step, str):
                check_name("--data.augment", step, AUGMENTATIONS)
        self.steps = [AUGMENTATIONS[step]() if isinstance(step, str) else step for step in steps]
        self.num_draws = sum(step.num_draws for step in self.steps)

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        for step, draws in zip(self.steps, u.split([step.num_draws for step in self.steps], dim=1), strict=True):
            x = step(x, draws)
        return x

"""Folders of made pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (12, 10)  # width and height


def draw(path: Path, seed: int = 0, size: tuple[int, int] = SIZE, *, grey: bool = False) -> Path:
    """A picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) if grey else (size[1], size[0], 3)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(path)
    return path


def fill(
    root: Path, counts: Mapping[str, int], *, grey: bool = False, sizes: Sequence[tuple[int, int]] = (SIZE,)
) -> Path:
    """So many pictures in each folder, all different; sizes take turns."""
    seed = 0
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            draw(root / folder / f"{i}.png", seed, sizes[seed % len(sizes)], grey=grey)
            seed += 1
    return root

"""How well are pictures read that people bring? Test digits of MNIST, drawn large, on paper, in bad light.

    python scripts/preparation.py --data-root DIR

the first digits, each as a picture -> a way to the network's shape -> how many are right: results/preparation.csv

Besides the ways of `zoo.prepare` two that were not taken: `box`, which centres a digit by its box and not by its mass,
and `one grey`, which takes the ground for equally bright everywhere.
"""

import argparse
import csv
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from entry import begin

ROWS = Path(__file__).resolve().parents[1] / "results/preparation.csv"
HEAD = ("network", "picture", "way", "right", "n")
NETWORKS = ("mnist_lenet", "mnist_fastnet")
WAYS = {"digits": "digits", "photo": "photo", "box": "digits", "one grey": "digits"}
PAPER = (240, 320)  # height and width
Draw = np.random.Generator


def enlarged(pixels: np.ndarray, side: int) -> np.ndarray:
    """A digit (28, 28) uint8 as ink from 0 to 1, (side, side)."""
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)) / 255


def on_paper(pixels: np.ndarray, draw: Draw, darkest: float, noise: float) -> Image.Image:
    """A digit somewhere on a sheet.

    Args:
        pixels: of the digit.
        draw: of its place and size, and of the noise.
        darkest: how bright the right side is, of the left.
        noise: of 255, its standard deviation.
    """
    ink, side = np.zeros(PAPER), int(draw.integers(60, 200))
    top, left = (int(draw.integers(0, size - side + 1)) for size in PAPER)
    ink[top : top + side, left : left + side] = enlarged(pixels, side)
    light = 245 * np.linspace(1, darkest, PAPER[1]) + draw.normal(0, noise, PAPER)
    return as_image(light * (1 - 0.8 * ink))


def as_image(grey: np.ndarray) -> Image.Image:
    """Grey values as an image."""
    return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8))


def as_jpeg(image: Image.Image) -> Image.Image:
    """What is left of an image in a small file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(file)


PICTURES: dict[str, Callable[[np.ndarray, Draw], Image.Image]] = {
    "as they are, 28 × 28": lambda pixels, draw: Image.fromarray(pixels),
    "280 × 280": lambda pixels, draw: as_image(255 * enlarged(pixels, 280)),
    "280 × 280, dark on bright": lambda pixels, draw: as_image(255 - 255 * enlarged(pixels, 280)),
    "somewhere on paper": lambda pixels, draw: on_paper(pixels, draw, 0.85, 2),
    "somewhere on paper, JPEG": lambda pixels, draw: as_jpeg(on_paper(pixels, draw, 0.85, 2)),
    "somewhere on paper, half as bright on one side": lambda pixels, draw: on_paper(pixels, draw, 0.5, 4),
}


@contextmanager
def way(name: str) -> Iterator[str]:
    """Within it, what this name stands for: the way of `zoo.prepare` that does it."""
    from zoo import prepare as preparing

    kept = preparing.centre_of_mass, preparing.light_of_ground
    try:
        if name == "box":
            preparing.centre_of_mass = lambda ink: ((ink.shape[0] - 1) / 2, (ink.shape[1] - 1) / 2)
        if name == "one grey":
            preparing.light_of_ground = lambda pixels: np.full_like(pixels, np.median(preparing.border(pixels)))
        yield WAYS[name]
    finally:
        preparing.centre_of_mass, preparing.light_of_ground = kept


def read(images: np.ndarray, picture: str, name: str) -> np.ndarray:
    """Digits (N, 28, 28) as the network gets them, (N, 1, 28, 28); black, where nothing was found."""
    from zoo.prepare import NoInk, prepare

    found = np.zeros((len(images), 1, 28, 28), np.uint8)
    with way(name) as how:
        for i, pixels in enumerate(images):
            try:
                found[i] = prepare(PICTURES[picture](pixels, np.random.default_rng(i)), (1, 28, 28), how)
            except NoInk:
                continue
    return found


def rows(images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[str, str, str, int, int]]:
    """How many are right."""
    import zoo

    models = {name: zoo.load(name) for name in NETWORKS}
    for picture in PICTURES:
        for name in WAYS:
            pixels = read(images, picture, name)
            for network, model in models.items():
                yield network, picture, name, int((model(pixels).argmax(1) == labels).sum()), len(labels)


def main() -> None:
    """Writes the rows."""
    begin()
    from datamodules import MNIST

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", default=os.environ.get("ZOO_DATA", "data"), help="folder that holds MNIST/raw")
    parser.add_argument("--images", type=int, default=1000)
    options = parser.parse_args()
    data = MNIST(root=options.data_root)
    data.setup("test")
    images, labels = (array[: options.images].numpy() for array in data.part("test"))
    found = sorted(rows(images[:, 0], labels), key=lambda row: NETWORKS.index(row[0]))
    with ROWS.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEAD, *found])
    print("\n".join(table(NETWORKS[0])))


def table(network: str) -> list[str]:
    """The rows of a network, in per cent, as docs/weights.md has them."""
    with ROWS.open(newline="") as file:
        found = {(row["picture"], row["way"]): row for row in csv.DictReader(file) if row["network"] == network}
    lines = [f"| digits, read by {network}, % | {' | '.join(WAYS)} |", f"|---|{'---:|' * len(WAYS)}"]
    for picture in PICTURES:
        shares = [int(found[picture, name]["right"]) / int(found[picture, name]["n"]) for name in WAYS]
        lines.append(f"| {picture} | {' | '.join(f'{100 * share:.1f}' for share in shares)} |")
    return lines


if __name__ == "__main__":
    main()

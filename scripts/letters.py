"""Draws a data set of one's own: the letters A to Z from free fonts of Debian, as a file that `--data.path` reads.

    apt-get install fonts-dejavu fonts-liberation fonts-freefont-ttf
    python scripts/letters.py runs/letters.npz

each letter in each font  ->  sized, turned, sheared and moved at random, grey, with noise  ->  28 × 28, white on black

The fonts of the test images are others than those of the training: FreeFont's, where DejaVu and Liberation train. The
same fonts, Pillow and FreeType draw the same file. Without installing them: `dpkg -x PACKAGE.deb DIR`, `--fonts DIR`.
"""

import argparse
import hashlib
import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from entry import begin

FAMILIES = {"train": ("DejaVu", "Liberation"), "test": ("Free",)}
PACKAGES = "fonts-dejavu fonts-liberation fonts-freefont-ttf"
CLASSES = list(string.ascii_uppercase)
EACH = {"train": 600, "test": 100}  # images of a letter
SIDE, LARGE = 28, 4  # pixels; and how many times as large letters are drawn
TURN, SHEAR, MOVE = 15, 0.2, 3  # degrees, share of the height, pixels: at most
HEIGHT = (13, 21)  # of a letter, in pixels
INK, NOISE = (110, 256), 12  # brightness of a letter; standard deviation of what is added


def main(args: Sequence[str] | None = None) -> None:
    """Draws the file and says what is in it."""
    begin()
    from zoo.commands.report_errors import reported

    with reported(debug=False):
        run(args)


def run(args: Sequence[str] | None = None) -> None:
    """Does it."""
    parser = argparse.ArgumentParser(description="Draw letters from free fonts.", allow_abbrev=False)
    parser.add_argument("out", type=Path, metavar="OUT.npz")
    parser.add_argument("--fonts", type=Path, action="append", help="folder of fonts (/usr/share/fonts); several")
    options = parser.parse_args(args)
    arrays: dict[str, NDArray[np.uint8] | NDArray[np.int64] | list[str]] = {"classes": CLASSES}
    for number, (split, each) in enumerate(EACH.items()):
        fonts = fonts_of(FAMILIES[split], options.fonts or [Path("/usr/share/fonts")])
        images, labels = draw(fonts, each, np.random.default_rng(number))
        arrays |= {f"{split}_images": images, f"{split}_labels": labels}
        digest = hashlib.sha256(images.tobytes()).hexdigest()[:12]
        print(f"{len(images):,} {split} images from {len(fonts)} fonts, SHA-256 {digest}…")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(options.out, **arrays)  # type: ignore[arg-type]


def fonts_of(families: Sequence[str], folders: Sequence[Path]) -> list[Path]:
    """The fonts of some families, in the order of their names; raises UsageError if one of them is not there."""
    files = {path.name: path for folder in folders for path in sorted(folder.rglob("*.ttf"))}
    for family in families:
        if not any(name.startswith(family) for name in files):
            from zoo.errors import UsageError

            raise UsageError(
                f"fonts in {', '.join(map(str, folders))}: expected {family}, found none of that name."
                f" Try: apt-get install {PACKAGES}"
            )
    return [path for name, path in sorted(files.items()) if name.startswith(tuple(families))]


def draw(fonts: Sequence[Path], each: int, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 28, 28) and labels (N,), as many of each letter, the letters in turn."""
    sized = [ImageFont.truetype(str(path), SIDE * LARGE) for path in fonts]
    labels = np.arange(each * len(CLASSES)) % len(CLASSES)
    images = [letter(CLASSES[label], sized[random.integers(len(sized))], random) for label in labels]
    return np.stack(images), labels


def letter(text: str, font: ImageFont.FreeTypeFont, random: np.random.Generator) -> NDArray[np.uint8]:
    """One letter, (28, 28)."""
    left, top, right, bottom = font.getbbox(text)
    large = SIDE * LARGE
    paper = Image.new("L", (2 * large, 2 * large))
    middle = (large - (left + right) / 2, large - (top + bottom) / 2)
    ImageDraw.Draw(paper).text(middle, text, fill=255, font=font)
    scale = (bottom - top) / (LARGE * random.uniform(*HEIGHT))  # pixels drawn for a pixel of the letter that is to be
    turn, shear = np.deg2rad(random.uniform(-TURN, TURN)), random.uniform(-SHEAR, SHEAR)
    inverse = scale * np.array([[1, shear], [0, 1]]) @ [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    moved = np.array([large / 2, large / 2]) + LARGE * random.uniform(-MOVE, MOVE, 2)  # where its middle comes to
    offset = np.array([large, large]) - inverse @ moved
    data = (*inverse[0], offset[0], *inverse[1], offset[1])
    drawn = paper.transform((large, large), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    small = np.asarray(drawn.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64) / 255
    noisy = random.integers(*INK) * small + random.normal(0, NOISE, (SIDE, SIDE))
    return noisy.round().clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()

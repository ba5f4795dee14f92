"""Draws the pictures beside this file: what people bring, with nothing taken from anybody.

    python tests/pictures/draw.py

seven.png      a 7, dark pen on bright paper that is lit from one side, far from the middle, 200 × 200
three.png      a 3, red pen on lined paper, 160 × 120
five.png       a 5, black on nothing (transparent), 90 × 140
harbour.jpg    a ship on the sea under a sky, in colour, 120 × 80
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

FINE = 4  # times the pixels while it is drawn
Points = Sequence[tuple[float, float]]
SEVEN: Points = [(0, 0.05), (0.95, 0.0), (0.62, 0.45), (0.4, 1.0)]
THREE: Points = [
    (0.05, 0.1),
    (0.4, 0),
    (0.75, 0.12),
    (0.7, 0.36),
    (0.3, 0.47),
    (0.75, 0.58),
    (0.8, 0.85),
    (0.4, 1),
    (0, 0.9),
]
FIVE: Points = [(0.9, 0.02), (0.2, 0), (0.15, 0.42), (0.6, 0.4), (0.9, 0.62), (0.75, 0.92), (0.4, 1), (0.02, 0.9)]


def stroke(size: tuple[int, int], points: Points, box: tuple[float, float, float, float], pen: float) -> np.ndarray:
    """Where ink is, (H, W) from 0 to 1.

    Args:
        size: width and height.
        points: of the line, in its box.
        box: left, top, width and height.
        pen: width of the line.
    """
    canvas = Image.new("L", (size[0] * FINE, size[1] * FINE))
    draw = ImageDraw.Draw(canvas)
    line = [(FINE * (box[0] + x * box[2]), FINE * (box[1] + y * box[3])) for x, y in points]
    draw.line(line, 255, round(pen * FINE), joint="curve")
    for x, y in line:
        half = pen * FINE / 2
        draw.ellipse((x - half, y - half, x + half, y + half), 255)
    return np.asarray(canvas.resize(size, Image.Resampling.LANCZOS)) / 255


def grain(shape: tuple[int, ...], spread: float, seed: int) -> np.ndarray:
    """What a sensor adds."""
    return np.random.default_rng(seed).normal(0, spread, shape)


def as_image(pixels: np.ndarray) -> Image.Image:
    """Grey values or colours, (H, W) or (H, W, C), as an image."""
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def seven() -> Image.Image:
    """On paper."""
    ink = stroke((200, 200), SEVEN, (95, 28, 70, 105), 11)
    light = np.linspace(244, 206, 200)[None, :] + np.zeros((200, 1))
    return as_image(light * (1 - 0.82 * ink) + grain((200, 200), 2, 0))


def three() -> Image.Image:
    """In red, between faint lines."""
    ink = stroke((160, 120), THREE, (38, 18, 50, 76), 8)[..., None]
    paper = np.full((120, 160, 3), 246.0)
    paper[10::20] = (222, 228, 240)
    return as_image(paper * (1 - ink) + ink * np.array([176, 24, 38]) + grain((120, 160, 3), 1.5, 1))


def five() -> Image.Image:
    """As a drawing program saves it."""
    ink = stroke((90, 140), FIVE, (20, 25, 48, 86), 9)
    return as_image(np.dstack([np.zeros((140, 90, 3)), 255 * ink]))


def harbour() -> Image.Image:
    """A ship."""
    rows = np.linspace(0, 1, 80)[:, None, None]
    sky = np.array([120, 170, 225]) * (1 - rows) + np.array([215, 225, 235]) * rows
    scene = np.repeat(sky, 120, axis=1)
    waves = 6 * np.sin(np.arange(120) / 3)[None, :, None]
    scene[48:] = np.array([30, 78, 110]) + 40 * rows[48:] + waves
    image = as_image(scene + grain(scene.shape, 3, 3))
    draw = ImageDraw.Draw(image)
    draw.polygon([(22, 44), (100, 44), (90, 57), (32, 57)], (150, 30, 30))
    draw.rectangle((40, 32, 74, 44), (235, 235, 230))
    draw.rectangle((58, 20, 66, 32), (40, 40, 45))
    draw.line([(84, 44), (84, 16)], (60, 50, 40), 2)
    return image


PICTURES = {"seven.png": seven, "three.png": three, "five.png": five, "harbour.jpg": harbour}

if __name__ == "__main__":
    for name, make in PICTURES.items():
        make().save(Path(__file__).with_name(name), quality=90)

"""How a picture becomes what a network was trained on: any file or Pillow image -> uint8 (C, H, W).

    open_picture(path)   a file -> one image, turned as its EXIF says, transparency on white, mode L or RGB
    photo                the whole picture, its aspect kept: made to fit, the rest in the colour of its edge
    digits               handwriting as MNIST has it: ink bright on black, longer side 20 of 28, centred by its mass,
                         from paper that may be lit from one side

A picture that has the network's size is taken as it is; by `digits`, if its edge is dark as MNIST's is. Needs neither
torch nor Lightning. Shrinking is always antialiased: without it a thin pen loses every second digit.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from struct import error as struct_error
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = NDArray[np.uint8]

MOST_BYTES = 100_000_000  # of a file
MOST_PIXELS = 64_000_000  # of a picture
BOX = 20 / 28  # side of a digit's box, as a share of the image's: LeCun et al. 1998, §III.A
FAINT = 0.3  # share of the darkest ink below which nothing counts as ink when its box is sought
FAR_FROM_GROUND = 80  # of 255: a pixel of the edge that differs by more from most of it is ink
ENOUGH = 1000  # pixels of the longer side of a picture in which a digit is looked for
LEAST_INK = 25  # of 255: a picture with less contrast is empty
DARK = 64  # of 255: the edge of a picture that is bright on dark already
FAR = 50  # of 255: images that differ by so much on average are of another kind, or inverted
COLOURED = 24  # of 255: channels that differ by more somewhere show a colour; a scan of grey paper has less
THUMBNAIL = 64  # pixels of the shorter side in which colours are looked for
OF_16_BITS = ("PPM", "PNG")  # formats without more, although Pillow may give their pixels 32
ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm", ".jfif"),
    *(".avif", ".jp2", ".tga"),
)
FORMATS = (  # that Pillow reads by itself; for others it starts another program, or has no pixels
    *("PNG", "JPEG", "MPO", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000", "TGA", "ICO", "PCX"),
    *("SGI", "QOI"),
)


class NoInk(ValueError):
    """A picture that should be of handwriting is of one colour."""


def open_picture(path: Path) -> Image.Image:
    """One picture from a file, mode L or RGB, as a viewer would show it on white.

    Raises:
        OSError: there is none, or it cannot be read.
        ValueError: it is no picture, an animation, too large, or of numbers that are no colours.
    """
    return flatten(load_picture(path), f"picture in {path}")


def load_picture(path: Path) -> Image.Image:
    """One picture from a file, of any mode, as it is stored; raises what `open_picture` does."""
    where = f"picture in {path}"
    if not path.is_file():
        raise OSError(f"{where}: expected a file, found {'a folder' if path.is_dir() else 'none'}")
    size = path.stat().st_size
    if not 0 < size <= MOST_BYTES:
        raise ValueError(f"{where}: expected 1 to {MOST_BYTES:,} bytes, found {size:,}")
    return as_stored(path, where)


def decode_picture(source: Path | BinaryIO, where: str) -> Image.Image:
    """One picture from a file or from bytes, as `open_picture` gives it.

    Args:
        source: the file, or an open one.
        where: what to call it in a message.

    Raises:
        OSError: it is damaged.
        ValueError: it is no picture, an animation, too large, or of numbers that are no colours.
    """
    return flatten(as_stored(source, where), where)


def as_stored(source: Path | BinaryIO, where: str) -> Image.Image:
    """One picture from a file or from bytes, of any mode; raises what `decode_picture` does."""
    try:
        with warnings.catch_warnings():  # Pillow's of large pictures: the limit here is lower; and of damaged EXIF
            warnings.simplefilter("ignore")
            image = Image.open(source)
        if image.format not in FORMATS:
            raise ValueError(f"{where}: expected one of {', '.join(FORMATS[:6])} …, found {image.format}")
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise ValueError(f"{where}: expected at most {MOST_PIXELS:,} pixels, found {width:,} × {height:,}")
        # a telephone's MPO is a JPEG with more beside the picture, such as its depth
        if image.format != "MPO" and (frames := getattr(image, "n_frames", 1)) > 1:
            raise ValueError(f"{where}: expected one image, found {frames} frames. Try: save one of them as PNG")
        image.load()
    except UnidentifiedImageError as error:
        raise ValueError(f"{where}: expected one that Pillow can read, found another file") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{where}: expected at most {MOST_PIXELS:,} pixels, found more ({error})") from error
    except (OSError, SyntaxError, EOFError, struct_error) as error:
        raise OSError(f"{where}: expected a whole file, found a damaged one ({error})") from error
    return image


def flatten(image: Image.Image, where: str = "picture") -> Image.Image:
    """An image of any mode as L or RGB: turned as its EXIF says, on white where it is transparent.

    Args:
        image: as Pillow has opened it.
        where: what to call it in a message.

    Raises:
        ValueError: it has no pixels, or its numbers are no colours: floating point, or whole numbers of 32 bits.
    """
    if not all(image.size):
        raise ValueError(f"{where}: expected some pixels, found {image.width} × {image.height}")
    of_16_bits = image.mode.startswith("I;16") or (image.mode == "I" and image.format in OF_16_BITS)
    with warnings.catch_warnings():  # Pillow's of EXIF that cannot be read: the picture is taken as it lies
        warnings.simplefilter("ignore")
        image = ImageOps.exif_transpose(image)
    if of_16_bits:
        pixels = np.asarray(image).astype(np.uint16)  # in this machine's byte order, whatever the file's was
        return Image.fromarray((pixels // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        kind = "floating-point numbers" if image.mode == "F" else "whole numbers of 32 bits"
        raise ValueError(f"{where}: expected pixels of 8 or 16 bits, found {kind}. Try: save it as an 8-bit PNG")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        colours = image.convert("RGBA")
        grey = image.mode in ("LA", "La", "L", "1")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), colours).convert("L" if grey else "RGB")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def prepare(image: Image.Image, shape: tuple[int, int, int], how: str = "photo", where: str = "the picture") -> Pixels:
    """A picture as a network takes it.

    Args:
        image: mode L or RGB, of any size.
        shape: channels (1 or 3), height and width of the network's images.
        how: `photo` or `digits`.
        where: what to call the picture in a message.

    Returns:
        uint8 (C, H, W).

    Raises:
        ValueError: there is no such way, or no ink in what should be a digit.
    """
    check_way(how)
    channels, height, width = shape
    try:
        pixels = WAYS[how](image.convert("L" if channels == 1 else "RGB"), height, width)
    except NoInk as error:
        raise NoInk(f"ink in {where}: {error}") from error
    return np.array(np.broadcast_to(np.atleast_3d(pixels), (height, width, channels)).transpose(2, 0, 1), order="C")


def check_way(how: str) -> None:
    """Raises ValueError if there is no such way."""
    if how not in WAYS:
        raise ValueError(f"way in --prepare: expected one of {', '.join(WAYS)}, found {how!r}")


def photo(image: Image.Image, height: int, width: int) -> Pixels:
    """The whole picture (H, W) or (H, W, 3), its aspect kept, in the middle; beside it the colour of its edge."""
    if image.size == (width, height):
        return np.asarray(image)
    scale = min(width / image.width, height / image.height)
    inner = max(1, round(scale * image.width)), max(1, round(scale * image.height))
    edge = tuple(int(value) for value in np.atleast_1d(np.median(border(np.asarray(image)), axis=0)))
    canvas = Image.new(image.mode, (width, height), edge if len(edge) > 1 else edge[0])
    canvas.paste(image.resize(inner, Image.Resampling.LANCZOS), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return np.asarray(canvas)


def digits(image: Image.Image, height: int, width: int) -> Pixels:
    """Handwriting, as MNIST has it: bright on black, in a box of 20 of 28 pixels, its centre of mass in the middle.

    Raises:
        NoInk: there is nothing to be read.
    """
    image = image.convert("L")
    if image.size == (width, height) and np.median(border(np.asarray(image))) < DARK:
        return np.asarray(image)
    pixels = np.asarray(image.reduce(max(1, max(image.size) // ENOUGH))).astype(np.float32)
    ground = light_of_ground(pixels)
    # ink is what differs from the ground, the way most of it does: dark on bright paper, or chalk on a board
    darker, brighter = (ground - pixels).clip(0), (pixels - ground).clip(0)
    dark = darker.sum() > brighter.sum()
    ink = darker if dark else brighter
    if ink.max() < LEAST_INK:
        raise NoInk("expected some on another colour, found an even grey. Try: --prepare photo")
    ink /= (ground if dark else 255 - ground).clip(FAR_FROM_GROUND)  # as strong in the shade
    rows, columns = np.nonzero(ink > FAINT * ink.max())
    box = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    box = (box * (255 / box.max())).astype(np.uint8)
    scale = BOX * min(height, width) / max(box.shape)
    side = max(1, round(scale * box.shape[1])), max(1, round(scale * box.shape[0]))
    small = np.asarray(Image.fromarray(box).resize(side, Image.Resampling.LANCZOS)).astype(np.float64)
    if not small.max():
        raise NoInk("expected strokes, found a few specks far from each other. Try: --prepare photo")
    small *= 255 / small.max()  # a thin pen fades as it shrinks
    canvas = np.zeros((height, width), np.uint8)
    top, left = (
        int(np.clip(round(size / 2 - centre), 0, size - length))
        for size, centre, length in zip((height, width), centre_of_mass(small), small.shape, strict=True)
    )
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small.round()
    return canvas


def is_coloured(image: Image.Image) -> bool:
    """Whether a picture of mode L or RGB shows colours, and not only greys."""
    if image.mode != "RGB":
        return False
    pixels = np.asarray(image.reduce(max(1, min(image.size) // THUMBNAIL)))
    return bool((np.ptp(pixels, axis=2) > COLOURED).any())


def other_brightness(grey: float, before: float) -> str | None:
    """The message for images whose mean grey is far from that of the training images; None if it is near."""
    if abs(grey - before) < FAR:
        return None
    inverted = abs(255 - grey - before) < FAR / 2
    advice = " inverted? Try: test_images = 255 - test_images" if inverted else " are they of the same kind and scale?"
    return f"mean grey of these images is {grey:.0f}, of the training images {before:.0f}:{advice}"


def light_of_ground(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a picture (H, W) would be without its ink: the plane through its edge, as light falls from one side."""
    down, across = (np.linspace(-1, 1, size, dtype=np.float32) for size in pixels.shape)
    x = np.stack([border(np.broadcast_to(each, pixels.shape)) for each in (np.float32(1), down[:, None], across)], 1)
    y = border(pixels)
    kept = np.abs(y - np.median(y)) < FAR_FROM_GROUND
    level, slope_down, slope_across = np.linalg.lstsq(x[kept], y[kept], rcond=None)[0]
    return level + slope_down * down[:, None] + slope_across * across


def border(pixels: NDArray) -> NDArray:
    """The outermost pixels of a picture (H, W, …): (N, …)."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def centre_of_mass(ink: NDArray) -> tuple[float, float]:
    """Row and column of the mean of the ink (H, W), in pixels from the first."""
    rows, columns = (ink.sum(axis) @ np.arange(ink.shape[1 - axis]) / ink.sum() for axis in (1, 0))
    return float(rows), float(columns)


WAYS: dict[str, Callable[[Image.Image, int, int], Pixels]] = {"photo": photo, "digits": digits}

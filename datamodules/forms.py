"""Array shapes and types of the user's images that can be read.

    any number type, (N, H, W), (N, H, W, C) or (N, C, H, W)  ->  (N, H, W, C) uint8

They are read where they can mean one thing only. Else the message ends with the line of Python for this very array,
under the name that it has in the file.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from datamodules.checks import form_error
from zoo.errors import shorten

CHANNELS = (1, 3)
WHITES = (1023, 4095, 16_383, 65_535)  # the largest values of cameras and scanners
DARK = 64  # images whose largest pixel is below that are of another scale, or very dark
CONVERTED = ".round().clip(0, 255).astype('uint8')"


def as_images(
    path: Path, key: str, images: np.ndarray, labels: int | None, all_images: Mapping[str, np.ndarray]
) -> np.ndarray:
    """The images as (N, H, W, C) uint8.

    Args:
        path: the file, for messages.
        key: the array's name in it.
        images: the array.
        labels: how many labels belong to them, where there are any.
        all_images: of all splits, under their names in the file: the scale holds for all of them.

    Raises:
        ValueError: they can mean several things, or nothing; the message ends with what to type.
    """
    if images.dtype.kind not in "biuf":
        by = {"c": f"{key} = {key}.real", "U": f"{key} = {key}.astype(float)", "S": f"{key} = {key}.astype(float)"}
        advice = by.get(images.dtype.kind, "pixels as whole numbers from 0 to 255")
        raise form_error("type", key, path, "uint8 (0 to 255)", shorten(images.dtype), advice)
    return as_bytes(path, key, with_axes_in_order(path, key, images, labels), all_images, labelled=labels is not None)


def with_axes_in_order(path: Path, key: str, images: np.ndarray, labels: int | None) -> np.ndarray:
    """The images with their axes as (N, H, W, C)."""
    check_axes(path, key, images, labels)
    if images.ndim == 3:
        return images[..., None]
    return images if images.shape[3] in CHANNELS else np.moveaxis(images, 1, 3)


def check_axes(path: Path, key: str, images: np.ndarray, labels: int | None) -> None:
    """Raises ValueError unless the axes are (N, H, W), (N, H, W, C) or (N, C, H, W)."""
    shape = images.shape
    if 0 in shape or images.ndim < 2:
        raise wrong_shape(path, key, shape, "one array of all images, all of one size")
    if labels is not None and (place := where_images_are_counted(shape, labels)):
        axis = place if place < len(shape) - 1 else -1
        found = f"{shape} with {labels} labels: the images are counted on the {'last' if axis < 0 else 'wrong'} axis"
        raise wrong_shape(path, key, found, f"{key} = numpy.moveaxis({key}, {axis}, 0)")
    if images.ndim == 3 or (images.ndim == 4 and (shape[3] in CHANNELS or shape[1] in CHANNELS)):
        return
    if images.ndim == 2:
        raise wrong_shape(path, key, f"{shape}, flat rows", rows(key, shape[1]))
    middle = f"{key} = {key}[:, {shape[1] // 2}]  # of each the slice in the middle"
    if images.ndim > 4:
        raise wrong_shape(path, key, f"{shape}, volumes or films, which are not supported", middle)
    if labels is None and shape[2] in CHANNELS:
        found = f"{shape}: the images are counted on the last axis"
        raise wrong_shape(path, key, found, f"{key} = numpy.moveaxis({key}, -1, 0)")
    if shape[3] in (2, 4):
        raise wrong_shape(path, key, f"{shape}, {shape[3]} channels", without_alpha(key, images))
    if shape[1] in (2, 4):
        first = f"{key} = numpy.moveaxis({key}, 1, -1)  # and then fewer channels"
        raise wrong_shape(path, key, f"{shape}, {shape[1]} channels", first)
    if shape[1] == shape[2] != shape[3]:
        some = f"{key} = {key}[..., :3]  # or three others, or one of them"
        raise wrong_shape(path, key, f"{shape}, {shape[3]} channels", some)
    raise wrong_shape(path, key, f"{shape}, volumes, which are not supported", middle)


def wrong_shape(path: Path, key: str, found: object, advice: str) -> ValueError:
    """The error for axes that are not those of images."""
    expected = "(N, H, W), (N, H, W, C) or (N, C, H, W), C 1 or 3 and no side 0"
    return form_error("shape", key, path, expected, str(found), advice)


def where_images_are_counted(shape: tuple[int, ...], labels: int) -> int:
    """The axis that is as long as there are labels, if the first is not and there is no mistaking it; else 0."""
    last = len(shape) - 1
    if shape[0] == labels or labels not in shape:
        return 0
    if len(shape) == 4 and shape[3] == labels and shape[2] in CHANNELS:  # (H, W, C, N), as SVHN has it
        return last
    if labels > max(side for side in shape if side != labels) and shape.count(labels) == 1:
        return shape.index(labels)
    return last if len(shape) == 3 and shape[2] == labels and shape[0] == shape[1] else 0


def is_ambiguous(shape: tuple[int, ...]) -> bool:
    """Whether axes are read as (N, H, W, C) that could be (N, C, H, W) too."""
    return len(shape) == 4 and shape[3] in CHANNELS and shape[1] in CHANNELS


def rows(key: str, length: int) -> str:
    """What to type where each image is a flat row."""
    side, third = math.isqrt(length), math.isqrt(length // 3)
    if side**2 == length:
        return f"{key} = {key}.reshape(-1, {side}, {side})  # if images are {side} × {side}, row by row"
    if 3 * third**2 == length:
        return (
            f"{key} = {key}.reshape(-1, 3, {third}, {third})  # all red pixels first, as in CIFAR-10;"
            f" or .reshape(-1, {third}, {third}, 3) if the colours of a pixel are together"
        )
    return f"{key} = {key}.reshape(-1, H, W)  # with the height and width that were flattened row by row"


def without_alpha(key: str, images: np.ndarray) -> str:
    """What to type where images have two or four channels, of which the last may be their opacity."""
    channels = images.shape[3] - 1
    opaque = (images[..., channels] == (255 if images.dtype.kind in "iu" else images[..., channels].max())).all()
    if channels == 1:
        return f"{key} = {key}[..., 0]  # the first of them"
    if opaque or images.dtype != np.uint8:
        return f"{key} = {key}[..., :3]  # the fourth is opacity"
    return (
        f"{key} = (255 - (255 - {key}[..., :3].astype(int)) * {key}[..., 3:] / 255)"
        f"{CONVERTED}  # the fourth is opacity; on white"
    )


def as_bytes(
    path: Path, key: str, images: np.ndarray, all_images: Mapping[str, np.ndarray], *, labelled: bool
) -> np.ndarray:
    """Pixels of any number type as uint8, where they mean that."""
    if images.dtype == np.uint8 and brightest(images, 2) != 1:
        return images
    if images.dtype.kind == "b":
        return images.astype(np.uint8) * np.uint8(255)
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise form_error(
            "type",
            key,
            path,
            "uint8 (0 to 255)",
            f"{shorten(images.dtype)} with NaN or infinity",
            finite_only(key, labelled=labelled),
        )
    low, high = float(images.min()), float(images.max())
    whole = images.dtype.kind in "iu" or bool((images == np.rint(images)).all())
    if whole and low >= 0 and (high == 0 or 1 < high <= 255):
        return images.astype(np.uint8, copy=False)
    kind = f"{shorten(images.dtype)} from {low:.4g} to {high:.4g}"
    if images.dtype == np.uint8:
        advice = f"{key} = {key} * 255  # black and white; if they were shades cast too early, scale before the cast"
        raise form_error("pixels", key, path, "0 to 255", kind, advice)
    raise form_error("type", key, path, "uint8 (0 to 255)", kind, scaling(key, images.dtype, whole, all_images))


def brightest(images: np.ndarray, enough: int) -> int:
    """The largest pixel of uint8 images, or any that is as large as `enough`: most often the first images have it."""
    largest = 0
    for start in range(0, len(images), 1000):
        largest = max(largest, int(images[start : start + 1000].max()))
        if largest >= enough:
            break
    return largest


def finite_only(key: str, *, labelled: bool) -> str:
    """What to type to leave out images that hold no numbers, and their labels if there are any."""
    left = f"keep = numpy.isfinite({key}.reshape(len({key}), -1)).all(1); "
    if not labelled:
        return f"{left}{key} = {key}[keep]"
    labels = key.replace("images", "labels") if "images" in key else key.replace("x_", "y_")
    return f"{left}{key}, {labels} = {key}[keep], {labels}[keep]"


def ends(images: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest number of images."""
    numbers = images[np.isfinite(images)] if images.dtype.kind == "f" else images
    return (float(numbers.min()), float(numbers.max())) if numbers.size else (math.inf, -math.inf)


def scaling(key: str, dtype: np.dtype, whole: bool, all_images: Mapping[str, np.ndarray]) -> str:
    """What to type to bring pixels to 0 to 255: the scale that they were meant in, by the values that there are."""
    # where a scale has to be guessed from the values, it is one for all images
    alike = {name: array for name, array in all_images.items() if array.dtype == dtype and array.size}
    lows, highs = zip(*map(ends, alike.values()), strict=True)
    low, high = min(lows), max(highs)
    if low >= -0.25 and high <= 1.25:  # what interpolation adds is cut off
        values, why = [f"({name} * 255){CONVERTED}" for name in alike], ""
    elif low >= -1.25 and high <= 1.25:
        values, why = [f"(({name} + 1) * 127.5){CONVERTED}" for name in alike], ""
    elif dtype == np.int8:
        values = [f"{name}.view('uint8')" for name in alike]
        why = f"if they were 0 to 255 before they were cast; or ({key}.astype(int) + 128).astype('uint8')"
    elif not whole and low >= -16 and DARK <= high <= 271:
        values, why = [f"{name}{CONVERTED}" for name in alike], ""
    elif whole and low >= 0 and high <= WHITES[-1]:
        white = next(white for white in WHITES if high <= white)
        values = [f"({name} // {white // 255}).astype('uint8')" for name in alike]
        why = f"0 to {white} before"
    else:
        shift = f"- {low:.6g}" if low >= 0 else f"+ {-low:.6g}"
        values = [f"(({name} {shift}) * {255 / ((high - low) or 1):.6g}){CONVERTED}" for name in alike]
        why = f"if {low:.6g} is black and {high:.6g} white"
    return f"{', '.join(alike)} = {', '.join(values)}" + (f"  # {why}" if why else "")


def shaped(key: str, images: np.ndarray, found: tuple[int, int, int], wanted: tuple[int, int, int]) -> str:
    """What to type to bring images to other numbers of channels and pixels, as (N, H, W) or (N, H, W, C).

    Args:
        key: the array's name in the file.
        images: the array, as it is there; of a form that can be read.
        found: its (C, H, W).
        wanted: the (C, H, W) it should have.
    """
    value = key
    if images.ndim == 4 and images.shape[3] not in CHANNELS:
        value = f"numpy.moveaxis({key}, 1, -1)"
    if images.ndim == 4 and found[0] == 1:
        value += "[..., 0]"
    scale = (
        " * numpy.uint8(255)" if images.dtype.kind == "b" else "" if images.dtype == np.uint8 else ".astype('uint8')"
    )
    each = f"PIL.Image.fromarray(x{scale})"
    if found[0] != wanted[0]:
        each += f".convert('{'L' if wanted[0] == 1 else 'RGB'}')"
    if found[1:] != wanted[1:]:
        each += f".resize(({wanted[2]}, {wanted[1]}))"
    return f"numpy.array([numpy.asarray({each}) for x in {value}])"

"""What a network is asked about, in any of the forms people have: -> uint8 (N, C, H, W).

    paths, Pillow images                     brought to the network's shape by `zoo.prepare`
    uint8 arrays or tensors                  (H, W), (N, H, W), (H, W, C), (N, H, W, C), (N, C, H, W)
    a list of any of these

Arrays of the network's height and width are taken as they are; a single one of another size is a picture.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.prepare import Pixels, check_way, flatten, open_picture, prepare
from zoo.weights.card import Card


def as_batch(images: Any, card: Card, how: str | None = None) -> Pixels:
    """Images of any form as a batch of the network.

    Args:
        images: see above.
        card: of the network.
        how: the way of `zoo.prepare` for pictures; None takes the card's.

    Returns:
        uint8 (N, C, H, W).

    Raises:
        OSError, ValueError: there is no picture, or an array is of no such form.
    """
    if isinstance(images, str | Path | Image.Image):
        return picture(images, card, how)[None]
    if isinstance(images, Sequence) and not hasattr(images, "shape"):
        parts = [as_batch(each, card, how) for each in images]
        return np.concatenate(parts) if parts else np.zeros((0, *card["in_shape"]), np.uint8)
    if how is not None:
        check_way(how)
    if hasattr(images, "is_floating_point"):  # a tensor, without importing torch
        images = images.detach().cpu()
        images = (images.float() if images.is_floating_point() else images).numpy()  # numpy has no bfloat16
        return from_array(images, card, how, "images.detach().float().cpu().numpy()")
    return from_array(np.asarray(images), card, how)


def picture(given: str | Path | Image.Image, card: Card, how: str | None) -> Pixels:
    """One picture as a network takes it: uint8 (C, H, W)."""
    image = flatten(given) if isinstance(given, Image.Image) else open_picture(Path(given))
    where = "the picture" if isinstance(given, Image.Image) else str(given)
    return prepare(image, tuple(card["in_shape"]), how or card["prepare"], where)


def not_uint8(array: np.ndarray, name: str) -> ValueError:
    """The error for an array of other numbers than uint8, with what makes the best of those that are there.

    Args:
        array: of any type.
        name: of an array, in the advice.
    """
    kind = array.dtype.kind
    if kind not in "biuf":
        return ValueError(
            "images: expected uint8 arrays or tensors, Pillow pictures, paths, or a list of them, found"
            f" {array.dtype} of shape {array.shape}"
        )
    least, most = (float(array.min()), float(array.max())) if array.size else (0, 0)
    if kind == "b":
        advice = f"{name}.astype('uint8') * 255, if True is white"
    elif kind == "f" and least >= 0 and most <= 1:
        advice = f"({name} * 255).round().clip(0, 255).astype('uint8'), if they are 0 to 1"
    elif kind == "f" and -1 <= least < 0 and most <= 1:
        advice = f"({name} * 127.5 + 127.5).round().clip(0, 255).astype('uint8'), if they are -1 to 1"
    elif least >= 0 and most <= 255:
        advice = f"{name}.astype('uint8'), if they are 0 to 255"
    elif kind == "u" and array.dtype.itemsize == 2:
        advice = f"({name} // 257).astype('uint8'), if they are 0 to 65535"
    else:
        advice = "the images as they were before normalisation"
    range_ = f" from {least:.4g} to {most:.4g}" if array.size and kind != "b" else ""
    return ValueError(f"images: expected uint8, 0 to 255, found {array.dtype}{range_}. Try: {advice}")


def from_array(array: np.ndarray, card: Card, how: str | None, name: str = "images") -> Pixels:
    """An array of one of the forms above as a batch.

    Args:
        array: of any numbers.
        card: of the network.
        how: the way of `zoo.prepare` for pictures.
        name: what makes the array of what was given, in advice.
    """
    channels, height, width = card["in_shape"]
    if array.dtype != np.uint8:
        raise not_uint8(array, name)
    shape = array.shape
    if len(shape) == 2 and shape[1] == channels * height * width and shape != (height, width):
        rows = f"(-1, {height}, {width})" if channels == 1 else f"(-1, {channels}, {height}, {width})"
        raise ValueError(
            f"images: expected an image for each, or one picture, found {shape}: rows of {shape[1]} pixels?"
            f" Try: images.reshape{rows}, or Image.fromarray(images), if it is one picture"
        )
    fits: list[np.ndarray] = []
    if channels == 1 and shape[-2:] == (height, width) and len(shape) in (2, 3):
        fits.append(array.reshape(-1, 1, height, width))
    if len(shape) == 4 and shape[1:] == (channels, height, width):
        fits.append(array)
    if len(shape) == 4 and shape[1:] == (height, width, channels):
        fits.append(array.transpose(0, 3, 1, 2))
    if len(shape) == 3 and shape == (height, width, channels) and not fits:
        fits.append(array.transpose(2, 0, 1)[None])
    if len(fits) == 1:
        return np.ascontiguousarray(fits[0])
    if not fits and (len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))) and array.size:
        return picture(Image.fromarray(array), card, how)[None]
    raise ValueError(
        f"images: expected (N, {height}, {width}, {channels}), (N, {channels}, {height}, {width})"
        f"{f', (N, {height}, {width})' * (channels == 1)}, or one picture, found {tuple(shape)}"
        f"{', which may be any of several' * bool(fits)}"
    )

"""What a file of weights holds, and what a network of it would cost: looked at before anything is made of either.

    bytes  ->  {"0.weight": Stored("F32", [256, 784])}   the header of a safetensors file, which tells no lie about it

Format: https://huggingface.co/docs/safetensors. Length of the header (8 bytes, little-endian), header as JSON, numbers.
Weights and card may be a stranger's. Torch is not needed.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from zoo.errors import shorten
from zoo.weights.card import Card, plain_json
from zoo.weights.fields import is_count, is_layer_size

BYTES = {"F32": 4, "F16": 2, "I64": 8, "BOOL": 1}  # of a number
TYPES = {"float32": "F32", "float16": "F16"}  # of a card -> of the file
MOST_HEADER = 1_000_000  # bytes
MOST_NUMBERS = 2**28  # that a layer may make of one image: 1 GiB
MOST_AT_ONCE = 2**27  # that a layer may make of all images that are taken at a time


class HasShape(Protocol):
    """A tensor, or what is known of one."""

    @property
    def shape(self) -> Sequence[int]: ...


class Stored(NamedTuple):
    """A tensor in a file: its type, and its shape."""

    dtype: str
    shape: Sequence[int]


def check_weights(content: bytes, card: Card, path: Path) -> None:
    """Raises ValueError unless a file of weights is whole, of the card's type, and of a network that fits in here."""
    held = read_header(content, path)
    expected = TYPES[card["dtype"]]
    for name, (dtype, _) in held.items():
        if dtype.startswith("F") and dtype != expected:
            raise ValueError(
                f"{shorten(name, 60)} in {path}: expected {card['dtype']} ({expected}), as its card says, found {dtype}"
            )
    if (numbers := largest_layer(held.values(), card)) > MOST_NUMBERS:
        raise ValueError(
            f"weights in {path}: expected layers that make at most {MOST_NUMBERS:,} numbers of an image of"
            f" {' × '.join(map(str, card['in_shape']))}, found one that may make {numbers:,}"
        )


def read_header(content: bytes, path: Path) -> dict[str, Stored]:
    """The tensors that a file holds, by name.

    Args:
        content: the file.
        path: for the message.

    Raises:
        ValueError: it is no safetensors file, or its header does not describe the numbers that follow it.
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > len(content) - 8 or length > MOST_HEADER:
        most = min(max(len(content) - 8, 0), MOST_HEADER)
        raise ValueError(f"weights in {path}: expected safetensors, a header of up to {most:,} bytes, found {length:,}")
    try:
        header = plain_json(content[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"weights in {path}: expected safetensors, found a header of {shorten(error)}") from error
    if not isinstance(header, dict):
        raise ValueError(f"weights in {path}: expected safetensors, found a header that is a {type(header).__name__}")
    header.pop("__metadata__", None)  # of no use here
    for name, entry in header.items():
        if not is_entry(entry):
            raise ValueError(
                f"{shorten(name, 60)} in {path}: expected dtype ({', '.join(BYTES)}), shape and data_offsets that fit,"
                f" found {shorten(entry, 80)}"
            )
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin = entry["data_offsets"][0]
        if begin != end:
            raise ValueError(f"{shorten(name, 60)} in {path}: expected it to begin at {end:,}, found {begin:,}")
        end = entry["data_offsets"][1]
    if end != len(content) - 8 - length:
        raise ValueError(f"weights in {path}: expected {end:,} bytes of numbers, found {len(content) - 8 - length:,}")
    return {name: Stored(entry["dtype"], entry["shape"]) for name, entry in header.items()}


def is_entry(entry: Any) -> bool:
    """Whether a tensor's entry says what it is, and takes just the bytes that it needs."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        return False
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    known = isinstance(dtype, str) and dtype in BYTES
    lists = isinstance(shape, list) and len(shape) <= 8 and isinstance(offsets, list) and len(offsets) == 2
    if not (known and lists and all(map(is_count, [*shape, *offsets]))):
        return False
    return offsets[1] - offsets[0] == BYTES[dtype] * math.prod(shape)


def largest_layer(weights: Iterable[HasShape], card: Card) -> int:
    """About how many numbers a layer makes of one image at most, from the shapes of its weights; rather too many."""
    _, height, width = card["in_shape"]
    shapes = [each.shape for each in weights]
    pixels, arguments = height * width, card["model"]["init_args"]
    widest = max([1, *(shape[0] for shape in shapes if len(shape) == 2)])
    if is_layer_size(side := arguments.get("patch_size")):  # tokens attend to each other in each head
        tokens, heads = pixels // side**2, arguments.get("heads")
        return tokens * max(widest, tokens * (heads if is_layer_size(heads) else 1))
    maps = [shape[0] * pixels for shape in shapes if len(shape) == 4]
    return max([pixels, widest, *maps])


def at_once(weights: Iterable[HasShape], card: Card, most: int) -> int:
    """How many images a network is to take at a time: `most`, or fewer where its layers make much of each."""
    return max(1, min(most, MOST_AT_ONCE // largest_layer(weights, card)))

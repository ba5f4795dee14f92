"""The card of a set of weights: all that is to be known to use them and to trust them, as plain JSON.

    {"schema": 1, "name": "mnist_lenet", "model": {"class_path": "zoo.lenet.LeNet", "init_args": {…}},
     "in_shape": [1, 28, 28], "colours": "grey", "classes": ["0", …], "shift": [33.3], "scale": [0.0127],
     "pixels": null, "prepare": "digits", "test_accuracy": 0.9928, "test_n": 10000, …, "sha256": "…"}

A card may be a stranger's: it is data, and nothing in it names code but the network, of which there are only the zoo's.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from zoo.errors import UsageError
from zoo.prepare import WAYS

SCHEMA = 1
NETWORKS = {  # class paths of a configuration -> file of `zoo.nn` and its function
    "zoo.softmax.SoftmaxRegression": ("softmax", "softmax_regression"),
    **{f"zoo.{name.lower()}.{name}": (name.lower(), name.lower()) for name in ("MLP", "LeNet", "ConvNet")},
    **{f"zoo.{name.lower()}.{name}": (name.lower(), name.lower()) for name in ("ResNet", "ViT", "FastNet")},
}
DTYPES = ("float32", "float16")
MOST_BYTES = 1_000_000  # of a card's file
MOST_CLASSES = 10_000
LARGEST_SIDE = 1024  # of the images of a network
LONGEST = 2_000  # characters of a text

Card = dict[str, Any]


class Field(NamedTuple):
    """A key of a card: what its value must be, in words and as a check, and whether a card may lack it."""

    words: str
    holds: Callable[[Any], bool]
    optional: bool = False


def is_count(value: Any) -> bool:
    """Whether a value is a whole number from 0."""
    return type(value) is int and value >= 0


def is_share(value: Any) -> bool:
    """Whether a value is a number from 0 to 1."""
    return type(value) in (int, float) and 0 <= value <= 1


def is_text(value: Any) -> bool:
    """Whether a value is a text of one printable line."""
    return isinstance(value, str) and len(value) <= LONGEST and (value.isprintable() or not value)


def are_numbers(value: Any, least: float = -math.inf) -> bool:
    """Whether a value is a list of one or three finite numbers above `least`."""
    numbers = isinstance(value, list) and all(type(each) in (int, float) for each in value)
    return numbers and len(value) in (1, 3) and all(least < each < math.inf for each in value)


def is_shape(value: Any) -> bool:
    """Whether a value is channels, height and width of an image."""
    sizes = isinstance(value, list) and len(value) == 3 and all(type(each) is int for each in value)
    return sizes and value[0] in (1, 3) and all(0 < side <= LARGEST_SIDE for side in value[1:])


def is_model(value: Any) -> bool:
    """Whether a value names a network of the zoo, with arguments."""
    named = isinstance(value, dict) and value.keys() == {"class_path", "init_args"} and value["class_path"] in NETWORKS
    return named and isinstance(value["init_args"], dict)


def are_classes(value: Any) -> bool:
    """Whether a value is a list of two or more different names."""
    names = isinstance(value, list) and all(is_text(each) and each for each in value)
    return names and 2 <= len(value) <= MOST_CLASSES and len(set(value)) == len(value)


def is_permutation(value: Any) -> bool:
    """Whether a value is the numbers from 0, each once, in any order."""
    return (
        isinstance(value, list) and all(type(each) is int for each in value) and sorted(value) == [*range(len(value))]
    )


def is_mapping(value: Any) -> bool:
    """Whether a value is a mapping of texts to texts or numbers."""
    plain = isinstance(value, dict) and all(is_text(key) for key in value)
    return plain and all(is_text(each) or type(each) in (int, float) for each in value.values())


FIELDS: dict[str, Field] = {
    "schema": Field(f"{SCHEMA}", lambda value: value == SCHEMA),
    "name": Field("a name", lambda value: is_text(value) and bool(value)),
    "model": Field(f"a network of {', '.join(NETWORKS)}", is_model),
    "in_shape": Field(f"[1 or 3, height, width], sides up to {LARGEST_SIDE}", is_shape),
    "colours": Field("grey or RGB", lambda value: value in ("grey", "RGB")),
    "classes": Field("a list of two or more different names", are_classes),
    "normalize": Field("a text", is_text),
    "shift": Field("a number for each channel", are_numbers),
    "scale": Field("a number above 0 for each channel", lambda value: are_numbers(value, 0)),
    "pixels": Field("null or a permutation", lambda value: value is None or is_permutation(value)),
    "prepare": Field(f"one of {', '.join(WAYS)}", lambda value: value in WAYS),
    "dtype": Field(f"one of {', '.join(DTYPES)}", lambda value: value in DTYPES),
    "sha256": Field("64 hexadecimal digits", lambda value: is_text(value) and len(value) == 64),
    "recipe": Field("a text or null", lambda value: value is None or is_text(value), optional=True),
    "fingerprint": Field("a text or null", lambda value: value is None or is_text(value), optional=True),
    "seed": Field("a whole number", is_count, optional=True),
    "data": Field("a text", is_text, optional=True),
    "data_note": Field("a text", is_text, optional=True),
    "val_accuracy": Field("0 to 1, or null", lambda value: value is None or is_share(value), optional=True),
    "val_n": Field("a whole number", is_count, optional=True),
    "test_accuracy": Field("0 to 1", is_share, optional=True),
    "test_n": Field("a whole number", is_count, optional=True),
    "first_test_images": Field("n and right", is_mapping, optional=True),
    "differ_from_float32": Field("a whole number", is_count, optional=True),
    "recipe_accuracy": Field("mean, half_width and seeds", is_mapping, optional=True),
    "parameters": Field("a whole number", is_count, optional=True),
    "multiply_adds": Field("a whole number", is_count, optional=True),
    "seconds": Field("a number", lambda value: type(value) in (int, float), optional=True),
    "device": Field("a text", is_text, optional=True),
    "processor": Field("a text", is_text, optional=True),
    "precision": Field("a text", is_text, optional=True),
    "versions": Field("versions by name", is_mapping, optional=True),
    "commit": Field("a text or null", lambda value: value is None or is_text(value), optional=True),
    "licence": Field("a text", is_text, optional=True),
    "confusions": Field(
        "a list of mappings", lambda value: isinstance(value, list) and all(map(is_mapping, value)), True
    ),
    "noise": Field("a mapping", is_mapping, optional=True),
}


def check_card(card: Any, where: str) -> Card:
    """A card, as it is.

    Args:
        card: what a file holds.
        where: the file, for the message.

    Raises:
        ValueError: it is none: a key is missing, unknown, or has another value than it may have.
    """
    if not isinstance(card, Mapping):
        raise ValueError(f"card in {where}: expected a mapping, found a {type(card).__name__}")
    if unknown := sorted(map(str, card.keys() - FIELDS.keys())):
        found = f"{unknown[0][:60]!r}"
        raise ValueError(f"key in {where}: expected one of a card (schema {SCHEMA}), found {found}. Try: a newer zoo")
    for key, field in FIELDS.items():
        if key not in card and not field.optional:
            raise ValueError(f"{key} in {where}: expected {field.words}, found none")
        if key in card and not field.holds(card[key]):
            raise ValueError(f"{key} in {where}: expected {field.words}, found {str(card[key])[:60]!r}")
    channels, height, width = card["in_shape"]
    if {len(card["shift"]), len(card["scale"])} != {channels} or (card["colours"] == "RGB") != (channels == 3):
        raise ValueError(f"shift, scale and colours in {where}: expected those of {channels} channels, found others")
    if card["pixels"] is not None and len(card["pixels"]) != height * width:
        found = f"{len(card['pixels'])}"
        raise ValueError(f"pixels in {where}: expected a permutation of {height * width}, found one of {found}")
    return dict(card)


def read_card(path: Path) -> Card:
    """The card in a file.

    Raises:
        UsageError: there is no such file.
        ValueError: it holds no card.
    """
    if not path.is_file():
        raise UsageError(f"card in {path}: expected a file, found none")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"card in {path}: expected at most {MOST_BYTES:,} bytes, found {path.stat().st_size:,}")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"card in {path}: expected JSON, found what cannot be read ({error})") from error
    return check_card(card, str(path))


def card_text(card: Card) -> str:
    """A card as it is written: the same card gives the same text."""
    return json.dumps(card, indent=1, ensure_ascii=False) + "\n"

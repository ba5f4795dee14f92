"""The card of a set of weights: all that is to be known to use them and to trust them, as plain JSON.

    {"schema": 1, "name": "mnist_lenet", "model": {"class_path": "zoo.lenet.LeNet", "init_args": {…}},
     "in_shape": [1, 28, 28], "colours": "grey", "classes": ["0", …], "shift": [33.3], "scale": [0.0127],
     "pixels": null, "prepare": "digits", "test_accuracy": 0.9928, "test_n": 10000, …, "sha256": "…"}

A card may be a stranger's: it is data. `fields.py` says what each key may hold.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import UsageError, shorten
from zoo.weights.fields import FIELDS, MOST_LAYERS, SCHEMA, count_layers, is_argument

MOST_BYTES = 1_000_000  # of a card's file

Card = dict[str, Any]


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
        found = repr(shorten(unknown[0], 60))
        raise ValueError(f"key in {where}: expected one of a card (schema {SCHEMA}), found {found}. Try: a newer zoo")
    for key, field in FIELDS.items():
        if key not in card and not field.optional:
            raise ValueError(f"{key} in {where}: expected {field.words}, found none")
        if key in card and not field.holds(card[key]):
            raise ValueError(f"{key} in {where}: expected {field.words}, found {shorten(card[key], 60)!r}")
    check_arguments(card["model"]["init_args"], where)
    channels, height, width = card["in_shape"]
    if {len(card["shift"]), len(card["scale"])} != {channels} or (card["colours"] == "RGB") != (channels == 3):
        raise ValueError(f"shift, scale and colours in {where}: expected those of {channels} channels, found others")
    if card["pixels"] is not None and len(card["pixels"]) != height * width:
        found = f"{len(card['pixels'])}"
        raise ValueError(f"pixels in {where}: expected a permutation of {height * width}, found one of {found}")
    return dict(card)


def check_arguments(arguments: dict[str, Any], where: str) -> None:
    """Raises ValueError if arguments of a network are no plain values, or ask for more layers than any network has."""
    for name, value in arguments.items():
        if not is_argument(value):
            raise ValueError(
                f"{shorten(name, 60)} of the model in {where}: expected a word, a number, sizes, or an activation of"
                f" torch.nn, found {shorten(value, 60)!r}"
            )
    if (layers := count_layers(arguments)) > MOST_LAYERS:
        raise ValueError(f"layers of the model in {where}: expected at most {MOST_LAYERS:,}, found {layers:,}")


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
        card = plain_json(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"card in {path}: expected JSON, found what cannot be read ({shorten(error)})") from error
    return check_card(card, str(path))


def plain_json(raw: bytes) -> Any:
    """What JSON says, if it says it in one way only.

    Raises:
        ValueError: it is no JSON, says a key twice, or has a number that is not finite.
        RecursionError: it is nested too deeply.
    """
    return json.loads(
        raw.decode("utf-8"),
        object_pairs_hook=unique,
        parse_float=finite_number,
        parse_constant=lambda word: finite_number("nan"),
    )


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping of these pairs; raises ValueError if a key is there twice."""
    if len(found := dict(pairs)) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"{shorten(key, 60)!r} is there twice")
    return found


def finite_number(text: str) -> float:
    """A number; raises ValueError if it is infinite, or none."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number that is not finite")
    return number


def card_text(card: Card) -> str:
    """A card as it is written: the same card gives the same text."""
    return json.dumps(card, indent=1, ensure_ascii=False) + "\n"

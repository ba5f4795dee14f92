"""What the value of each key of a card may be. A card may be a stranger's: what is in none of these forms is refused.

    FIELDS["in_shape"].words   "[1 or 3, height, width], …"     for the message
    FIELDS["in_shape"].holds   -> whether a value is of this form

Numbers are finite, texts are of one printable line, and nothing names code but the network and its activation, of
which there are only the zoo's and torch's.
"""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from zoo.prepare import WAYS
from zoo.runs.report.form import is_count, is_share

SCHEMA = 1
NETWORKS = {  # class paths of a configuration -> file of `zoo.nn` and its function
    "zoo.softmax.SoftmaxRegression": ("softmax", "softmax_regression"),
    **{f"zoo.{name.lower()}.{name}": (name.lower(), name.lower()) for name in ("MLP", "LeNet", "ConvNet")},
    **{f"zoo.{name.lower()}.{name}": (name.lower(), name.lower()) for name in ("ResNet", "ViT", "FastNet")},
}
# the activations of torch.nn, which take numbers and make no layers of their own
ACTIVATIONS = (
    *("CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "LeakyReLU"),
    *("LogSigmoid", "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax"),
    *("Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold"),
)
DTYPES = ("float32", "float16")
NAME = re.compile(r"\w[\w.-]{0,79}")  # of weights, and so of their files
SHA256 = re.compile(r"[0-9a-f]{64}")
WORD = re.compile(r"\w{1,40}")
MOST_CLASSES = 10_000
MOST_NOTES = 100  # entries of a list or mapping that is only shown
MOST_LAYERS = 5_000  # about: what a card asks for is refused before so many are made
LARGEST_SIDE = 1024  # of the images of a network
LARGEST_SIZE = 10_000_000  # of a layer
LONGEST = 2_000  # characters of a text


class Field(NamedTuple):
    """A key of a card: what its value must be, in words and as a check, and whether a card may lack it."""

    words: str
    holds: Callable[[Any], bool]
    optional: bool = False


def is_finite_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return type(value) is int or (type(value) is float and math.isfinite(value))


def is_text(value: Any) -> bool:
    """Whether a value is a text of one line that a terminal only shows: no escapes, no change of direction."""
    return isinstance(value, str) and len(value) <= LONGEST and (value.isprintable() or not value)


def or_null(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """The same, or nothing."""
    return lambda value: value is None or holds(value)


def is_one_of(*known: str) -> Callable[[Any], bool]:
    """Whether a value is one of these texts."""
    return lambda value: is_text(value) and value in known


def is_like(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    """Whether a value is a text of this form."""
    return lambda value: is_text(value) and pattern.fullmatch(value) is not None


def are_channel_numbers(value: Any, least: float = -math.inf) -> bool:
    """Whether a value is a list of one or three finite numbers above `least`."""
    return (
        isinstance(value, list)
        and len(value) in (1, 3)
        and all(is_finite_number(each) and each > least for each in value)
    )


def is_image_shape(value: Any) -> bool:
    """Whether a value is channels, height and width of an image."""
    sizes = isinstance(value, list) and len(value) == 3 and all(type(each) is int for each in value)
    return sizes and value[0] in (1, 3) and all(0 < side <= LARGEST_SIDE for side in value[1:])


def is_layer_size(value: Any) -> bool:
    """Whether a value is the size of a layer."""
    return type(value) is int and 0 < value <= LARGEST_SIZE


def is_activation_spec(value: Any) -> bool:
    """Whether a value is one of torch's activations, with plain arguments."""
    if not isinstance(value, dict) or value.keys() != {"class_path", "init_args"}:
        return False
    path, arguments = value["class_path"], value["init_args"]
    named = is_text(path) and path.startswith("torch.nn.") and path.removeprefix("torch.nn.") in ACTIVATIONS
    plain = isinstance(arguments, dict) and len(arguments) <= MOST_NOTES
    return named and plain and all(is_plain_argument(each) for each in arguments.values())


def is_plain_argument(value: Any) -> bool:
    """Whether a value is a number that a layer may take, a word, yes, no or nothing."""
    small = is_finite_number(value) and abs(value) <= LARGEST_SIZE
    return value is None or type(value) is bool or small or is_like(WORD)(value)


def is_argument(value: Any) -> bool:
    """Whether a value may be an argument of a network."""
    sizes = isinstance(value, list) and len(value) <= MOST_LAYERS and all(is_layer_size(each) for each in value)
    return is_plain_argument(value) or sizes or is_activation_spec(value)


def is_model(value: Any) -> bool:
    """Whether a value names a network of the zoo, with some arguments."""
    if not isinstance(value, dict) or value.keys() != {"class_path", "init_args"}:
        return False
    return is_one_of(*NETWORKS)(value["class_path"]) and isinstance(value["init_args"], dict)


def count_layers(arguments: dict[str, Any]) -> int:
    """About how many layers the arguments of a network ask for: a list has a width for each, or for each stage."""
    depth = arguments.get("depth", 1)
    stages = [len(each) for each in arguments.values() if isinstance(each, list)]
    return max([1, *stages]) * (depth if type(depth) is int else 1)


def are_classes(value: Any) -> bool:
    """Whether a value is a list of two or more different names."""
    names = isinstance(value, list) and all(is_text(each) and each for each in value)
    return names and 2 <= len(value) <= MOST_CLASSES and len(set(value)) == len(value)


def is_permutation(value: Any) -> bool:
    """Whether a value is the numbers from 0, each once, in any order."""
    whole = isinstance(value, list) and all(type(each) is int for each in value)
    return whole and sorted(value) == [*range(len(value))]


def is_mapping(value: Any) -> bool:
    """Whether a value is a mapping of texts to texts or numbers."""
    plain = isinstance(value, dict) and len(value) <= MOST_NOTES and all(is_text(key) for key in value)
    return plain and all(is_text(each) or is_finite_number(each) for each in value.values())


def has(**keys: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Whether a value is a mapping with just these keys, and with values of these forms."""
    return lambda value: (
        isinstance(value, dict) and value.keys() == keys.keys() and all(keys[key](value[key]) for key in keys)
    )


is_confusion = has(label=is_text, predicted=is_text, count=is_count)


def are_confusions(value: Any) -> bool:
    """Whether a value is a list of mistakes."""
    return isinstance(value, list) and len(value) <= MOST_NOTES and all(map(is_confusion, value))


def is_recipe_accuracy(value: Any) -> bool:
    """Whether a value is a mean, half of an interval, and over how many seeds."""
    return has(mean=is_share, half_width=is_share, seeds=is_count)(value)


FIELDS: dict[str, Field] = {
    "schema": Field(f"{SCHEMA}", lambda value: type(value) is int and value == SCHEMA),
    "name": Field("a name of letters, digits and . _ -", is_like(NAME)),
    "model": Field(f"a network of {', '.join(NETWORKS)}", is_model),
    "in_shape": Field(f"[1 or 3, height, width], sides up to {LARGEST_SIDE}", is_image_shape),
    "colours": Field("grey or RGB", is_one_of("grey", "RGB")),
    "classes": Field("a list of two or more different names, each of one line", are_classes),
    "normalize": Field("a text", is_text),
    "shift": Field("a number for each channel", are_channel_numbers),
    "scale": Field("a number above 0 for each channel", lambda value: are_channel_numbers(value, 0)),
    "pixels": Field("null or a permutation", or_null(is_permutation)),
    "prepare": Field(f"one of {', '.join(WAYS)}", is_one_of(*WAYS)),
    "dtype": Field(f"one of {', '.join(DTYPES)}", is_one_of(*DTYPES)),
    "sha256": Field("64 hexadecimal digits", is_like(SHA256)),
    "onnx_sha256": Field("64 hexadecimal digits", is_like(SHA256), optional=True),
    "recipe": Field("a text or null", or_null(is_text), optional=True),
    "fingerprint": Field("a text or null", or_null(is_text), optional=True),
    "started_from": Field("name and sha256", has(name=is_text, sha256=is_like(SHA256)), optional=True),
    "seed": Field("a whole number", is_count, optional=True),
    "data": Field("a text", is_text, optional=True),
    "data_note": Field("a text", is_text, optional=True),
    "val_accuracy": Field("0 to 1, or null", or_null(is_share), optional=True),
    "val_n": Field("a whole number", is_count, optional=True),
    "test_accuracy": Field("0 to 1, or null", or_null(is_share), optional=True),
    "test_n": Field("a whole number", is_count, optional=True),
    "first_test_images": Field("n and right", has(n=is_count, right=is_count), optional=True),
    "differ_from_float32": Field("a whole number", is_count, optional=True),
    "recipe_accuracy": Field("mean, half_width and seeds", is_recipe_accuracy, optional=True),
    "parameters": Field("a whole number", is_count, optional=True),
    "multiply_adds": Field("a whole number", is_count, optional=True),
    "seconds": Field("a number from 0", lambda value: is_finite_number(value) and value >= 0, optional=True),
    "device": Field("a text", is_text, optional=True),
    "processor": Field("a text", is_text, optional=True),
    "precision": Field("a text", is_text, optional=True),
    "versions": Field("versions by name", is_mapping, optional=True),
    "commit": Field("a text or null", or_null(is_text), optional=True),
    "licence": Field("a text", is_text, optional=True),
    "confusions": Field("a list of label, predicted and count", are_confusions, optional=True),
    "noise": Field(
        "answer, share and confidence", has(answer=is_text, share=is_share, confidence=is_share), optional=True
    ),
}

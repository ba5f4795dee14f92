"""A model that starts from trained weights of its own architecture.

    zoo.LeNet((1, 28, 28), 26, weights=zoo.load("mnist_lenet"))       in Python
    --model LeNet --model.weights mnist_lenet                         the command loads them, and calls `start_from`

What a card says is held against the model: its class and its arguments must be the same, but for the dropout.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from zoo.checkpoints.hyper_parameters import from_spec
from zoo.errors import UsageError, shorten
from zoo.nn.layers import activate
from zoo.nn.transfer import layers_of, take_over, transfer

OF_TRAINING = ("dropout",)  # an argument of networks that changes none of their weights
NEAR = 8  # float32 numbers on each side of a guess


class Trained(Protocol):
    """What `zoo.load` gives, as far as it is needed here."""

    card: dict[str, Any]

    @property
    def net(self) -> nn.Module:
        """The network."""


if TYPE_CHECKING:
    Weights = Trained | str | None
else:  # what the command line takes: a name
    Weights = str | None


def start_from(model: Any, trained: Any, frozen: bool, classes: Sequence[str] | None = None) -> list[str]:
    """Lets a new model start from trained weights.

    Args:
        model: a Classifier, as it was made.
        trained: what `zoo.load` has given.
        frozen: whether all but the last layer is to stay as it is.
        classes: names of the model's classes: of others the last layer is new; None compares their number alone.

    Returns:
        What is not as the weights had it, in words.

    Raises:
        ValueError: they are of another architecture, or do not fit images of this shape.
    """
    if not (hasattr(trained, "card") and hasattr(trained, "net")):
        name = trained if isinstance(trained, str) else "NAME"
        raise ValueError(
            f"weights of a model: expected what zoo.load gives, found {shorten(trained, 60)!r}."
            f' Try: weights=zoo.load("{shorten(name, 60)}")'
        )
    card, made = trained.card, dict(model.hparams)
    check_class(f"{type(model).__module__}.{type(model).__qualname__}", card)
    check_arguments(made, card)
    before, after = tuple(card["in_shape"]), tuple(made["in_shape"])
    count = len(card["classes"])
    other = count != made["num_classes"] or (classes is not None and [*classes] != card["classes"])
    try:
        found = transfer(model.net, trained.net.state_dict(), before, after, other)
    except ValueError as error:
        raise UsageError(no_fit(card, before, after)) from error
    last = layers_of(model.net)[-1][0]
    within = [name for name in found.new if not name.startswith(f"{last}.")]
    if frozen and within:
        raise UsageError(
            f"body in --model.freeze: expected weights of {card['name']} for all of it, found none for"
            f" {', '.join(layers(within))}, as images are {times(after)} and not {times(before)}."
            " Try: --model.freeze none"
        )
    take_over(model.net, found.weights)
    notes = [f"images are {times(after)}, and were {times(before)}"] if before != after else []
    notes += found.notes
    if within:
        notes.append(f"new: {', '.join(layers(within))}")
    kept = f"the last layer stays, as the {'names' if classes else 'number'} of the classes are the same"
    return [*notes, f"new last layer, for {made['num_classes']} classes" if found.new else kept]


def check_class(path: str, card: Mapping[str, Any]) -> None:
    """Raises UsageError unless a model is of the class that a card names."""
    known, found = (name.rpartition(".")[2] for name in (card["model"]["class_path"], path))
    if known != found:
        raise UsageError(
            f"network in --model: expected {known}, whose weights {card['name']} are, found {found}."
            f" Try: --model {known}"
        )


def check_arguments(made: Mapping[str, Any], card: Mapping[str, Any]) -> None:
    """Raises UsageError for an argument of the network that is not the card's."""
    for name, value in card["model"]["init_args"].items():
        if name in OF_TRAINING or name not in made or same(name, made[name], value):
            continue
        shown = value["class_path"] if isinstance(value, Mapping) else value
        typed = f"'{shown}'" if isinstance(shown, list) else shown
        raise UsageError(
            f"argument in --model.{name}: expected {shorten(shown)}, as in the weights {card['name']}, found"
            f" {shorten(made[name])}. Try: without it, or --model.{name} {typed}"
        )


def same(name: str, one: Any, other: Any) -> bool:
    """Whether two values of an argument make the same network; an activation may be a name, a class or a layer."""
    if name == "activation":
        return repr(layer_of(one)) == repr(layer_of(other))
    one, other = ([*value] if isinstance(value, list | tuple) else value for value in (one, other))
    return bool(one == other)


def layer_of(value: Any) -> nn.Module:
    """The activation that a value stands for."""
    if hasattr(value, "as_dict"):
        value = value.as_dict()
    if isinstance(value, Mapping):
        value = from_spec({"init_args": {}, **value})
    return activate(value)


def no_fit(card: Mapping[str, Any], before: Sequence[int], after: Sequence[int]) -> str:
    """The message for images, or classes, of which nothing is taken over, not even the first layer."""
    if before == after:
        return (
            f"classes in --data: expected those of {card['name']}, whose last layer is its only one, found others."
            " Try: --model.weights null"
        )
    why = "a FastNet whitens patches" if before[0] != after[0] else "its first layer has a weight for each pixel"
    return (
        f"images in --data: expected {times(before)} as {card['name']} takes them ({why}), found {times(after)}."
        " Try: weights of a LeNet, ConvNet, ResNet or ViT"
    )


def times(shape: Sequence[int]) -> str:
    """A shape in words."""
    return " × ".join(map(str, shape))


def layers(names: Sequence[str]) -> list[str]:
    """The layers of some tensors."""
    return list(dict.fromkeys(f"net.{name.rpartition('.')[0]}" for name in names))


def statistics(card: Mapping[str, Any], channels: int) -> dict[str, list[float]]:
    """Mean and standard deviation by which a data module normalises as a card says, bit for bit, pixels from 0 to 1.

    Args:
        card: of the weights.
        channels: of the images: of grey ones, of which the card knows three colours, the mean of these.
    """
    shift, scale = list(card["shift"]), list(card["scale"])
    if len(shift) != channels:
        shift, scale = ([sum(values) / len(values)] * channels for values in (shift, scale))
    return {
        "mean": [inverse(lambda mean: 255 * mean, value, value / 255) for value in shift],
        "std": [inverse(lambda std: 1 / (255 * std), value, 1 / (255 * value)) for value in scale],
    }


def inverse(function: Callable[[Tensor], Tensor], value: float, guess: float) -> float:
    """The float32 number near a guess of which a function makes a value; the guess if there is none."""
    start = torch.tensor(guess, dtype=torch.float32)
    steps = torch.arange(-NEAR, NEAR + 1, dtype=torch.int32)
    steps = steps[steps.abs().argsort(stable=True)]  # the nearest first
    near = (start.view(torch.int32) + steps).view(torch.float32)
    hits = near[function(near) == torch.tensor(value, dtype=torch.float32)]
    return float(hits[0] if len(hits) else start)

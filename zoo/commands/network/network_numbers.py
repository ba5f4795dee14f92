"""The numbers of a network on images of one shape, as plain values, and what `describe` prints of them."""

import json
from pathlib import Path
from typing import Any

from torch import nn

from zoo.commands.network.layer_table import print_layers
from zoo.commands.network.precision_advice import advise, this_machine
from zoo.geometry import Layer, walk


def describe_card(path: Path, *, as_json: bool) -> None:
    """Prints the numbers of the network that a card describes."""
    from zoo.weights.card import read_card
    from zoo.weights.classifier import make_network

    card = read_card(path)
    model = card["model"]["class_path"].rpartition(".")[2]
    shape = tuple(card["in_shape"])
    print_numbers(card.get("data", "images"), model, make_network(card), shape, len(card["classes"]), as_json=as_json)


def print_numbers(
    data: str, model: str, net: nn.Module, in_shape: tuple[int, int, int], num_classes: int, *, as_json: bool
) -> None:
    """Prints the numbers of a network.

    Args:
        data: name of the data.
        model: name of the model.
        net: the network.
        in_shape: of an image, (C, H, W).
        num_classes: how many classes there are.
        as_json: whether as one JSON object, else as a table.
    """
    layers = walk(net, in_shape)
    record = {
        "data": data,
        "model": model,
        "in_shape": list(in_shape),
        "num_classes": num_classes,
        **network_numbers(net, layers),
    }
    if as_json:
        print(json.dumps(record))
    else:
        print_layers(record, layers)


def network_numbers(net: nn.Module, layers: list[Layer]) -> dict[str, Any]:
    """The numbers of a network, as plain values."""
    total = sum(layer.multiply_adds for layer in layers)
    return {
        "layers": [{**row(layer), "share": layer.multiply_adds / max(total, 1)} for layer in layers],
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "multiply_adds": total,
        "precision": advise(total, this_machine())._asdict(),
    }


def row(layer: Layer) -> dict[str, Any]:
    """The numbers of a layer, its receptive field not cut to the image; None for what it does not have."""
    window = layer.slide.window if layer.slide else None
    return {
        "name": layer.name,
        "kind": layer.kind,
        "kernel": list(window.kernel) if window else None,
        "stride": list(window.stride) if window else None,
        "padding": list(window.padding) if window else None,
        "output": list(layer.output),
        "receptive_field": list(layer.field.size) if layer.field else None,
        "parameters": layer.num_parameters,
        "multiply_adds": layer.multiply_adds,
    }

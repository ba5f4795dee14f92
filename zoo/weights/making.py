"""From a run to weights that leave: counted again in float32, with what they are bad at.

    RUN, its validation and test images -> NAME.safetensors, NAME.json, and NAME.onnx of the zoo's own

A run may have tested in bfloat16: the card's accuracies are those of these files, on the processor, in float32. Above
`LARGE` bytes weights are stored in float16, and the card says how many predictions of test images that changes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.runs.report.numbers import confusions
from zoo.weights.card import Card
from zoo.weights.store import write

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.weights.classifier import ImageClassifier

LARGE = 1_500_000  # bytes in float32
LICENCE = "MIT"
NOISE = 1000  # images
FIRST = 500  # test images that are asked again in a moment, to see whether a copy of the weights answers the same
CONFUSIONS = 3  # most frequent ones that a card names


def save_run(
    run: Path,
    folder: Path,
    name: str,
    parts: Mapping[str, tuple[Any, Any]],
    notes: Mapping[str, Any] | None = None,
    graph: bool = False,
) -> Path:
    """Writes the weights of a run with their card.

    Args:
        run: its folder.
        folder: where the files go.
        name: of all.
        parts: images (N, C, H, W) uint8, as the data set has them, and labels (N,) of `val` and `test`.
        notes: what the card says besides: recipe, fingerprint, data_note, recipe_accuracy.
        graph: write NAME.onnx as well, by which the zoo's own weights answer without torch.

    Returns:
        The card's file.

    Raises:
        ValueError: the graph answers otherwise than the network.
    """
    from zoo.weights.from_run import read_run

    card, tensors = read_run(run)
    card |= {"name": name, "licence": LICENCE, **(notes or {})}
    exact = answers(made(card, tensors), parts)
    if sum(tensor.numel() * 4 for tensor in tensors.values()) > LARGE:
        tensors = {key: each.half() if each.is_floating_point() else each for key, each in tensors.items()}
        before, exact = exact, answers(made(card, tensors), parts)
        card["dtype"] = "float16"
        if "test" in parts:
            card["differ_from_float32"] = int((before["test"].argmax(1) != exact["test"].argmax(1)).sum())
    card |= scores(exact, parts, card["classes"])
    card["noise"] = answer_to_noise(made(card, tensors))
    path = write(folder, name, tensors, card)
    if graph:
        from zoo.weights.export.beside import add_graph

        add_graph(path, [np.asarray(images) for images, _ in parts.values()])
    return path


def made(card: Card, tensors: Mapping[str, "Tensor"]) -> "ImageClassifier":
    """The network of a card with these weights, computed in float32."""
    from zoo.weights.classifier import ImageClassifier, make_network
    from zoo.weights.loading import fill

    net = make_network(card)
    fill(net, dict(tensors), card["name"])
    return ImageClassifier(card, net)


def answers(model: "ImageClassifier", parts: Mapping[str, tuple[Any, Any]]) -> dict[str, NDArray[np.float32]]:
    """Probabilities (N, K) of the images of each split."""
    return {split: model(images) for split, (images, _) in parts.items()}


def scores(
    probabilities: Mapping[str, NDArray[np.float32]], parts: Mapping[str, tuple[Any, Any]], classes: list[str]
) -> Card:
    """What a card says of the answers to images of each split."""
    found: Card = {}
    for split, (_, given) in parts.items():
        predicted, labels = probabilities[split].argmax(1), np.asarray(given)
        right = predicted == labels
        found |= {f"{split}_accuracy": float(right.mean()) if len(labels) else None, f"{split}_n": len(labels)}
        if split == "test":
            found["first_test_images"] = {"n": len(right[:FIRST]), "right": int(right[:FIRST].sum())}
            found["confusions"] = confusions(labels, predicted, classes)[:CONFUSIONS]
    return found


def answer_to_noise(model: "ImageClassifier") -> dict[str, Any]:
    """What the network says most often of even noise, which is nothing of what it knows, and how sure it is."""
    noise = np.random.default_rng(0).integers(0, 256, (NOISE, *model.card["in_shape"]), np.uint8)
    probabilities = model(noise)
    found = np.bincount(probabilities.argmax(1), minlength=len(model.classes))
    return {
        "answer": model.classes[int(found.argmax())],
        "share": round(float(found.max()) / NOISE, 4),
        "confidence": round(float(probabilities.max(1).mean()), 4),
    }

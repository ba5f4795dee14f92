"""Weights that cost no training: an MLP of 8 × 8 pixels, 4 hidden units and 3 classes."""

from pathlib import Path

import torch

from zoo.nn.mlp import mlp
from zoo.weights.card import Card
from zoo.weights.store import write


def card_of(name: str = "tiny", **changed: object) -> Card:
    """A card of an MLP of 8 × 8 pixels, 4 hidden units and 3 classes, but for its sum."""
    card: Card = {
        "schema": 1,
        "name": name,
        "model": {
            "class_path": "zoo.mlp.MLP",
            "init_args": {"hidden": [4], "activation": "relu", "norm": "none", "dropout": 0.0},
        },
        "in_shape": [1, 8, 8],
        "colours": "grey",
        "classes": ["cat", "dog", "owl"],
        "normalize": "unit",
        "shift": [0.0],
        "scale": [1 / 255],
        "pixels": None,
        "prepare": "photo",
        "dtype": "float32",
        "test_accuracy": 0.5,
        "test_n": 12,
        "licence": "MIT",
    }
    return {**card, **changed}


def tensors_of(seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights for it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return mlp((1, 8, 8), 3, [4], "relu", "none", 0.0).state_dict()


def tiny_weights(folder: Path, name: str = "tiny", seed: int = 0, **changed: object) -> Path:
    """Writes them with their card; returns the folder."""
    return write(folder, name, tensors_of(seed), card_of(name, **changed)).parent

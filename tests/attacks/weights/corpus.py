"""How an attack on whoever takes weights gets into the corpus, and its place.

    stage/weights/…    the untrusted folder: tiny.json, tiny.safetensors
    stage/picture.png  the picture that is asked about
    stage/home/…       the user's own files; must not change, and `canary` must never appear
    scene.hub          the untrusted repository hf://me/tiny

An attack is a function that spoils the scene. It asks `either(hostile, benign)` for each hostile part, so that the same
construction makes the benign twin, which must work. Who writes a file can write its sum: sums are right.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from hub_server import Hub
from tiny_weights import card_of, tensors_of
from zoo.weights.store import serialise

VERBS = ("show", "ask", "hub")


class Weights:
    """One attack or its twin, before the command.

    Args:
        stage: an empty folder for it.
        hostile: the attack, or its benign twin.
        hub: what holds the repository.
    """

    def __init__(self, stage: Path, hostile: bool, hub: Hub) -> None:
        self.hostile, self.hub = hostile, hub
        self.folder, self.home, self.picture = stage / "weights", stage / "home", stage / "picture.png"
        for folder in (self.folder, self.home):
            folder.mkdir(parents=True)
        self.thesis = self.home / "thesis.txt"
        self.thesis.write_bytes(b"the work of a year")
        self.card_path, self.path = self.folder / "tiny.json", self.folder / "tiny.safetensors"
        Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(self.picture)
        self.card, self.content = card_of(), serialise(tensors_of())
        self.save()

    def either(self, hostile: Any, benign: Any = None) -> Any:
        return hostile if self.hostile else benign

    def save(self, text: Callable[[str], str] = lambda text: text) -> None:
        """Writes card and weights; the sum is right.

        Args:
            text: changes the card as it is written.
        """
        card = {"sha256": hashlib.sha256(self.content).hexdigest(), **self.card}
        self.card_path.write_text(text(json.dumps(card)), encoding="utf-8", errors="surrogatepass")
        self.path.write_bytes(self.content)
        self.hub.commits.clear()
        self.hub.put("me/tiny", {path.name: path.read_bytes() for path in (self.card_path, self.path)})

    def update(self, **changed: Any) -> None:
        """Writes the card with other values."""
        self.card |= changed
        self.save()

    def network(self, name: str, tensors: dict[str, torch.Tensor], in_shape: list[int], **arguments: Any) -> None:
        """Writes another network, by the name of its class."""
        self.content = serialise(tensors)
        self.update(
            model={"class_path": f"zoo.{name.lower()}.{name}", "init_args": arguments},
            in_shape=in_shape,
            classes=["cat", "dog", "owl"],
        )

    def argument(self, **arguments: Any) -> None:
        """Writes the card with other arguments of its network."""
        self.card["model"]["init_args"] |= arguments
        self.save()

    def words(self, verb: str) -> list[str]:
        """The command that meets the attack."""
        if verb == "show":
            return ["weights", "show", str(self.folder)]
        return ["predict", "hf://me/tiny" if verb == "hub" else str(self.folder), str(self.picture)]


class Attack(NamedTuple):
    """A function that spoils a scene, the verbs that meet it, and whether they are to go on as if nothing was there."""

    spoil: Callable[[Weights], None]
    verbs: tuple[str, ...]
    inert: bool

    @property
    def name(self) -> str:
        return self.spoil.__name__


ATTACKS: list[Attack] = []


def attack(verbs: str, inert: bool = False) -> Callable[[Callable[[Weights], None]], Callable[[Weights], None]]:
    """Puts an attack into the corpus."""

    def listed(spoil: Callable[[Weights], None]) -> Callable[[Weights], None]:
        ATTACKS.append(Attack(spoil, tuple(verbs.split()), inert))
        return spoil

    return listed

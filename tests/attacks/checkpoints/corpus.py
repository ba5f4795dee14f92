"""How an attack gets into the corpus: a function, the verbs that meet it, and whether it is to change nothing."""

from collections.abc import Callable
from typing import NamedTuple

from attacks.scene import Scene

LARGE = 2**31  # bytes, of what a few bytes are to become


class Attack(NamedTuple):
    """A function that spoils a scene, the verbs that meet it, and whether they are to go on as if nothing was there."""

    spoil: Callable[[Scene], None]
    verbs: tuple[str, ...]
    inert: bool

    @property
    def name(self) -> str:
        return self.spoil.__name__


ATTACKS: list[Attack] = []


def attack(verbs: str, inert: bool = False) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Puts an attack into the corpus."""

    def listed(spoil: Callable[[Scene], None]) -> Callable[[Scene], None]:
        ATTACKS.append(Attack(spoil, tuple(verbs.split()), inert))
        return spoil

    return listed

"""The corpus: cards, files of weights, repositories and pictures that try to run code, fill the memory, hang, or lie.

Each function is one attack and says what it tries. `ATTACKS` has them with the verbs that meet them.
"""

from attacks.weights import cards, files, pictures, repositories, sizes  # noqa: F401 - each adds its attacks
from attacks.weights.corpus import ATTACKS

__all__ = ["ATTACKS"]

"""The corpus: checkpoints and run folders that try to run code, touch other files, fill the memory, hang, or lie.

Each function is one attack and says what it tries. `ATTACKS` has them with the verbs that meet them; those marked as
inert hold nothing that the commands use, and must give the same result as their twins.
"""

from attacks.checkpoints import archives, code, deletions, memory, places, settings, states, tensors  # noqa: F401 - each adds its attacks
from attacks.checkpoints.corpus import ATTACKS

__all__ = ["ATTACKS"]

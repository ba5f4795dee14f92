"""What may the settings in a checkpoint name? Classes that are there already; nothing is imported for them.

Lightning builds a model from `hyper_parameters` with the parser of the command line, which imports what a text in them
names, whether it stands under `class_path` or not. What was made in Python is built in `hyper_parameters.py`.
"""

import re
import sys
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer

import zoo.optimizers  # noqa: F401  (the zoo's own are known to a Python that has imported a model only)
from zoo.checkpoints.validation import within
from zoo.schedules import Schedule

WORD = re.compile(r"\w*")  # "relu"; what is no word may be a path, or yaml that is parsed in its turn
LIGHTNINGS = "lightning.pytorch.cli.instantiate_module"  # what builds a model that the command line has saved
KINDS = (nn.Module, Optimizer, Schedule)


def check_classes(path: Path, settings: dict[str, Any]) -> None:
    """Raises ValueError if a text is neither a word nor the name of a layer, optimiser or schedule in this process."""
    for value in within(settings):
        if isinstance(value, str) and not WORD.fullmatch(value) and value != LIGHTNINGS and known_class(value) is None:
            raise ValueError(
                f"hyper_parameters in {path}: expected words, numbers and classes of torch or the zoo,"
                f" found '{value[:60]}'. Try: import the module of that class first, if it is yours"
            )


def known_class(name: str) -> type | None:
    """The layer, optimiser or schedule of this name, if it is in a module that has been imported."""
    module, _, cls = name.rpartition(".")
    found = vars(sys.modules[module]).get(cls) if module in sys.modules else None
    return found if isinstance(found, type) and issubclass(found, KINDS) else None


# what was made in Python, as plain values and back

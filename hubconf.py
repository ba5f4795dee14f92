"""The zoo for torch.hub: an entry for each trained network, and `load` for all else that `zoo.load` takes.

    torch.hub.load("OWNER/REPO", "mnist_lenet")("photo.png")     probabilities of ten classes
    torch.hub.load("OWNER/REPO", "load", "runs/first")           a run; a folder with a card; hf://USER/REPO

torch.hub puts this folder on the path of imports: nothing has to be installed but the packages below.
"""

from collections.abc import Callable as _Callable
from pathlib import Path as _Path
from typing import Any as _Any

import zoo as _zoo
from zoo.weights.card import read_card as _read_card
from zoo.weights.pages.report import text as _text
from zoo.weights.store import own as _own

dependencies = ["torch", "numpy", "PIL", "safetensors", "onnxruntime"]


def load(where: str | _Path, device: str | None = None, runtime: str = "auto") -> _Any:
    """What `zoo.load` gives: a trained network, ready to be asked about pictures.

    Args:
        where: the name of weights of the zoo, the folder of a run or of a card, or hf://USER/REPO.
        device: where it computes, such as `cpu` or `cuda`; None is the CPU.
        runtime: `torch`, `onnx` or `auto`.
    """
    return _zoo.load(where, device, runtime)


def _entry(name: str) -> _Callable[..., _Any]:
    """What loads the weights of this name."""

    def entry(device: str | None = None, runtime: str = "auto") -> _Any:
        return load(name, device, runtime)

    entry.__name__ = entry.__qualname__ = name
    entry.__doc__ = f"""{_text(_read_card(_own(name)))}

    Args:
        device: where it computes, such as `cpu` or `cuda`; None is the CPU.
        runtime: `torch`, `onnx` or `auto`.
    """
    return entry


globals().update({name: _entry(name) for name in _zoo.list_models()})

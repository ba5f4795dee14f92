"""The front door: trained networks by name, and the shelf of models, one file each, from softmax regression upwards.

    zoo.load("mnist_lenet")("photo.png")    probabilities of ten classes; zoo.list_models() names what can be loaded
    zoo.LeNet(...)                          a model to be trained

A file of your own in this folder is found like the others: `zoo/maxout.py` makes `zoo.Maxout`, `--model Maxout`.
Nothing is imported before it is asked for.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.config.shelf import shelf

__version__ = "0.2.0"  # pyproject.toml has it from here

if TYPE_CHECKING:  # for type checkers; a file of one's own needs no line here
    from zoo.convnet import ConvNet as ConvNet
    from zoo.fastnet import FastNet as FastNet
    from zoo.lenet import LeNet as LeNet
    from zoo.mlp import MLP as MLP
    from zoo.resnet import ResNet as ResNet
    from zoo.softmax import SoftmaxRegression as SoftmaxRegression
    from zoo.training.classifier import Classifier as Classifier
    from zoo.vit import ViT as ViT
    from zoo.weights.classifier import ImageClassifier


def list_models(pattern: str = "*") -> list[str]:
    """The names of trained networks that came with the zoo and fit a pattern such as `mnist*`: `zoo.load(NAME)`."""
    from zoo.weights.store import list_weights

    return list_weights(pattern)


def load(where: "str | Path", device: str | None = None, runtime: str = "auto") -> "ImageClassifier":
    """A trained network, ready to be asked about pictures: `zoo.load("mnist_lenet")("photo.png")`.

    Args:
        where: one of `list_models()`, the folder of a run or of a card, or `hf://USER/REPO` on the Hugging Face Hub.
        device: where it computes, such as `cpu` or `cuda`; None is the CPU.
        runtime: `torch`, `onnx` or `auto`: weights that came with the zoo answer on the CPU without torch.

    Raises:
        UsageError: there is nothing of this name, or it cannot run so.
        ValueError: a file is damaged, or card and weights do not fit.
    """
    from zoo.weights.loading import load

    return load(where, device, runtime)


def list_architectures() -> list[str]:
    """The names of all models on the shelf, `zoo.NAME` each.

    Imports them all, so that the command line knows their short names.
    """
    return [name for name in shelf() if _model(name)]


def _model(name: str) -> type | None:
    """The model of this name in a file of this folder; None if the class there is no model."""
    from zoo.training.classifier import Classifier

    found = getattr(import_module(shelf()[name]), name)
    return found if isinstance(found, type) and issubclass(found, Classifier) else None


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return ["Classifier", *list_architectures()]
    found: Any = None
    if name == "Classifier":
        found = import_module("zoo.training.classifier").Classifier
    elif name in shelf():
        found = _model(name)
    elif not name.startswith("_") and find_spec(f"zoo.{name}"):
        found = import_module(f"zoo.{name}")
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), "Classifier", *shelf()})

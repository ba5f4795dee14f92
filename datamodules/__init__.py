"""Data sets as arrays in memory, cut into fixed splits and served in batches; knows nothing of models.

Who asks for one of them gets all, as a command knows their names by that. What reads archives needs no torch, and
whoever imports that alone waits for none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datamodules.arrays import Arrays as Arrays
    from datamodules.base import ImageDataModule as ImageDataModule
    from datamodules.cifar10 import CIFAR10 as CIFAR10
    from datamodules.digits import Digits as Digits
    from datamodules.folder import Folder as Folder
    from datamodules.mnist import MNIST as MNIST
    from datamodules.mnist import FashionMNIST as FashionMNIST

SETS = {
    "Arrays": "arrays",
    "CIFAR10": "cifar10",
    "Digits": "digits",
    "FashionMNIST": "mnist",
    "Folder": "folder",
    "ImageDataModule": "base",
    "MNIST": "mnist",
}

__all__ = [*SETS]


def __getattr__(name: str) -> Any:
    if name not in SETS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals().update({each: getattr(import_module(f"{__name__}.{file}"), each) for each, file in SETS.items()})
    return globals()[name]

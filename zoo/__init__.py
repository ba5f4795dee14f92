"""The shelf: one file per model, from softmax regression upwards.

A file of your own in this folder is found like the others: `zoo/maxout.py` makes `zoo.Maxout`, `--model Maxout`.
"""

from importlib import import_module
from pkgutil import iter_modules

from zoo.classifier import Classifier
from zoo.convnet import ConvNet
from zoo.fastnet import FastNet
from zoo.lenet import LeNet
from zoo.mlp import MLP
from zoo.resnet import ResNet
from zoo.softmax import SoftmaxRegression
from zoo.vit import ViT

__all__ = ["MLP", "Classifier", "ConvNet", "FastNet", "LeNet", "ResNet", "SoftmaxRegression", "ViT"]

for _, name, is_package in iter_modules(__path__, f"{__name__}."):
    for made in () if is_package else tuple(vars(import_module(name)).values()):
        if isinstance(made, type) and issubclass(made, Classifier) and made.__module__ == name:
            globals()[made.__name__] = made
            if made.__name__ not in __all__:
                __all__.append(made.__name__)

"""Data sets as arrays in memory, cut into fixed splits and served in batches; knows nothing of models."""

from datamodules.arrays import Arrays
from datamodules.base import ImageDataModule
from datamodules.cifar10 import CIFAR10
from datamodules.digits import Digits
from datamodules.mnist import MNIST, FashionMNIST

__all__ = ["CIFAR10", "MNIST", "Arrays", "Digits", "FashionMNIST", "ImageDataModule"]

"""The shelf: one file per model, from softmax regression upwards."""

from zoo.classifier import Classifier
from zoo.convnet import ConvNet
from zoo.fastnet import FastNet
from zoo.lenet import LeNet
from zoo.mlp import MLP
from zoo.resnet import ResNet
from zoo.softmax import SoftmaxRegression
from zoo.vit import ViT

__all__ = ["MLP", "Classifier", "ConvNet", "FastNet", "LeNet", "ResNet", "SoftmaxRegression", "ViT"]

"""The old place of `Classifier`: `from zoo import Classifier` is the way now."""

from zoo.errors import warn
from zoo.training.classifier import Classifier

__all__ = ["Classifier"]

warn("zoo.classifier has moved. Try: from zoo import Classifier")

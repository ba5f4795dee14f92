"""MNIST and Fashion-MNIST: 60,000 training and 10,000 test images, 28 × 28, grey, ten classes.

    ROOT/MNIST/raw/train-images-idx3-ubyte …  ->  images (N, 1, 28, 28) uint8, labels (N,) int64

torchvision downloads the files, checks the archives and parses the IDX format: a header (16 bytes for images, 8 for
labels, big-endian), then one byte per pixel or label. LeCun, Cortes, Burges 1998; Xiao, Rasul, Vollgraf 2017.
"""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torchvision.datasets

from datamodules.base import ImageDataModule, Images
from datamodules.checks import check_content, check_size
from datamodules.download import fetch

PARTS = {"train": ("train", 60_000), "test": ("t10k", 10_000)}  # name in the files, images


class IDXImages(ImageDataModule):
    """What the two sets share: the format, the sizes, and torchvision's folders."""

    in_shape = (1, 28, 28)
    num_classes = 10
    sha256: ClassVar[dict[str, str]]  # of the decoded arrays, uint8 in C order, under the files' names

    @property
    @abstractmethod
    def source(self) -> type[torchvision.datasets.MNIST]:
        """Torchvision's reader; its class name is the folder under `root`."""

    def _file(self, split: str, kind: str) -> Path:
        return Path(self.root, self.source.__name__, "raw", f"{PARTS[split][0]}-{kind}")

    def prepare_data(self) -> None:
        files = [self._file(split, kind) for split in PARTS for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
        if not all(file.exists() for file in files):
            fetch(self.source, self.root, files[0].parent)

    def load(self) -> dict[str, Images]:
        return {split: self._load(split, count) for split, (_, count) in PARTS.items()}

    def _load(self, split: str, count: int) -> Images:
        images_file, labels_file = self._file(split, "images-idx3-ubyte"), self._file(split, "labels-idx1-ubyte")
        check_size(images_file, 16 + count * 28 * 28)
        check_size(labels_file, 8 + count)
        try:
            parsed = self.source(self.root, train=split == "train")
        except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:  # header: wrong type or shape
            raise ValueError(
                f"IDX header in {images_file} or {labels_file}: expected {count} images of 28 × 28 bytes and as many"
                f" labels, found {str(error) or 'no IDX header'}. Try: rm '{images_file}' '{labels_file}' and run again"
            ) from error
        if parsed.data.shape != (count, 28, 28):  # the sums below do not see the shape
            raise ValueError(
                f"IDX header in {images_file}: expected shape {(count, 28, 28)}, found {tuple(parsed.data.shape)}."
                f" Try: rm '{images_file}' and run again"
            )
        images, labels = parsed.data.numpy(), parsed.targets.numpy().astype(np.uint8)
        check_content(images_file, images, self.sha256[images_file.name])
        check_content(labels_file, labels, self.sha256[labels_file.name])
        return Images(parsed.data[:, None], parsed.targets.long())


class MNIST(IDXImages):
    """70,000 handwritten digits, 28 × 28 grey. LeCun, Bottou, Bengio, Haffner 1998."""

    classes = tuple("0123456789")
    source = torchvision.datasets.MNIST
    statistics: tuple[Sequence[float], Sequence[float]] = ((0.1306604762738429,), (0.30810780385646264,))
    sha256: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
        "train-labels-idx1-ubyte": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        "t10k-images-idx3-ubyte": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
        "t10k-labels-idx1-ubyte": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    }


class FashionMNIST(IDXImages):
    """70,000 articles of clothing, 28 × 28 grey. Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747."""

    classes = tuple(torchvision.datasets.FashionMNIST.classes)
    source = torchvision.datasets.FashionMNIST
    statistics: tuple[Sequence[float], Sequence[float]] = ((0.2860405969887955,), (0.35302424451492254,))
    sha256: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
        "train-labels-idx1-ubyte": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
        "t10k-images-idx3-ubyte": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
        "t10k-labels-idx1-ubyte": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
    }

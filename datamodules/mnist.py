"""MNIST and Fashion-MNIST: 60,000 training and 10,000 test images, 28 × 28, grey, ten classes.

    ROOT/MNIST/raw/train-images-idx3-ubyte …  ->  images (N, 1, 28, 28) uint8, labels (N,) int64

torchvision downloads and unpacks the files. They are IDX: a header (two zero bytes, 8 for bytes, the number of axes,
each axis as a big-endian uint32), then one byte per pixel or label. LeCun, Cortes, Burges 1998; Xiao, Rasul, Vollgraf
2017.
"""

import math
import struct
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torchvision.datasets

from datamodules.base import ImageDataModule, Images
from datamodules.checks import OtherContent, check_content, read_file, sha256
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
        """Torchvision's data set; its class name is the folder under `root`."""

    @property
    def _folder(self) -> str:
        return f"{self.source.__name__}/raw"

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """What each file holds."""
        images = {f"{name}-images-idx3-ubyte": (count, 28, 28) for name, count in PARTS.values()}
        return images | {f"{name}-labels-idx1-ubyte": (count,) for name, count in PARTS.values()}

    def prepare_data(self) -> None:
        files = [f"{self._folder}/{name}" for name in self._shapes]
        archives = {f"{self._folder}/{name}": md5 for name, md5 in self.source.resources}
        fetch(self.source, Path(self.root), files, archives, self._read, self.known_as)

    def load(self) -> dict[str, Images]:
        return {split: self._load(name) for split, (name, _) in PARTS.items()}

    def checked_sum(self, part: str) -> str:
        return self.sha256[f"{PARTS[part][0]}-images-idx3-ubyte"]

    def _load(self, name: str) -> Images:
        images, labels = (
            self._read(Path(self.root, self._folder, f"{name}-{kind}"))
            for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
        )
        return Images(torch.from_numpy(images[:, None]), torch.from_numpy(labels).long())

    def _read(self, path: Path) -> np.ndarray:
        """The array in an IDX file; raises OSError or ValueError unless it is the published one."""
        shape = self._shapes[path.name]
        header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
        size = len(header) + math.prod(shape)
        other = whole_idx(path)
        if other and other != shape:
            raise OtherContent(f"shape in {path}: expected {shape}, found {other}")
        content = read_file(path, range(size, size + 1))
        found = content[: len(header)].tobytes()
        if found != header:  # the sums below do not see the shape
            raise ValueError(f"IDX header in {path}: expected {header.hex(' ', 4)}, found {found.hex(' ', 4)}")
        array = content[len(header) :].reshape(shape)
        check_content(path, array, self.sha256[path.name])
        return array

    def known_as(self, path: Path) -> str | None:
        """The set of this format whose file that is, if it is none of this one."""
        if whole_idx(path) != self._shapes[path.name]:
            return None
        found = sha256(np.fromfile(path, np.uint8)[4 * (1 + len(self._shapes[path.name])) :])
        others = (other for other in IDXImages.__subclasses__() if other is not type(self))
        return next((other.__name__ for other in others if other.sha256.get(path.name) == found), None)


def whole_idx(path: Path) -> tuple[int, ...] | None:
    """The shape of the bytes in an IDX file, if it is exactly as long as its header says."""
    try:
        size = path.stat().st_size  # 0 for what is no file
        if size < 8:
            return None
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return None
    axes = start[3]
    if start[:3] != b"\0\0\x08" or axes not in (1, 3):
        return None
    shape = struct.unpack_from(f">{axes}I", start, 4) if len(start) >= 4 + 4 * axes else ()
    return shape if shape and size == 4 + 4 * axes + math.prod(shape) else None


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

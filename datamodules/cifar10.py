"""CIFAR-10: 50,000 training and 10,000 test photographs, 32 × 32, colour, ten classes. Krizhevsky 2009.

    ROOT/cifar-10-batches-py/data_batch_1 …  ->  images (N, 3, 32, 32) uint8, labels (N,) int64

torchvision downloads, checks each batch file by MD5 before it unpickles it, and parses. The result is checked once
more by SHA-256, in the records of CIFAR-10's binary distribution (one label byte, then the 3072 pixels of the image,
channel by channel), because sums of those files are what others publish and can be compared with.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torchvision.datasets
from torchvision.datasets.utils import check_integrity

from datamodules.base import ImageDataModule, Images
from datamodules.checks import check_content
from datamodules.download import fetch

RECORDS = 10_000  # records in one file


def binary_records(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Images (N, 3, 32, 32) uint8 and labels (N,) -> (N, 3073) uint8, as in the binary distribution."""
    return np.concatenate([labels.astype(np.uint8)[:, None], images.reshape(len(images), -1)], axis=1)


class CIFAR10(ImageDataModule):
    """60,000 colour photographs of ten kinds of objects, 32 × 32."""

    in_shape = (3, 32, 32)
    num_classes = 10
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    # the deviation is over all pixels of the training set; the often copied 0.2023 0.1994 0.2010 is a mean over images
    statistics: tuple[Sequence[float], Sequence[float]] = (
        (0.49139968, 0.48215841, 0.44653091),
        (0.24703223, 0.24348513, 0.26158784),
    )
    source = torchvision.datasets.CIFAR10
    sha256: ClassVar[dict[str, list[str]]] = {
        "train": [
            "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        ],
        "test": ["8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"],
    }

    @property
    def folder(self) -> Path:
        """Where torchvision keeps the batch files."""
        return Path(self.root, self.source.base_folder)

    def prepare_data(self) -> None:
        if not all((self.folder / name).exists() for name, _ in self.source.train_list + self.source.test_list):
            fetch(self.source, self.root, self.folder)

    def load(self) -> dict[str, Images]:
        return {split: self._load(split) for split in ("train", "test")}

    def _load(self, split: str) -> Images:
        try:
            parsed = self.source(self.root, train=split == "train")
        except RuntimeError as error:
            meta = (self.source.meta["filename"], self.source.meta["md5"])
            sums = dict([*self.source.train_list, *self.source.test_list, meta])
            wrong = [self.folder / name for name, md5 in sums.items() if not check_integrity(self.folder / name, md5)]
            raise ValueError(
                f"MD5 of {', '.join(map(str, wrong))}: expected the published one, found another."
                f" Try: rm -r '{self.folder}' and run again"
            ) from error
        images = np.ascontiguousarray(parsed.data.transpose(0, 3, 1, 2))  # (N, 32, 32, 3) -> (N, 3, 32, 32)
        labels = np.asarray(parsed.targets)
        for i, expected in enumerate(self.sha256[split]):
            part = slice(i * RECORDS, (i + 1) * RECORDS)
            check_content(self.folder, binary_records(images[part], labels[part]), expected)
        return Images(torch.from_numpy(images), torch.from_numpy(labels).long())

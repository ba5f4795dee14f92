"""CIFAR-10: 50,000 training and 10,000 test photographs, 32 × 32, colour, ten classes. Krizhevsky 2009.

    ROOT/cifar-10-batches-py/data_batch_1 …  ->  images (N, 3, 32, 32) uint8, labels (N,) int64

torchvision downloads and unpacks. The files are pickles, which can do anything when they are read: the very bytes that
were checked by MD5 are unpickled, and no others. The result is checked once more by SHA-256, in the records of
CIFAR-10's binary distribution (one label byte, then the 3072 pixels of the image, channel by channel), because sums of
those files are what others publish and can be compared with.
"""

import hashlib
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torchvision.datasets

from datamodules.base import ImageDataModule, Images
from datamodules.checks import OtherContent, check_content, read_file
from datamodules.download import fetch

RECORDS = 10_000  # records in one file
RECORD_SIZE = 1 + 3 * 32 * 32  # bytes: a label and the pixels


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
    def _sums(self) -> dict[str, str]:
        """MD5 of each file."""
        meta = (self.source.meta["filename"], self.source.meta["md5"])  # not needed here, but torchvision asks for it
        return dict([*self.source.train_list, *self.source.test_list, meta])

    def prepare_data(self) -> None:
        files = [f"{self.source.base_folder}/{name}" for name in self._sums]
        fetch(self.source, Path(self.root), files, {self.source.filename: self.source.tgz_md5}, self._read)

    def load(self) -> dict[str, Images]:
        return {"train": self._load("train", self.source.train_list), "test": self._load("test", self.source.test_list)}

    def checked_sum(self, part: str) -> str:
        return hashlib.sha256(" ".join(self.sha256[part]).encode()).hexdigest()

    def _load(self, split: str, files: Sequence[Sequence[str]]) -> Images:
        batches = [self._batch(name, expected) for (name, _), expected in zip(files, self.sha256[split], strict=True)]
        images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        return Images(torch.from_numpy(images), torch.from_numpy(labels))

    def _batch(self, name: str, expected: str) -> tuple[np.ndarray, np.ndarray]:
        """Images (N, 3, 32, 32) uint8 and labels (N,) int64 of one file, checked by the SHA-256 of its records."""
        path = Path(self.root, self.source.base_folder, name)
        batch = pickle.loads(self._read(path).data, encoding="latin1")
        images, labels = batch["data"].reshape(-1, 3, 32, 32), np.asarray(batch["labels"], np.int64)
        check_content(path, binary_records(images, labels), expected)
        return images, labels

    def _read(self, path: Path) -> np.ndarray:
        """The bytes of a file; raises OSError or ValueError unless they are the published ones."""
        # the names of the images are what a file holds beside its records: much less than they
        content = read_file(path, range(1, 2 * RECORDS * RECORD_SIZE))
        expected, found = self._sums[path.name], hashlib.md5(content.data, usedforsecurity=False).hexdigest()
        if found != expected:
            whole = content[:1].tobytes() == b"\x80" and content[-1:].tobytes() == b"."  # as a pickle begins and ends
            kind = OtherContent if whole else ValueError
            raise kind(f"content in {path}: expected MD5 {expected}, found {found}")
        return content

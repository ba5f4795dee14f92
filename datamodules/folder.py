"""Folder: the user's own pictures, a folder for each class.

    DIR/CLASS/*  or  DIR/{train,val,test}/CLASS/*   PNG, JPEG and what else Pillow reads, of any size
           -> images (N, C, H, W) uint8, labels (N,) int64

Pictures become what `zoo predict` makes of them: the whole picture, its aspect kept. They are decoded once; the next
start reads them from `ROOT/zoo-cache`. Without a folder `test` a fifth of the pictures, always the same, is the test.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any, Literal

import numpy as np
import torch

from datamodules.base import ImageDataModule, Images
from datamodules.classes import SPLITS as IN_WORDS
from datamodules.classes import few, images_per_class, without_training
from datamodules.normalisation import Statistics, statistics_of
from datamodules.picture_files.cache import Cache
from datamodules.picture_files.find import Found, find
from datamodules.picture_files.form import Form, in_words
from datamodules.picture_files.reading import Pictures, read_pictures
from datamodules.sharing import shared
from zoo.errors import DataError, UsageError, report, shorten, warn

FEW_NAMES = 20  # so many are printed
LARGEST_SIDE = 1024  # pixels, as a card has it
NEEDED = {"fit": ("train",), "validate": ("train", "val"), "test": ("test",), "predict": ("test",)}  # one of them


class Folder(ImageDataModule):
    """The user's own pictures: a folder for each class, in DIR or in DIR/train, DIR/val and DIR/test.

    Args:
        path: the folder, DIR.
        size: side of the images in pixels, or height and width; None takes the pictures' own, if all have the same, of
            at most 128, else 32.
        channels: 1 for grey, 3 for colour; None takes 3, if any picture shows a colour, else 1.
        recursive: whether pictures in folders of a class's folder belong to the class, too; else they are refused.
        skip_broken: whether pictures that cannot be read are left out; else they are refused.
        known_classes: number of classes of the network that is asked about them; None takes those of the folder.
        options: the arguments of ImageDataModule.
    """

    named = False  # the order of the classes is that of their names: those of a network are found by them

    def __init__(
        self,
        path: str,
        size: int | tuple[int, int] | None = None,
        channels: Literal[1, 3] | None = None,
        recursive: bool = False,
        skip_broken: bool = False,
        known_classes: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        sides = (size, size) if size is None or isinstance(size, int) else tuple(size)
        if any(side is not None and not 1 <= side <= LARGEST_SIDE for side in sides):
            raise ValueError(
                f"pixels in --data.size: expected 1 to {LARGEST_SIDE}, found {shorten(size)}. Try: --data.size 32"
            )
        self.path, self.recursive, self.skip_broken = path, recursive, skip_broken
        self.known_classes = known_classes
        self.asked = Form(channels, *sides)
        self._network_classes: tuple[str, ...] | None = None
        self._reported = False

    def take_form(self, in_shape: Sequence[int]) -> None:
        """Lets the images be of a network's form, where nothing else was said.

        Args:
            in_shape: channels, height and width.
        """
        self.asked = Form(*(own or theirs for own, theirs in zip(self.asked, in_shape, strict=True)))

    @cached_property
    def _found(self) -> Found:
        return shared(("folder", self.path, self.recursive), lambda: find(Path(self.path), recursive=self.recursive))

    @cached_property
    def pictures(self) -> Pictures:
        """All that lies in the folder, read."""
        cache = Cache(Path(self.root), Path(self.path), self.recursive)
        key = "pictures", self._found.listing, self.path, self.asked, self.recursive, self.skip_broken
        return shared(key, lambda: read_pictures(self._found, self.asked, cache, skip_broken=self.skip_broken))

    @property
    def origin(self) -> tuple[Any, ...]:
        settings = self.in_shape, self.recursive, self.skip_broken
        return type(self), self.path, self._found.listing, *settings, self._network_classes

    @property
    def classes(self) -> Sequence[str]:  # type: ignore[override]
        return self._network_classes or self._found.classes

    def call_classes(self, names: Sequence[str]) -> None:
        """From now on the classes are those of a network, in its order; the folders are brought to it by their names.

        Args:
            names: of the network's classes.

        Raises:
            UsageError: there are pictures of another class.
        """
        there = [self._found.classes[k] for k in np.unique(self._found.labels)]
        if unknown := [name for name in there if name not in set(names)]:
            where = quote(str(Path(self.path) / self._found.folder_of(unknown[0])))
            raise UsageError(
                f"classes in {self.path}: expected those of the network, {few(tuple(names))}, found"
                f" {few(tuple(unknown))}. Try: mv {where} to another place, or another name for it"
            )
        self._network_classes = tuple(names)

    @property
    def num_classes(self) -> int:  # type: ignore[override]
        return self.known_classes or len(self.classes)

    @property
    def in_shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        return self.asked.whole or self.pictures.head.form

    @property
    def settled(self) -> dict[str, Any]:
        channels, height, width = self.in_shape
        return {"size": height if height == width else [height, width], "channels": channels}

    @property
    def test_from(self) -> str | None:  # type: ignore[override]
        return "a fifth of the pictures: there is no folder `test`" if self._found.kept_aside else None

    @property
    def statistics(self) -> Statistics:
        counts = np.array(self.pictures.head.counts)
        if not counts.sum():
            raise self._missing(("train",))
        return statistics_of(counts)

    @property
    def official_validation(self) -> int:
        return self.pictures.found.counts.get("val", 0)

    def file_names(self, split: str) -> list[str]:
        """The files that the images `part(split)` were, below the folder."""
        test, entries = self.pictures.found.of_split("test"), self.pictures.found.entries
        return [entry.name for entry in (entries[test] if split == "test" else entries[: test.start])]

    def setup(self, stage: str | None = None) -> None:
        needed = NEEDED[stage or "fit"]
        if not any(self.pictures.found.counts.get(split) for split in needed):
            raise self._missing(needed)
        if self.num_classes < len(self.classes):
            raise UsageError(
                f"classes in {self.path}: expected {self.num_classes}, as many as the network has, found"
                f" {len(self.classes)}: {few(tuple(self.classes))}"
            )
        super().setup(stage)
        if not self._reported:
            self._report(stage)
            self._reported = True

    def _missing(self, needed: Sequence[str]) -> DataError:
        found = [f"{split} with {n} pictures" for split, n in self._found.counts.items()]
        where = quote(str(Path(self.path) / needed[0] / "CLASS"))
        return DataError(
            f"folders in {self.path}: expected pictures in {' or '.join(needed)}, found {', '.join(found)}."
            f" Try: pictures in {where}"
        )

    def _report(self, stage: str | None) -> None:
        """Warns of what is odd in the folder, and before training reports what is in it."""
        notes, found, head = list(self.pictures.notes), self.pictures.found, self.pictures.head
        if stage in (None, "fit"):
            labels = {split: found.labels[found.of_split(split)] for split in found.counts}
            notes += self._check_learnable(labels)
            names = f" ({', '.join(map(shorten, found.classes))})" if len(found.classes) <= FEW_NAMES else ""
            aside = f" ({self.test_from})" if found.kept_aside else ""
            report(
                f"{Path(self.path)}: {len(found.classes)} classes{names}; images of one class:"
                f" {images_per_class(labels, found.classes)}{aside}; {in_words(self.asked, self.in_shape, head.seen)}"
            )
        for note in notes:
            warn(note)

    def _check_learnable(self, labels: dict[str, np.ndarray]) -> list[str]:
        """Raises DataError if a class is tested and never trained, or there is only one; returns what is odd."""
        names = self._found.classes
        counts = {split: np.bincount(of_split, minlength=len(names)) for split, of_split in labels.items()}
        for split in ("test", "val"):
            if split in counts and len(lost := np.flatnonzero((counts["train"] == 0) & (counts[split] > 0))):
                others = without_training([names[k] for k in lost], counts[split][lost].tolist(), split)
                raise DataError(
                    f"classes in {self.path}: expected training pictures of each, found others ({others})."
                    f" Try: pictures of {shorten(names[lost[0]])} for the training, or its {IN_WORDS[split]} folder at"
                    " another place"
                )
        trained = np.flatnonzero(counts["train"])
        if len(trained) < 2:
            raise DataError(
                f"classes in {self.path}: expected at least 2 folders with training pictures, found"
                f" {shorten(names[trained[0]])} only: there is nothing to tell apart. Try: --data.path DIR, the folder"
                " that holds the folders of all classes"
            )
        empty = np.flatnonzero(sum(counts.values()) == 0)
        return [f"no picture of class {few([names[k] for k in empty])} in {self.path}"] if len(empty) else []

    def load(self) -> dict[str, Images]:
        found, pixels = self.pictures.found, torch.from_numpy(self.pictures.pixels)
        labels = torch.from_numpy(found.labels)
        if self._network_classes is not None:
            known = {name: place for place, name in enumerate(self._network_classes)}
            labels = torch.tensor([known.get(name, -1) for name in found.classes])[labels]
        test = found.of_split("test")
        train = slice(0, test.start)
        return {part: Images(pixels[rows], labels[rows]) for part, rows in (("train", train), ("test", test))}

    def checked_sum(self, part: str) -> str:
        return self.pictures.head.sums[part]

    def shaped_for(self, in_shape: tuple[int, int, int]) -> str:
        """What to type so that the images are of another shape, (C, H, W)."""
        channels, height, width = in_shape
        return f"--data.size {height if height == width else f'[{height},{width}]'} --data.channels {channels}"

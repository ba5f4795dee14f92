"""Arrays: the user's own images, in one NumPy archive.

    FILE.npz: train_images (N, H, W) or (N, H, W, C) uint8, train_labels (N,), test_images, test_labels,
              [val_images, val_labels], [classes (K,)]
           -> images (N, C, H, W) uint8, labels (N,) int64

    np.savez("own.npz", train_images=…, train_labels=…, test_images=…, test_labels=…)

Keras' names, x_train and so on, are read too, and what else can mean one thing only: see forms.py. Each verb asks only
for what it uses: `predict` does with `test_images` alone.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from datamodules.archive import fitting, read_arrays, readable
from datamodules.base import ImageDataModule, Images, tell
from datamodules.checks import shorten
from datamodules.classes import (
    UNNAMED,
    Names,
    check_learnable,
    check_numbers,
    check_range,
    class_names,
    few,
    numbered,
    placed,
    told_apart,
)
from datamodules.forms import DARK, as_images, as_labels, brightest, is_ambiguous
from datamodules.pictures import folder_in_words, kind_of_picture
from datamodules.sharing import shared

KEYS = ("train_images", "train_labels", "test_images", "test_labels")
OPTIONAL = ("val_images", "val_labels", "classes")
KERAS = {
    f"{letter}_{split}": f"{split}_{kind}"
    for split in ("train", "test", "val")
    for letter, kind in (("x", "images"), ("y", "labels"))
}
NEEDED = {"fit": KEYS, "validate": KEYS[:2], "test": KEYS[2:], "predict": KEYS[2:3]}
SPLITS = ("train", "val", "test")
UNKNOWN = -1  # label of an image that has none
FEW_NAMES = 20  # so many are shown


class Own(NamedTuple):
    """What an archive holds, in the one form that is used here.

    Attributes:
        images: of each split that has some, (N, H, W, C) uint8.
        labels: of each split that has some, (N,) int64; text where there are no training labels to number it.
        names: of the classes, where the file has them.
        called: name of each array in the file, under the name it has here.
        rows: number of classes that rows with a one have told; 0 if there were none.
        texts: whether labels were text.
        notes: what is odd.
    """

    images: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    names: Names | None
    called: dict[str, str]
    rows: int
    texts: bool
    notes: list[str]

    def labels_called(self) -> dict[str, str]:
        """Name in the file of each split's labels."""
        return {split: self.called[f"{split}_labels"] for split in self.labels}


class Arrays(ImageDataModule):
    """The user's own data: any number of classes, 1 or 3 channels, any one size.

    Args:
        path: the archive. Labels are the whole numbers 0 to K - 1, or text.
        known_classes: K, where neither `classes` nor training labels in the archive tell it; None takes the number of
            names in `classes`, or else the largest training label plus one.
        options: the arguments of ImageDataModule.
    """

    def __init__(self, path: str, known_classes: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.path = path
        self.known_classes = known_classes
        self._network_classes: Names | None = None
        self._said = False

    @cached_property
    def _own(self) -> Own:
        return shared(("archive", *self.origin), lambda: read(Path(self.path)))

    @property
    def origin(self) -> tuple[Any, ...]:
        path = Path(self.path)
        when = path.stat().st_mtime_ns if path.is_file() else 0  # `read` says what is wrong with it
        return type(self), str(path.absolute()), when, self.known_classes, self._network_classes

    @property
    def classes(self) -> Sequence[str]:  # type: ignore[override]
        if self._network_classes is not None:
            return self._network_classes
        own = self._own
        count = self.known_classes
        if count is None and own.names is None and "train" in own.labels:
            count = own.rows or 1 + max(
                int(own.labels[split].max()) for split in ("train", "val") if split in own.labels
            )
        if own.names is not None and (count is None or "classes" in own.called or len(own.names) == count):
            return own.names
        if count is not None:
            return tuple(str(k) for k in range(count))
        raise ValueError(
            f"number of classes in {self.path}: expected classes or train_labels to tell it, found neither."
            " Try: --data.known_classes K"
        )

    def call_classes(self, names: Sequence[str]) -> None:
        """From now on the classes are those of a network, in its order; labels with names are brought to it.

        Args:
            names: of the network's classes.
        """
        self._network_classes = tuple(names)

    @property
    def named(self) -> bool:  # type: ignore[override]
        return "classes" in self._own.called

    @property
    def num_classes(self) -> int:  # type: ignore[override]
        return len(self.classes)

    @property
    def in_shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        images = self._own.images
        height, width, channels = next(images[split] for split in ("train", "test", "val") if split in images).shape[1:]
        return channels, height, width

    @cached_property
    def statistics(self) -> tuple[Sequence[float], Sequence[float]]:
        if "train" not in self._own.images:
            require_arrays(Path(self.path), self._own, KEYS[:1])
        images = self._own.images["train"]
        # counts of the 256 values say it exactly, without a float copy of the images
        channels = [torch.from_numpy(images[..., c].reshape(-1)) for c in range(images.shape[3])]
        counts = np.stack([channel.bincount(minlength=256).numpy() for channel in channels])
        values = np.arange(256) / 255
        share = counts / counts.sum(axis=1, keepdims=True)
        mean = share @ values
        std = np.sqrt(share @ values**2 - mean**2)
        return mean.tolist(), np.maximum(std, 1 / 255).tolist()  # a channel of one single value has no scale of its own

    def setup(self, stage: str | None = None) -> None:
        path, own = Path(self.path), self._own
        needed = NEEDED[stage or "fit"]
        if stage == "validate" and "val" in own.labels:
            needed = OPTIONAL[:2]
        require_arrays(path, own, needed)
        with fitting(path):
            super().setup(stage)
        if not self._said:
            self._say(stage)
            self._said = True

    def _say(self, stage: str | None) -> None:
        """Says what is odd in the archive, and before training what is in it."""
        path, own = Path(self.path), self._own
        notes, called = list(own.notes), own.labels_called()
        if stage in (None, "fit"):
            named = own.names is not None or bool(own.rows) or self.known_classes is not None
            notes += check_learnable(path, own.labels, called, self.classes, named=named, rows=bool(own.rows))
            names = f" ({', '.join(map(shorten, self.classes))})" if self.num_classes <= FEW_NAMES else ""
            order = ", numbered in this order" if own.texts and "classes" not in own.called else ""
            tell(
                f"{path}: {self.num_classes} classes{names}{order if names else ''};"
                f" images of one class: {told_apart(own.labels, self.classes)}"
            )
        for note in notes:
            tell(f"warning: {note}", file=sys.stderr)

    def load(self) -> dict[str, Images]:
        parts = {split: self._part(split) for split in SPLITS}
        if len(parts["val"].labels) == 0:
            return {"train": parts["train"], "test": parts["test"]}
        both = (torch.cat(pair) for pair in zip(parts["train"], parts["val"], strict=True))
        return {"train": Images(*both), "test": parts["test"]}

    @property
    def official_validation(self) -> int:
        return len(self._own.labels.get("val", ()))

    def _part(self, split: str) -> Images:
        path, own = Path(self.path), self._own
        channels, height, width = self.in_shape
        images = own.images.get(split, np.empty((0, height, width, channels), np.uint8))
        if images.shape[1:] != (height, width, channels):
            first = next(key for key in ("train", "test") if key in own.images)
            raise ValueError(
                f"image shape (H, W, C) of {own.called[f'{split}_images']} in {path}: expected"
                f" {(height, width, channels)} as in {own.called[f'{first}_images']}, found {images.shape[1:]}."
                " Try: bring all images to one shape"
            )
        labels = own.labels.get(split)
        labels = np.full(len(images), UNKNOWN) if labels is None else self._in_order(split, labels)
        pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        return Images(torch.from_numpy(pixels), torch.from_numpy(labels.astype(np.int64)))

    def _in_order(self, split: str, labels: np.ndarray) -> np.ndarray:
        """The labels of a split as places in `classes`."""
        path, own, key = Path(self.path), self._own, self._own.called[f"{split}_labels"]
        if labels.dtype.kind == "U":
            return placed(path, key, labels, self.classes)
        check_range(path, own.labels, own.labels_called(), self.num_classes, named="classes" in own.called)
        if own.names is None or tuple(self.classes) == own.names or self._network_classes is None:
            return labels
        unknown = [name for name in own.names if name not in self._network_classes]
        if unknown:
            raise ValueError(
                f"classes in {path}: expected those of the network, {few(self._network_classes)},"
                f" found {few(unknown)}. Try: {UNNAMED}, if the labels are numbered as the network's are"
            )
        return np.array([self._network_classes.index(name) for name in own.names])[labels]


def read(path: Path) -> Own:
    """Reads and checks an archive.

    Raises:
        FileNotFoundError, ValueError: with one message that names the file, what was expected and what was found.
    """
    with readable(path):
        there, folder = path.is_file(), path.is_dir()
    if not there:
        told = folder_in_words(path) if folder else f"found nothing at {path}. Try: --data.path FILE.npz"
        raise FileNotFoundError(f"archive in --data.path: expected an .npz file, {told}")
    with readable(path):
        picture = kind_of_picture(path)
    if picture:
        raise ValueError(
            f"archive in {path}: expected plain arrays saved by numpy.savez, found a picture ({picture})."
            f" Try: --data.path {shlex.quote(str(path.parent))} for what makes an archive of all pictures there"
        )
    found, names = read_arrays(path, (*KEYS, *OPTIONAL, *KERAS))
    for theirs, ours in KERAS.items():
        if theirs in found and ours in found:
            raise ValueError(
                f"arrays in {path}: expected {ours} or {theirs}, found both. Try: leave out the array {theirs}"
            )
    called = {KERAS.get(key, key): key for key in found}
    raw = {KERAS.get(key, key): array for key, array in found.items()}
    own = Own({}, {}, None, called, 0, False, [])
    if not {"train_images", "test_images", "val_images"} & raw.keys():
        require_arrays(path, own, KEYS, names)
    rows = 0
    pictures = {called[key]: array for key, array in raw.items() if key.endswith("_images")}
    for split in SPLITS:
        images, labels = raw.get(f"{split}_images"), raw.get(f"{split}_labels")
        key = called.get(f"{split}_labels", "")
        if images is None and labels is not None:
            raise ValueError(
                f"arrays in {path}: expected {split}_images with {key}, found none. Try: leave out the array {key}"
            )
        if images is not None:
            count = None if labels is None else num_labelled(labels)
            own.images[split] = as_images(path, called[f"{split}_images"], images, count, pictures)
        if images is not None and labels is not None:
            own.labels[split], width = as_labels(path, key, labels, len(own.images[split]))
            if rows and width and width != rows:
                raise ValueError(
                    f"shape of {key} in {path}: expected rows of {rows} as in {called['train_labels']}, found {width}"
                )
            rows = rows or width
    if "val" in own.images:
        require_arrays(path, own, OPTIONAL[:2])
    given = class_names(path, raw["classes"]) if "classes" in raw else None
    check_numbers(path, own.labels, own.labels_called(), given)
    texts = any(labels.dtype.kind == "U" for labels in own.labels.values())
    numbers, given = numbered(path, own.labels, own.labels_called(), given)
    unused = [name for name in names if name not in found and not name.endswith("/")]
    return own._replace(
        labels=numbers, names=given, rows=rows, texts=texts, notes=oddities(path, own, raw, given, unused)
    )


def num_labelled(labels: np.ndarray) -> int:
    """How many images labels are for: all of them in one row or column, or one row for each."""
    return labels.size if sum(side != 1 for side in labels.shape) <= 1 else labels.shape[0]


def oddities(
    path: Path, own: Own, raw: Mapping[str, np.ndarray], names: Names | None, unused: Sequence[str]
) -> list[str]:
    """What may be a mistake and need not be."""
    notes = []
    for split, images in own.images.items():
        key, shape = own.called[f"{split}_images"], raw[f"{split}_images"].shape
        if is_ambiguous(shape):
            notes.append(
                f"{key} {shape} in {path} was read as images of {shape[1]} × {shape[2]} with {shape[3]}"
                f" channel{'s' * (shape[3] > 1)}. If they have {shape[1]}: {key} = numpy.moveaxis({key}, 1, -1)"
            )
        if len(images) > 1 and (images[0] == images[1]).all() and (images == images[0]).all():
            notes.append(f"all {len(images)} images of {key} in {path} are equal")
    largest = max(brightest(images, DARK) for images in own.images.values())
    if 1 < largest < DARK:
        keys = [own.called[f"{split}_images"] for split in own.images]
        scaled = ", ".join(f"({key} * (255 / {largest})).round().astype('uint8')" for key in keys)
        notes.append(
            f"the largest pixel of all images in {path} is {largest}. If that is white: {', '.join(keys)} = {scaled}"
        )
    if names is not None and len(set(names)) < len(names):
        notes.append(f"classes in {path} has {len(names)} names, of which only {len(set(names))} are different")
    if unused:
        notes.append(f"arrays in {path} that are not used: {few(unused)}")
    return notes


def require_arrays(path: Path, own: Own, needed: Sequence[str], names: Sequence[str] | None = None) -> None:
    """Raises ValueError if an array that is needed is not in the archive."""
    missing = [key for key in needed if key not in own.called]
    if missing:
        found = shorten(", ".join(own.called.values() if names is None else names)) or "none"
        raise ValueError(
            f"arrays in {path}: expected {', '.join(needed)}, found {found}: {', '.join(missing)} missing."
            " Try: numpy.savez with the arrays under these names"
        )

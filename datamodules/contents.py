"""What a file of images and labels holds, read and brought into the one form that is used here.

a path  ->  formats/: arrays as they lie there  ->  Contents(images (N, H, W, C) uint8 and labels (N,) int64 of each
split, names of the classes, …)
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.checks import FormError, together
from datamodules.classes import (
    UNNAMED,
    Names,
    as_known,
    check_numbers,
    check_range,
    class_names,
    few,
    numbered,
    placed,
    spans,
)
from datamodules.formats.recognise import read_raw
from datamodules.formats.source import Raw, Want
from datamodules.forms import DARK, as_images, brightest, is_ambiguous
from datamodules.labels import Labels, as_labels, num_labelled
from datamodules.missing import missing_error

KEYS = ("train_images", "train_labels", "test_images", "test_labels")
OPTIONAL = ("val_images", "val_labels", "classes")
SPLITS = ("train", "val", "test")
UNKNOWN = -1  # label of an image that has none
FIRST = 1000  # images that are looked at at a time


class Contents(NamedTuple):
    """What a file holds, in the one form that is used here.

    Attributes:
        kind: what it was taken for.
        images: of each split that has some, (N, H, W, C) uint8.
        labels: (N,) int64; text where there are no training labels to number it.
        names: of the classes, where the file has them.
        called: name of each array in the file, under the name it has here.
        rows: number of classes that one-hot rows have given; 0 if there were none.
        texts: whether labels were text.
        notes: what is odd.
        numerals: whether the text of labels was numbers in the file.
        packed: whether a line of Python cannot be applied to the file as it is.
    """

    kind: str
    images: dict[str, np.ndarray]
    labels: Labels
    names: Names | None
    called: dict[str, str]
    rows: int
    texts: bool
    notes: list[str]
    numerals: bool
    packed: bool


def read_contents(path: Path, want: Want = Want(SPLITS)) -> Contents:  # noqa: B008  a constant
    """Reads and checks what lies at a path.

    Args:
        path: a file, or a folder of files that belong together.
        want: which splits, and which labels.

    Raises:
        FileNotFoundError, ValueError: with one message that names the file, what was expected and what was found.
    """
    raw = read_raw(path, want)
    with mendable(path, packed=raw.packed):
        return checked(path, raw)


@contextmanager
def mendable(path: Path, *, packed: bool) -> Iterator[None]:
    """Lets a message whose advice is a line of Python say how to have the arrays that the line is for.

    Args:
        path: the file.
        packed: whether it holds them in another form than a NumPy archive.
    """
    try:
        yield
    except FormError as error:
        if not packed:
            raise
        raise FormError(error.key, error.problem, f"{converted(path)}, and there {error.advice}") from error


def converted(path: Path) -> str:
    """What to type to have the arrays of a file of another format in a NumPy archive, whatever form they have."""
    out = f"{path.absolute().stem}-arrays.npz"
    return f"python cli.py data convert {shlex.quote(str(path))} {shlex.quote(out)} --unchecked"


def checked(path: Path, raw: Raw) -> Contents:
    """The arrays in their one form.

    Args:
        path: where they come from, for messages.
        raw: as they lie there.
    """
    arrays, called = raw.arrays, raw.called
    if not {"train_images", "test_images", "val_images"} & arrays.keys():
        require_arrays(path, called, KEYS, packed=raw.packed, names=raw.names)
    images, labels, rows = read_splits(path, arrays, called)
    if "val" in images:
        require_arrays(path, called, OPTIONAL[:2], packed=raw.packed)
    given = class_names(path, arrays["classes"]) if "classes" in arrays else None
    kinds = {values.dtype.kind for values in labels.splits.values()}
    numerals = raw.numerals and kinds == {"i"}
    if numerals:
        labels = labels._replace(splits={split: values.astype(np.str_) for split, values in labels.splits.items()})
    check_numbers(labels, given)
    numbers, given = numbered(labels, given)
    notes = [*raw.notes, *oddities(path, images, arrays, called, given, raw.others)]
    if numerals and given is not None and list(given) != [str(k) for k in range(len(given))]:
        notes.append(f"labels in {path} are {spans(np.sort(np.array(given, int)))}: names of {len(given)} classes")
    labels = labels._replace(splits=numbers)
    texts = numerals or "U" in kinds
    return Contents(raw.kind, images, labels, given, called, rows, texts, notes, numerals, raw.packed)


def read_splits(
    path: Path, raw: Mapping[str, np.ndarray], called: Mapping[str, str]
) -> tuple[dict[str, np.ndarray], Labels, int]:
    """Images and labels of each split in their one form, and the number of classes if one-hot rows have given it."""
    images = check_forms(path, raw, called)
    labels, rows = Labels(path, {}, {}), 0
    errors: list[FormError] = []
    for split in images:
        given, key = raw.get(f"{split}_labels"), called.get(f"{split}_labels", "")
        if given is None:
            continue
        labels.called[split] = key
        try:
            labels.splits[split], width = as_labels(path, key, given, len(images[split]))
        except FormError as error:
            errors.append(error)
            continue
        if rows and width and width != rows:
            raise ValueError(
                f"shape of {key} in {path}: expected rows of {rows} as in {called['train_labels']}, found {width}"
            )
        rows = rows or width
    if errors:
        raise together(errors)
    return images, labels, rows


def check_forms(path: Path, raw: Mapping[str, np.ndarray], called: Mapping[str, str]) -> dict[str, np.ndarray]:
    """The images of each split, (N, H, W, C) uint8.

    Raises:
        ValueError: they cannot be read as they are; one line of Python in it mends those of all splits.
    """
    images: dict[str, np.ndarray] = {}
    errors: list[FormError] = []
    all_images = {called[key]: array for key, array in raw.items() if key.endswith("_images")}
    for split in SPLITS:
        pictures, given = raw.get(f"{split}_images"), raw.get(f"{split}_labels")
        key = called.get(f"{split}_labels", "")
        if pictures is None and given is not None:
            raise ValueError(
                f"arrays in {path}: expected {split}_images with {key}, found none. Try: leave out the array {key}"
            )
        if pictures is None:
            continue
        count = None if given is None else num_labelled(given)
        try:
            images[split] = as_images(path, called[f"{split}_images"], pictures, count, all_images)
        except FormError as error:
            errors.append(error)
    if errors:
        raise together(errors)
    return images


def all_classes(own: Contents, count: int | None = None) -> Names | None:
    """All classes that a file has, by their names or numbers; None if it does not tell.

    Args:
        own: what the file holds.
        count: how many there are, if somebody knows.
    """
    labels = own.labels.splits
    if count is None and own.names is None and "train" in labels:
        count = own.rows or 1 + max(int(labels[split].max()) for split in ("train", "val") if split in labels)
    if own.names is not None and (count is None or "classes" in own.called or len(own.names) == count):
        return own.names
    return None if count is None else tuple(str(k) for k in range(count))


def in_order(path: Path, own: Contents, split: str, classes: Names, *, of_network: bool) -> np.ndarray:
    """The labels of a split as places in the classes, (N,) int64.

    Args:
        path: the file, for messages.
        own: what it holds.
        split: one that has labels.
        classes: all names.
        of_network: whether these are a network's, which labels with names are brought to.

    Raises:
        ValueError: there are labels of no such class.
    """
    labels, key, listed = own.labels.splits[split], own.called[f"{split}_labels"], "classes" in own.called
    if own.numerals and of_network and not any(map(str.isdigit, classes)):  # of which the network knows places only
        names = np.array(own.names if own.names is not None else [], np.int64)
        numbers = labels.astype(np.int64) if labels.dtype.kind == "U" else names[labels]
        check_range(own.labels._replace(splits={split: numbers}), len(classes), named=listed)
        return numbers
    if labels.dtype.kind == "U":
        return placed(path, key, labels, classes, listed=False)
    if own.names is None or not of_network or classes == own.names:
        check_range(own.labels, len(classes), named=listed)
        return labels
    check_range(own.labels, len(own.names), named=listed)
    unknown = [name for name in own.names if name not in classes]
    if unknown:
        advice = f"{UNNAMED}, if the labels are numbered as the network's are"
        raise ValueError(
            f"classes in {path}: expected those of the network, {few(classes)}, found {few(unknown)}."
            f" Try: {advice if listed else as_known(list(own.labels.called.values()), own.names, classes)}"
        )
    return np.array([classes.index(name) for name in own.names])[labels]


def oddities(
    path: Path,
    all_images: Mapping[str, np.ndarray],
    raw: Mapping[str, np.ndarray],
    called: Mapping[str, str],
    names: Names | None,
    unused: Sequence[str],
) -> list[str]:
    """What may be a mistake and need not be."""
    notes = []
    for split, images in all_images.items():
        key, shape = called[f"{split}_images"], raw[f"{split}_images"].shape
        if is_ambiguous(shape):
            notes.append(
                f"{key} {shape} in {path} was read as images of {shape[1]} × {shape[2]} with {shape[3]}"
                f" channel{'s' * (shape[3] > 1)}. If they have {shape[1]}: {key} = numpy.moveaxis({key}, 1, -1)"
            )
        if shown_grey(images):
            notes.append(
                f"the three channels of {key} in {path} are equal: grey stored as colour. As grey: {key} ="
                f" {gray(key, shape)}"
            )
        if len(images) > 1 and (images[0] == images[1]).all() and (images == images[0]).all():
            notes.append(f"all {len(images)} images of {key} in {path} are equal")
    largest = max(brightest(images, DARK) for images in all_images.values())
    if 1 < largest < DARK:
        keys = [called[f"{split}_images"] for split in all_images]
        scaled = ", ".join(f"({key} * (255 / {largest})).round().astype('uint8')" for key in keys)
        notes.append(
            f"the largest pixel of all images in {path} is {largest}. If that is white: {', '.join(keys)} = {scaled}"
        )
    if names is not None and len(set(names)) < len(names):
        notes.append(f"classes in {path} has {len(names)} names, of which only {len(set(names))} are different")
    if unused:
        notes.append(f"arrays in {path} that are not used: {few(unused)}")
    return notes


def shown_grey(images: np.ndarray) -> bool:
    """Whether images (N, H, W, 3) show no colour anywhere; most often the first ones show some."""
    parts = (images[start : start + FIRST] for start in range(0, len(images), FIRST))
    return images.shape[3] == 3 and all((part == part[..., :1]).all() for part in parts)


def gray(key: str, shape: tuple[int, ...]) -> str:
    """What to type to have one of three equal channels."""
    return f"{key}[..., 0]" if shape[-1] == 3 else f"{key}[:, 0]"


def require_arrays(
    path: Path, called: Mapping[str, str], needed: Sequence[str], *, packed: bool, names: Sequence[str] | None = None
) -> None:
    """Raises ValueError if an array that is needed is not there."""
    missing = [key for key in needed if key not in called]
    if missing:
        raise missing_error(path, needed, list(called.values() if names is None else names), missing, packed=packed)

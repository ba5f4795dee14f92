"""Which classes there are: one numbering of all labels of a file, and whether each class can be learnt.

labels of train, val and test, as numbers or text  ->  0 … K - 1 for all of them, and the names
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from datamodules.archive import readable
from datamodules.checks import shorten
from datamodules.forms import images_of, natural, refuse

MOST_CLASSES = 10_000  # unless they are named; a larger label is an identifier or an error, not a class
MOST_NAMES = 1_000_000  # a name is longer in Python than in the archive
UNNAMED = "leave out the array classes"
SHOWN = 3  # classes that are named where there are many
SPLITS = {"train": "training", "val": "validation", "test": "test"}

Names = tuple[str, ...]


def class_names(path: Path, classes: np.ndarray) -> Names:
    """The names in an array `classes`: text, or numbers that serve as such; raises ValueError for anything else."""
    if classes.ndim != 1 or not 0 < len(classes) <= MOST_NAMES:
        raise ValueError(
            f"shape of classes in {path}: expected one name per class, 1 to {MOST_NAMES} of them,"
            f" found {classes.shape}. Try: classes = numpy.array(['cat', 'dog'])"
        )
    if classes.dtype.kind not in "Uiu":
        raise ValueError(
            f"type of classes in {path}: expected text, found {shorten(classes.dtype)}."
            " Try: classes = classes.astype(str)"
        )
    with readable(path):
        names = tuple(str(name) for name in classes)
        "".join(names).encode()  # not every number of 32 bits is a character
    return names


def numbered(
    path: Path, labels: Mapping[str, np.ndarray], called: Mapping[str, str], names: Names | None
) -> tuple[dict[str, np.ndarray], Names | None]:
    """Gives text labels numbers, the same in all splits.

    Args:
        path: the file, for messages.
        labels: (N,) int64 or text for each split.
        called: name of each split's array in the file.
        names: the names in `classes`, where the file has them; else those that occur, in natural order.

    Returns:
        The labels as (N,) int64, and the names; text and None where there are no training labels to tell them.
    """
    texts = [split for split in labels if labels[split].dtype.kind == "U"]
    numbers = [split for split in labels if split not in texts]
    if not texts:
        return dict(labels), names
    if numbers:
        key, other = called[numbers[0]], called[texts[0]]
        known = names is not None and labels[numbers[0]].min() >= 0 and labels[numbers[0]].max() < len(names)
        refuse(
            "type", key, path, f"text, as in {other}", "numbers",
            f"{key} = classes[{key}]" if known else f"{key} = {key}.astype(str)",
        )  # fmt: skip
    found = sorted({str(name) for split in texts for name in np.unique(labels[split])}, key=natural)
    if names is None:
        if "train" not in labels:
            return dict(labels), None
        if len(found) > MOST_CLASSES:
            raise ValueError(
                f"labels of {called['train']} in {path}: expected at most {MOST_CLASSES} classes, found {len(found)}"
            )
        names = tuple(found)
    return {split: placed(path, called[split], labels[split], names) for split in labels}, names


def placed(path: Path, key: str, labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Text labels as places in a list of names; raises ValueError if one is not in it, or twice."""
    found, places = np.unique(labels, return_inverse=True)
    known = {name: place for place, name in enumerate(names)}
    unknown = [str(name) for name in found if str(name) not in known]
    if unknown:
        advice = f"keep = numpy.isin({key}, classes)" if len(unknown) < len(found) else ""
        listed = f"{images_of(key)}, {key} = {images_of(key)}[keep], {key}[keep]"
        raise ValueError(
            f"labels of {key} in {path}: expected the names of classes, {few(names)}, found {few(unknown)}."
            + (f" Try: {advice}; {listed}" if advice else f" Try: {UNNAMED}")
        )
    if len(known) < len(names):
        twice = [name for name in known if list(names).count(name) > 1] if len(names) <= MOST_CLASSES else []
        raise ValueError(f"names of classes in {path}: expected each once, found {few(twice) or 'some'} twice")
    return np.array([known[str(name)] for name in found], np.int64)[places.reshape(-1)]


def few(names: Sequence[str]) -> str:
    """The first few names."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return shorten(", ".join(names[:SHOWN])) + more


def check_numbers(path: Path, labels: Mapping[str, np.ndarray], called: Mapping[str, str], names: Names | None) -> None:
    """Raises ValueError for numbers that cannot be classes: negative ones, and very large ones without a name."""
    for split, values in labels.items():
        if values.dtype.kind != "i" or values.min(initial=0) >= 0:
            continue
        key, images = called[split], images_of(called[split])
        keep = f"keep = {key}.reshape(-1) >= 0; {images}, {key} = {images}[keep], {key}[keep]"
        refuse(
            "labels", key, path, "0 to K - 1", str(values.min()),
            as_names(labels, called) if split == "train" else f"{keep}  # leaves these images out",
        )  # fmt: skip
    largest = int(labels["train"].max(initial=0)) if "train" in labels and labels["train"].dtype.kind == "i" else 0
    if names is None and largest >= MOST_CLASSES:
        refuse("labels", called["train"], path, "0 to K - 1", str(largest), as_names(labels, called))


def as_names(labels: Mapping[str, np.ndarray], called: Mapping[str, str]) -> str:
    """What to type so that numbers become the names of the classes, one numbering for all splits."""
    keys = [called[split] for split in labels]
    values = ", ".join(f"{key}.astype(int).astype(str)" for key in keys)
    return f"{', '.join(keys)} = {values}  # the numbers become the names of the classes"


def less_one(labels: Mapping[str, np.ndarray], called: Mapping[str, str], splits: Sequence[str]) -> str:
    """What to type where classes are counted from 1."""
    keys = [called[split] for split in splits if split in labels]
    return f"{', '.join(keys)} = {', '.join(f'{key} - 1' for key in keys)}"


def check_range(
    path: Path, labels: Mapping[str, np.ndarray], called: Mapping[str, str], num_classes: int, *, named: bool
) -> None:
    """Raises ValueError unless every label is one of 0 … num_classes - 1.

    Args:
        path: the file, for messages.
        labels: (N,) int64 for each split, none negative.
        called: name of each split's array in the file.
        num_classes: how many classes there are.
        named: whether names in the file say so.
    """
    for split, values in labels.items():
        if len(values) == 0 or values.max() < num_classes:
            continue
        low, high = int(values.min()), int(values.max())
        if split == "train" or "train" not in labels:
            from_one = low >= 1 and high == num_classes and split == "train"
        else:
            from_one = set(np.unique(values).tolist()) == set(range(1, num_classes + 1))
        key, images = called[split], images_of(called[split])
        if from_one:
            ones = [other for other in labels if split != "train" or labels[other].min() >= 1]
            advice = less_one(labels, called, ones if split == "train" else [split])
        elif split == "train":
            advice = UNNAMED if named else f"--data.known_classes {high + 1}"
        else:
            keep = f"keep = {key}.reshape(-1) < {num_classes}"
            advice = f"{keep}; {images}, {key} = {images}[keep], {key}[keep]  # no training image is of their class"
        why = ", the classes that have names" if named else ""
        found = f"{low} to {high}"
        if split != "train" and "train" in labels:
            strange, counts = np.unique(values[values >= num_classes], return_counts=True)
            found += f" ({without_training(strange.tolist(), counts.tolist(), split)})"
        refuse("labels", key, path, f"0 to {num_classes - 1}{why}", found, advice)


def check_learnable(
    path: Path,
    labels: Mapping[str, np.ndarray],
    called: Mapping[str, str],
    names: Sequence[str],
    *,
    named: bool,
    rows: bool,
) -> list[str]:
    """Raises ValueError if a class is tested and never trained, or there is only one; returns what is odd otherwise.

    Args:
        path: the file, for messages.
        labels: (N,) int64 for each split.
        called: name of each split's array in the file.
        names: of the classes.
        named: whether the file says which classes there are, so that one may have no image.
        rows: whether labels in the file are rows with a one.
    """
    counts = {split: np.bincount(values, minlength=len(names)) for split, values in labels.items()}
    train = counts["train"]
    total = sum(counts.values())
    trained, empty = np.flatnonzero(train), np.flatnonzero(total == 0)
    for split in ("test", "val"):
        if split in counts and len(lost := np.flatnonzero((train == 0) & (counts[split] > 0))):
            untrained(path, called, split, names, counts, lost, rows=rows)
    if len(trained) < 2:
        raise ValueError(
            f"classes of {called['train']} in {path}: expected at least 2, found {names[int(trained[0])]} only:"
            " there is nothing to tell apart"
        )
    if len(empty) and not named:
        found = f"no image of class {few([names[int(k)] for k in empty])}: labels are {spans(np.flatnonzero(total))}"
        advice = f"{as_names(labels, called)}; or names for all {len(names)} in an array classes"
        raise ValueError(f"classes of {called['train']} in {path}: expected 0 to K - 1, found {found}. Try: {advice}")
    return [f"no image of class {few([names[int(k)] for k in empty])} in {path}"] if len(empty) else []


def untrained(
    path: Path,
    called: Mapping[str, str],
    split: str,
    names: Sequence[str],
    counts: Mapping[str, np.ndarray],
    lost: np.ndarray,
    *,
    rows: bool,
) -> NoReturn:
    """Raises ValueError: these classes of a split have no training image."""
    key, images, train = called[split], images_of(called[split]), called["train"]
    told = without_training([names[int(k)] for k in lost], counts[split][lost].tolist(), split)
    keep = f"{train}.any(0)[{key}.argmax(1)]" if rows else f"numpy.isin({key}, {train}).reshape(-1)"
    raise ValueError(
        f"classes of {key} in {path}: expected those of {train}, found others ({told})."
        f" Try: keep = {keep}; {images}, {key} = {images}[keep], {key}[keep]  # leaves these images out"
    )


def without_training(names: Sequence[object], counts: Sequence[int], split: str) -> str:
    """Classes without a training image, and how many others they have."""
    told = [
        f"class {name}: 0 training, {count} {SPLITS[split]} images" for name, count in zip(names, counts, strict=True)
    ]
    return "; ".join(told[:SHOWN]) + (f"; {len(told) - SHOWN} classes more" if len(told) > SHOWN else "")


def spans(numbers: np.ndarray) -> str:
    """Whole numbers in order, in short: 0–4, 6–10."""
    breaks = np.flatnonzero(np.diff(numbers) > 1) + 1
    parts = [f"{run[0]}–{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in np.split(numbers, breaks)]
    return shorten(", ".join(parts))


def told_apart(labels: Mapping[str, np.ndarray], names: Sequence[str]) -> str:
    """How many images of a class there are in each split: of the class with the least, and of that with the most."""
    parts = []
    for split, values in labels.items():
        counts = np.bincount(values, minlength=len(names))
        least, most = int(counts.argmin()), int(counts.argmax())
        ends = f"{counts[least]} ({shorten(names[least])}) to {counts[most]} ({shorten(names[most])})"
        parts.append(f"{split} {ends if counts[least] < counts[most] else counts[least]}")
    return ", ".join(parts)

"""Which classes there are: one numbering of all labels of a file, and whether each class can be learnt.

labels of train, val and test, as numbers or text  ->  0 … K - 1 for all of them, and the names
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from datamodules.archive import readable
from datamodules.checks import form_error
from datamodules.labels import Labels, keep_only
from zoo.errors import shorten
from zoo.files import natural

MOST_CLASSES = 10_000  # unless they are named; a larger label is an identifier or an error, not a class
MOST_NAMES = 1_000_000  # a name is longer in Python than in the archive
UNNAMED = "leave out the array classes"
MOST_LETTERS = 500  # of all names in a line of Python
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


def numbered(labels: Labels, names: Names | None) -> tuple[dict[str, np.ndarray], Names | None]:
    """Gives text labels numbers, the same in all splits.

    Args:
        labels: those of the file.
        names: the names in `classes`, where the file has them; else those that occur, in natural order.

    Returns:
        The labels as (N,) int64, and the names; text and None where there are no training labels to tell them.
    """
    path, splits, called = labels
    texts = [split for split in splits if splits[split].dtype.kind == "U"]
    numbers = [split for split in splits if split not in texts]
    if not texts:
        return dict(splits), names
    if numbers:
        key, other, values = called[numbers[0]], called[texts[0]], splits[numbers[0]]
        known = names is not None and values.min() >= 0 and values.max() < len(names)
        advice = f"{key} = classes[{key}]" if known else f"{key} = {key}.astype(str)"
        raise form_error("type", key, path, f"text, as in {other}", "numbers", advice)
    found = sorted({str(name) for split in texts for name in np.unique(splits[split])}, key=natural)
    if names is None:
        if "train" not in splits:
            return dict(splits), None
        if len(found) > MOST_CLASSES:
            raise ValueError(
                f"labels of {called['train']} in {path}: expected at most {MOST_CLASSES} classes, found {len(found)}"
            )
        names = tuple(found)
    return {split: placed(path, called[split], splits[split], names) for split in splits}, names


def placed(path: Path, key: str, labels: np.ndarray, names: Sequence[str], *, listed: bool = True) -> np.ndarray:
    """Text labels as places in a list of names; raises ValueError if one is not in it, or twice.

    Args:
        path: the file, for messages.
        key: the array's name in it.
        labels: text, (N,).
        names: of the classes.
        listed: whether the file has them, as `classes`.
    """
    found, places = np.unique(labels, return_inverse=True)
    known = {name: place for place, name in enumerate(names)}
    unknown = [str(name) for name in found if str(name) not in known]
    if unknown:
        if not listed:
            advice = as_known([key], [str(name) for name in found], names)
        else:
            advice = keep_only(key, f"numpy.isin({key}, classes)") if len(unknown) < len(found) else UNNAMED
        raise form_error("labels", key, path, f"the names of classes, {few(names)}", few(unknown), advice)
    if len(known) < len(names):
        twice = [name for name in known if list(names).count(name) > 1] if len(names) <= MOST_CLASSES else []
        raise ValueError(f"names of classes in {path}: expected each once, found {few(twice) or 'some'} twice")
    return np.array([known[str(name)] for name in found], np.int64)[places.reshape(-1)]


def as_known(keys: Sequence[str], found: Sequence[str], names: Sequence[str]) -> str:
    """What to do with text labels of which some are no class of the network.

    Args:
        keys: the arrays' names in the file.
        found: the texts in them.
        names: of the network's classes.
    """
    numbered = list(names) == [str(k) for k in range(len(names))]
    if numbered and set(found) == {str(k + 1) for k in range(len(names))}:
        return f"{', '.join(keys)} = {', '.join(f'{key}.astype(int) - 1' for key in keys)}"
    if not numbered and set(found) <= {str(k) for k in range(len(names))}:
        values = ", ".join(f"{key}.astype(int)" for key in keys)
        return f"{', '.join(keys)} = {values}  # if they are numbered as the network's classes are"
    known = [name for name in names if name in found]
    if known and sum(map(len, known)) < MOST_LETTERS:
        keep = "; ".join(keep_only(key, f"numpy.isin({key}, {known})") for key in keys)
        return f"{keep}  # leaves the other images out"
    return f"labels by the names of the network, or leave out the array {' and '.join(keys)} and predict"


def few(names: Sequence[str]) -> str:
    """The first few names."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return shorten(", ".join(names[:SHOWN])) + more


def check_numbers(labels: Labels, names: Names | None) -> None:
    """Raises ValueError for numbers that cannot be classes: negative ones, and very large ones without a name."""
    path, splits, called = labels
    for split, values in splits.items():
        if values.dtype.kind != "i" or values.min(initial=0) >= 0:
            continue
        key = called[split]
        advice = f"{keep_only(key, f'{key}.reshape(-1) >= 0')}  # leaves these images out"
        raise form_error(
            "labels", key, path, "0 to K - 1", str(values.min()), as_names(labels) if split == "train" else advice
        )  # fmt: skip
    largest = int(splits["train"].max(initial=0)) if "train" in splits and splits["train"].dtype.kind == "i" else 0
    if names is None and largest >= MOST_CLASSES:
        raise form_error("labels", called["train"], path, "0 to K - 1", str(largest), as_names(labels))


def as_names(labels: Labels) -> str:
    """What to type so that numbers become the names of the classes, one numbering for all splits."""
    keys = [labels.called[split] for split in labels.splits]
    values = ", ".join(f"{key}.astype(int).astype(str)" for key in keys)
    return f"{', '.join(keys)} = {values}  # the numbers become the names of the classes"


def less_one(keys: Sequence[str]) -> str:
    """What to type where classes are counted from 1."""
    return f"{', '.join(keys)} = {', '.join(f'{key} - 1' for key in keys)}"


def check_range(labels: Labels, num_classes: int, *, named: bool) -> None:
    """Raises ValueError unless every label is one of 0 … num_classes - 1.

    Args:
        labels: numbers, none negative.
        num_classes: how many classes there are.
        named: whether names in the file say so.
    """
    path, splits, called = labels
    for split, values in splits.items():
        if len(values) == 0 or values.max() < num_classes:
            continue
        low, high = int(values.min()), int(values.max())
        if split == "train":
            from_one = low >= 1 and high == num_classes
        else:
            from_one = set(np.unique(values).tolist()) == set(range(1, num_classes + 1))
        key = called[split]
        if from_one:
            ones = [other for other in splits if splits[other].min() >= 1] if split == "train" else [split]
            advice = less_one([called[other] for other in ones])
        elif split == "train":
            advice = UNNAMED if named else f"--data.known_classes {high + 1}"
        else:
            keep = keep_only(key, f"{key}.reshape(-1) < {num_classes}")
            advice = f"{keep}  # no training image is of their class"
        why = ", the classes that have names" if named else ""
        found = f"{low} to {high}"
        if split != "train" and "train" in splits:
            strange, counts = np.unique(values[values >= num_classes], return_counts=True)
            found += f" ({without_training(strange.tolist(), counts.tolist(), split)})"
        raise form_error("labels", key, path, f"0 to {num_classes - 1}{why}", found, advice)


def check_learnable(labels: Labels, names: Sequence[str], *, named: bool, rows: bool) -> list[str]:
    """Raises ValueError if a class is tested and never trained, or there is only one; returns what is odd otherwise.

    Args:
        labels: numbers.
        names: of the classes.
        named: whether the file says which classes there are, so that one may have no image.
        rows: whether labels in the file are one-hot rows.
    """
    counts = {split: np.bincount(values, minlength=len(names)) for split, values in labels.splits.items()}
    train, key = counts["train"], labels.called["train"]
    total = sum(counts.values())
    trained, empty = np.flatnonzero(train), np.flatnonzero(total == 0)
    for split in ("test", "val"):
        if split in counts and len(lost := np.flatnonzero((train == 0) & (counts[split] > 0))):
            raise untrained(labels, split, [names[int(k)] for k in lost], counts[split][lost].tolist(), rows=rows)
    if len(trained) < 2:
        raise ValueError(
            f"classes of {key} in {labels.path}: expected at least 2, found {names[int(trained[0])]} only:"
            " there is nothing to tell apart"
        )
    missing = few([names[int(k)] for k in empty])
    if len(empty) and not named:
        found = f"no image of class {missing}: labels are {spans(np.flatnonzero(total))}"
        advice = f"{as_names(labels)}; or names for all {len(names)} in an array classes"
        raise form_error("classes", key, labels.path, "0 to K - 1", found, advice)
    notes = [f"no image of class {missing} in {labels.path}"] if len(empty) else []
    if "test" in counts and len(untested := np.flatnonzero((train > 0) & (counts["test"] == 0))):
        notes.append(f"no test image of class {few([names[int(k)] for k in untested])} in {labels.path}")
    return notes


def untrained(labels: Labels, split: str, names: Sequence[str], counts: Sequence[int], *, rows: bool) -> ValueError:
    """The error for classes of a split, with so many images each, that have no training image."""
    key, train = labels.called[split], labels.called["train"]
    keep = keep_only(key, f"{train}.any(0)[{key}.argmax(1)]" if rows else f"numpy.isin({key}, {train}).reshape(-1)")
    found = f"others ({without_training(names, counts, split)})"
    return form_error("classes", key, labels.path, f"those of {train}", found, f"{keep}  # leaves these images out")


def without_training(names: Sequence[object], counts: Sequence[int], split: str) -> str:
    """Classes without a training image, and how many others they have."""
    lines = [
        f"class {name}: 0 training, {count} {SPLITS[split]} images" for name, count in zip(names, counts, strict=True)
    ]
    return "; ".join(lines[:SHOWN]) + (f"; {len(lines) - SHOWN} classes more" if len(lines) > SHOWN else "")


def spans(numbers: np.ndarray) -> str:
    """Whole numbers in order, in short: 0–4, 6–10."""
    breaks = np.flatnonzero(np.diff(numbers) > 1) + 1
    parts = [f"{run[0]}–{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in np.split(numbers, breaks)]
    return shorten(", ".join(parts))


def images_per_class(labels: Mapping[str, np.ndarray], names: Sequence[str]) -> str:
    """How many images of a class there are in each split: of the class with the least, and of that with the most."""
    parts = []
    for split, values in labels.items():
        counts = np.bincount(values, minlength=len(names))
        least, most = int(counts.argmin()), int(counts.argmax())
        ends = f"{counts[least]} ({shorten(names[least])}) to {counts[most]} ({shorten(names[most])})"
        parts.append(f"{split} {ends if counts[least] < counts[most] else counts[least]}")
    return ", ".join(parts)

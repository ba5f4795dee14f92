"""Arrays that a verb needs and an archive lacks: the command that makes an archive with them, where that can be told.

own.npz: X, y                        -> python -c '… numpy.savez("own-split.npz", train_images=…, test_images=…, …)'
own.npz: X_train, y_train, X_test …  -> the same, under the names that are read
own.npz: arr_0, arr_1                -> the same, by their shapes
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from datamodules.archive import read_arrays
from datamodules.forms import as_images
from datamodules.labels import as_labels, num_labelled
from zoo.errors import DataError, double_quoted, shorten

SPLITS = {"training": "train", "train": "train", "testing": "test", "test": "test"} | dict.fromkeys(
    ("validation", "valid", "val"), "val"
)
IMAGES = (
    "x",
    "image",
    "images",
    "img",
    "imgs",
    "picture",
    "pictures",
    "data",
    "input",
    "inputs",
    "feature",
    "features",
)
LABELS = ("y", "label", "labels", "lbl", "target", "targets")
TEST_PART = ("test_images", "test_labels")
KEPT = ("val_images", "val_labels", "classes")  # what goes along, if it is there


def missing_error(
    path: Path, needed: Sequence[str], found: Sequence[str], missing: Sequence[str], *, packed: bool = False
) -> DataError:
    """The error for a file without the arrays that are needed.

    Args:
        path: the file.
        needed: names of the arrays.
        found: names of those that are there.
        missing: which of the needed are not.
        packed: whether it is no NumPy archive.
    """
    there = shorten(", ".join(found)) or "none"
    return DataError(
        f"arrays in {path}: expected {', '.join(needed)}, found {there}: {', '.join(missing)} missing."
        f" Try: {advice_for_files(path, needed, found) if packed else advice(path, needed)}"
    )


def advice_for_files(path: Path, needed: Sequence[str], found: Sequence[str]) -> str:
    """What to do about files of another format: split off a test part, ask a network, or add what is missing."""
    where, out = shlex.quote(str(path)), shlex.quote(f"{path.absolute().stem}-split.npz")
    if "train_images" in found and "train_labels" in found:
        return f"python cli.py data convert {where} {out} --split_test, then --data.path {out}"
    if "train_images" in needed and "test_images" in found:
        return f"python cli.py predict --run_dir DIR --data.path {where}, with a trained network"
    lost = [key for key in needed if key not in found]
    return f"the files of {', '.join(lost)} beside the others, named as they are"


def advice(path: Path, needed: Sequence[str]) -> str:
    """What to do about it: the command that renames arrays or splits off a test part, or what is to be added."""
    _, names = read_arrays(path, ())
    without_split = "train" if "train_images" in needed else "test"
    meant = arrays_meant(names, without_split) or nameless(path, names, without_split)
    if "train_images" not in needed and "test_images" not in meant:  # the only images there are, then
        meant |= {key.replace("train", "test"): name for key, name in meant.items() if key.startswith("train")}
    missing = [key for key in needed if key not in meant]
    if not missing:
        return renamed(path, meant, needed)
    if tuple(missing) == TEST_PART and "train_images" in needed:
        return split_off(path, meant)
    images = {key.replace("labels", "images") for key in missing}
    if images <= meant.keys():  # labels cannot be made up
        wanted = ", ".join(f"{key}, one for each image of {meant[key.replace('labels', 'images')]}" for key in missing)
        return f"numpy.savez with the labels too: {wanted}, in their order"
    if "train_images" in missing and "test_images" in meant:
        return (
            f"numpy.savez with the training images and labels too; or python cli.py predict --run_dir DIR --data.path"
            f" {shlex.quote(str(path))}, with a trained network"
        )
    given = ", ".join(f"{key}={item(meant[key]) if key in meant else '…'}" for key in needed)
    source = f"f = numpy.load({double_quoted(str(path))}); " if meant.keys() & {*needed} else ""
    out = double_quoted(f"{path.stem}-named.npz")
    return f"{source}numpy.savez({out}, {given}), images (N, H, W, C) and class numbers (N,)"


def arrays_meant(names: Sequence[str], without_split: str) -> dict[str, str]:
    """The names in a file under the names that they would have here: `{"train_images": "X"}`.

    Args:
        names: of all arrays in the file.
        without_split: the split of images and labels whose names say none.
    """
    meant: dict[str, str] = {}
    twice = set()
    for name in names:
        rest = re.sub(r"[ ._-]", "", name.lower())
        word = next((word for word in SPLITS if word in rest), "")
        rest = rest.replace(word, "", 1) if word else rest
        kind = "images" if rest in IMAGES else "labels" if rest in LABELS else None
        if name == "classes":
            meant["classes"] = name
        elif kind:
            key = f"{SPLITS.get(word, without_split)}_{kind}"
            twice |= {key} & meant.keys()
            meant[key] = name
    return {key: name for key, name in meant.items() if key not in twice}


def nameless(path: Path, names: Sequence[str], first: str) -> dict[str, str]:
    """What was saved as `numpy.savez(path, x, y)`, so that NumPy called it arr_0, arr_1, …: images have several axes.

    Args:
        path: of the file.
        names: of all arrays in it.
        first: the split of the first images and labels.
    """
    if not all(re.fullmatch(r"arr_\d+", name) for name in names):
        return {}
    raw, _ = read_arrays(path, names)
    kinds = {
        "images": [name for name in names if raw[name].ndim > 2],
        "labels": [name for name in names if raw[name].ndim in (1, 2)],
    }
    pairs = list(zip(*kinds.values(), strict=False))
    if any(len(raw[images]) != num_labelled(raw[labels]) for images, labels in pairs):
        return {}
    splits = ("train", "test") if first == "train" else ("test",)
    return {f"{split}_{kind}": name for kind in kinds for split, name in zip(splits, kinds[kind], strict=False)}


def renamed(path: Path, meant: Mapping[str, str], needed: Sequence[str]) -> str:
    """The command that saves the arrays under the names that are read."""
    keys = [
        key for key in ("train_images", "train_labels", *TEST_PART, *KEPT) if key in {*needed, *KEPT} & meant.keys()
    ]
    return archive_command(path, "named", "", {key: item(meant[key]) for key in keys})


def split_off(path: Path, meant: Mapping[str, str]) -> str:
    """The command that splits a fifth of the images off for the test, drawn with a fixed seed.

    Arrays that cannot be read as they are get their names first, so that the next message can say what to do with them.
    """
    x, y = meant["train_images"], meant["train_labels"]
    raw, _ = read_arrays(path, (x, y))
    try:
        images = as_images(path, x, raw[x], num_labelled(raw[y]), {x: raw[x]})
        as_labels(path, y, raw[y], len(images))
    except ValueError:
        return renamed(path, meant, ("train_images", "train_labels"))
    flat = "" if len(raw[y]) == len(raw[x]) else ".reshape(-1)"
    steps = f"x, y = {item(x)}, {item(y)}{flat}; i = n.random.default_rng(0).permutation(len(x)); k = -(-len(i) // 5); "
    parts = {
        "train_images": "x[i[k:]]",
        "train_labels": "y[i[k:]]",
        "test_images": "x[i[:k]]",
        "test_labels": "y[i[:k]]",
    }
    return archive_command(path, "split", steps, parts | {key: item(meant[key]) for key in KEPT if key in meant})


def item(name: str) -> str:
    """An array of the file in the code of the command."""
    return f"f[{double_quoted(name)}]"


def archive_command(path: Path, word: str, steps: str, arrays: Mapping[str, str]) -> str:
    """The command that makes another archive of this one.

    Args:
        path: of this one.
        word: that the name of the other has in addition.
        steps: Python before it is saved; `f` is the archive and `n` is NumPy.
        arrays: Python for each array.
    """
    out = str(path.with_name(f"{path.stem}-{word}.npz"))
    saved = ", ".join(f"{key}={value}" for key, value in arrays.items())
    code = f"import numpy as n; f = n.load({double_quoted(str(path))}); {steps}n.savez({double_quoted(out)}, {saved})"
    return f"python -c {shlex.quote(code)}, then --data.path {shlex.quote(out)}"

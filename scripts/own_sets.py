"""Five data sets as people bring them, and whether a folder of pictures trains as well as arrays made by hand.

    python scripts/own_sets.py DIR --data-root ROOT --cifar10 OUT.npz             # makes them
    python scripts/own_sets.py DIR --data-root ROOT --cifar10 OUT.npz --train     # and trains on both forms

fonts, MNIST, Fashion-MNIST, CIFAR-10  ->  DIR/SET/{train,test}/CLASS/*.png, DIR/SET.npz  ->  results/own_sets.csv

letters         26 letters of free fonts: scripts/letters.py
fashion         Fashion-MNIST as PNG files
black_on_white  digits of MNIST, dark on bright
imbalanced      two classes of Fashion-MNIST, 50 to 1
three_sizes     CIFAR-10 as JPEG files of 24, 32 and 48 pixels a side; by hand with Pillow to 32 × 32
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from entry import begin

ROWS = Path(__file__).resolve().parents[1] / "results/own_sets.csv"
HEAD = ("set", "form", "seed", "images", "test_images", "classes", "test_accuracy", "seconds", "processor")
TRAIN, TEST = 4000, 1000
SEEDS = 3
SIZES = ((24, 24), (32, 32), (48, 48))  # width and height of the pictures of three sizes
SETTINGS = [
    *("--model", "LeNet", "--model.norm", "batch", "--data.batch_size", "64", "--trainer.max_epochs", "8"),
    *("--model.optimizer", "torch.optim.AdamW", "--model.optimizer.lr", "0.003", "--model.schedule", "Cosine"),
]
Pixels = NDArray[np.uint8]


class Part(NamedTuple):
    """One split: pictures (H, W) or (H, W, 3) of any size, and the name of each one's class."""

    pictures: list[Pixels]
    names: list[str]


class OwnSet(NamedTuple):
    """A data set.

    Attributes:
        parts: `train` and `test`.
        suffix: of the files.
    """

    parts: dict[str, Part]
    suffix: str = ".png"


def official(root: Path, name: str) -> dict[str, tuple[Pixels, NDArray[np.int64], Sequence[str]]]:
    """The first images (N, H, W), labels and class names of both splits of a public data set."""
    import datamodules

    data = getattr(datamodules, name)(root=str(root))
    data.setup("test")
    parts = {split: data.part(split) for split in ("train", "test")}
    return {
        split: (images[:number, 0].numpy(), labels[:number].numpy(), data.classes)
        for (split, (images, labels)), number in zip(parts.items(), (TRAIN, TEST), strict=True)
    }


def named(images: Pixels, labels: NDArray[np.int64], classes: Sequence[str]) -> Part:
    """Images with the names of their classes, as they may be called in a folder."""
    return Part(list(images), [classes[label].replace("/", " or ") for label in labels])


def letters(options: argparse.Namespace) -> OwnSet:
    """Letters from free fonts, the first of them."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "letters.npz"
        fonts = [word for each in options.fonts or [] for word in ("--fonts", str(each))]
        subprocess.run([sys.executable, Path(__file__).with_name("letters.py"), file, *fonts], check=True)
        with np.load(file) as arrays:
            return OwnSet(
                {
                    split: named(arrays[f"{split}_images"][:n], arrays[f"{split}_labels"][:n], arrays["classes"])
                    for split, n in (("train", TRAIN), ("test", TEST))
                }
            )


def fashion(options: argparse.Namespace) -> OwnSet:
    """Fashion-MNIST."""
    return OwnSet({split: named(*part) for split, part in official(options.data_root, "FashionMNIST").items()})


def black_on_white(options: argparse.Namespace) -> OwnSet:
    """Digits, dark on bright."""
    found = official(options.data_root, "MNIST")
    return OwnSet({split: named(255 - images, labels, classes) for split, (images, labels, classes) in found.items()})


def imbalanced(options: argparse.Namespace) -> OwnSet:
    """Two kinds of clothes, of one a fiftieth of the other in the training; as many of both in the test."""
    import datamodules

    data = datamodules.FashionMNIST(root=str(options.data_root))
    data.setup("test")
    parts = {}
    for split, numbers in (("train", (3000, 60)), ("test", (TEST // 2, TEST // 2))):
        images, labels = (array.numpy() for array in data.part(split))
        places = [np.flatnonzero(labels == k)[:n] for k, n in zip((0, 6), numbers, strict=True)]  # T-shirt, shirt
        chosen = np.concatenate(places)
        parts[split] = named(images[chosen, 0], labels[chosen], data.classes)
    return OwnSet(parts)


def three_sizes(options: argparse.Namespace) -> OwnSet:
    """Photographs, each brought to one of three sizes, so that a folder has several."""
    parts = {}
    with np.load(options.cifar10) as arrays:
        classes = [str(name) for name in arrays["classes"]]
        for split, number in (("train", TRAIN), ("test", TEST)):
            pictures = [
                np.asarray(Image.fromarray(pixels).resize(SIZES[i % len(SIZES)], Image.Resampling.BICUBIC))
                for i, pixels in enumerate(arrays[f"{split}_images"][:number])
            ]
            parts[split] = Part(pictures, [classes[label] for label in arrays[f"{split}_labels"][:number]])
    return OwnSet(parts, ".jpg")


SETS: dict[str, Callable[[argparse.Namespace], OwnSet]] = {
    "letters": letters,
    "fashion": fashion,
    "black_on_white": black_on_white,
    "imbalanced": imbalanced,
    "three_sizes": three_sizes,
}


def write(folder: Path, name: str, found: OwnSet) -> None:
    """Writes a data set in both forms, from the same files."""
    shutil.rmtree(folder / name, ignore_errors=True)
    arrays: dict[str, object] = {}
    for split, (pictures, names) in found.parts.items():
        for i, (pixels, label) in enumerate(zip(pictures, names, strict=True)):
            path = folder / name / split / label / f"{i:05}{found.suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path, quality=90)
        files = sorted((folder / name / split).glob("*/*"))
        labels = np.array([path.parent.name for path in files])
        arrays |= {f"{split}_images": np.stack([by_hand(path) for path in files]), f"{split}_labels": labels}
    np.savez_compressed(folder / f"{name}.npz", **arrays)  # type: ignore[arg-type]


def by_hand(path: Path) -> Pixels:
    """A picture as one would read it for an archive: 28 × 28 grey as they are, others brought to 32 × 32."""
    with Image.open(path) as image:
        return np.asarray(image if image.size == (28, 28) else image.resize((32, 32), Image.Resampling.LANCZOS))


def train(folder: Path, names: Sequence[str], seeds: int) -> None:
    """Trains on both forms, a row each, those that are there left out."""
    import datamodules
    from zoo.commands.studies.many_runs import starting

    rows = list(csv.DictReader(ROWS.open(encoding="utf-8"))) if ROWS.exists() else []
    with starting(datamodules.ImageDataModule) as start:
        for seed in range(seeds):
            for name in names:
                for form, words in forms(folder, name).items():
                    if any((row["set"], row["form"], row["seed"]) == (name, form, str(seed)) for row in rows):
                        continue
                    run = folder / "runs" / f"{name}-{form}-{seed}"
                    shutil.rmtree(run, ignore_errors=True)
                    ended = start(
                        [
                            "fit",
                            *words,
                            *SETTINGS,
                            "--seed_everything",
                            str(seed),
                            "--run_dir",
                            str(run),
                            "--figures",
                            "false",
                        ]
                    )
                    if ended.code:
                        sys.exit(ended.stderr)
                    rows.append(row_of(run, name, form, seed))
                    with ROWS.open("w", encoding="utf-8", newline="") as file:
                        table = csv.DictWriter(file, HEAD, lineterminator="\n")
                        table.writeheader()
                        table.writerows(
                            sorted(rows, key=lambda row: (list(SETS).index(row["set"]), row["seed"], row["form"]))
                        )
                    print(rows[-1], flush=True)


def forms(folder: Path, name: str) -> dict[str, list[str]]:
    """The flags of the data, for each form."""
    pictures = ["--data", "Folder", "--data.path", str(folder / name)]
    found = {"folder": pictures, "arrays": ["--data", "Arrays", "--data.path", str(folder / f"{name}.npz")]}
    if name == "imbalanced":
        found["balanced"] = [*pictures, "--data.balance", "true", "--monitor", "val/balanced_accuracy"]
    return found


def row_of(run: Path, name: str, form: str, seed: int) -> dict[str, str]:
    """What a run came to."""
    record = json.loads((run / "result.json").read_text(encoding="utf-8"))
    identity = json.loads((run / "identity.json").read_text(encoding="utf-8"))
    return {
        "set": name,
        "form": form,
        "seed": str(seed),
        "images": str(identity["data"]["images"]["train"] + identity["data"]["images"]["val"]),
        "test_images": str(record["test"]["n"]),
        "classes": str(len(identity["data"]["classes"])),
        "test_accuracy": f"{record['test']['accuracy']:.4f}",
        "seconds": f"{record['seconds']:.1f}",
        "processor": record["processor"],
    }


def table() -> list[str]:
    """What the rows come to, for docs/own-images.md: the mean accuracy of each form."""
    lines = ["| set | images | classes | folder, % | arrays, % |", "|---|---:|---:|---:|---:|"]
    with ROWS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name in SETS:
        own = [row for row in rows if row["set"] == name]
        means = [
            f"{100 * np.mean([float(row['test_accuracy']) for row in own if row['form'] == form]):.2f}"
            for form in ("folder", "arrays")
        ]
        counts = f"{int(own[0]['images']):,} + {int(own[0]['test_images']):,} | {own[0]['classes']}"
        lines.append(f"| {name.replace('_', ' ')} | {counts} | {' | '.join(means)} |")
        if more := [float(row["test_accuracy"]) for row in own if row["form"] == "balanced"]:
            lines.append(f"| the same, `--data.balance true` | {counts} | {100 * np.mean(more):.2f} | |")
    return lines


def main() -> None:
    """Makes the sets, and trains on them where it is asked for."""
    begin()
    parser = argparse.ArgumentParser(description="Make data sets as people bring them.", allow_abbrev=False)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument(
        "--data-root", type=Path, required=True, metavar="ROOT", help="where MNIST and Fashion-MNIST lie"
    )
    parser.add_argument("--cifar10", type=Path, metavar="OUT.npz", help="CIFAR-10 as arrays, for three_sizes")
    parser.add_argument("--fonts", type=Path, action="append", metavar="DIR", help="of letters.py")
    parser.add_argument("--train", action="store_true", help="train on both forms of each")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    for name in options.sets:
        if not (options.folder / f"{name}.npz").exists():
            write(options.folder, name, SETS[name](options))
            print(f"{name}: {options.folder / name} and {options.folder / name}.npz", flush=True)
    if options.train:
        train(options.folder, options.sets, options.seeds)


if __name__ == "__main__":
    main()

"""Protects those who bring files of others: each known layout gives exactly the images, labels and names that it holds.

    images and labels -> written as the authors of a set do -> the data module -> the same images, labels and names

Writers here are other people's (scipy, pickle, pyarrow, csv) or a few lines from the description of a format.
"""

import bz2
import csv
import io
import json
import pickle
import re
import string
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.io
from PIL import Image

from conftest import gz, idx, random_images
from datamodules import Arrays
from datamodules.duplicates import repeated
from datamodules.new_images import new_images

LETTERS = np.array([*string.ascii_lowercase])
BALANCED = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"
SIGNS = np.array([k for k in range(25) if k != 9])  # of Sign Language MNIST, which has no J


class Truth(NamedTuple):
    """Images (N, H, W) or (N, H, W, 3), and the name of each one's class."""

    images: dict[str, np.ndarray]
    names: dict[str, np.ndarray]


def truth(names: Any = LETTERS[:3], *shape: int, train: int = 60, test: int = 30, seed: int = 0) -> Truth:
    """Each class in both splits, in no order."""
    shape = shape or (28, 28)
    random = np.random.default_rng(seed)
    each = {
        split: random.permutation(np.resize(np.asarray(names).astype(str), n))
        for split, n in (("train", train), ("test", test))
    }
    return Truth({split: random_images(len(each[split]), *shape, seed=seed + i) for i, split in enumerate(each)}, each)


def places(own: Truth, names: Any, first: int = 0) -> dict[str, np.ndarray]:
    """The number of each image's class in a list."""
    order = {str(name): k for k, name in enumerate(names)}
    return {split: np.array([order[name] for name in each]) + first for split, each in own.names.items()}


def check(path: Path, own: Truth, names: Any, **options: Any) -> Arrays:
    """The data module has these, and no others."""
    module = Arrays(str(path), batch_size=4, **options)
    assert len(module.in_shape) == 3
    assert [*module.classes] == [str(name) for name in names]
    module.setup("fit")
    for split, images in own.images.items():
        found, labels = module.part(split)
        expected = images[:, None] if images.ndim == 3 else np.moveaxis(images, -1, 1)
        assert np.array_equal(found.numpy(), expected)
        assert np.array_equal(np.array(module.classes)[labels.numpy()], own.names[split])
    return module


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


# --- IDX


def idx_files(own: Truth, labels: dict[str, np.ndarray], prefix: str = "", test: str = "t10k") -> dict[str, bytes]:
    files = {}
    for split, word in (("train", "train"), ("test", test)):
        files[f"{prefix}{word}-images-idx3-ubyte"] = idx(own.images[split])
        files[f"{prefix}{word}-labels-idx1-ubyte"] = idx(labels[split].astype(np.uint8))
    return files


@pytest.mark.parametrize("packed", [False, True])
def test_names_of_mnist(packed: bool, tmp_path: Path) -> None:
    """MNIST, Fashion-MNIST, KMNIST: a folder, or any of its files."""
    own = truth(range(4))
    files = idx_files(own, places(own, range(4)))
    folder = write(tmp_path / "raw", {f"{name}.gz": gz(each) for name, each in files.items()} if packed else files)
    check(folder, own, range(4))
    for path in folder.iterdir():
        check(path, own, range(4))
    write(folder, files)  # torchvision leaves both
    check(folder, own, range(4))


@pytest.mark.parametrize(
    ("of", "names", "first"),
    [
        ("letters", string.ascii_lowercase, 1),
        ("balanced", BALANCED, 0),
        ("bymerge", BALANCED, 0),
        ("digits", "0123456789", 0),
    ],
)
def test_emnist_is_upright_and_named(of: str, names: str, first: int, tmp_path: Path) -> None:
    """Its files hold each image transposed; the letters are counted from 1."""
    own = truth([*names], 28, 28, train=120, test=120)
    labels = places(own, names, first)
    stored = own._replace(images={split: each.swapaxes(1, 2) for split, each in own.images.items()})
    folder = write(tmp_path / "EMNIST", idx_files(stored, labels, f"emnist-{of}-", "test"))
    check(folder, own, names)
    tables = tmp_path / "tables"
    tables.mkdir()
    for split in own.images:
        table(tables / f"emnist-{of}-{split}.csv", stored.images[split], labels[split], header=None)
    check(tables, own, names)


def test_emnist_byclass_has_62_names(tmp_path: Path) -> None:
    names = string.digits + string.ascii_uppercase + string.ascii_lowercase
    own = truth([*names], train=62, test=62)
    stored = own._replace(images={split: each.swapaxes(1, 2) for split, each in own.images.items()})
    check(write(tmp_path / "e", idx_files(stored, places(own, names), "emnist-byclass-", "test")), own, names)


def test_emnist_with_a_label_that_is_no_letter_is_refused(tmp_path: Path) -> None:
    own = truth([*string.ascii_lowercase])
    files = idx_files(own, places(own, string.ascii_lowercase, 0), "emnist-letters-", "test")
    with pytest.raises(ValueError, match=r"labels of emnist-letters in .*: expected 1 to 26, found 0 to 25"):
        Arrays(str(write(tmp_path / "e", files))).setup("fit")


def test_several_sets_in_a_folder_are_not_guessed(tmp_path: Path) -> None:
    letters, digits = truth([*string.ascii_lowercase]), truth([*string.digits], seed=5)
    files = idx_files(letters, places(letters, LETTERS, 1), "emnist-letters-", "test")
    files |= idx_files(digits, places(digits, string.digits), "emnist-digits-", "test")
    folder = write(tmp_path / "gzip", files)
    with pytest.raises(ValueError, match="expected one, found 2: emnist-digits, emnist-letters") as caught:
        Arrays(str(folder)).setup("fit")
    path = Path(re.findall(r"--data\.path (\S+),", str(caught.value))[0])
    assert Arrays(str(path)).num_classes == 10
    assert Arrays(str(folder / "emnist-letters-test-labels-idx1-ubyte")).num_classes == 26


def test_qmnist_has_the_class_in_the_first_of_eight_columns(tmp_path: Path) -> None:
    own = truth(range(3))
    files = idx_files(own, places(own, range(3)), "qmnist-", "test")
    for split, labels in places(own, range(3)).items():
        del files[f"qmnist-{split}-labels-idx1-ubyte"]
        rows = np.column_stack([labels, *np.random.default_rng(1).integers(0, 999, (7, len(labels)))]).astype(">i4")
        header = struct.pack(">HBB2I", 0, 0x0C, 2, *rows.shape)
        files[f"qmnist-{split}-labels-idx2-int.gz"] = gz(header + rows.tobytes())
    check(write(tmp_path / "q", files), own, range(3))


def test_one_pair_with_names_of_its_own(tmp_path: Path) -> None:
    own = truth(range(3))
    labels = places(own, range(3))["train"]
    files = {"images.idx3-ubyte": idx(own.images["train"]), "labels.idx1-ubyte": idx(labels.astype(np.uint8))}
    folder = write(tmp_path / "pair", files)
    with pytest.raises(ValueError, match=r"test_images, test_labels missing\. Try: .* --split_test"):
        Arrays(str(folder)).setup("fit")
    for path in (folder, folder / "images.idx3-ubyte"):
        new = new_images(path, ["0", "1", "2"])
        assert np.array_equal(new.images[..., 0], own.images["train"])
        assert np.array_equal(new.labels, labels)


@pytest.mark.parametrize("code", [0x09, 0x0B, 0x0C, 0x0D, 0x0E])
def test_other_numbers_in_idx(code: int, tmp_path: Path) -> None:
    dtype = {0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}[code]
    own = truth(range(3))
    own = own._replace(images={split: each // 2 for split, each in own.images.items()})
    files = idx_files(own, places(own, range(3)))
    for split, word in (("train", "train"), ("test", "t10k")):
        header = struct.pack(">HBB3I", 0, code, 3, *own.images[split].shape)
        files[f"{word}-images-idx3-ubyte"] = header + own.images[split].astype(dtype).tobytes()
    check(write(tmp_path / "other", files), own, range(3))


def test_two_compressed_parts_and_colours_in_idx(tmp_path: Path) -> None:
    """As `cat a.gz b.gz` makes it; a fourth axis has the channels."""
    own = truth(range(3), 8, 6, 3)
    files = idx_files(own, places(own, range(3)))
    for name, content in files.items():
        (tmp_path / f"{name}.gz").write_bytes(gz(content[:50]) + gz(content[50:]))
    check(tmp_path, own, range(3))


# --- NumPy archives of others


def test_medmnist(tmp_path: Path) -> None:
    """Own validation, labels (N, 1)."""
    own, val = truth(range(3)), truth(range(3), seed=9)
    labels = places(own, range(3))
    arrays: dict[str, Any] = {
        **{f"{split}_images": own.images[split] for split in own.images},
        **{f"{split}_labels": labels[split][:, None].astype(np.uint8) for split in labels},
        "val_images": val.images["test"],
        "val_labels": places(val, range(3))["test"][:, None].astype(np.uint8),
    }
    np.savez_compressed(tmp_path / "breastmnist.npz", **arrays)
    module = Arrays(str(tmp_path / "breastmnist.npz"))
    module.setup("fit")
    assert module._own.kind == "a NumPy archive of MedMNIST"
    assert {split: len(each) for split, each in module.splits.items()} == {"train": 60, "val": 30, "test": 30}
    assert np.array_equal(module.part("val").images[module.splits["val"]][:, 0].numpy(), val.images["test"])
    several = np.random.default_rng(0).integers(0, 2, (60, 14)).astype(np.uint8)
    np.savez(tmp_path / "chestmnist.npz", **{**arrays, "train_labels": several})
    with pytest.raises(ValueError, match="more than one label per image: not supported"):
        Arrays(str(tmp_path / "chestmnist.npz")).setup("fit")
    np.savez(tmp_path / "organmnist3d.npz", **{**arrays, "train_images": random_images(60, 28, 28, 28)})
    with pytest.raises(ValueError, match="volumes, which are not supported"):
        Arrays(str(tmp_path / "organmnist3d.npz")).setup("fit")


def test_kuzushiji(tmp_path: Path) -> None:
    """One array without a name in each of four archives."""
    own = truth(range(3))
    for split, labels in places(own, range(3)).items():
        np.savez_compressed(tmp_path / f"kmnist-{split}-imgs.npz", own.images[split])
        np.savez_compressed(tmp_path / f"kmnist-{split}-labels.npz", labels.astype(np.uint8))
    check(tmp_path, own, range(3))
    check(tmp_path / "kmnist-test-labels.npz", own, range(3))


# --- tables


def table(
    path: Path, images: np.ndarray, labels: Any, header: str | None = "label pixel{}", first: int = 1, **how: Any
) -> None:
    """As pandas would write it."""
    rows = [[*([] if labels is None else [labels[i]]), *image.reshape(-1)] for i, image in enumerate(images)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, **{"lineterminator": "\n", **how})
        if header:
            label, _, pixel = header.rpartition(" ")
            writer.writerow(
                [*([label] if labels is not None else []), *map(pixel.format, range(first, first + images[0].size))]
            )
        writer.writerows(rows)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"header": None},
        {"first": 0},
        {"lineterminator": "\r\n"},
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"quoting": csv.QUOTE_ALL},
        {"header": "label {}x"},
    ],
    ids=str,
)
def test_tables_of_kaggle(how: dict[str, Any], tmp_path: Path) -> None:
    own = truth(range(10), 8, 8)
    for split, labels in places(own, range(10)).items():
        table(tmp_path / f"fashion-mnist_{split}.csv", own.images[split], labels, **how)
    check(tmp_path, own, range(10))
    check(tmp_path / "fashion-mnist_train.csv", own, range(10))


@pytest.mark.parametrize("header", ["label pixel{}", None])
def test_gaps_between_labels_are_no_classes(header: str | None, tmp_path: Path) -> None:
    """Sign Language MNIST: 0 to 8, 10 to 24."""
    own = truth(SIGNS, 8, 8, train=72, test=48)
    for split, names in own.names.items():
        table(tmp_path / f"sign_mnist_{split}.csv", own.images[split], names, header)
    module = check(tmp_path, own, SIGNS)
    assert module.num_classes == 24
    only = own.names["test"] > "12"  # what a network of these classes is asked about: by name, never by place
    table(tmp_path / "new.csv", own.images["test"][only], own.names["test"][only], header)
    new = new_images(tmp_path / "new.csv", module.classes)
    assert np.array_equal(np.array(module.classes)[new.labels], own.names["test"][only])


def test_numbers_of_a_table_are_places_for_a_network_whose_classes_have_names(tmp_path: Path) -> None:
    own = truth(range(3), 8, 8)
    for split, names in own.names.items():
        table(tmp_path / f"{split}.csv", own.images[split], names)
    assert np.array_equal(new_images(tmp_path, ["cat", "dog", "owl"]).labels, own.names["test"].astype(int))
    module = Arrays(str(tmp_path), known_classes=3)
    module.call_classes(["cat", "dog", "owl"])
    module.setup("test")
    assert np.array_equal(module.part("test").labels.numpy(), own.names["test"].astype(int))


def test_a_table_with_text_labels_and_fractions(tmp_path: Path) -> None:
    own = truth(["b10", "b9", "a"], 8, 8)
    for split in own.images:
        table(tmp_path / f"x_{split}.csv", own.images[split] + 0.0, own.names[split])
    check(tmp_path, own, ["a", "b9", "b10"])


def test_a_table_without_labels_can_be_predicted(tmp_path: Path) -> None:
    """Digit Recognizer: train.csv with labels, test.csv without, and a sample of what is to be handed in."""
    own = truth(range(3), 8, 8)
    table(tmp_path / "train.csv", own.images["train"], own.names["train"])
    table(tmp_path / "test.csv", own.images["test"], None)
    (tmp_path / "sample_submission.csv").write_text("ImageId,Label\n1,0\n")
    for path in (tmp_path, tmp_path / "test.csv"):
        new = new_images(path, ["0", "1", "2"])
        assert np.array_equal(new.images[..., 0], own.images["test"])
        assert set(new.labels) == {-1}
    with pytest.raises(ValueError, match=r"test_labels missing\. Try: python cli.py data convert .* --split_test"):
        Arrays(str(tmp_path)).setup("fit")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1,2,3,4,5\n1,2,3,4\n", "columns of line 2 in .* expected 5 as in the first line, found 4"),
        ("label,a1,a2,a3,a4\n1,2,3,4,5\n1,2,3,4,5,6\n", "columns of line 3 in .* expected 5"),
        ("label,p1,p2,p3,p4\n1,2,3,x,5\n", "pixels from line 2 on in .* expected numbers"),
        ("label,p1,p2,p3,p4\n1,2,,3,5\n", "pixels from line 2 on in .* expected numbers"),
        ("label,p1,p2,p3,p4\n", "rows in .* expected some, found none"),
        ("label,p1,p3,p2,p4\n1,2,3,4,5\n", "order of columns"),
        ("label,p1,label,p3,p4\n1,2,3,4,5\n", "columns in .* expected one label"),
        (
            "1,2,3,4,5,6\n0,2,3,4,5,6\n",
            "flat rows.* Try: python cli.py data convert .* --unchecked, and there train_images",
        ),
    ],
)
def test_tables_that_are_none(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(content)
    with pytest.raises(ValueError, match=words):
        Arrays(str(tmp_path / "train.csv")).setup("fit")


def test_a_first_column_that_looks_like_a_pixel_is_no_label(tmp_path: Path) -> None:
    """The label is the last of each row, and no header says so; with one it is read."""
    own = truth(range(3), 4, 4)
    for images in own.images.values():
        images[:, 0, 0] = 0
        images[:3, 0, 0] = 1, 2, 3
    for split, images in own.images.items():
        rows = [",".join(map(str, [*x.reshape(-1), y])) for x, y in zip(images, own.names[split], strict=True)]
        (tmp_path / f"{split}.csv").write_text("\n".join(rows))
    with pytest.raises(ValueError, match=r"found 0 in 9\d % of the rows\. Try: a first line that names the columns"):
        Arrays(str(tmp_path)).setup("fit")
    for path in tmp_path.iterdir():
        path.write_text(",".join(f"pixel{k}" for k in range(16)) + ",label\n" + path.read_text())
    check(tmp_path, own, range(3))


# --- MATLAB


@pytest.mark.parametrize("compressed", [False, True])
def test_svhn(compressed: bool, tmp_path: Path) -> None:
    """Counted on the last axis; 10 is the digit 0."""
    own = truth(range(10), 32, 32, 3)
    for split, labels in places(own, range(10)).items():
        stored = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
        values = {"X": np.moveaxis(own.images[split], 0, -1), "y": stored}
        scipy.io.savemat(tmp_path / f"{split}_32x32.mat", values, do_compression=compressed)
    scipy.io.savemat(tmp_path / "extra_32x32.mat", {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [[1], [2]]})
    module = check(tmp_path, own, range(10))
    assert any("extra_32x32.mat" in note for note in module._own.notes)
    check(tmp_path / "train_32x32.mat", own, range(10))
    new = new_images(tmp_path / "test_32x32.mat", [str(k) for k in range(10)])
    assert np.array_equal(new.labels, places(own, range(10))["test"])


def test_own_names_in_a_matlab_file(tmp_path: Path) -> None:
    """As `scipy.io.savemat` writes them: labels become one row."""
    names = ["cat", "dog", "a long one"]
    own = truth(names, 8, 6)
    values: dict[str, Any] = {f"{split}_images": images for split, images in own.images.items()}
    values |= {f"{split}_labels": labels for split, labels in places(own, names).items()}
    scipy.io.savemat(tmp_path / "own.mat", values | {"classes": cells(names), "more": [1.0]})
    assert any("not used: more" in note for note in check(tmp_path / "own.mat", own, names)._own.notes)
    assert np.array_equal(new_images(tmp_path / "own.mat", names).labels, places(own, names)["test"])


def rows_of(images: np.ndarray) -> np.ndarray:
    """Red first, then green, then blue."""
    return np.ascontiguousarray(np.moveaxis(images, -1, 1)).reshape(len(images), -1)


def cells(names: Any) -> np.ndarray:
    array = np.empty((len(names), 1), object)
    array[:, 0] = names
    return array


@pytest.mark.parametrize("compressed", [False, True])
def test_cifar_of_matlab(compressed: bool, tmp_path: Path) -> None:
    names = ["plane", "car", "bird"]
    own = truth(names, 32, 32, 3)
    labels = {split: each.astype(np.uint8)[:, None] for split, each in places(own, names).items()}
    data = {split: rows_of(images) for split, images in own.images.items()}
    for k in range(5):
        part = slice(12 * k, 12 * k + 12)
        values = {"data": data["train"][part], "labels": labels["train"][part], "batch_label": f"training batch {k}"}
        scipy.io.savemat(tmp_path / f"data_batch_{k + 1}.mat", values, do_compression=compressed)
    scipy.io.savemat(tmp_path / "test_batch.mat", {"data": data["test"], "labels": labels["test"]})
    scipy.io.savemat(tmp_path / "batches.meta.mat", {"label_names": cells(names)}, do_compression=compressed)
    check(tmp_path, own, names)
    check(tmp_path / "data_batch_2.mat", own, names)


def test_numbers_in_matlab_files_are_those_of_scipy(tmp_path: Path) -> None:
    from datamodules.formats.mat_file import read_mat

    random = np.random.default_rng(0)
    values = {
        f"v{k}": (random.random(shape) * 99).astype(dtype)
        for k, (shape, dtype) in enumerate(
            [
                ((3, 4), "u1"),
                ((2, 3, 4, 5), "f8"),
                ((1, 1), "i4"),
                ((7, 1), "f4"),
                ((1, 3), "u2"),
                ((5, 5), "i8"),
                ((1, 4), "u1"),
            ]
        )
    }
    others = {
        "text": "abc",
        "struct": {"a": 1},
        "complex": np.array([[1j]]),
        "names": cells(["é", "", "a long name of a class"]),
    }
    for compressed in (False, True):
        scipy.io.savemat(tmp_path / "a.mat", values | others, do_compression=compressed)
        expected, found = scipy.io.loadmat(tmp_path / "a.mat"), read_mat(tmp_path / "a.mat")
        for name in values:
            assert np.array_equal(found[name], expected[name])
            assert found[name].dtype == expected[name].dtype
        assert found["names"].tolist() == ["é", "", "a long name of a class"]
        assert not {"text", "struct", "complex"} & found.keys()


# --- CIFAR


FINE = [f"fine {k}" for k in range(6)]
COARSE = ["animals", "things"]


def cifar100(folder: Path, own: Truth, version: str, *, keys: Callable[[str], Any] = str) -> Path:
    """Fine and coarse labels of each image; the coarse class is the half of the fine."""
    fine = places(own, FINE)
    folder.mkdir()
    for split, images in own.images.items():
        rows = rows_of(images)
        if version == "binary":
            content = np.column_stack([fine[split] // 3, fine[split], rows]).astype(np.uint8)
            (folder / f"{split}.bin").write_bytes(content.tobytes())
        else:
            values = {"data": rows, "fine_labels": fine[split].tolist(), "coarse_labels": (fine[split] // 3).tolist()}
            values["filenames"] = [f"{k}.png" for k in range(len(rows))]
            if version == "matlab":
                values = {key: np.array(each)[:, None] if "labels" in key else each for key, each in values.items()}
                scipy.io.savemat(folder / f"{split}.mat", values)
                continue
            (folder / split).write_bytes(pickle.dumps({keys(key): each for key, each in values.items()}, 2))
    meta = {"fine_label_names": FINE, "coarse_label_names": COARSE}
    if version == "binary":
        for key, names in meta.items():
            (folder / f"{key}.txt").write_text("\n".join(names) + "\n")
    elif version == "matlab":
        scipy.io.savemat(folder / "meta.mat", {key: cells(names) for key, names in meta.items()})
    else:
        (folder / "meta").write_bytes(pickle.dumps(meta, 2))
    return folder


@pytest.mark.parametrize("version", ["python", "binary", "matlab"])
def test_cifar100_has_two_kinds_of_labels(version: str, tmp_path: Path) -> None:
    own = truth(FINE, 32, 32, 3)
    folder = cifar100(tmp_path / "c", own, version)
    with pytest.raises(ValueError, match=r"expected one of fine, coarse .* found none\. Try: --data\.labels fine"):
        Arrays(str(folder)).setup("fit")
    check(folder, own, FINE, labels="fine")
    coarse = own._replace(names={split: np.array(COARSE)[each // 3] for split, each in places(own, FINE).items()})
    check(folder, coarse, COARSE, labels="coarse")
    with pytest.raises(ValueError, match=r"--data\.labels: expected one of fine, coarse"):
        Arrays(str(folder), labels="compact").setup("fit")
    new = new_images(folder, FINE)  # which are meant is not known, and not needed
    assert set(new.labels) == {-1}


@pytest.mark.parametrize("keys", [str, str.encode])
def test_cifar10_as_pickles(keys: Callable[[str], Any], tmp_path: Path) -> None:
    names = ["plane", "car", "bird"]
    own = truth(names, 32, 32, 3)
    labels = places(own, names)
    for k in range(5):
        part = slice(12 * k, 12 * k + 12)
        values = {"data": rows_of(own.images["train"][part]), "labels": labels["train"][part].tolist()}
        (tmp_path / f"data_batch_{k + 1}").write_bytes(pickle.dumps({keys(a): b for a, b in values.items()}, 2 + k % 3))
    values = {"data": rows_of(own.images["test"]), "labels": labels["test"]}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(values, 3))
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": names, "num_vis": 3072}, 2))
    check(tmp_path, own, names)
    check(tmp_path / "data_batch_1", own, names)


def test_cifar10_as_records(tmp_path: Path) -> None:
    names = ["plane", "car", "bird"]
    own = truth(names, 32, 32, 3)
    labels = places(own, names)
    content = {split: np.column_stack([labels[split], rows_of(own.images[split])]).astype(np.uint8) for split in labels}
    for k in range(5):
        (tmp_path / f"data_batch_{k + 1}.bin").write_bytes(content["train"][12 * k : 12 * k + 12].tobytes())
    (tmp_path / "test_batch.bin").write_bytes(content["test"].tobytes())
    (tmp_path / "batches.meta.txt").write_text("plane\ncar\nbird\n\n")
    check(tmp_path, own, names)


# --- USPS


def test_usps_counts_the_digits_from_one(tmp_path: Path) -> None:
    """1 is the digit 0, the opposite of SVHN's 10; pixels are -1 to 1."""
    own = truth(range(10), 16, 16)
    for split, name in (("train", "usps.bz2"), ("test", "usps.t.bz2")):
        lines = [
            f"{int(digit) + 1} "
            + " ".join(f"{k}:{value / 127.5 - 1:.6f}" for k, value in enumerate(image.reshape(-1), 1))
            for image, digit in zip(own.images[split], own.names[split], strict=True)
        ]
        (tmp_path / name).write_bytes(bz2.compress("\n".join(lines).encode() + b"\n"))
    check(tmp_path, own, range(10))


# --- Parquet


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


def parquet(
    path: Path, images: np.ndarray, columns: dict[str, Any], names: dict[str, list[str]], image: str = "image"
) -> None:
    """As `datasets` writes it."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    features: dict[str, Any] = {image: {"_type": "Image"}}
    features |= {key: {"names": each, "_type": "ClassLabel"} for key, each in names.items()}
    pictures = pa.array(
        [{"bytes": png(each), "path": None} for each in images],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    made = pa.table({image: pictures, **{key: pa.array(each, pa.int64()) for key, each in columns.items()}})
    pq.write_table(made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)


@pytest.mark.parametrize("shape", [(28, 28), (32, 32, 3)], ids=str)
def test_parquet_of_hugging_face(shape: tuple[int, ...], tmp_path: Path) -> None:
    names = ["cat", "dog", "owl"]
    own = truth(names, *shape)
    (tmp_path / "data").mkdir()
    labels = places(own, names)
    for k in range(2):
        part = slice(30 * k, 30 * k + 30)
        name = f"train-0000{k}-of-00002-0a1b2c.parquet"
        parquet(tmp_path / "data" / name, own.images["train"][part], {"label": labels["train"][part]}, {"label": names})
    name = "test-00000-of-00001.parquet"
    parquet(tmp_path / "data" / name, own.images["test"], {"label": labels["test"]}, {"label": names})
    check(tmp_path, own, names)
    check(tmp_path / "data" / name, own, names)


def test_parquet_with_two_kinds_of_labels(tmp_path: Path) -> None:
    own = truth(FINE, 32, 32, 3)
    for split, fine in places(own, FINE).items():
        columns = {"fine_label": fine, "coarse_label": fine // 3}
        names = {"fine_label": FINE, "coarse_label": COARSE}
        parquet(tmp_path / f"{split}-00000-of-00001.parquet", own.images[split], columns, names, image="img")
    with pytest.raises(ValueError, match=r"Try: --data\.labels fine"):
        Arrays(str(tmp_path)).setup("fit")
    check(tmp_path, own, FINE, labels="fine")
    assert check(tmp_path, own._replace(names={}, images={}), COARSE, labels="coarse").num_classes == 2


def test_without_pyarrow_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.parquet").write_bytes(b"PAR1" + bytes(99))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"package pyarrow .* found none\. Try: pip install pyarrow"):
        Arrays(str(tmp_path / "train.parquet")).setup("fit")


# --- what is not read, and what is twice there


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", random_images(3, 8, 8))
    cases = {
        "a.npy": ((tmp_path / "a.npy").read_bytes(), "found one NumPy array"),
        "a.h5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "found an HDF5 file"),
        "a.mat": (b"\x89HDF\r\n\x1a\n" + bytes(99), r"expected 5 to 7, found 7\.3\. Try: in MATLAB"),
        "b.mat": (b"MATLAB 7.3 MAT-file" + bytes(512), "found something else"),
        "a.zip": (b"PK\3\4" + bytes(99), "found an archive of files. Try: unzip a.zip"),
        "a.tar": (b"x" * 257 + b"ustar" + bytes(300), "Try: tar -xf a.tar"),
        "a.csv.gz": (gz(b"label,pixel0\n"), "Try: gunzip FILE"),
        "a.txt": (b"Dear reader,\nthis is no data.\n", "found something else"),
    }
    for name, (content, words) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises((ValueError, OSError), match=words) as caught:
            Arrays(str(tmp_path / name)).setup("fit")
        assert re.fullmatch(r".+ in .+: expected .+, found .+", str(caught.value))


def test_compact_takes_numbers_for_names(tmp_path: Path) -> None:
    own = truth(SIGNS, 8, 6, train=72, test=48)
    arrays: dict[str, Any] = {f"{split}_images": own.images[split] for split in own.images}
    arrays |= {f"{split}_labels": own.names[split].astype(int) for split in own.names}
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(ValueError, match="no image of class 9"):
        Arrays(str(tmp_path / "own.npz")).setup("fit")
    check(tmp_path / "own.npz", own, SIGNS, labels="compact")
    np.savez(tmp_path / "own.npz", **arrays, classes=np.arange(25).astype(str))
    with pytest.raises(ValueError, match=r"expected none with --data\.labels compact"):
        Arrays(str(tmp_path / "own.npz"), labels="compact").setup("fit")
    with pytest.raises(ValueError, match=r"--data\.labels: .* found fine\. Try: --data\.labels null"):
        Arrays(str(tmp_path / "own.npz"), labels="fine").setup("fit")


def test_images_in_two_splits_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = truth(range(3), 8, 6)
    own.images["test"][[4, 7]] = own.images["train"][[50, 2]]
    arrays: dict[str, Any] = {f"{split}_images": own.images[split] for split in own.images}
    arrays |= {f"{split}_labels": own.names[split].astype(int) for split in own.names}
    np.savez(tmp_path / "own.npz", **arrays)
    check(tmp_path / "own.npz", own, range(3))
    said = capsys.readouterr().err
    assert "2 of 30 test images in" in said
    assert "are training images too, such as number 4" in said
    assert (
        repeated(Path("x"), {"train": np.zeros((2, 3, 3, 1), np.uint8), "test": np.zeros((2, 2, 3, 1), np.uint8)}) == []
    )


def test_equal_hashes_alone_are_no_double(monkeypatch: pytest.MonkeyPatch) -> None:
    images = {"train": random_images(9, 4, 4, 1), "test": random_images(9, 4, 4, 1, seed=1)}
    monkeypatch.setattr("datamodules.duplicates.hashes", lambda each: np.zeros(len(each), np.int64))
    assert repeated(Path("x"), images) == []

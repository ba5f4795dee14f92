"""Protects those who do what a message of the data modules says: whatever stands behind "Try:" is done here, on the
very input that provoked it, at least three inputs for each advice, and has to end in the right data set.

    what the user has -> the message -> its advice, carried out -> exactly the true images, labels and names

What can mean one thing only is read without a message; the first table has it. `pytest -s` prints the counts.
"""

import os
import re
import shlex
import zipfile
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from conftest import random_images
from datamodules import Arrays, Folder
from zoo.errors import DataError

Own = dict[str, Any]
ADVICES: dict[str, set[str]] = defaultdict(set)  # kind of advice -> inputs that provoked it
Shapes = Sequence[tuple[int, ...]]
SHAPES: Shapes = [(8, 6), (28, 28), (5, 9)]


@pytest.fixture(scope="module", autouse=True)
def summary(request: pytest.FixtureRequest) -> Iterator[None]:
    failed = request.session.testsfailed
    yield
    if "PYTEST_XDIST_WORKER" in os.environ or request.config.option.keyword or request.session.testsfailed > failed:
        return  # this process has not seen all inputs
    inputs = sum(map(len, ADVICES.values()))
    print(f"\n{len(ADVICES)} advices of the data modules were followed, on {inputs} inputs")
    assert all(len(seen) >= 3 for seen in ADVICES.values()), ADVICES


def own(shape: tuple[int, ...] = (8, 6), classes: int = 3, train: int = 30, test: int = 12) -> Own:
    """The truth: images (N, H, W) or (N, H, W, C) uint8 and labels (N,) that are in no order."""
    arrays = {
        "train_images": random_images(train, *shape, seed=1),
        "train_labels": np.random.default_rng(3).permutation(np.arange(train) % classes),
        "test_images": random_images(test, *shape, seed=2),
        "test_labels": np.random.default_rng(4).permutation(np.arange(test) % classes),
    }
    arrays["train_images"][0].flat[:3] = 0, 255, 255  # whatever the shape, black and white occur
    return arrays


def changed(arrays: Own, images: Callable[..., Any] | None = None, labels: Callable[..., Any] | None = None) -> Own:
    """The same with all images, or all labels, in another form."""
    change = {"images": images, "labels": labels}
    return {key: (change.get(key.rpartition("_")[2]) or (lambda array: array))(array) for key, array in arrays.items()}


def load(arrays: Own, folder: Path, **options: Any) -> Arrays:
    path = folder / "own.npz"
    np.savez(path, **arrays)
    module = Arrays(str(path), batch_size=4, **options)
    assert len(module.in_shape) == 3  # cli.py asks for these two first
    assert module.num_classes > 0
    module.setup("fit")
    return module


def check(module: Arrays, truth: Own, names: list[str] | None = None) -> None:
    """Exactly these images, labels and names."""
    for split in ("train", "test"):
        images, labels = module.part(split)
        expected = truth[f"{split}_images"]
        expected = expected[..., None] if expected.ndim == 3 else expected
        assert np.array_equal(images.numpy(), expected.transpose(0, 3, 1, 2))
        assert np.array_equal(labels.numpy(), truth[f"{split}_labels"])
    assert list(module.classes) == (names or [str(k) for k in range(len(module.classes))])


class Case(NamedTuple):
    arrays: Own
    truth: Own
    names: list[str] | None = None


# --- what is read as it is


def one_hot(labels: np.ndarray, dtype: Any = int, classes: int = 3) -> np.ndarray:
    return np.eye(classes, dtype=dtype)[labels]


LETTERS = np.array(["b10", "b9", "a"])  # in natural order: a, b9, b10


def first_channel(images: np.ndarray) -> np.ndarray:
    return np.moveaxis(images, -1, 1)


READ: dict[str, Callable[[], Case]] = {}


def reads(name: str, shapes: Shapes, names: list[str] | None = None, **forms: Any) -> None:
    for shape in shapes:
        READ[f"{name} {shape}"] = partial(Case, changed(own(shape), **forms), own(shape), names)


reads("labels (N, 1)", SHAPES, labels=lambda y: y[:, None].astype(np.uint8))
reads("labels (1, N)", SHAPES, labels=lambda y: y[None])
reads("labels (N, 1, 1)", SHAPES[:1], labels=lambda y: y[:, None, None])
reads("one-hot rows", SHAPES, labels=one_hot)
reads("one-hot rows, float", SHAPES[:1], labels=lambda y: one_hot(y, np.float32))
reads("one-hot rows, bool", SHAPES[:1], labels=lambda y: one_hot(y, bool))
reads("float labels", SHAPES[:1], labels=lambda y: y.astype(np.float32))
reads("float labels (N, 1)", SHAPES[:1], labels=lambda y: y.astype(float)[:, None])
reads("big-endian labels", SHAPES[:1], labels=lambda y: y.astype(">i4"))
reads("text labels", SHAPES, ["a", "b", "c"], labels=lambda y: np.array(["a", "b", "c"])[y])
reads("text labels (N, 1)", SHAPES[:1], ["a", "b", "c"], labels=lambda y: np.array(["a", "b", "c"])[y][:, None])
reads("bytes labels", SHAPES[:1], ["a", "b", "c"], labels=lambda y: np.array([b"a", b"b", b"c"])[y])
reads("padded labels", SHAPES[:1], ["a", "b", "c"], labels=lambda y: np.array(["a   ", "b", "c "])[y])
reads("natural order", SHAPES[:1], ["2", "10", "x"], labels=lambda y: np.array(["2", "10", "x"])[y])
reads("negative names", SHAPES[:1], ["-1", "0", "1"], labels=lambda y: (y - 1).astype(str))
reads("channels first", [(8, 6, 3), (28, 28, 1), (32, 32, 3)], images=first_channel)
reads("columns first", SHAPES[:1], images=np.asfortranarray)
for dtype in (np.int16, np.int64, np.uint16, np.uint32, np.float32, float, np.float16, ">u2", ">f8"):
    reads(f"pixels {np.dtype(dtype)}", SHAPES[:1], images=lambda x, dtype=dtype: x.astype(dtype))


@pytest.mark.parametrize("case", READ)
def test_what_can_mean_one_thing_only_is_read(case: str, tmp_path: Path) -> None:
    arrays, truth, names = READ[case]()
    check(load(arrays, tmp_path), truth, names)


def test_black_and_white_is_read(tmp_path: Path) -> None:
    truth = own()
    truth |= {key: (truth[key] > 127) * np.uint8(255) for key in truth if "images" in key}
    check(load(changed(truth, images=lambda x: x > 0), tmp_path), truth)


def test_names_of_keras_are_read(tmp_path: Path) -> None:
    names = {"train_images": "x_train", "train_labels": "y_train", "test_images": "x_test", "test_labels": "y_test"}
    check(load({names[key]: array for key, array in own().items()}, tmp_path), own())
    with pytest.raises(ValueError, match=r"expected test_labels or y_test, found both"):
        load({**own(), "y_test": own()["test_labels"]}, tmp_path)


def test_text_labels_are_numbered_once_for_all_splits(tmp_path: Path) -> None:
    """Each array for itself would number a test set that lacks a class otherwise."""
    arrays = changed(own(), labels=lambda y: LETTERS[y])
    for name in LETTERS:
        kept = arrays["test_labels"] != name
        part = {**arrays, "test_images": arrays["test_images"][kept], "test_labels": arrays["test_labels"][kept]}
        module = load(part, tmp_path)
        assert list(module.classes) == ["a", "b9", "b10"]
        assert np.array_equal(np.array(module.classes)[module.part("test").labels], part["test_labels"])
        assert np.array_equal(np.array(module.classes)[module.part("train").labels], part["train_labels"])


def test_text_labels_follow_the_order_of_classes(tmp_path: Path) -> None:
    arrays = {**changed(own(), labels=lambda y: LETTERS[y]), "classes": LETTERS}
    check(load(arrays, tmp_path), own(), list(LETTERS))


@pytest.mark.parametrize("prefix", ["val_images val_labels", "x_val y_val"])
def test_an_own_validation_set_is_the_validation(prefix: str, tmp_path: Path) -> None:
    images, labels = prefix.split()
    val = own(test=7)
    arrays = {**own(), images: val["test_images"], labels: val["test_labels"][:, None]}
    for options, train, validation in (({}, 30, 7), ({"val_size": 7}, 30, 7), ({"val_size": 0}, 37, 0)):
        module = load(arrays, tmp_path, **options)
        assert {split: len(indices) for split, indices in module.splits.items()} == {
            "train": train, "val": validation, "test": 12,
        }  # fmt: skip
        part = module.part("val")
        indices = module.splits["val"] if validation else range(30, 37)
        assert np.array_equal(part.images[indices][:, 0].numpy(), val["test_images"])
        assert np.array_equal(part.labels[indices].numpy(), val["test_labels"])
        assert sorted(module.splits["train"].tolist()) == list(range(train))
    with pytest.raises(ValueError, match=r"expected 7, .* found 5\. Try: --data\.val_size 7"):
        load(arrays, tmp_path, val_size=5)
    alone = {images: val["test_images"], labels: val["test_labels"]}
    np.savez(tmp_path / "val.npz", **alone)
    module = Arrays(str(tmp_path / "val.npz"), known_classes=3, normalize="unit", train_size=20, val_size=9)
    module.setup("validate")
    assert np.array_equal(module.part("val").labels[module.splits["val"]].numpy(), val["test_labels"])


# --- what is refused, with what to do


CASES: dict[str, Callable[[], Case]] = {}


def advice(name: str, shapes: Shapes = SHAPES, names: list[str] | None = None, **forms: Any) -> None:
    """Images or labels of the truth in a form that is refused."""
    for shape in shapes:
        CASES[f"{name} {shape}"] = partial(Case, changed(own(shape), **forms), own(shape), names)


def adds(name: str, make: Callable[[int], Case]) -> None:
    """Three inputs, made of a number."""
    for k in range(3):
        CASES[f"{name} {k}"] = partial(make, k)


COLOUR = [(8, 6, 3), (32, 32, 3), (5, 7, 3)]
advice("float 0 to 1", images=lambda x: x / 255)
advice("float32 0 to 1", images=lambda x: (x / 255).astype(np.float32))
advice("float 0 to 1, interpolated", images=lambda x: np.where(x > 254, 1.02, np.where(x < 1, -0.02, x / 255)))
advice("float -1 to 1", images=lambda x: x / 127.5 - 1)
advice("float 0 to 255", images=lambda x: x + np.where(x < 255, 0.25, -0.25))
advice("standardised", images=lambda x: (x / 255 - 0.1307) / 0.3081)
advice("10 bits", images=lambda x: x.astype(np.uint16) * 4 + 2)
advice("12 bits", images=lambda x: x.astype(np.uint16) * 16 + 15)
advice("16 bits", images=lambda x: x.astype(np.int32) * 257 + np.where(x < 255, 200, 0))  # as of a picture
advice("photographs counted last", COLOUR, images=lambda x: np.moveaxis(x, 0, -1))
advice("grey counted last", [(8, 6), (28, 28), (3, 5)], images=lambda x: np.moveaxis(x, 0, -1))
advice("counted second", [(8, 6), (9, 9), (3, 5)], images=lambda x: np.moveaxis(x, 0, 1))
advice("flat rows", [(28, 28), (8, 8), (5, 5)], images=lambda x: x.reshape(len(x), -1))
advice("flat channels", [(32, 32, 3), (8, 8, 3), (4, 4, 3)], images=lambda x: first_channel(x).reshape(len(x), -1))
advice("opaque", COLOUR, images=lambda x: np.concatenate([x, np.full_like(x[..., :1], 255)], axis=3))
advice(
    "opaque, channels first",
    COLOUR,
    images=lambda x: np.concatenate([x, np.full_like(x[..., :1], 255)], 3).transpose(0, 3, 1, 2),
)
advice("two channels", images=lambda x: np.stack([x, x], axis=3))
advice("labels transposed", labels=lambda y: one_hot(y).T)
advice("shares of classes", labels=lambda y: one_hot(y) * 0.7 + 0.1)
advice("columns of labels", labels=lambda y: np.stack([y, y + 40, y * 0], axis=1))
advice(
    "labels in latin-1",
    names=["a", "b", "é"],
    labels=lambda y: np.array([b"a", b"b", b"\xe9"])[y],
)
advice("from 1", names=["1", "2", "3"], labels=lambda y: y + 1)
advice("from 1, float", names=["1", "2", "3"], labels=lambda y: y + 1.0)
advice("a gap", names=["0", "2", "10"], labels=lambda y: np.array([0, 2, 10])[y])
advice("a gap (N, 1)", names=["3", "4", "20"], labels=lambda y: np.array([3, 4, 20])[y][:, None])
advice("minus one and one", names=["-1", "0", "1"], labels=lambda y: y - 1)
advice("identifiers", names=["5", "77777", "123456789"], labels=lambda y: np.array([5, 77777, 123456789])[y])
advice("beyond int64", names=["0", "1", str(2**64 - 1)], labels=lambda y: np.array([0, 1, 2**64 - 1], np.uint64)[y])
advice("numbers with fractions", names=["0.5", "1.0", "2.5"], labels=lambda y: np.array([0.5, 1.0, 2.5])[y])


def black_and_white(k: int) -> Case:
    truth = changed(own(SHAPES[k]), images=lambda x: (x > 127) * np.uint8(255))
    return Case(changed(truth, images=lambda x: (x > 0).astype([np.uint8, np.int64, float][k])), truth)


def transparent(k: int) -> Case:
    """A black stroke on nothing: where it is opaque it is black, elsewhere white."""
    stroke = own(SHAPES[k])
    truth = changed(stroke, images=lambda x: np.repeat(255 - x[..., None], 3, axis=3))
    return Case(changed(stroke, images=lambda x: np.stack([x * 0, x * 0, x * 0, x], axis=3)), truth)


def volumes(k: int) -> Case:
    side = (28, 9, 6)[k]
    arrays = own((side, side, side), train=9, test=6)
    return Case(arrays, changed(arrays, images=lambda x: x[:, side // 2]))


def bands(k: int) -> Case:
    arrays = own((9, 9, (5, 8, 12)[k]))
    return Case(arrays, changed(arrays, images=lambda x: x[..., :3]))


def with_nan(k: int) -> Case:
    truth = own(SHAPES[k])
    arrays = changed(truth, images=lambda x: x.astype(float))
    for split, row in (("train", k), ("test", 2 + k)):
        arrays[f"{split}_images"][row, 1, 2] = (np.nan, np.inf, -np.inf)[k]
        for kind in ("images", "labels"):
            truth[f"{split}_{kind}"] = np.delete(truth[f"{split}_{kind}"], row, axis=0)
    return Case(arrays, truth)


def several_labels(k: int) -> Case:
    truth = own(SHAPES[k])
    arrays = changed(truth, labels=one_hot)
    for split, row in (("train", k), ("test", 2 + k)):
        arrays[f"{split}_labels"][row] = ([1, 1, 0], [0, 0, 0], [1, 1, 1])[k]
        for kind in ("images", "labels"):
            truth[f"{split}_{kind}"] = np.delete(truth[f"{split}_{kind}"], row, axis=0)
    return Case(arrays, truth)


def only_in_test(k: int) -> Case:
    """A class without a training image: in the middle, the last, or as one-hot rows."""
    whole, lost = own(SHAPES[k], classes=4, train=40, test=16), (1, 3, 1)[k]
    kept = {split: whole[f"{split}_labels"] != lost for split in ("train", "test")}
    arrays = {key: array[kept["train"]] if "train" in key else array for key, array in whole.items()}
    truth = {key: array[kept[key.partition("_")[0]]] for key, array in whole.items()}
    names = [str(name) for name in range(4) if name != lost or k == 2]
    if k == 2:
        return Case(changed(arrays, labels=lambda y: one_hot(y, classes=4)), truth)
    return Case(arrays, changed(truth, labels=lambda y: np.searchsorted([int(name) for name in names], y)), names)


def negative_in_test(k: int) -> Case:
    arrays = own(SHAPES[k])
    truth = {key: array[1:] if "test" in key else array for key, array in arrays.items()}
    return Case({**arrays, "test_labels": np.append(-1 - k, truth["test_labels"])}, truth)


def names_for_numbers_from_one(k: int) -> Case:
    names = [*LETTERS[k:], *LETTERS[:k]]
    return Case({**changed(own(SHAPES[k]), labels=lambda y: y + 1), "classes": np.array(names)}, own(SHAPES[k]), names)


def only_test_from_one(k: int) -> Case:
    return Case({**own(SHAPES[k]), "test_labels": own(SHAPES[k])["test_labels"] + 1}, own(SHAPES[k]))


def too_few_names(k: int) -> Case:
    return Case({**own(SHAPES[k]), "classes": LETTERS[: k + 1] if k < 2 else np.array(["x", "y"])}, own(SHAPES[k]))


def text_and_numbers(k: int) -> Case:
    names = [["a", "b", "c"], ["0", "1", "2"], ["x", "z", "y"]][k]
    arrays, more = own(SHAPES[k]), {"classes": np.array(names)} if k != 1 else {}
    return Case({**arrays, **more, "train_labels": np.array(names)[arrays["train_labels"]]}, arrays, names)


def text_that_is_not_a_class(k: int) -> Case:
    truth = own(SHAPES[k])
    arrays = {**changed(truth, labels=lambda y: LETTERS[y].astype("U9")), "classes": LETTERS}
    arrays["test_labels"][k] = "ghost"
    for kind in ("images", "labels"):
        truth[f"test_{kind}"] = np.delete(truth[f"test_{kind}"], k, axis=0)
    return Case(arrays, truth, list(LETTERS))


def other_names(k: int) -> Case:
    return Case(
        {
            **changed(own(SHAPES[k]), labels=lambda y: np.array(["a", "b", "c"])[y]),
            "classes": np.array(["u", "v", "w"]),
        },
        own(SHAPES[k]),
        ["a", "b", "c"],
    )


def both_names(k: int) -> Case:
    key = ("x_train", "y_test", "x_test")[k]
    return Case({**own(), key: own()["train_images"]}, own())


def labels_without_images(k: int) -> Case:
    key = ("val_labels", "y_val", "val_labels")[k]
    return Case({**own(SHAPES[k]), key: own()["train_labels"]}, own(SHAPES[k]))


def names_as_bytes(k: int) -> Case:
    names = ["cat", "dog", "owl"]
    return Case({**own(SHAPES[k]), "classes": np.array(names).astype(("S3", "S9", "S4")[k])}, own(SHAPES[k]), names)


def signed_bytes(k: int) -> Case:
    return Case(changed(own(SHAPES[k]), images=lambda x: x.view(np.int8)), own(SHAPES[k]))


def text_pixels(k: int) -> Case:
    dtype = ("U3", "S3", "U9")[k]
    return Case(changed(own(SHAPES[k]), images=lambda x: x.astype(dtype)), own(SHAPES[k]))


def complex_pixels(k: int) -> Case:
    return Case(changed(own(SHAPES[k]), images=lambda x: x.astype(complex)), own(SHAPES[k]))


for make in (
    black_and_white, transparent, volumes, bands, with_nan, several_labels, only_in_test, negative_in_test,
    names_for_numbers_from_one, only_test_from_one, too_few_names, text_and_numbers, text_that_is_not_a_class,
    other_names, both_names, labels_without_images, names_as_bytes, signed_bytes, text_pixels, complex_pixels,
):  # fmt: skip
    adds(make.__name__.replace("_", " "), make)


def follow(text: str, arrays: Own) -> Own:
    """Does what the advice says with the arrays, as the user would before saving them again."""
    line = text.partition(" Try: ")[2].partition("  # ")[0].partition("; or ")[0]
    if line.startswith("leave out the array "):
        return {key: array for key, array in arrays.items() if key != line.split()[4].rstrip(",")}
    names: Own = {"numpy": np, **arrays}
    exec(line, names)
    return {key: array for key, array in names.items() if key in arrays}


@pytest.mark.parametrize("case", CASES)
def test_advice_leads_to_the_right_data(case: str, tmp_path: Path) -> None:
    arrays, truth, names = CASES[case]()
    kind = case.partition(" (")[0].rstrip(" 012")
    heads: set[tuple[str, str]] = set()  # what was wrong with which array
    for _ in range(6):
        try:
            module = load(arrays, tmp_path)
            break
        except ValueError as error:
            text = str(error)
            what, _, key = text.partition(" in ")[0].partition(" of ")
            if what in ("type", "shape", "pixels", "text"):
                assert not any(what == other and key != array for other, array in heads), "a line for each array"
                heads.add((what, key))
            assert "\n" not in text
            assert str(tmp_path / "own.npz") in text
            assert " Try: " in text
            ADVICES[kind].add(case)
            arrays = follow(text, arrays)
    else:
        raise AssertionError(f"the advice does not end: {text}")
    assert case in ADVICES[kind], "no advice was needed"
    check(module, truth, names)


# --- notes: nothing is refused, and nothing is silent


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({**own(), "weights": np.ones(3), "notes": np.ones(2)}, "not used: weights, notes"),
        (own((3, 32, 1)), "read as images of 3 × 32 with 1 channel"),
        (own((1, 9, 3)), "If they have 1: train_images = numpy.moveaxis(train_images, 1, -1)"),
        (changed(own(), images=lambda x: x // 16), "largest pixel of all images"),
        ({**own(), "test_images": np.full((12, 8, 6), 9, np.uint8)}, "all 12 images of test_images"),
        ({**own(), "classes": np.array(["a", "a", "b"])}, "3 names, of which only 2 are different"),
        ({**own(), "classes": np.array(["a", "b", "c", "ghost"])}, "no image of class ghost"),
        (changed(own(), labels=lambda y: one_hot(y, classes=5)), "no image of class 3, 4"),
        ({**own(), "test_labels": np.arange(12) % 2}, "no test image of class 2"),
        (
            changed(own(), images=lambda x: np.repeat(x[..., None], 3, 3)),
            "As grey: train_images = train_images[..., 0]",
        ),
        (changed(own(), images=lambda x: np.repeat(x[:, None], 3, 1)), "As grey: test_images = test_images[:, 0]"),
    ],
    ids=str,
)
def test_what_is_odd_is_said(arrays: Own, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(arrays, tmp_path)
    assert words in capsys.readouterr().err


def test_how_many_images_a_class_has_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = changed(own(), labels=lambda y: LETTERS[y])
    arrays["train_labels"][np.flatnonzero(arrays["train_labels"] == "a")[3:]] = "b9"
    load(arrays, tmp_path)
    said = capsys.readouterr()
    assert (
        "3 classes (a, b9, b10), numbered in this order; images of one class: train 3 (a) to 17 (b9), test 4"
        in said.out
    )
    assert said.err == ""


@pytest.mark.parametrize("labels", [np.zeros(30, int), np.full(30, 2), np.full(30, "cat")], ids=str)
def test_one_class_only_is_refused(labels: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected at least 2, found"):
        load({**own(), "train_labels": labels, "test_labels": labels[:12]}, tmp_path)


@pytest.mark.parametrize("invert", [False, True])
def test_inverted_images_are_told(invert: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = changed(own(), images=lambda x: x // 4)
    arrays["train_images"][0] = 255
    arrays["test_images"] = 255 - arrays["test_images"] if invert else arrays["test_images"]
    load(arrays, tmp_path).test_dataloader()
    assert ("inverted? Try: test_images = 255 - test_images" in capsys.readouterr().err) == invert


# --- what is no archive


@pytest.mark.parametrize("shape", [(8, 6), (5, 7, 3)], ids=str)
@pytest.mark.parametrize("flat", [False, True])
def test_a_folder_of_pictures_is_named_with_what_reads_it(flat: bool, shape: tuple[int, ...], tmp_path: Path) -> None:
    truth, folder = own(shape), tmp_path / "my 'own' pictures"
    for k, (image, label) in enumerate(zip(truth["train_images"], truth["train_labels"], strict=True)):
        path = folder / ("" if flat else "abc"[label]) / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    with pytest.raises(FileNotFoundError, match=r"with 30 pictures \(\.png\)") as caught:
        Arrays(str(folder)).setup("fit")
    words = shlex.split(str(caught.value).partition(" Try: ")[2].replace(",", ""))
    assert words[:3] == ["--data", "Folder", "--data.path"]
    ADVICES["a folder of pictures"].add(f"{flat} {shape}")
    if flat:
        with pytest.raises(DataError, match="expected each in a folder, which is its class, found 30 pictures"):
            Folder(words[3], root=str(tmp_path / "data")).setup("fit")
        return
    module = Folder(words[3], root=str(tmp_path / "data"))
    module.setup("fit")
    assert [*module.classes] == [*"abc"]
    assert len(module.part("train").labels) + len(module.part("test").labels) == 30


def test_a_folder_is_named_for_what_it_is(tmp_path: Path) -> None:
    for name, file in (
        ("MNIST", "MNIST/raw/train-images-idx3-ubyte"),
        ("FashionMNIST", "FashionMNIST/raw/train-images-idx3-ubyte"),
        ("CIFAR10", "cifar-10-batches-py/data_batch_1"),
    ):
        root = tmp_path / f"root of {name}"
        (root / file).parent.mkdir(parents=True)
        (root / file).write_bytes(b"")
        with pytest.raises(FileNotFoundError, match=f"found the folder of {name}") as caught:
            Arrays(str(root)).setup("fit")
        assert shlex.split(str(caught.value).partition(" Try: ")[2]) == ["--data", name, "--data.root", str(root)]
        ADVICES["the folder of a data set"].add(name)
    for k in range(3):
        folder = tmp_path / f"archives {k}"
        folder.mkdir()
        np.savez(folder / f"{k}.npz", **own(SHAPES[k]))
        with pytest.raises(FileNotFoundError, match="with 1 archive") as caught:
            Arrays(str(folder)).setup("fit")
        words = shlex.split(str(caught.value).partition(" Try: ")[2])
        assert words[0] == "--data.path"
        module = Arrays(words[1], batch_size=4)
        module.setup("fit")
        check(module, own(SHAPES[k]))
        ADVICES["a folder of archives"].add(str(k))
    with pytest.raises(FileNotFoundError, match="without any"):
        Arrays(str(tmp_path / "root of MNIST/MNIST/raw")).setup("fit")


@pytest.mark.parametrize("form", ["png", "jpeg", "gif"])
def test_one_picture_is_named(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"photo.{form}"
    Image.fromarray(own()["train_images"][0]).save(path)
    with pytest.raises(ValueError, match="found a picture") as caught:
        Arrays(str(path)).setup("predict")
    words = shlex.split(str(caught.value).partition(" Try: ")[2])
    assert words[:4] == ["python", "cli.py", "predict", "RUN"]
    assert words[4].rstrip(",") == str(path)
    ADVICES["a picture"].add(form)


@pytest.mark.parametrize("kind", ["npy", "csv", "cut", "compressed by others"])
def test_what_is_no_archive_is_to_be_saved_again(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, **own())
    whole = path.read_bytes()
    if kind == "npy":
        np.save(tmp_path / "own.npy", own()["train_images"])
        path.write_bytes((tmp_path / "own.npy").read_bytes())
    elif kind == "compressed by others":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
            for key, array in own().items():
                with archive.open(f"{key}.npy", "w") as member:
                    np.lib.format.write_array(member, array)
    else:
        path.write_bytes(b"label,pixel0\n1,0\n" if kind == "csv" else whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"Try: save it again with numpy\.savez"):
        Arrays(str(path)).setup("fit")
    check(load(own(), tmp_path), own())
    ADVICES["save it again"].add(kind)


@pytest.mark.parametrize("missing", ["test_labels", "train_labels", "train_images train_labels"])
def test_what_is_missing_is_to_be_added(missing: str, tmp_path: Path) -> None:
    arrays = {key: array for key, array in own().items() if key not in missing.split()}
    with pytest.raises(ValueError, match=r"missing\. Try: numpy\.savez with the .*labels") as caught:
        load(arrays, tmp_path, known_classes=3)
    assert all(key in str(caught.value) for key in missing.split())
    check(load(own(), tmp_path), own())
    ADVICES["what is missing"].add(missing)


def made_by(text: str) -> str:
    """Runs the command of an advice; returns the archive that it has made."""
    words = shlex.split(text.partition(" Try: ")[2])
    assert words[:2] == ["python", "-c"]
    assert words[3:5] == ["then", "--data.path"]
    exec(words[2].rstrip(","), {})
    return words[5]


@pytest.mark.parametrize(
    "names", ["train_images train_labels", "x_train y_train", "X y", "images target", "Xtrain Ytrain"]
)
@pytest.mark.parametrize("labels", [lambda y: y, lambda y: y[None], lambda y: LETTERS[y][:, None], one_hot])
def test_a_test_part_is_split_off(names: str, labels: Callable[..., Any], tmp_path: Path) -> None:
    truth, path = own(), tmp_path / "the user's.npz"
    kept = {"val_images": truth["test_images"], "val_labels": labels(truth["test_labels"])}
    arrays = dict(zip(names.split(), [truth["train_images"], labels(truth["train_labels"])], strict=True))
    np.savez(path, **arrays, **kept)
    with pytest.raises(ValueError, match="missing") as caught:
        Arrays(str(path)).setup("fit")
    module = Arrays(made_by(str(caught.value)), batch_size=4)
    module.setup("fit")
    assert module.official_validation == len(truth["test_labels"])
    names_of = list(module.classes)
    found = {
        image.numpy().tobytes(): names_of[label]
        for split in ("train", "test")
        for image, label in zip(*module.part(split), strict=True)
    }
    texts = LETTERS if labels(np.array([0])).dtype.kind == "U" else np.array(["0", "1", "2"])
    expected = {
        image.tobytes(): texts[label]
        for split in ("train", "test")
        for image, label in zip(truth[f"{split}_images"], truth[f"{split}_labels"], strict=True)
    }
    assert found == expected
    assert len(module.part("test").labels) == 6
    ADVICES["a test part"].add(f"{names} {labels}")


@pytest.mark.parametrize(
    "names",
    [
        "X_train y_train X_test y_test",
        "trainImages trainLabels testImages testLabels",
        "training_data training_targets testing_data testing_targets",
    ],
)
@pytest.mark.parametrize("stage", ["fit", "test", "predict"])
def test_arrays_under_other_names_are_renamed(names: str, stage: str, tmp_path: Path) -> None:
    path, truth = tmp_path / "own.npz", own()
    np.savez(path, **dict(zip(names.split(), truth.values(), strict=True)), classes=LETTERS)
    with pytest.raises(ValueError, match="missing") as caught:
        Arrays(str(path)).setup(stage)
    module = Arrays(made_by(str(caught.value)), batch_size=4)
    module.setup(stage)
    assert np.array_equal(module.part("test").images[:, 0], truth["test_images"])
    assert list(module.classes) == list(LETTERS)
    if stage == "fit":
        check(module, truth, list(LETTERS))
    ADVICES["other names"].add(f"{names} {stage}")


@pytest.mark.parametrize("labels", [lambda y: y, lambda y: y[:, None], one_hot])
@pytest.mark.parametrize("both", [True, False])
def test_arrays_without_names_are_known_by_their_shapes(both: bool, labels: Callable[..., Any], tmp_path: Path) -> None:
    """As of `numpy.savez(path, x, y)`, which calls them arr_0 and arr_1."""
    path, truth = tmp_path / "own.npz", own()
    arrays = [*changed(truth, labels=labels).values()]
    np.savez(path, *arrays[: 4 if both else 2])
    with pytest.raises(ValueError, match="missing") as caught:
        Arrays(str(path)).setup("fit")
    module = Arrays(made_by(str(caught.value)), batch_size=4)
    module.setup("fit")
    if both:
        check(module, truth)
    assert (len(module.part("train").labels), len(module.part("test").labels)) == ((30, 12) if both else (24, 6))
    ADVICES["no names"].add(f"{both} {labels}")


def test_images_without_a_name_and_without_labels_are_told_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, own()["train_images"])
    with pytest.raises(ValueError, match="missing") as caught:
        Arrays(str(path)).setup("fit")
    assert str(caught.value).partition(" Try: ")[2] == (
        f'f = numpy.load("{path}"); numpy.savez("own-named.npz", train_images=f["arr_0"],'
        " train_labels=…, test_images=…, test_labels=…), images (N, H, W, C) and class numbers (N,)"
    )


def test_arrays_in_another_form_get_their_names_first(tmp_path: Path) -> None:
    """Then the message about their form has the names that its line of Python needs."""
    path, truth = tmp_path / "own.npz", own()
    np.savez(path, X=truth["train_images"] / 255, y=truth["train_labels"])
    with pytest.raises(ValueError, match="missing") as caught:
        Arrays(str(path)).setup("fit")
    with pytest.raises(ValueError, match=r"Try: train_images = \(train_images \* 255\)") as again:
        Arrays(made_by(str(caught.value))).setup("fit")
    arrays = follow(
        str(again.value), {"train_images": truth["train_images"] / 255, "train_labels": truth["train_labels"]}
    )
    assert np.array_equal(arrays["train_images"], truth["train_images"])


def test_images_alone_are_no_training(tmp_path: Path) -> None:
    """All that is missing is said at once, and what such a file is good for."""
    np.savez(tmp_path / "own.npz", test_images=own()["test_images"])
    with pytest.raises(ValueError, match=r"train_images, train_labels, test_labels missing\. .*predict") as caught:
        assert Arrays(str(tmp_path / "own.npz")).num_classes
    assert f"--data.path {tmp_path / 'own.npz'}" in str(caught.value)


@pytest.mark.parametrize("classes", [3, 4, 7])
def test_the_number_of_classes_is_asked_for(classes: int, tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", test_images=own()["test_images"])
    with pytest.raises(ValueError, match=r"--data\.known_classes K"):
        assert Arrays(str(tmp_path / "own.npz")).num_classes
    module = Arrays(str(tmp_path / "own.npz"), known_classes=classes)
    module.setup("predict")
    assert module.num_classes == classes
    ADVICES["known classes"].add(str(classes))


@pytest.mark.parametrize(
    ("of_network", "labels", "truth"),
    [
        ("0 1 2", ["1", "2", "3", "1"], [0, 1, 2, 0]),
        ("0 1 2", ["1", "0", "x", "2"], [1, 0, 2]),
        ("cat dog", ["0", "1", "1", "0"], [0, 1, 1, 0]),
        ("cat dog", ["dog", "cow", "cat", "dog"], [1, 0, 1]),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_labels_that_the_network_does_not_know(
    of_network: str, labels: list[str], truth: list[int], training: bool, tmp_path: Path
) -> None:
    """The file has no array `classes` to leave out."""
    arrays: Own = {"test_images": random_images(4, 8, 6), "test_labels": np.array(labels)}
    arrays |= {"train_images": random_images(4, 8, 6), "train_labels": np.array(labels)} if training else {}

    def module() -> Arrays:
        np.savez(tmp_path / "own.npz", **arrays)
        data = Arrays(str(tmp_path / "own.npz"), known_classes=len(of_network.split()))
        data.call_classes(of_network.split())
        data.setup("test")
        return data

    with pytest.raises(ValueError, match=" Try: ") as caught:
        module()
    arrays = follow(str(caught.value), arrays)
    assert module().part("test").labels.tolist() == truth
    ADVICES["labels unknown to the network"].add(f"{of_network} {labels} {training}")


@pytest.mark.parametrize("wanted", [(1, 8, 6), (3, 8, 6), (1, 5, 7), (3, 16, 16)], ids=str)
@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 3), (8, 6, 1), (9, 9, 3)], ids=str)
@pytest.mark.parametrize("form", [lambda x: x, lambda x: x.astype(float), lambda x: np.moveaxis(x, -1, 1)])
def test_images_are_brought_to_the_shape_of_a_network(
    wanted: tuple[int, int, int], shape: tuple[int, ...], form: Callable[..., Any], tmp_path: Path
) -> None:
    arrays = {key: form(x) if x.ndim == 4 else x for key, x in own(shape).items()}
    advice = "Try: " + load(arrays, tmp_path).shaped_for(wanted)
    arrays = follow(f" {advice}", arrays)
    assert load(arrays, tmp_path).in_shape == wanted
    ADVICES["another shape"].add(f"{shape} {wanted} {form}")


@pytest.mark.parametrize(("size", "devices"), [(7, 2), (10, 4), (5, 3), (None, 7)])
def test_a_batch_that_cannot_be_shared_out(size: int | None, devices: int, tmp_path: Path) -> None:
    """None is the default, which must not shrink: a device more is no other experiment."""
    np.savez(tmp_path / "own.npz", **own())

    def module(batch_size: int | None) -> Arrays:
        data = Arrays(str(tmp_path / "own.npz"), batch_size=batch_size)
        data.trainer = Namespace(world_size=devices, state=Namespace(fn="fit"))  # type: ignore[assignment]
        return data

    with pytest.raises(ValueError, match="a multiple of") as caught:
        module(size).setup("fit")
    advised = re.findall(r"\d+", str(caught.value).partition(" Try: ")[2])
    for batch_size in map(int, advised):
        data = module(batch_size)
        data.setup("fit")
        assert data.batch_size == batch_size
    assert advised
    ADVICES["a batch for all devices"].add(f"{size} {devices}")


def test_more_memory_than_there_is_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k, shape in enumerate(SHAPES):
        path = tmp_path / "own.npz"
        np.savez(path, **own(shape))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("datamodules.archive.available_memory", lambda: 500)
            with pytest.raises(
                ValueError, match=r"the 500 bytes of memory that are free.* Try: fewer or smaller images"
            ):
                Arrays(str(path)).setup("fit")
        small = {key: array[:9] for key, array in own(shape).items()}
        check(load(small, tmp_path), small)
        ADVICES["too much memory"].add(str(k))

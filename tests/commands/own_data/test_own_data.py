"""Protects `data show` and `data convert`: what is said of a file is true, and what is written is what was read."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli import main
from conftest import idx, npz_arrays, random_images
from datamodules import Arrays

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def save(path: str = "own.npz", **changed: Any) -> dict[str, Any]:
    arrays = {key: each for key, each in (npz_arrays(8, 6) | changed).items() if each is not None}
    np.savez(path, **arrays)
    return arrays


def refused(words: str, capsys: Captured) -> str:
    """The one line of an error."""
    with pytest.raises(SystemExit) as leave:
        main(["data", *shlex.split(words)])
    assert leave.value.code
    [line] = [each for each in capsys.readouterr().err.splitlines() if not each.startswith("warning")]
    assert re.fullmatch(r"error: .+ in .+: expected .+, found .+", line)
    return line


def test_what_is_there_is_said(capsys: Captured) -> None:
    arrays = save(classes=["cat", "dog", "owl"])
    main(["data", "show", "own.npz"])
    said = capsys.readouterr()
    assert said.err == ""
    assert "own.npz: a NumPy archive" in said.out
    assert "8 × 6, grey" in said.out
    for split, word in (("train", "training"), ("test", "test")):
        images = arrays[f"{split}_images"]
        found = re.search(rf"{word} +(\d+), pixels (\d+) to (\d+), mean ([\d.]+)", said.out)
        assert found
        assert [*map(int, found.groups()[:3])] == [len(images), images.min(), images.max()]
        assert float(found[4]) == pytest.approx(images.mean(), abs=0.05)
    assert [line.split() for line in said.out.splitlines() if line[:3] in ("cat", "dog", "owl", "all")] == [
        ["cat", "10", "4"], ["dog", "10", "4"], ["owl", "10", "4"], ["all", "30", "12"],
    ]  # fmt: skip
    assert "python cli.py fit --data Arrays --data.path own.npz --model ConvNet" in said.out


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"train_labels": np.zeros(30, int)},
            r"fit refuses it: labels of test_labels .*class 1: 0 training, 4 test images",
        ),
        ({"train_labels": np.arange(30) % 3 + 1, "test_labels": np.arange(12) % 3 + 1}, "no image of class 0"),
        ({"test_labels": None}, "fit refuses it: .* test_labels missing"),
        ({"train_images": random_images(30, 9, 6)}, "fit refuses it: sizes of images"),
    ],
    ids=str,
)
def test_what_fit_refuses_is_shown_all_the_same(changed: dict[str, Any], words: str, capsys: Captured) -> None:
    save(**changed)
    main(["data", "show", "own.npz"])
    said = capsys.readouterr().out
    assert re.search(words, said)
    assert "training" in said
    with pytest.raises(ValueError):
        Arrays("own.npz", batch_size=4).setup("fit")


def test_images_that_are_there_twice_are_counted(capsys: Captured) -> None:
    arrays = npz_arrays(8, 6)
    arrays["train_images"][[3, 9]] = arrays["train_images"][1]
    arrays["test_images"][5] = arrays["train_images"][20]
    save(**arrays)
    main(["data", "show", "own.npz"])
    said = capsys.readouterr().err
    assert "2 of 30 images of train_images are there before already" in said
    assert "1 of 12 test images in own.npz are training images too, such as number 5" in said


@pytest.mark.parametrize(("spread", "words"), [(0, "three channels that are equal: grey"), (9, ", colour")])
def test_three_equal_channels_are_told_from_colours(spread: int, words: str, capsys: Captured) -> None:
    images = random_images(30, 8, 6)[..., None] // 2 + np.arange(3, dtype=np.uint8) * np.uint8(spread)
    save(train_images=images, test_images=images[:12])
    main(["data", "show", "own.npz"])
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("shape", [(8, 6), (200, 150, 3)], ids=str)
def test_examples_are_drawn(shape: tuple[int, ...], capsys: Captured) -> None:
    """A row for each class: the red class has red pixels in its row, and nowhere else."""
    arrays = npz_arrays(*shape)
    for split in ("train", "test"):
        images = np.zeros((len(arrays[f"{split}_images"]), *shape[:2], 3), np.uint8)
        images[arrays[f"{split}_labels"] == 1] = (255, 0, 0)
        arrays[f"{split}_images"] = images
    save(**arrays, classes=["a", "$b$", "c"])
    main(["data", "show", "own.npz", "--out", "sheet.png"])
    assert "sheet: sheet.png" in capsys.readouterr().out
    pixels = np.asarray(Image.open("sheet.png").convert("RGB")).astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 50)
    black = pixels.sum(2) < 60
    rows = np.flatnonzero(red.any(1))
    height = len(pixels)
    assert rows.min() > 0.4 * height
    assert rows.max() < 0.8 * height
    across = np.flatnonzero(red.any(0))
    assert not black[rows[len(rows) // 2], across[0] : across[-1]].any()
    assert len(np.flatnonzero(np.diff(red[rows[len(rows) // 2]].astype(int)) == 1)) == 9 + 3


def test_many_classes_and_images_without_labels(capsys: Captured) -> None:
    save(train_labels=np.arange(300), train_images=random_images(300, 8, 6), test_labels=None)
    main(["data", "show", "own.npz", "--out", "sheet.png"])
    said = capsys.readouterr().out
    assert "… and 280 classes between the largest and the smallest" in said
    assert re.search(r"no label +0 +12", said)


@pytest.mark.parametrize(
    "words",
    ["show own.npz --out a.jpg", "show own.npz --out none/a.png", "show none.npz", "show own.npz --labels fine"],
)
def test_what_cannot_be_shown(words: str, capsys: Captured) -> None:
    save()
    refused(words, capsys)


def test_advice_names_the_flags_of_this_verb(capsys: Captured) -> None:
    save()
    assert "Try: python cli.py data show FILE.npz" in refused("show none.npz", capsys)
    assert "value in --labels: expected compact for own.npz, found fine. Try: without --labels" in refused(
        "show own.npz --labels fine", capsys
    )


# --- convert


def test_what_is_written_is_what_was_read(capsys: Captured) -> None:
    arrays = npz_arrays(8, 6)
    Path("raw").mkdir()
    for split, word in (("train", "train"), ("test", "t10k")):
        Path(f"raw/{word}-images-idx3-ubyte").write_bytes(idx(arrays[f"{split}_images"]))
        Path(f"raw/{word}-labels-idx1-ubyte").write_bytes(idx(arrays[f"{split}_labels"].astype(np.uint8)))
    main(["data", "convert", "raw", "a.npz"])
    found = np.load("a.npz")
    assert {*found} == {*arrays}
    for key, each in arrays.items():
        assert np.array_equal(found[key], each)
    main(["data", "convert", "a.npz", "b.npz"])  # the same content, the same bytes
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes()
    first, second = Arrays("raw", batch_size=4), Arrays("b.npz", batch_size=4)
    first.setup("fit")
    second.setup("fit")
    assert first.identity() == second.identity()
    capsys.readouterr()


def test_names_and_validation_go_along() -> None:
    rng = np.random.default_rng(0)
    names = np.array(["b10", "b9", "a"])
    arrays = save(
        train_labels=names[rng.permutation(30) % 3], test_labels=names[rng.permutation(12) % 3],
        val_images=random_images(6, 8, 6), val_labels=names[rng.permutation(6) % 3],
    )  # fmt: skip
    main(["data", "convert", "own.npz", "out.npz"])
    found = np.load("out.npz")
    assert found["classes"].tolist() == ["a", "b9", "b10"]
    for split in ("train", "val", "test"):
        assert np.array_equal(found["classes"][found[f"{split}_labels"]], arrays[f"{split}_labels"])


def test_a_stratified_fifth_is_kept_for_the_test(capsys: Captured) -> None:
    arrays = save(test_labels=None)
    with pytest.raises(ValueError):
        Arrays("own.npz").setup("fit")
    main(["data", "convert", "own.npz", "out.npz", "--split_test"])
    assert "6 of 30 training images were kept for the test" in capsys.readouterr().err
    found = np.load("out.npz")
    assert np.bincount(found["test_labels"]).tolist() == [2, 2, 2]
    both = {
        image.tobytes(): label
        for split in ("train", "test")
        for image, label in zip(found[f"{split}_images"], found[f"{split}_labels"], strict=True)
    }
    assert both == {
        image.tobytes(): label for image, label in zip(arrays["train_images"], arrays["train_labels"], strict=True)
    }
    Arrays("out.npz", batch_size=4).setup("fit")


def test_the_advice_for_a_file_of_another_format_leads_to_the_right_data() -> None:
    """Labels that are no classes yet: convert them unchecked, do the line of Python, and they are read."""
    rows = random_images(30, 12)
    Path("train.csv").write_text("\n".join(",".join(map(str, [k % 3, *row])) for k, row in enumerate(rows)) + "\n")
    Path("test.csv").write_text(Path("train.csv").read_text())
    with pytest.raises(ValueError) as caught:
        Arrays("train.csv").setup("fit")
    command, _, code = str(caught.value).partition(" Try: ")[2].partition(", and there ")
    main(shlex.split(command)[2:])
    arrays: dict[str, Any] = dict(np.load(shlex.split(command)[5]))
    names = {"numpy": np, **arrays}
    exec(code.partition("  # ")[0], names)
    np.savez("mended.npz", **{key: names[key] for key in arrays})
    module = Arrays("mended.npz", batch_size=4)
    module.setup("fit")
    assert np.array_equal(module.part("train").images.numpy(), rows.reshape(30, 3, 2, 2))


def test_a_file_without_a_test_part_gets_one_as_advised() -> None:
    images = random_images(30, 4, 4).reshape(30, -1)
    Path("my digits.csv").write_text(
        "\n".join(",".join(map(str, [k % 3, *row])) for k, row in enumerate(images)) + "\n"
    )
    with pytest.raises(ValueError) as caught:
        Arrays("my digits.csv").setup("fit")
    words = shlex.split(str(caught.value).partition(" Try: ")[2])
    end = words.index("--split_test,")
    main([*words[2:end], "--split_test"])
    assert words[end + 1 : end + 3] == ["then", "--data.path"]
    module = Arrays(words[-1], batch_size=4)
    module.setup("fit")
    assert {split: len(each) for split, each in module.splits.items()} == {"train": 22, "val": 2, "test": 6}


@pytest.mark.parametrize(
    "words",
    [
        "convert own.npz out.zip",
        "convert own.npz own.npz",
        "convert own.npz none/out.npz",
        "convert none.npz out.npz",
        "convert own.npz out.npz --split_test",
        "convert own.npz",
        "sow own.npz",
    ],
)
def test_what_cannot_be_written(words: str, capsys: Captured) -> None:
    save()
    before = Path("own.npz").read_bytes()
    refused(words, capsys)
    assert [path.name for path in Path().iterdir()] == ["own.npz"]
    assert Path("own.npz").read_bytes() == before


def test_an_archive_is_replaced_where_that_is_asked_for() -> None:
    save()
    save("other.npz", train_labels=np.arange(30) % 3)
    Path("out.npz").write_text("old")
    main(["data", "convert", "own.npz", "out.npz", "--replace"])
    assert "train_images" in np.load("out.npz")


# --- predict


def test_predict_takes_a_table_or_a_folder_of_idx(capsys: Captured) -> None:
    images = random_images(12, 28, 28)
    Path("raw").mkdir()
    Path("raw/t10k-images-idx3-ubyte").write_bytes(idx(images))
    Path("raw/t10k-labels-idx1-ubyte").write_bytes(idx((np.arange(12) % 10).astype(np.uint8)))
    Path("test.csv").write_text(
        "\n".join(",".join(map(str, [k % 10, *row])) for k, row in enumerate(images.reshape(12, -1)))
    )
    np.savez("new.npz", test_images=images, test_labels=np.arange(12) % 10)
    said: list[str] = []
    for path in ("raw", "raw/t10k-images-idx3-ubyte", "test.csv", "new.npz"):
        out = f"{len(said)}.csv"
        main(["predict", "mnist_softmax", path, "--out", out])
        assert "of 12 with a label" in capsys.readouterr().out
        said.append(Path(out).read_text())
    assert len(set(said)) == 1


def test_the_advice_for_images_of_another_shape_works() -> None:
    """Of a file that is no NumPy archive: it is made one first."""
    arrays = npz_arrays(8, 6)
    Path("raw").mkdir()
    for split, word in (("train", "train"), ("test", "t10k")):
        Path(f"raw/{word}-images-idx3-ubyte").write_bytes(idx(arrays[f"{split}_images"]))
        Path(f"raw/{word}-labels-idx1-ubyte").write_bytes(idx(arrays[f"{split}_labels"].astype(np.uint8)))
    command, _, code = Arrays("raw").shaped_for((3, 5, 7)).partition(", and there ")
    main(shlex.split(command)[2:])
    names: dict[str, Any] = {"numpy": np, **np.load("raw-arrays.npz")}
    exec(code, names)
    np.savez("shaped.npz", **{key: names[key] for key in arrays})
    assert Arrays("shaped.npz").in_shape == (3, 5, 7)

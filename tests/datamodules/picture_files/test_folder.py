"""Protects `--data Folder`: which files it takes, of which class and split, and that each becomes what predict sees."""

import io
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import Folder
from datamodules.picture_files import reading
from datamodules.picture_files.decode import Task, decode
from datamodules.picture_files.find import find
from datamodules.picture_files.quick import quick
from datamodules.splits import stratified_order
from picture_folders import draw, fill
from zoo.errors import DataError, UsageError
from zoo.prepare import open_picture, prepare


def folder(path: Path, **options: Any) -> Folder:
    """The data module, with its cache beside the pictures."""
    return Folder(str(path), root=str(path.parent / "data"), **options)


def names(path: Path, **options: Any) -> dict[str, list[str]]:
    """The files of each split."""
    found = find(path, **options)
    return {split: [entry.name for entry in found.entries[found.of_split(split)]] for split in found.counts}


# --- pixels


def noise(shape: tuple[int, ...], high: int = 256) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(0, high, shape)


def turned(image: Image.Image, path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(path, exif=exif)


COLOUR = Image.fromarray(noise((14, 18, 3)).astype(np.uint8))
GREY = Image.fromarray(noise((14, 18)).astype(np.uint8))
FORMS: dict[str, Any] = {
    "grey.png": GREY.save,
    "colour.png": COLOUR.save,
    "palette.png": COLOUR.quantize(16).save,
    "transparent.png": lambda path: GREY.convert("LA").save(path),
    "clear.png": lambda path: Image.fromarray(noise((14, 18, 4)).astype(np.uint8)).save(path),
    "bits.png": GREY.convert("1").save,
    "deep.png": lambda path: Image.fromarray(noise((14, 18), 65536).astype(np.uint16)).save(path),
    "turned.png": lambda path: turned(COLOUR, path),
    "described.png": lambda path: COLOUR.save(path, dpi=(72, 72)),
    "grey.jpg": GREY.save,
    "colour.jpg": COLOUR.save,
    "fine.jpg": lambda path: COLOUR.save(path, quality=95, subsampling=0),
    "progressive.jpg": lambda path: COLOUR.save(path, progressive=True, comment="hello"),
    "printed.jpg": COLOUR.convert("CMYK").save,
    "turned.jpg": lambda path: turned(COLOUR, path),
    "colour.bmp": COLOUR.save,
    "colour.gif": COLOUR.save,
    "colour.webp": COLOUR.save,
    "colour.tif": COLOUR.save,
    "grey.pgm": GREY.save,
}


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of each form in two classes."""
    root = tmp_path_factory.mktemp("forms") / "pictures"
    for name in "ab":
        (root / name).mkdir(parents=True)
        for form, save in FORMS.items():
            save(root / name / form)
    return root


@pytest.mark.parametrize("options", [{}, {"size": 18}, {"size": [14, 18]}, {"size": 9, "channels": 1}], ids=str)
def test_a_picture_is_what_predict_makes_of_it(options: dict[str, Any], forms: Path) -> None:
    module = folder(forms, **options)
    module.setup("fit")
    assert module.in_shape == (options.get("channels", 3), *np.broadcast_to(options.get("size", 32), 2))
    for split in ("train", "test"):
        for name, image in zip(module.file_names(split), module.part(split).images.numpy(), strict=True):
            assert np.array_equal(image, prepare(open_picture(forms / name), module.in_shape)), name
    assert sum(len(module.part(split).labels) for split in ("train", "test")) == 2 * len(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_the_quick_way_gives_the_very_pixels(form: str, forms: Path) -> None:
    image = quick((forms / "a" / form).read_bytes())
    plain = ("grey.png", "colour.png", "described.png", "grey.jpg", "colour.jpg", "fine.jpg", "progressive.jpg")
    assert (image is not None) == (form in plain)
    if image is not None:
        slow = open_picture(forms / "a" / form)
        assert image.mode == slow.mode
        assert np.array_equal(np.asarray(image), np.asarray(slow))


@pytest.mark.parametrize("form", ["grey.png", "colour.png", "colour.jpg", "progressive.jpg"])
def test_a_damaged_file_is_never_taken_quickly_for_another_picture(form: str, forms: Path, tmp_path: Path) -> None:
    """Whatever is not the slow way's picture is left to it, with its message."""
    whole, random = (forms / "a" / form).read_bytes(), np.random.default_rng(0)
    for k in range(300):
        content = bytearray(whole)
        for place in random.integers(0, len(whole), 1 + k % 3):
            content[place] = random.integers(256)
        if k % 5 == 0:
            content = content[: random.integers(1, len(whole))]
        image = quick(bytes(content))
        if image is None:
            continue
        path = tmp_path / form
        path.write_bytes(content)
        slow = open_picture(path)  # raises nothing
        assert (image.mode, image.tobytes()) == (slow.mode, slow.tobytes())


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("forks", [True, False])
def test_as_many_processes_as_one_likes_make_the_same(
    workers: int, forks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datamodules.picture_files.decode.FORKS", forks)
    root = fill(tmp_path / "pictures", {"a": 70, "b": 40}, sizes=[(12, 10), (9, 30)])
    found = find(root)
    files = [entry.name for entry in found.entries]
    decoded = decode(Task(root, files, (3, 8, 8), 90), workers)
    truth = np.stack([prepare(open_picture(root / name), (3, 8, 8)) for name in files])
    assert np.array_equal(decoded.pixels, truth)
    assert np.array_equal(decoded.counts.sum(0)[1], np.bincount(truth[:90, 1].ravel(), minlength=256))
    assert decoded.seen.sizes == {(9, 30): 55, (12, 10): 55}


def test_statistics_are_those_of_the_training_pictures(tmp_path: Path) -> None:
    root = fill(tmp_path / "pictures", {f"{s}/{c}": 20 for s in ("train", "val", "test") for c in "ab"})
    module = folder(root)
    module.setup("fit")
    train = module.part("train").images[:40].double() / 255
    mean, std = module.statistics
    assert mean == pytest.approx(train.mean((0, 2, 3)).tolist())
    assert std == pytest.approx(train.std((0, 2, 3), correction=0).tolist())


# --- size and colours


@pytest.mark.parametrize(
    ("sizes", "grey", "shape"),
    [
        ([(12, 10)], False, (3, 10, 12)),
        ([(12, 10)], True, (1, 10, 12)),
        ([(12, 10), (10, 12)], False, (3, 32, 32)),
        ([(129, 10)], True, (1, 32, 32)),
    ],
)
def test_size_and_colours_are_the_pictures_own_if_all_agree(
    sizes: list[tuple[int, int]], grey: bool, shape: tuple[int, ...], tmp_path: Path
) -> None:
    module = folder(fill(tmp_path / "pictures", {"a": 10, "b": 10}, grey=grey, sizes=sizes))
    assert module.in_shape == shape
    assert module.settled == {"channels": shape[0], "size": 32 if shape[1] == 32 else [10, 12]}


def test_the_one_picture_that_differs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first look sees some of them only."""
    monkeypatch.setattr(reading, "SAMPLE", 2)
    root = fill(tmp_path / "pictures", {"a": 40, "b": 40}, grey=True)
    assert folder(root).in_shape == (1, 10, 12)
    draw(root / "a/39.png")
    assert folder(root).in_shape == (3, 10, 12)
    draw(root / "b/38.png", size=(5, 5))
    assert folder(root).in_shape == (3, 32, 32)
    assert folder(root, channels=1).in_shape == (1, 32, 32)


def test_pictures_without_a_colour_are_grey_however_they_are_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = fill(tmp_path / "pictures", {"a": 10, "b": 10}, grey=True)
    for path in root.glob("a/*"):
        Image.open(path).convert("RGB").save(path)
    for size in (None, 16):
        module = folder(root, size=size)
        module.setup("fit")
        assert "grey (10 are stored as colour and show none)" in capsys.readouterr().out
        for name, image in zip(module.file_names("train"), module.part("train").images.numpy(), strict=True):
            assert np.array_equal(image, prepare(open_picture(root / name), module.in_shape))
        values = module.part("train").images.double() / 255
        assert module.statistics[0] == pytest.approx([values.mean().item()])


# --- classes and splits


def test_classes_are_in_natural_order_and_what_is_no_picture_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = fill(tmp_path / "pictures", {"10": 5, "2": 6, "1": 5, ".ipynb_checkpoints": 1, "__MACOSX": 2})
    for name in ("1/notes.txt", "1/b.txt", "2/x.HEIC", "2/.DS_Store", "1/README"):
        (root / name).write_text("x")
    (root / "1/link.png").symlink_to("nowhere.png")
    module = folder(root)
    module.setup("fit")
    said = capsys.readouterr()
    assert [*module.classes] == ["1", "2", "10"]
    assert "3 classes (1, 2, 10); images of one class: train 4 (1) to 5 (2), test 1 (a fifth" in said.out
    assert "2 .txt, 2 hidden, 1 .heic, 1 __MACOSX, 1 broken link, 1 without ending" in said.err


@pytest.mark.parametrize(
    ("train", "val", "test"), [("train", None, "test"), ("Train", "VALID", "Test"), ("TRAIN", "validation", None)]
)
def test_splits_are_folders_at_the_top_in_any_case(
    train: str, val: str | None, test: str | None, tmp_path: Path
) -> None:
    root = fill(tmp_path / "pictures", {f"{s}/{c}": 10 for s in (train, val, test) if s for c in ("a", "b")})
    found = names(root)
    assert {name.split("/")[0] for name in found["train"]} == {train}
    assert {name.split("/")[0] for name in found["test"]} == {test or train}
    assert {name.split("/")[0] for name in found.get("val", [])} == ({val} if val else set())
    module = folder(root)
    module.setup("fit")
    assert len(module.splits["val"]) == (20 if val else 2)
    assert {module.file_names("train")[i].split("/")[0] for i in module.splits["val"]} == {val or train}
    assert (module.test_from is None) == bool(test)


def test_names_of_files_and_of_classes_say_nothing_of_splits(tmp_path: Path) -> None:
    root = fill(tmp_path / "pictures", {"bus": 5, "car": 5, "train": 5})
    draw(root / "bus/a_test_1.png", 99)
    assert find(root).classes == ("bus", "car", "train")
    assert find(fill(tmp_path / "other", {"train/val": 5, "train/test": 5})).classes == ("test", "val")


def test_a_fifth_is_kept_aside_the_same_each_time(tmp_path: Path) -> None:
    root = fill(tmp_path / "pictures", {"a": 50, "b": 25, "c": 5})
    found = find(root)
    assert found.kept_aside
    assert Counter(found.labels[found.of_split("test")].tolist()) == {0: 10, 1: 5, 2: 1}
    all_names = sorted(names(root)["train"] + names(root)["test"])
    order = stratified_order(torch.from_numpy(np.repeat([0, 1, 2], [50, 25, 5])))
    assert names(root)["test"] == sorted(all_names[i] for i in order[:16])
    shutil.copytree(root, tmp_path / "elsewhere")
    assert names(tmp_path / "elsewhere") == names(root)


def test_deeper_pictures_are_of_their_class_where_that_is_said(tmp_path: Path) -> None:
    root = fill(tmp_path / "pictures", {"a/one/two": 6, "a": 2, "b": 8})
    with pytest.raises(DataError, match=r"found 6 deeper, such as a/one/two/0.png. Try: --data.recursive true"):
        find(root)
    assert Counter(find(root, recursive=True).labels.tolist()) == {0: 8, 1: 8}


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"a": 9}, "expected at least 2 folders with training pictures, found a only"),
        ({"a": 9, "b": 0}, "expected at least 2 folders with training pictures, found a only"),
        ({}, "expected DIR/CLASS/PICTURE (.png, .jpg, .jpeg, .bmp …), found none"),
        ({"a": 0, "train": 0}, "expected DIR/CLASS/PICTURE"),
        ({".": 5}, "expected each in a folder, which is its class, found 5 pictures in none, such as 0.png"),
        ({"train/a": 5, "train/b": 5, "test": 5}, "found 5 pictures in none, such as test/0.png. Try: mv "),
        ({"train/a": 3, "train": 3}, "expected each in a folder, which is its class, found 3 pictures in none"),
        ({"cat": 5, "Cat": 5}, "found Cat and cat, which differ by case only"),
        ({"train/cat": 5, "test/Cat": 5}, "found Cat and cat, which differ by case only"),
        ({"train/a": 5, "Train/a": 5}, "expected one for train, found Train, train"),
        ({"valid/a": 5, "val/a": 5}, "expected one for val, found val, valid"),
        ({"train/a": 5, "extra": 5}, "expected classes, or train, val, test alone, found extra beside train"),
        ({"test/a": 5}, "expected pictures in train, found test with 5 pictures"),
        ({"train/a": 5, "train/b": 5, "test/c": 4}, "others (class c: 0 training, 4 test images)"),
        ({"train/a": 5, "train/b": 5, "val/c": 4}, "others (class c: 0 training, 4 validation images)"),
        ({"a\nb": 5, "c": 5}, "expected a class's name, printable text"),
        ({"e\u0301": 5, "\u00e9": 5}, "expected different names, found 'é' twice"),
    ],
    ids=str,
)
def test_what_can_mean_several_things_is_refused(counts: dict[str, int], words: str, tmp_path: Path) -> None:
    root = fill(tmp_path / "pictures", counts)
    root.mkdir(exist_ok=True)
    with pytest.raises(DataError) as caught:
        folder(root).setup("fit")
    assert words in str(caught.value)
    assert "expected" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("own.npz", "found the archive own.npz. Try: --data Arrays --data.path own.npz"),
        ("own.zip", "Try: unpack it"),
        ("own.png", "found the file own.png"),
        ("nowhere", "found nothing at nowhere"),
    ],
)
def test_what_is_no_folder_is_named(name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for each in ("own.npz", "own.zip", "own.png"):
        (tmp_path / each).touch()
    with pytest.raises(DataError) as caught:
        Folder(name).setup("fit")
    assert words in str(caught.value)


def test_a_class_without_a_picture_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = folder(fill(tmp_path / "pictures", {"a": 9, "b": 9, "empty": 0}))
    module.setup("fit")
    assert "no picture of class empty" in capsys.readouterr().err
    assert module.num_classes == 3


def test_the_same_picture_in_training_and_test_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = fill(tmp_path / "pictures", {f"{s}/{c}": 10 for s in ("train", "test") for c in "ab"})
    shutil.copy(root / "train/a/3.png", root / "test/b/again.png")
    folder(root).setup("fit")
    line = "the same picture in train and test of"
    assert line in (said := capsys.readouterr().err)
    assert "1 of test, such as test/b/again.png (train/a/3.png)" in said
    folder(root).setup("fit")
    assert line in capsys.readouterr().err  # known from the cache


# --- a network that is asked about other pictures


def test_classes_are_found_by_the_names_of_the_network(tmp_path: Path) -> None:
    root = fill(tmp_path / "pictures", {"test/owl": 3, "test/cat": 2})
    module = folder(root, known_classes=3)
    module.call_classes(["owl", "dog", "cat"])
    module.setup("test")
    assert module.part("test").labels.tolist() == [2, 2, 0, 0, 0]
    assert module.num_classes == 3
    with pytest.raises(UsageError, match=r"found owl. Try: mv .*pictures/test/owl to another place"):
        module.call_classes(["dog", "cat"])


# --- files that cannot be read


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Two of 24 pictures cannot be read."""
    root = fill(tmp_path / "pictures", {"a": 11, "b": 13})
    whole = (root / "a/3.png").read_bytes()
    (root / "a/3.png").write_bytes(whole[: len(whole) // 2])
    (root / "b/5.png").write_bytes(b"no picture")
    return root


def test_a_broken_picture_is_named(broken: Path) -> None:
    for _ in range(2):
        with pytest.raises(DataError) as caught:
            folder(broken).setup("fit")
        text = str(caught.value)
        assert text.startswith("picture in ")
        assert "a/3.png: expected a whole file, found a damaged one" in text or "b/5.png: expected one that" in text
        assert "and 1 more: " in text
        assert text.endswith("Try: --data.skip_broken true leaves them out")


def test_broken_pictures_can_be_left_out(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    all_names = names(broken)
    for _ in range(2):  # decoded, and from the cache
        module = folder(broken, skip_broken=True)
        module.setup("fit")
        assert ": 2 that cannot be read: " in capsys.readouterr().err
        for split in ("train", "test"):
            good = [name for name in all_names[split] if name not in ("a/3.png", "b/5.png")]
            assert module.file_names(split) == good  # the other files stay in their split
            images, labels = module.part(split)
            assert labels.tolist() == [int(name[0] == "b") for name in good]
            for name, image in zip(good, images.numpy(), strict=True):
                assert np.array_equal(image, prepare(open_picture(broken / name), module.in_shape))
    with pytest.raises(DataError, match=r"picture in .*: expected"):
        folder(broken).setup("fit")


def test_nothing_but_broken_pictures_is_an_error(tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    for name in ("a/1.png", "b/2.png"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(b"no picture")
    with pytest.raises(DataError, match="expected one that Pillow can read"):
        folder(root, skip_broken=True).setup("fit")


def test_an_animation_is_refused(tmp_path: Path) -> None:
    root = fill(tmp_path / "pictures", {"a": 3, "b": 3})
    content = io.BytesIO()
    COLOUR.save(content, "GIF", save_all=True, append_images=[GREY.convert("RGB")])
    (root / "a/moves.gif").write_bytes(content.getvalue())
    with pytest.raises(DataError, match=r"moves.gif: expected one image, found 2 frames"):
        folder(root).setup("fit")

"""Protects those who ask a trained network about pictures: `predict NAME|RUN|DIR PICTURE …` gives the answers of
`zoo.load`, a row for each picture, says in one line what is no picture, and imports nothing that takes seconds."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo.prepare as preparing
import zoo.weights.store as store
from cli import main
from small_runs import digits_mlp, digits_test
from zoo.prepare import flatten
from zoo.weights.loading import load

ROOT = Path(__file__).parents[3]
PICTURES = ROOT / "tests/pictures"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_mlp(tmp_path_factory.mktemp("runs") / "run", "--data.shuffle_pixels 3")


@pytest.fixture(scope="module")
def saved(run: Path) -> Path:
    """A folder with the card of its weights."""
    main(["weights", "save", str(run), "--out", str(run.parent / "out"), "--name", "digits_mlp"])
    return run.parent / "out"


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Test images (N, 28, 28) uint8, and their labels."""
    images, labels = digits_test()
    return images[:, 0], labels


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pictures(images: np.ndarray, folder: str = "pictures") -> list[Path]:
    """Files 1.png, 2.png, … in a folder."""
    Path(folder).mkdir()
    paths = [Path(folder, f"{i + 1}.png") for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def refused(*argv: Any, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code, and the only line that is an error."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["predict", *map(str, argv)])
    [line] = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
    return int(str(stop.value.code)), line


def test_a_row_for_each_picture(
    run: Path, saved: Path, digits: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = pictures(digits[0][:12])
    (Path("pictures") / "notes.txt").touch()
    (Path("pictures") / "more").mkdir()
    capsys.readouterr()
    main(["predict", str(saved), "pictures", "--out", "all.csv"])
    said = capsys.readouterr()
    assert said.err == "warning: pictures: 1 other file and 1 folder skipped, 12 pictures read\n"
    table = rows("all.csv")
    classes = [str(k) for k in range(10)]
    assert list(table[0]) == ["index", "label", "predicted", "predicted_class", *(f"p_{k}" for k in classes), "file"]
    assert [row["file"] for row in table] == [str(path) for path in paths]  # 2 before 10
    expected = load(run)(paths)
    assert np.abs(np.array([[float(row[f"p_{k}"]) for k in classes] for row in table]) - expected).max() < 1e-6
    assert [row["predicted_class"] for row in table] == load(saved).predict(paths)
    best = np.sort(expected[1])[::-1][:3]
    [line] = [line for line in said.out.splitlines() if line.startswith(str(paths[1]))]
    assert [float(word) for word in line.split() if "." in word[:-1] and "/" not in word] == pytest.approx(
        100 * best, abs=0.006
    )
    note = json.loads(Path("all.data.json").read_text())
    assert (note["source"], note["images"], note["prepare"]) == (str(Path("pictures").absolute()), 12, "digits")


def test_files_of_any_name_have_their_row(
    saved: Path, digits: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell that begins as a formula would be computed by a spreadsheet; `./NAME` is the same file."""
    [path] = pictures(digits[0][:1], "one")
    names = [
        "=1+1.png",
        "-x.png",
        "@a.png",
        "+b.png",
        "ü, ö.png",
        'a"\nb.png',
        os.fsdecode(b"\xff.png"),
        "c" * 200 + ".png",
    ]
    Path("all").mkdir()
    for name in names:
        shutil.copy(path, Path("all", name))
    monkeypatch.chdir("all")
    main(
        [
            "predict",
            str(saved),
            *(f"./{name}" for name in names),
            names[0],
            str(Path("../all").resolve()),
            "--out",
            "a.csv",
        ]
    )
    files = [row["file"] for row in rows("a.csv")]
    assert files[:4] == ["./=1+1.png", "./-x.png", "./@a.png", "./+b.png"]
    assert files[4:9] == ["ü, ö.png", 'a"\nb.png', r"\xff.png", "c" * 200 + ".png", "./=1+1.png"]
    assert len(files) == 2 * len(names) + 1  # one that is named twice is asked twice
    assert len({row["p_3"] for row in rows("a.csv")}) == 1


def test_weights_may_be_a_run_a_folder_or_a_name(
    run: Path,
    saved: Path,
    digits: tuple[np.ndarray, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = [str(path) for path in pictures(digits[0][:3])]
    monkeypatch.setattr(store, "OWN", saved)
    found = []
    for words in (
        [str(run), *paths],
        [str(saved), *paths],
        ["digits_mlp", *paths],
        ["--prepare", "photo", "digits_mlp", paths[0], "--debug", *paths[1:]],
    ):
        capsys.readouterr()
        main(["predict", *words])
        found.append(capsys.readouterr().out.splitlines()[1:])
    assert found[0] == found[1] == found[2] == found[3]
    assert len(found[0]) == 4


def test_of_many_pictures_some_are_shown(
    saved: Path, digits: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(digits[0][:23])
    main(["predict", str(saved), "pictures"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "… and 3 more"
    assert len(lines) == 2 + 20 + 1
    assert [path.name for path in Path().iterdir()] == ["pictures"]  # nothing is written unasked


def test_an_archive_is_seen_as_by_the_run(
    run: Path, saved: Path, digits: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = digits
    np.savez("new.npz", x_test=images, y_test=labels[:, None].astype(float), train_images=images[:9], other=labels)
    main(["predict", str(saved), "new.npz", "--out", "new.csv"])
    said = capsys.readouterr()
    assert said.err == "warning: arrays in new.npz that are not used: other\n"
    right = json.loads((run / "result.json").read_text())["test"]["accuracy"]
    assert said.out.splitlines()[-2].startswith(f"accuracy: {100 * right:.2f} %, ")
    main(["predict", "--run_dir", str(run), "--data.path", "new.npz", "--out", "old.csv"])
    old, new = rows("old.csv"), rows("new.csv")
    assert [[row[key] for key in ("index", "label", "predicted")] for row in new] == [
        [row[key] for key in ("index", "label", "predicted")] for row in old
    ]
    assert max(abs(float(a["p_3"]) - float(b["p_3"])) for a, b in zip(old, new, strict=True)) < 5e-6


def test_images_of_an_archive_may_be_prepared_as_pictures(
    saved: Path, digits: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    large = digits[0][:5].repeat(2, 1).repeat(2, 2)
    np.savez("large.npz", test_images=np.stack([large] * 3, axis=3))
    pictures(large)
    code, line = refused(saved, "large.npz", capsys=capsys)
    assert code == 2
    assert "shape of test_images in large.npz: expected 28 × 28 × 1 for each image" in line
    assert "found 56 × 56 × 3. Try: --prepare digits, which brings them there" in line
    main(["predict", str(saved), "large.npz", "--prepare", "photo", "--out", "a.csv"])
    assert "converted to grey" in capsys.readouterr().err
    main(["predict", str(saved), "pictures", "--prepare", "photo", "--out", "b.csv"])
    assert [row["p_1"] for row in rows("a.csv")] == [row["p_1"] for row in rows("b.csv")]


def test_text_labels_and_inverted_images_are_noticed(
    saved: Path, digits: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = digits
    np.savez("text.npz", test_images=images, test_labels=labels.astype(str))
    np.savez("numbers.npz", test_images=images, test_labels=labels)
    np.savez("inverted.npz", test_images=255 - images)
    accuracies = []
    for name in ("text.npz", "numbers.npz"):
        main(["predict", str(saved), name])
        accuracies.append(capsys.readouterr().out.splitlines()[-1])
    assert accuracies[0] == accuracies[1]
    main(["predict", str(saved), "inverted.npz"])
    assert "inverted?" in capsys.readouterr().err


def test_colours_are_told_once_to_a_network_of_greys(
    saved: Path, digits: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    grey = digits[0][:4]
    red = np.stack([grey, grey // 2, grey // 4], axis=3)
    paths = pictures(np.concatenate([red, np.stack([grey] * 3, axis=3)]))
    main(["predict", str(saved), *map(str, paths)])
    said = "4 pictures, such as pictures/1.png, are in colour: converted to grey, as digits_mlp was trained"
    assert capsys.readouterr().err == f"warning: {said}\n"


def test_of_many_pictures_the_whole_ones_are_done(
    saved: Path, digits: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = pictures(digits[0][:9])
    whole = paths[3].read_bytes()
    paths[3].write_bytes(whole[:90])
    code, line = refused(saved, "pictures", "--out", "out.csv", capsys=capsys)
    assert code == 1
    assert line.startswith("error: picture in pictures/4.png: expected a whole file, found a damaged one")
    assert line.endswith("The other 8 are done")
    assert [row["index"] for row in rows("out.csv")] == [*"01245678"]
    assert [row["file"] for row in rows("out.csv")] == [str(path) for path in paths if path != paths[3]]
    paths[7].write_text("none")
    code, line = refused(saved, *paths[3:5], paths[7], capsys=capsys)
    assert code == 1
    assert line.endswith("; and of 1 more: pictures/8.png. The other 1 is done")


GOOD = "digits_mlp good.png"
BAD: dict[str, tuple[str, int, str]] = {
    "no such name": ("digits_mlq good.png", 2, "name in weights: expected .*, found 'digits_mlq'. Try: digits_mlp"),
    "no picture named": ("digits_mlp", 2, "predict digits_mlp: expected files, .* found none"),
    "no such picture": ("digits_mlp god.png", 2, "picture in god.png: .* found none. Try: good.png"),
    "a name of 300 letters": (f"digits_mlp {'x' * 300}.png", 1, "found 'File name too long'. Try: a shorter name"),
    "a file of 300 letters": (f"digits_mlp good.png --out {'x' * 300}.csv", 1, "too long'. Try: a shorter name"),
    "a text": ("digits_mlp text.png", 1, "picture in text.png: expected one that Pillow can read"),
    "an empty file": ("digits_mlp empty.png", 1, "picture in empty.png: expected 1 to .* bytes, found 0"),
    "half a file": ("digits_mlp cut.png", 1, "picture in cut.png: expected a whole file, found a damaged one"),
    "enormous": ("digits_mlp large.png", 1, "large.png: expected at most 2,000 pixels, found 50 × 60"),
    "moving": ("digits_mlp moving.gif", 1, "picture in moving.gif: expected one image, found 2 frames"),
    "no ink": ("digits_mlp flat.png --prepare digits", 1, "ink in the picture flat.png: .* Try: --prepare photo"),
    "an empty folder": ("digits_mlp nothing", 2, "pictures in nothing: expected some .*, found nothing"),
    "a folder of others": ("digits_mlp archives", 2, "found 1 other file. Try: archives/a.npz"),
    "a folder of folders": ("digits_mlp folders", 2, r"found 1 folder. Try: folders/\*"),
    "no images": ("digits_mlp labels.npz", 1, "labels.npz: expected test_images, found y: test_images missing"),
    "other names": ("digits_mlp names.npz", 1, "Try: python -c .*names-named.npz.*, then in its place names-named.npz"),
    "no archive": ("digits_mlp text.npz", 1, "archive in text.npz: expected plain arrays"),
    "numbers of another kind": ("digits_mlp floats.npz", 1, "test_images in floats.npz: expected .* Try: "),
    "an array without images": ("digits_mlp none.npz", 1, "none.npz: expected"),
    "classes from 1": ("digits_mlp ones.npz", 1, "found 1 to 10. Try: test_labels = test_labels - 1$"),
    "two kinds": (f"{GOOD} labels.npz", 2, "one file of arrays alone, found labels.npz among 2"),
    "no such folder": (f"{GOOD} --out no/a.csv", 2, "folder in --out: .* found none at no. Try: --out a.csv"),
    "a directory": (f"{GOOD} --out nothing", 2, "found the folder nothing. Try: --out nothing/predictions.csv"),
    "another ending": (f"{GOOD} --out a.txt", 2, "ends in .csv, found a.txt. Try: --out a.csv"),
    "another file": (f"{GOOD} --out mine.csv", 2, "expected a new one, or predictions, found another"),
    "another way": (
        f"{GOOD} --prepare digit",
        2,
        "one of photo, digits, found 'digit'. Try: --prepare digits",
    ),
    "another flag": (f"{GOOD} --ot a.csv", 2, "expected one of .*--out.*, found '--ot'. Try: --out"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_in_one_line(
    name: str, saved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, code, said = BAD[name]
    monkeypatch.setattr(store, "OWN", saved)
    monkeypatch.setattr(preparing, "MOST_PIXELS", 2_000)
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    Image.fromarray(noise).save("good.png")
    Image.fromarray(noise).resize((50, 60)).save("large.png")
    Image.new("L", (30, 30), 90).save("flat.png")
    frames = [Image.new("L", (4, 4), grey) for grey in (0, 255)]
    frames[0].save("moving.gif", save_all=True, append_images=frames[1:])
    Path("cut.png").write_bytes(Path("good.png").read_bytes()[:200])
    for path in ("text.png", "text.npz", "mine.csv"):
        Path(path).write_text("mine")
    Path("empty.png").touch()
    Path("nothing").mkdir()
    Path("folders/inner").mkdir(parents=True)
    Path("archives").mkdir()
    Path("archives/a.npz").touch()
    np.savez("labels.npz", y=np.arange(3))
    np.savez("ones.npz", test_images=noise[None].repeat(10, 0), test_labels=np.arange(1, 11))
    np.savez("floats.npz", test_images=noise[None] / 255)
    np.savez("none.npz", test_images=noise[None][:0])
    np.savez("names.npz", X=noise[None])
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    found, line = refused(*words.split(), capsys=capsys)
    assert found == code
    assert line.startswith("error: ")
    assert re.search(said, line), line
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_predictions_take_the_place_of_no_others(
    saved: Path, digits: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = pictures(digits[0][:2])
    for _ in range(2):  # the same may be asked again
        main(["predict", str(saved), str(paths[0]), "--out", "out.csv"])
    code, line = refused(saved, paths[1], "--out", "out.csv", capsys=capsys)
    assert code == 2
    assert line.endswith("Try: --out out-2.csv")
    Path("there").mkdir()
    main(["predict", str(saved), str(paths[0]), "--out", "there/out.csv"])
    for name, advice in (("out.csv", "out-2.csv"), ("out.txt", "out.csv")):
        assert refused(saved, paths[1], "--out", f"there/{name}", capsys=capsys)[1].endswith(
            f"Try: --out there/{advice}"
        )


def test_drawings_are_read() -> None:
    """A dark pen on bright paper, a red one on lines, ink on nothing: by a network that the zoo comes with."""
    found = load("mnist_lenet").predict([PICTURES / f"{name}.png" for name in ("seven", "three", "five")])
    assert found == ["7", "3", "5"]


def test_the_pictures_are_those_that_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PICTURES))
    import draw

    for name, make in draw.PICTURES.items():
        there, made = (np.asarray(flatten(each)).astype(int) for each in (Image.open(PICTURES / name), make()))
        assert there.shape == made.shape
        assert np.abs(there - made).mean() < 5  # of 255; another Pillow rounds otherwise, and JPEG loses some


SLOW = ("lightning", "jsonargparse", "matplotlib", "torchmetrics", "torchvision", "scipy", "sklearn", "rich")


@pytest.mark.parametrize("what", ["a.png", "none.png", "a.npz"])
@pytest.mark.parametrize("own", [True, False], ids=["of the zoo", "of a folder"])
def test_nothing_slow_is_imported(what: str, own: bool, saved: Path, digits: tuple[np.ndarray, np.ndarray]) -> None:
    """With weights of the zoo not even torch."""
    Image.fromarray(digits[0][0]).save("a.png")
    np.savez("a.npz", test_images=digits[0][:3])
    slow = (*SLOW, "torch") if own else SLOW
    code = f"""
import sys
sys.argv = ["zoo", "predict", {"mnist_lenet" if own else str(saved)!r}, {what!r}]
import cli
try:
    cli.main()
finally:
    print(*sorted({{name.partition(".")[0] for name in sys.modules}} & {{*{slow!r}}}), sep=",", file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == (2 if what == "none.png" else 0), done.stderr
    assert done.stderr.splitlines()[-1] == ""

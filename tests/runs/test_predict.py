"""Protects those who ask a trained network about other images: they look as those of its training did, whatever data
that was; their predictions take the place of no others, and the files say which data and which classes these were."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli import main
from datamodules import Digits

RUN = [
    *("fit", "--data", "Digits", "--data.train_size", "320", "--data.shuffle_pixels", "3", "--model", "MLP"),
    *("--model.hidden", "[16]", "--figures", "false", "--trainer.max_epochs", "2", "--trainer.accelerator", "cpu"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on Digits, whose class knows no path."""
    folder = tmp_path_factory.mktemp("runs") / "r"
    main([*RUN, "--run_dir", str(folder)])
    main(["predict", "--run_dir", str(folder)])
    return folder


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """The images of its test (N, H, W), and their labels."""
    data = Digits()
    data.setup("test")
    images, labels = data.part("test")
    return images[:, 0].numpy(), labels.numpy()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def predict(run: Path, *argv: Any) -> None:
    main(["predict", "--run_dir", str(run), *map(str, argv)])


def refused(run: Path, *argv: Any) -> int:
    with pytest.raises(SystemExit) as stop:
        predict(run, *argv)
    return int(str(stop.value.code))


def without_labels(table: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != "label"} for row in table]


def test_predictions_name_the_classes_and_the_data(run: Path) -> None:
    table = rows(run / "predictions.csv")
    assert list(table[0]) == ["index", "label", "predicted", "predicted_class", *(f"p_{k}" for k in range(10))]
    assert all(row["predicted"] == row["predicted_class"] for row in table)
    note = json.loads((run / "predictions.data.json").read_text())
    assert (note["source"], note["images"], note["classes"]) == ("Digits", 359, [*"0123456789"])
    assert len(note["sha256"]) == 64


@pytest.mark.parametrize("dummies", ["none", "black", "noise", "other labels"])
def test_an_archive_is_seen_as_the_training_was(
    run: Path, digits: tuple[np.ndarray, np.ndarray], dummies: str, tmp_path: Path
) -> None:
    """Constants and pixel places are those of the training, whatever training images lie in the archive."""
    images, _ = digits
    noise = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    train: dict[str, dict[str, Any]] = {
        "none": {},
        "black": {"train_images": noise * 0, "train_labels": np.zeros(40, int)},
        "noise": {"train_images": noise},
        "other labels": {"train_images": noise, "train_labels": np.arange(40) % 3},
    }
    new = tmp_path / f"{dummies}.npz"
    np.savez(new, test_images=images, **train[dummies])
    before = (run / "predictions.csv").read_bytes()
    predict(run, "--data.path", new)
    name = dummies.replace(" ", "_")
    assert without_labels(rows(run / f"predictions-{name}.csv")) == without_labels(rows(run / "predictions.csv"))
    assert json.loads((run / f"predictions-{name}.data.json").read_text())["source"] == str(new)
    assert (run / "predictions.csv").read_bytes() == before


def test_an_archive_is_scored_as_the_test_was(
    run: Path, digits: tuple[np.ndarray, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = digits
    np.savez(tmp_path / "new.npz", test_images=images, test_labels=labels[:, None].astype(float))
    tables = []
    for argv in (
        [],
        [f"--data.path={tmp_path / 'new.npz'}"],
        ["--data", "Arrays", "--data.path", str(tmp_path / "new.npz")],
    ):
        capsys.readouterr()
        main(["test", "--run_dir", str(run), *argv])
        tables.append([line for line in capsys.readouterr().out.splitlines() if "│ test" in line])
    assert tables[0] == tables[1] == tables[2] != []


def test_no_predictions_take_the_place_of_others(
    run: Path, digits: tuple[np.ndarray, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, _ = digits
    paths = [tmp_path / name for name in ("a/new.npz", "b/new.npz")]
    for path, some in zip(paths, (images[:9], 255 - images[:5]), strict=True):
        path.parent.mkdir()
        np.savez(path, test_images=some)
        predict(run, "--data.path", path)
    assert "inverted?" in capsys.readouterr().err
    predict(run, "--data.path", paths[0])  # once more
    assert len(rows(run / "predictions-new.csv")) == 9
    assert len(rows(run / "predictions-new-2.csv")) == 5
    out = tmp_path / "mine/out.csv"
    predict(run, "--data.path", paths[0], "--out", out)
    predict(run, "--data.path", paths[0], "--out", out)
    assert rows(out) == rows(run / "predictions-new.csv")
    kept = out.read_bytes()
    notes = tmp_path / "notes.csv"
    notes.write_text("my notes")
    assert refused(run, "--data.path", paths[1], "--out", out) == 2
    assert refused(run, "--out", notes) == 2
    assert refused(run, "--out", paths[0]) == 2
    assert (out.read_bytes(), notes.read_text()) == (kept, "my notes")


@pytest.mark.parametrize("form", ["colour", "large", "large and in colour"])
@pytest.mark.parametrize("verb", ["predict", "test"])
def test_images_of_another_shape_are_brought_to_that_of_the_run(
    run: Path, form: str, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = np.zeros((9, 32, 30) if "large" in form else (9, 28, 28), np.uint8)
    arrays: dict[str, Any] = {"test_images": images, "test_labels": np.arange(9)}
    if "colour" in form:
        arrays["test_images"] = np.repeat(images[..., None], 3, axis=3)
    path = tmp_path / "new.npz"
    np.savez(path, **arrays)
    argv = [verb, "--run_dir", str(run), "--data.path", str(path)]
    with pytest.raises(SystemExit):
        main([*argv])
    line = capsys.readouterr().err.strip().splitlines()[-1]
    found = f"{3 if 'colour' in form else 1} × {' × '.join(map(str, images.shape[1:]))}"
    assert f"images in {path}: expected 1 × 28 × 28 as in the run, found {found}. Try: " in line
    names: dict[str, Any] = {"numpy": np, **arrays}
    exec(line.partition(" Try: ")[2], names)
    np.savez(path, **{key: names[key] for key in arrays})
    main(argv)

"""Protects runs on folders of pictures: what was found is written down, and each verb takes the same."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

import zoo
from cli import main
from datamodules import Folder
from forked import done_by_two
from picture_folders import draw, fill
from zoo.runs.folder import RunFolder
from zoo.weights.card import read_card

MODEL = (
    "--model MLP --model.hidden [4] --trainer.max_epochs 1 --trainer.accelerator cpu --data.batch_size 8"
    " --figures false"
)


def command(*words: object) -> int | None:
    try:
        main([part for word in words for part in str(word).split()])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures of several sizes, and a run on it."""
    folder = tmp_path_factory.mktemp("place")
    fill(folder / "pictures", {"10": 12, "9": 11, "cat": 10}, sizes=[(12, 10), (30, 20)])
    assert command(
        "fit --data Folder --data.path", folder / "pictures", "--data.root", folder / "data", MODEL,
        "--run_dir", folder / "run",
    ) == 0  # fmt: skip
    return folder


def test_what_was_found_is_written_down(place: Path) -> None:
    run = RunFolder(place / "run")
    options = yaml.safe_load(run.config.read_text())["data"]["init_args"]
    assert (options["size"], options["channels"]) == (32, 3)
    assert json.loads(run.identity.read_text())["data"]["classes"] == ["9", "10", "cat"]
    result = json.loads(run.result.read_text())
    assert result["test_from"] == "a fifth of the pictures: there is no folder `test`"
    assert result["test"]["n"] == 6


def test_the_network_is_loaded_with_all_it_has_to_know(place: Path) -> None:
    model = zoo.load(place / "run")
    assert model.card["classes"] == ["9", "10", "cat"]
    assert (model.card["in_shape"], model.card["prepare"]) == ([3, 32, 32], "photo")
    path = next((place / "pictures/cat").iterdir())
    assert model([path]).shape == (1, 3)


def test_verbs_score_the_pictures_of_the_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = place / "run"
    assert command("test --run_dir", run) == 0
    said = capsys.readouterr().out
    accuracy = json.loads((run / "result.json").read_text())["test"]["accuracy"]
    assert f"{100 * accuracy:.2f} %" in said
    assert "test images: a fifth of the pictures" in said
    assert "other test images" not in said
    assert command("validate --run_dir", run) == 0
    assert command("predict --run_dir", run) == 0
    with (run / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    model = zoo.load(run)
    asked = model([place / "pictures" / row["file"] for row in rows])  # as pictures
    assert [float(row["p_cat"]) for row in rows] == pytest.approx(asked[:, 2].tolist(), abs=2e-5)


def test_other_pictures_are_brought_to_the_network(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "new", {"test/cat": 3, "test/10": 2}, grey=True, sizes=[(50, 50)])
    assert command("test --run_dir", place / "run", "--data.path", tmp_path / "new") == 0
    assert "other test images or labels than those of the run: 5 with" in capsys.readouterr().out
    fill(tmp_path / "new", {"test/dog": 1})
    assert command("test --run_dir", place / "run", "--data.path", tmp_path / "new") == 2
    assert "expected those of the network, 9, 10, cat, found dog" in capsys.readouterr().err


def test_a_run_on_an_archive_is_asked_about_a_folder_and_back(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same images by another way: the same number."""
    module = Folder(str(place / "pictures"), root=str(place / "data"))
    module.setup("fit")
    arrays = {f"{s}_{k}": getattr(module.part(s), k).numpy() for s in ("train", "test") for k in ("images", "labels")}
    np.savez(tmp_path / "own.npz", **arrays, classes=["9", "10", "cat"])
    assert command("fit --data Arrays --data.path", tmp_path / "own.npz", MODEL, "--run_dir", tmp_path / "run") == 0
    one, other = (json.loads((folder / "run/result.json").read_text()) for folder in (place, tmp_path))
    assert (one["test"], one["val"], one["train"]) == (other["test"], other["val"], other["train"])
    assert command("test --run_dir", tmp_path / "run", "--data.path", place / "pictures") == 0
    assert command("test --run_dir", place / "run", "--data.path", tmp_path / "own.npz") == 0
    assert "other test images" not in capsys.readouterr().out


def test_a_changed_folder_is_another_experiment(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("pictures", "run"):
        shutil.copytree(place / name, tmp_path / name)
    longer = ("fit --resume must --run_dir", tmp_path / "run", "--trainer.max_epochs 2")
    draw(tmp_path / "pictures/cat/new.png", 1234)
    assert command(*longer, "--data.path", tmp_path / "pictures") == 2
    assert "expected train images" in capsys.readouterr().err
    (tmp_path / "pictures/cat/new.png").unlink()
    assert command(*longer, "--data.path", tmp_path / "pictures") == 0


def test_weights_with_a_card_are_scored_on_a_folder(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("weights save", place / "run", "--out", tmp_path) == 0
    path = tmp_path / "folder-run.json"
    assert read_card(path)["data"] == "Folder"
    assert command("test", path, "--data.path", place / "pictures", "--data.root", place / "data") == 0
    assert "the same as on the card" in capsys.readouterr().out


def test_two_devices_see_the_same_pictures(place: Path, tmp_path: Path) -> None:
    fill(tmp_path / "pictures", {"a": 20, "b": 20})
    argv = (
        f"fit --data Folder --data.path {tmp_path}/pictures --data.root {tmp_path}/data --run_dir {tmp_path}/run"
        f" --trainer.devices 2 {MODEL}"
    )
    said, errors = done_by_two(tmp_path, argv.split())
    assert said.count("2 classes (a, b)") == 1
    assert not errors
    assert json.loads((tmp_path / "run/result.json").read_text())["test"]["n"] == 8

"""Protects the weights that come with the zoo: they are those of their rows, and do what their cards say."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import datamodules
from zoo.studies.recipes import current
from zoo.studies.rows import read_table
from zoo.studies.statistics import mean_of, one_more
from zoo.weights.card import read_card
from zoo.weights.loading import load
from zoo.weights.store import OWN, list_weights

ROOT = Path(__file__).resolve().parents[2]
ROWS = {row["recipe"]: row for row in read_table(ROOT / "results/weights.csv")}
COPY = "cifar10-jpeg-q75.npz"


def images_of(name: str, real_data: Path, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The test images that a card speaks of, (N, C, H, W) uint8, and their labels."""
    of = load(name).card["data"]
    if of.startswith("CIFAR-10"):
        return copy_of_cifar10(real_data / COPY, most)
    data = datamodules.Digits() if of == "Digits" else getattr(datamodules, of)(root=str(real_data))
    data.setup("test")
    images, labels = data.part("test")
    chosen = data.splits["test"][:most]
    return images[chosen].numpy(), labels[chosen].numpy()


def copy_of_cifar10(path: Path, most: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Test images of the JPEG copy: one JPEG after the other in an array of bytes."""
    if not path.exists():
        pytest.skip(f"no copy of CIFAR-10 in {path}")
    with np.load(path) as archive:
        blob, offsets, labels = archive["test_jpeg"].tobytes(), archive["test_offsets"], archive["test_labels"]
    ends = offsets[: (most or len(labels)) + 1]
    pictures = [Image.open(io.BytesIO(blob[start:end])).convert("RGB") for start, end in pairwise(ends)]
    return np.stack([np.asarray(picture) for picture in pictures]).transpose(0, 3, 1, 2), labels[:most].astype(int)


def near(probabilities: np.ndarray) -> int:
    """How many answers are so near to another one that another processor may give that."""
    best = np.sort(probabilities, axis=1)
    return int((best[:, -1] - best[:, -2] < 1e-3).sum())


def test_the_files_are_small() -> None:
    sizes = [path.stat().st_size for path in OWN.iterdir()]
    assert max(sizes) <= 4_000_000
    assert sum(sizes) <= 48_000_000


@pytest.mark.parametrize("name", ROWS)
def test_a_row_lies_where_one_more_run_of_its_recipe_would(name: str) -> None:
    row = ROWS[name]
    rows = [each for each in read_table(ROOT / "results/recipes.csv") if each["recipe"] == name]
    values = [float(each["test_accuracy"]) for each in rows]
    assert one_more(values).low <= float(row["test_accuracy"]) <= one_more(values).high
    assert (row["seed"], row["config"]) == ("0", current(name))
    assert row["processor"]
    assert float(row["mean"]) == pytest.approx(mean_of(values).value, abs=1e-6)


@pytest.mark.parametrize("name", list_weights())
def test_a_card_is_that_of_its_row(name: str) -> None:
    card, row = read_card(OWN / f"{name}.json"), ROWS[name]
    assert (card["name"], card["recipe"], card["fingerprint"], card["seed"]) == (name, name, current(name), 0)
    assert card["test_accuracy"] == pytest.approx(float(row["float32_accuracy"]), abs=1e-6)
    assert (card["dtype"], card["data"], card["commit"]) == (row["dtype"], row["data"], row["git_commit"])
    assert (card["dtype"] == "float16") == (card["parameters"] * 4 > 1_500_000)
    assert str(card.get("differ_from_float32", "")) == row["differ"]
    assert (card["licence"], card["pixels"]) == ("MIT", None)
    assert "not the original" in card.get("data_note", "") or not name.startswith("cifar10")


@pytest.mark.parametrize("name", list_weights())
def test_weights_answer_as_their_card_says(name: str, real_data: Path) -> None:
    model = load(name)
    first = model.card["first_test_images"]
    images, labels = images_of(name, real_data, first["n"])
    probabilities = model(images)
    right = int((probabilities.argmax(1) == labels).sum())
    assert abs(right - first["right"]) <= near(probabilities)


@pytest.mark.slow
@pytest.mark.parametrize("name", list_weights())
def test_weights_answer_all_test_images_as_their_card_says(name: str, real_data: Path) -> None:
    images, labels = images_of(name, real_data)
    model = load(name)
    probabilities = model(images)
    right = int((probabilities.argmax(1) == labels).sum())
    assert len(images) == model.card["test_n"]
    assert abs(right - round(model.card["test_accuracy"] * len(images))) <= near(probabilities)

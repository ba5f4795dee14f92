"""Protects the numbers in the documents: rows belong to their recipes, headers, tables and picture to the rows."""

import importlib.util
import re
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
from scipy.stats import ttest_1samp

from zoo.launch.jobs import Ended, Here

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def recipes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipes", ROOT / "scripts/recipes.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rows_belong_to_the_recipes_as_they_are(recipes):
    """Who changes a recipe must run it anew, or its numbers would be another recipe's."""
    for row in recipes.read_rows():
        assert row["config"] == recipes.current(row["recipe"]), row["recipe"]


def test_a_changed_recipe_is_told_from_its_rows(recipes):
    text = (recipes.RECIPES / "mnist_mlp.yaml").read_text()
    assert recipes.fingerprint("# a comment\n" + text) == recipes.fingerprint(text)
    assert recipes.fingerprint(text.replace("seed_everything: 0", "seed_everything: 3")) == recipes.fingerprint(text)
    assert recipes.fingerprint(text.replace("[256]", "[257]")) != recipes.fingerprint(text)


def test_headers_are_those_of_the_rows(recipes):
    groups = recipes.published(recipes.read_rows())
    for name in recipes.names():
        text = (recipes.RECIPES / f"{name}.yaml").read_text()
        assert recipes.with_header(name, text, groups.get(name, [])) == text


def test_tables_are_those_of_the_rows(recipes):
    rows = recipes.read_rows()
    for path, table in ((recipes.README, recipes.small_table(rows)), (recipes.PAGE, recipes.full_table(rows))):
        assert recipes.with_table(path.read_text(), table) == path.read_text()


def test_the_small_table_shows_what_did_best_on_validation(recipes):
    def rows(recipe: str, val: float, test: float) -> list[dict[str, str]]:
        first = next(row for row in recipes.read_rows() if row["recipe"] == "fashion_mlp")
        return [
            {**first, "recipe": recipe, "seed": str(seed), "val_accuracy": str(val), "test_accuracy": str(test)}
            for seed in range(5)
        ]

    table = recipes.small_table([*rows("a", 0.92, 0.90), *rows("b", 0.91, 0.93)])
    assert "90.00" in table
    assert "93.00" not in table


def test_the_picture_is_that_of_the_rows(recipes):
    # names of clipping paths are made of a layout's last digits, which processors round differently
    drawn, there = (
        re.sub(r"\bp[0-9a-f]{10}\b", "clip", text)
        for text in (recipes.picture(recipes.read_rows()), recipes.PICTURE.read_text())
    )
    assert drawn == there


def test_the_picture_can_be_read(recipes):
    """No text is smaller than 7 pt at the width of a page, and every recipe of the table has its label."""
    text = recipes.PICTURE.read_text()
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", text)]
    assert min(sizes) >= 7
    groups = recipes.published(recipes.read_rows())
    assert len(re.findall(r">(MLP|LeNet|ViT|ConvNet|FastNet|ResNet|softmax)<", text)) == sum(
        group[0]["data"] != "Digits" for group in groups.values()
    )


def test_rows_count_all_test_images_and_name_their_code(recipes):
    for row in recipes.read_rows():
        assert row["test_n"] == ("359" if row["recipe"] == "quickstart" else "10000")
        assert len(row["git_commit"]) == 40  # a commit, and no file differed from it


def test_a_mean_is_of_five_seeds_or_more_each_once(recipes):
    rows = recipes.read_rows()
    for name, group in recipes.published(rows).items():
        seeds = [int(row["seed"]) for row in group]
        assert seeds == list(range(len(seeds))), name
        assert len(seeds) >= 5
    few = [row for row in rows if row["recipe"] == "mnist_softmax"][:4]
    assert recipes.published(few) == {}


def test_interval_is_students(recipes):
    values = [98.1, 98.4, 98.3, 98.9, 98.2]
    low, high = ttest_1samp(values, 0).confidence_interval(0.95)
    assert recipes.with_interval(values) == f"{(low + high) / 2:.2f} ± {(high - low) / 2:.2f} %"


def test_a_row_replaces_its_older_self_only(recipes, tmp_path):
    def row(config: str, seed: int, test: str) -> dict[str, str]:
        return {"recipe": "r", "config": config, "seed": str(seed), "test_accuracy": test}

    path = tmp_path / "rows.csv"
    for new in (row("a", 0, "1"), row("a", 1, "2"), row("a", 0, "3")):
        recipes.add_row(new, path)
    assert [(old["seed"], old["test_accuracy"]) for old in recipes.read_rows(path)] == [("0", "3"), ("1", "2")]
    recipes.add_row(row("b", 4, "5"), path)  # the recipe has changed: the others are another recipe's
    assert [old["seed"] for old in recipes.read_rows(path)] == ["4"]


def test_a_run_that_was_told_to_stop_stops_the_others(recipes, tmp_path, monkeypatch):
    """It is no failure, and leaves no row; the next call goes on with it."""
    told: list[str] = []

    class Stopped(Here):
        def start(self, words: Sequence[str]) -> Ended:
            return Ended(143, "")

        def stop(self) -> None:
            told.append("stop")

    options = Namespace(names=["quickstart"], seeds=3, jobs=1, rows=tmp_path / "rows.csv", launcher=Stopped())
    options.data_root = options.cifar10 = None
    with pytest.raises(SystemExit) as stop:
        recipes.run_all(options)
    assert (stop.value.code, told, options.rows.exists()) == (143, ["stop"], False)


def test_tables_that_are_current_are_left_alone(recipes, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("a: 1\n")
    before = file.stat().st_mtime_ns, file.stat().st_ino
    recipes.rewrite(file, "a: 1\n")
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before
    recipes.rewrite(file, "a: 2\n")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["a: 2\n"]
    assert file.stat().st_ino != before[1]  # written beside it, and put in its place

"""Protects the numbers in the documents: rows belong to their recipes, headers, tables and picture to the rows."""

import re
from pathlib import Path

import pytest
from scipy.stats import ttest_1samp

from zoo.launch.jobs import Ended
from zoo.studies.recipe_tables import (
    accuracy,
    full_table,
    published,
    recipe_picture,
    rewrite,
    small_table,
    with_header,
    with_table,
)
from zoo.studies.recipes import COLUMNS, RecipeRows, RecipeTask, current, file_of, recipe_names, recipes
from zoo.studies.rows import read_table, write_table
from zoo.studies.running import Place, work

ROOT = Path(__file__).parents[2]
ROWS, PICTURE = ROOT / "results/recipes.csv", ROOT / "docs/recipes.svg"


def test_rows_belong_to_the_recipes_as_they_are():
    """Who changes a recipe must run it anew, or its numbers would be another recipe's."""
    for row in read_table(ROWS):
        assert row["config"] == current(row["recipe"]), row["recipe"]


def test_a_changed_recipe_is_told_from_its_rows(tmp_path, monkeypatch):
    text = file_of("mnist_mlp").read_text()
    found = []
    for changed in (
        text,
        "# a comment\n" + text,
        text.replace("seed_everything: 0", "seed_everything: 3"),
        text.replace("[256]", "[257]"),
    ):
        monkeypatch.setattr("zoo.config.config_files.folder", lambda: tmp_path)
        (tmp_path / "recipes").mkdir(exist_ok=True)
        file_of("mnist_mlp").write_text(changed)
        found.append(current("mnist_mlp"))
    assert found[0] == found[1] == found[2] != found[3]


def test_headers_are_those_of_the_rows():
    groups = published(read_table(ROWS))
    for name in recipe_names():
        text = file_of(name).read_text()
        assert with_header(name, text, groups.get(name, [])) == text


def test_tables_are_those_of_the_rows():
    rows = read_table(ROWS)
    for path, table in ((ROOT / "README.md", small_table(rows)), (ROOT / "docs/results.md", full_table(rows))):
        assert with_table(path.read_text(), table) == path.read_text()


def test_the_small_table_shows_what_did_best_on_validation():
    def rows(recipe: str, val: float, test: float) -> list[dict[str, str]]:
        first = next(row for row in read_table(ROWS) if row["recipe"] == "fashion_mlp")
        return [
            {**first, "recipe": recipe, "seed": str(seed), "val_accuracy": str(val), "test_accuracy": str(test)}
            for seed in range(5)
        ]

    table = small_table([*rows("a", 0.92, 0.90), *rows("b", 0.91, 0.93)])
    assert "90.00" in table
    assert "93.00" not in table


def test_the_picture_is_that_of_the_rows():
    # names of clipping paths are made of a layout's last digits, which processors round differently
    drawn, there = (
        re.sub(r"\bp[0-9a-f]{10}\b", "clip", text) for text in (recipe_picture(read_table(ROWS)), PICTURE.read_text())
    )
    assert drawn == there


def test_the_picture_can_be_read():
    """No text is smaller than 7 pt at the width of a page, and every recipe of the table has its label."""
    text = PICTURE.read_text()
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", text)]
    assert min(sizes) >= 7
    groups = published(read_table(ROWS))
    assert len(re.findall(r">(MLP|LeNet|ViT|ConvNet|FastNet|ResNet|softmax)<", text)) == sum(
        group[0]["data"] != "Digits" for group in groups.values()
    )


def test_rows_count_all_test_images_and_name_their_code():
    for row in read_table(ROWS):
        assert row["test_n"] == ("359" if row["recipe"] == "quickstart" else "10000")
        assert len(row["git_commit"]) == 40  # a commit, and no file differed from it


def test_a_mean_is_of_five_seeds_or_more_each_once():
    rows = read_table(ROWS)
    for name, group in published(rows).items():
        seeds = [int(row["seed"]) for row in group]
        assert seeds == list(range(len(seeds))), name
        assert len(seeds) >= 5
    few = [row for row in rows if row["recipe"] == "mnist_softmax"][:4]
    assert published(few) == {}


def test_interval_is_students():
    values = [98.1, 98.4, 98.3, 98.9, 98.2]
    low, high = ttest_1samp(values, 0).confidence_interval(0.95)
    rows = [{"test_accuracy": str(value / 100)} for value in values]
    assert accuracy(rows, "test") == f"{(low + high) / 2:.2f} ± {(high - low) / 2:.2f} %"
    assert accuracy(rows[:1], "test") == "98.10 %"


def rows_in(tmp_path: Path) -> RecipeRows:
    return RecipeRows(recipes(["quickstart"], [0]), tmp_path / "work/results.lock", tmp_path / "rows.csv")


def row_of(config: str, seed: int, test: str) -> dict[str, str]:
    row = dict.fromkeys([*COLUMNS, "error"], "")
    return row | {"recipe": "quickstart", "config": config, "seed": str(seed), "test_accuracy": test}


def test_a_row_replaces_its_older_self_only(tmp_path):
    rows = rows_in(tmp_path)
    for new in (row_of("a", 0, "1"), row_of("a", 1, "2"), row_of("a", 0, "3")):
        rows.add(new)
    assert [(old["seed"], old["test_accuracy"]) for old in read_table(rows.path)] == [("0", "3"), ("1", "2")]
    rows.add(row_of("b", 4, "5"))  # the recipe has changed: the others are another recipe's
    assert [old["seed"] for old in read_table(rows.path)] == ["4"]
    assert list(read_table(rows.path)[0]) == COLUMNS


def test_rows_of_an_earlier_version_count(tmp_path):
    """They lack the newer columns, which are empty then; rows that are added have them."""
    rows = rows_in(tmp_path)
    older = [name for name in COLUMNS if name not in ("processor", "chosen_by")]
    write_table(rows.path, [{name: row_of("a", 0, "1")[name] for name in older}], older)
    assert [(row["processor"], row["chosen_by"]) for row in rows.read()] == [("", "")]
    rows.add(row_of("a", 1, "2") | {"processor": "abacus"})
    assert [row["processor"] for row in read_table(rows.path)] == ["", "abacus"]


def test_new_rows_are_as_the_old_ones_are_read(tmp_path):
    """With the processor they ran on; the rows that are committed go through unchanged."""
    rows = rows_in(tmp_path)
    rows.path.write_bytes(ROWS.read_bytes())
    first = next(row for row in rows.read() if row["recipe"] == "mnist_vit")
    rows.add(first)
    assert rows.path.read_bytes() == ROWS.read_bytes()


def test_a_failure_is_no_row_and_is_tried_again_by_the_next_call(tmp_path):
    """And not before: also not by another process of the same call."""
    study, rows = recipes(["quickstart"], [0, 1]), rows_in(tmp_path)
    argv: list[list[str]] = []

    def start(given):
        argv.append(list(given))
        return Ended(1, "error: there is no such thing\n")

    place, said = Place(tmp_path / "work", Path("data")), []
    for _ in range(2):
        work(study, rows_in(tmp_path), place, start, lambda run, row, all_: said.append(row["error"]))
    assert said == ["error: there is no such thing"] * 2
    folders = [next(word for word in given if "quickstart-" in word) for given in argv]
    assert [folder.rpartition("/")[2] for folder in folders] == ["s0", "s1"]
    assert "--figures" not in argv[0]  # the folders of recipes stay, with all that belongs to a run
    assert not rows.path.exists()
    rows.forget_failures()
    work(study, rows, place, start, lambda run, row, all_: None)
    assert len(argv) == 4


def test_a_run_that_was_told_to_stop_is_no_failure(tmp_path):
    """It leaves no row; the next call goes on with it."""
    rows = rows_in(tmp_path)
    with pytest.raises(SystemExit) as stop:
        work(recipes(["quickstart"], [0]), rows, Place(tmp_path, Path()), lambda argv: Ended(143, ""), print)
    assert (stop.value.code, rows.read()) == (143, [])


def test_processes_find_the_same_recipes(tmp_path):
    task = RecipeTask(tmp_path, Place(tmp_path, tmp_path), [0, 1], 1, chosen=("quickstart",), path=tmp_path / "a.csv")
    assert task.study().cells == [("quickstart",)]
    assert task.rows(task.study()).path == tmp_path / "a.csv"


def test_tables_that_are_current_are_left_alone(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("a: 1\n")
    before = file.stat().st_mtime_ns, file.stat().st_ino
    rewrite(file, "a: 1\n")
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before
    rewrite(file, "a: 2\n")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["a: 2\n"]
    assert file.stat().st_ino != before[1]  # written beside it, and put in its place

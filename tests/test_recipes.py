"""Protects the numbers in the documents: headers of the recipes and table of the README are those of the rows."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def recipes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipes", ROOT / "scripts/recipes.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_recipe_has_a_row(recipes):
    assert {row["recipe"] for row in recipes.read_rows()} == {path.stem for path in recipes.RECIPES.glob("*.yaml")}


def test_headers_are_those_of_the_rows(recipes):
    for row in recipes.read_rows():
        text = (recipes.RECIPES / f"{row['recipe']}.yaml").read_text()
        assert recipes.with_header(text, row) == text


def test_the_readme_is_that_of_the_rows(recipes):
    text = (ROOT / "README.md").read_text()
    assert recipes.with_table(text, recipes.read_rows()) == text


def test_rows_count_all_test_images_and_name_their_code(recipes):
    for row in recipes.read_rows():
        assert row["test_n"] == ("359" if row["recipe"] == "quickstart" else "10000")
        assert len(row["git_commit"]) == 40  # a commit, and no file differed from it

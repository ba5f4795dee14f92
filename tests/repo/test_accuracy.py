"""Protects the accuracies that the recipes promise, on the real data (slow: minutes each)."""

import json
from pathlib import Path

import pytest

from cli import main

ROOT = Path(__file__).parents[2]
LEAST = {
    "quickstart": 0.96,
    "mnist_softmax": 0.922,
    "mnist_mlp": 0.980,
    "fashion_mlp": 0.890,
    "mnist_lenet": 0.989,
    "fashion_convnet": 0.925,
}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", LEAST)
def test_recipe_reaches_its_accuracy(recipe, real_data, tmp_path):
    root = [] if recipe == "quickstart" else ["--data.root", str(real_data)]
    main(["fit", "-c", f"{ROOT}/configs/recipes/{recipe}.yaml", *root, "--run_dir", str(tmp_path / "run")])
    assert json.loads((tmp_path / "run/result.json").read_text())["test"]["accuracy"] >= LEAST[recipe]

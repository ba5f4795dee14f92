"""Protects the files under configs: each is understood by the real command, and an axis file sets its own axis only."""

from pathlib import Path

import pytest
import torch
import yaml

import datamodules
from zoo.commands.cli.command import ZooCLI

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "configs/recipes").glob("*.yaml"))
AXES = {"data": "data", "model": "model", "trainer": "trainer", "logger": "trainer", "callbacks": "trainer"}
AXIS_FILES = [
    (path, key) for folder, key in AXES.items() for path in sorted((ROOT / "configs" / folder).glob("*.yaml"))
]


def name(value) -> str:
    return value.stem if isinstance(value, Path) else str(value)


@pytest.mark.parametrize(("path", "key"), AXIS_FILES, ids=name)
def test_an_axis_file_sets_only_its_axis(path, key):
    assert set(yaml.safe_load(path.read_text())) == {key}


@pytest.mark.parametrize("path", [path for path, key in AXIS_FILES if key == "trainer"], ids=name)
def test_trainer_files_are_understood(path):
    argv = [
        "-c",
        str(path),
        "--data",
        "Digits",
        "--model",
        "MLP",
        "--trainer.accelerator",
        "cpu",
        "--trainer.devices",
        "1",
    ]
    assert ZooCLI(datamodules.ImageDataModule, argv, run=False).trainer.max_epochs


@pytest.mark.parametrize("path", RECIPES, ids=name)
def test_recipes_are_understood_and_say_what_they_reach(path):
    cli = ZooCLI(datamodules.ImageDataModule, ["-c", str(path), "--trainer.accelerator", "cpu"], run=False)
    text = path.read_text()
    assert f"python cli.py fit -c configs/recipes/{path.name}" in text
    assert "test accuracy" in text or "Not measured yet" in text
    x = torch.zeros(2, *cli.datamodule.in_shape)
    assert cli.model.eval()(x).shape == (2, cli.datamodule.num_classes)


def test_recipes_are_complete():
    """A recipe is a record: it names its seed, data, model, optimiser and length, whatever the defaults become."""
    for path in RECIPES:
        recipe = yaml.safe_load(path.read_text())
        assert set(recipe) == {"seed_everything", "trainer", "data", "model"}, path
        assert "max_epochs" in recipe["trainer"], path
        assert "optimizer" in recipe["model"]["init_args"], path
        assert "batch_size" in recipe["data"]["init_args"], path

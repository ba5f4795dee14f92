"""Protects hubconf.py: torch.hub lists, explains and loads what `zoo.load` does, also where it is not installed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from tiny_weights import tiny_weights

ROOT = Path(__file__).parents[2]
PLACE = "me/zoo:main"
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 28, 28), np.uint8)


@pytest.fixture(autouse=True)
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository lies where torch.hub downloads repositories to."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "me_zoo_main").symlink_to(ROOT)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def test_each_network_of_the_zoo_is_listed() -> None:
    found = torch.hub.list(PLACE, trust_repo=True, skip_validation=True, verbose=False)
    assert sorted(found) == sorted(["load", *zoo.list_models()])


@pytest.mark.parametrize("runtime", ["auto", "torch"])
def test_a_network_by_its_name(runtime: str) -> None:
    model: Any = torch.hub.load(str(ROOT), "mnist_lenet", source="local", runtime=runtime)
    assert (model(IMAGES) == zoo.load("mnist_lenet", runtime=runtime)(IMAGES)).all()
    again: Any = torch.hub.load(PLACE, "mnist_lenet", trust_repo=True, verbose=False, skip_validation=True)
    assert again.card == model.card


def test_all_else_by_load(tmp_path: Path) -> None:
    folder = tiny_weights(tmp_path / "tiny")
    model: Any = torch.hub.load(str(ROOT), "load", str(folder), source="local")
    assert model.classes == ["cat", "dog", "owl"]


def test_the_help_is_the_card() -> None:
    text = torch.hub.help(PLACE, "mnist_lenet", trust_repo=True, skip_validation=True)
    assert "61,706 parameters" in str(text)
    assert "device: where it computes" in str(text)


def test_a_name_that_is_none() -> None:
    with pytest.raises(RuntimeError, match="Cannot find callable mnist_lenett"):
        torch.hub.load(str(ROOT), "mnist_lenett", source="local")


def test_it_takes_the_zoo_beside_it(tmp_path: Path) -> None:
    """Also where another is installed; and no more is imported than for `zoo.load`."""
    code = f"""
import sys, torch
model = torch.hub.load({str(ROOT)!r}, "quickstart", source="local")
import zoo
print(zoo.__file__, len(model.classes), "lightning" in sys.modules, "jsonargparse" in sys.modules)
"""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-B", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.stdout.split() == [str(ROOT / "zoo/__init__.py"), "10", "False", "False"], done.stderr

"""Protects the house: which room may import which, one way only; and that a model is a constructor and nothing else."""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import house
import zoo
from zoo import Classifier

MODELS = [getattr(zoo, name) for name in zoo.list_architectures()]
ROOT = Path(__file__).parents[2]


def test_rooms_import_lower_floors_only():
    """And data modules the ground only; scripts/house.py has the table."""
    assert not house.upward()


def test_there_are_no_circles():
    assert not house.circle()


def test_no_file_edits_the_path_of_imports():
    assert not house.path_edits()


@pytest.mark.parametrize("script", ["benchmark", "chaos", "reliability", "wandb_dashboard"])
def test_a_script_without_the_zoo_prints_one_line(script, tmp_path):
    """-S: no packages but Python's own."""
    command = [sys.executable, "-S", str(ROOT / "scripts" / f"{script}.py")]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("error: package zoo in this Python: expected it installed, found none. Try: make install")


def test_every_room_has_its_floor():
    floors = {name for names in house.FLOORS for name in names}
    assert {house.room(module) for module, _ in house.modules("zoo") if module not in house.FRONT} <= floors


def test_the_law_finds_what_breaks_it(monkeypatch):
    """Of today's imports: with the floors turned round, nearly all go up."""
    monkeypatch.setattr(house, "FLOORS", house.FLOORS[::-1])
    assert len(house.upward()) > 100


def test_private_names_of_libraries_stand_in_one_place():
    """And are few: every other part of the product does with what libraries promise."""
    names = house.private_names()
    assert {module for places in names.values() for module in places} == house.PRIVATE_PLACES
    assert len(names) <= 12


def test_a_private_name_elsewhere_is_found(tmp_path, monkeypatch):
    """However it is written."""
    code = """
        from torch._ops import OpOverload
        from lightning.pytorch.cli import LightningCLI

        class Mine(LightningCLI):
            def _called_by_lightning(self):
                return self.trainer._connector, getattr(self.trainer, "_timer", None)

        def change(trainer, hook):
            trainer._limit = 3
            trainer.fit_loop.advance = lambda: None
            setattr(trainer, hook, None)
            Mine.__init__.__defaults__ = ()
    """
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(code))
    monkeypatch.setattr(house, "product", lambda: iter([("mine", path)]))
    found = {"_ops", "_called_by_lightning", "_connector", "_timer", "_limit", "advance", "__defaults__"}
    assert set(house.private_names()) == {*found, "setattr(trainer, …)"}


@pytest.mark.parametrize("name", ["geometry", "nn", "optimizers", "schedules"])
def test_what_networks_are_made_of_needs_torch_only(name):
    """It works on any network, without Lightning."""
    for module, path in house.modules("zoo"):
        if house.room(module) == name:
            names = {each.partition(".")[0] for each in house.imported(path)}
            assert not names & {"lightning", "rich", "torchvision"}, module


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_models_do_not_import_each_other(model):
    path = ROOT / (model.__module__.replace(".", "/") + ".py")
    others = {other.__module__ for other in MODELS} - {model.__module__}
    assert not {name.rpartition(".")[0] for name in house.imported(path)} & others


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_model_is_a_constructor_and_nothing_else(model):
    assert model.__bases__ == (Classifier,)
    own = {
        name
        for name, value in vars(model).items()
        if callable(value) or isinstance(value, property | classmethod | staticmethod)
    }
    assert own == {"__init__"}
    assert "Args:" in (model.__doc__ or "")
    assert "(B, " in (
        ast.get_docstring(ast.parse(Path(ROOT, model.__module__.replace(".", "/") + ".py").read_text())) or ""
    )


def test_no_committed_file_names_a_package_index():
    lock = (ROOT / "requirements.lock").read_text()
    assert "http://" not in lock
    assert "https://" not in lock
    assert not [line for line in lock.splitlines() if line.startswith("-")]  # options stand at the beginning of a line

"""Protects the shape of the house: which file may import which, and that a model is a constructor and nothing else."""

import ast
from pathlib import Path

import pytest

import zoo
from zoo import Classifier

ROOT = Path(__file__).parents[1]
FILES = [path for folder in ("zoo", "datamodules", "scripts") for path in sorted((ROOT / folder).rglob("*.py"))]
MODELS = [getattr(zoo, name) for name in zoo.__all__ if name != "Classifier"]
FOUNDATION = {"zoo.nn.layers", "zoo.nn.initialisers", "zoo.schedules", "zoo.optimizers", "zoo.nn.whitening"}


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_zoo_and_datamodules_do_not_know_each_other(path):
    home = path.relative_to(ROOT).parts[0]
    forbidden = {"zoo": {"datamodules", "cli", "scripts"}, "datamodules": {"zoo", "cli", "scripts"}, "scripts": set()}[
        home
    ]
    assert not packages(path) & forbidden


@pytest.mark.parametrize("path", sorted((ROOT / "zoo/geometry").glob("*.py")), ids=lambda path: path.name)
def test_geometry_knows_only_torch_and_itself(path):
    others = {name for name in imported(path) if name.startswith("zoo") and not name.startswith("zoo.geometry.")}
    assert not others
    assert not packages(path) & {"lightning", "rich", "torchvision"}


@pytest.mark.parametrize("name", sorted(FOUNDATION))
def test_foundation_knows_only_torch(name):
    path = ROOT / (name.replace(".", "/") + ".py")
    assert "lightning" not in packages(path)
    assert {module for module in imported(path) if module.startswith("zoo")} <= FOUNDATION


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_models_do_not_import_each_other(model):
    path = ROOT / (model.__module__.replace(".", "/") + ".py")
    others = {other.__module__ for other in MODELS} - {model.__module__}
    assert not imported(path) & others


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

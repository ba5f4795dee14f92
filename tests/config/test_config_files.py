"""Protects the names of configuration files: `-c mnist_lenet` finds the zoo's own; a file that exists goes first."""

import json
from pathlib import Path

import pytest

from cli import main
from zoo.config import config_files
from zoo.config.config_files import find, names, with_files
from zoo.errors import UsageError

ROOT = Path(__file__).parents[2]
RECIPE = str(ROOT / "configs/recipes/mnist_lenet.yaml")
pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def installed(package: Path) -> Path:
    """A zoo whose configurations lie inside the package, as in a wheel; `mnist` is the name of two."""
    for name in ("data/mnist", "recipes/mnist", "recipes/mnist_mlp", "studies/pooling"):
        file = package / f"configs/{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return package / "configs"


@pytest.mark.parametrize(
    "given",
    [
        *("mnist_lenet", "mnist_lenet.yaml", "recipes/mnist_lenet", "recipes/mnist_lenet.yaml"),
        *("configs/recipes/mnist_lenet.yaml", "configs/recipes/mnist_lenet"),
    ],
)
def test_a_name_stands_for_a_file(given):
    assert find(given) == RECIPE


@pytest.mark.parametrize("given", ["nothing", "recipes/mlp", "../configs/data/mnist.yaml", "{data: MNIST}", ""])
def test_what_is_no_name_is_left_to_the_parser(given):
    assert find(given) == given


def test_a_path_is_as_short_as_it_can_be_typed(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert find("mnist_lenet") == "configs/recipes/mnist_lenet.yaml"


def test_a_file_that_exists_is_meant_itself_and_a_folder_is_no_file(elsewhere):
    (elsewhere / "mnist_lenet").mkdir()
    assert find("mnist_lenet") == RECIPE
    for name in ("configs/recipes/mnist_lenet.yaml", "mnist_mlp", "lenet.yaml"):
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).touch()
        assert find(name) == name


def test_where_the_zoo_is_installed_its_files_are_inside(installed):
    assert config_files.repository() is None
    assert find("mnist_mlp") == "site/zoo/configs/recipes/mnist_mlp.yaml"
    assert names() == ["data/mnist", "mnist_mlp", "recipes/mnist"]


def test_a_name_of_several_files_lists_them(installed, capsys):
    with pytest.raises(UsageError) as error:
        find("mnist")
    (name,) = str(error.value).rpartition("Try: ")[2:]
    assert str(error.value) == (
        "name in --config: expected that of one file, found mnist for several:"
        " site/zoo/configs/recipes/mnist.yaml, site/zoo/configs/data/mnist.yaml. Try: recipes/mnist"
    )
    assert find(name) == "site/zoo/configs/recipes/mnist.yaml"


def test_every_name_is_found():
    for name in names():
        assert Path(find(name)).is_file()


def test_names_are_put_where_files_are_taken_and_nowhere_else():
    args = ["fit", "-c", "mnist_lenet", "--config=mnist_lenet", "--run_dir", "mnist_lenet", "-c", "own.yaml"]
    assert with_files(args) == ["fit", "-c", RECIPE, f"--config={RECIPE}", *args[4:]]


def test_verbs_take_names(capsys):
    main(["describe", "-c", "quickstart", "--json"])
    assert json.loads(capsys.readouterr().out)["model"] == "LeNet"
    with pytest.raises(SystemExit) as stop:
        main(["fit", "-c", "digits", "-c", "model/mlp.yaml", "-c", "smoke", "--print_config"])
    assert not stop.value.code
    text = capsys.readouterr().out
    assert "zoo.mlp.MLP" in text
    assert "datamodules.digits.Digits" in text


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("mnist_lenett", "mnist_lenet"),
        ("mnist_lenett.yaml", "configs/recipes/mnist_lenet.yaml"),
        ("configs/data/mnst.yaml", "configs/data/mnist.yaml"),
    ],
)
def test_a_misspelt_name_is_told_the_nearest(given, near, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["fit", "-c", given])
    assert stop.value.code == 2
    line = capsys.readouterr().err
    assert line == f"error: file in --config: expected a yaml file, found none at {given}. Try: --config {near}\n"
    assert Path(find(near)).is_file()


def test_a_configuration_cannot_name_others_so(elsewhere, capsys):
    """A name is looked up for the command line only: what a file says stays as it was."""
    (elsewhere / "own.yaml").write_text("config: quickstart\n")
    with pytest.raises(SystemExit) as stop:
        main(["fit", "-c", "own.yaml", "--print_config"])
    assert stop.value.code == 2

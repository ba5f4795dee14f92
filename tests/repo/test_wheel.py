"""Protects the package as others install it: built as a wheel, installed outside the repository, run there.

The environment has the wheel and the packages of this one, but not its editable install: no file of the repository can
be found from it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from studies import write_study
from zoo.config.config_files import KINDS
from zoo.studies.rows import read_table

ROOT = Path(__file__).parents[2]
SOURCES = ("zoo", "datamodules", "configs", "cli.py", "pyproject.toml", "README.md", "LICENSE")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def test_every_package_is_in_the_wheel():
    """Who adds a folder to the code names it in pyproject.toml."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {path.parent for name in ("zoo", "datamodules") for path in (ROOT / name).rglob("*.py")}
    names = {".".join(path.relative_to(ROOT).parts) for path in there}
    assert listed == sorted({*names, "zoo.configs"})


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: what an earlier build has left behind would go into it."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy)
    subprocess.run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", out, copy], check=True)
    (found,) = out.glob("*.whl")
    return found


Zoo = Callable[..., str]


@pytest.fixture(scope="module")
def zoo(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """The command of an environment that has the wheel, in a folder of its own."""
    made, home = tmp_path_factory.mktemp("environment"), tmp_path_factory.mktemp("home")
    git = ["git", "-C", str(made), "-c", "user.name=x", "-c", "user.email=x"]
    for words in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message", "another's"]):
        subprocess.run([*git, *words], check=True)
    venv.create(made, with_pip=False)
    (site,) = made.glob("lib/python*/site-packages")
    # a path in a .pth file: .pth files in there, as that of the editable install, are not read
    (site / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([*PIP, "--python", made / "bin/python", "install", "--no-deps", "--no-index", wheel], check=True)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ZOO"))}

    def run(*args: str, program: str = "zoo") -> str:
        command = [str(made / "bin" / program), *args]
        done = subprocess.run(command, cwd=home, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.home = home  # type: ignore[attr-defined]
    where = run(
        "-c", "import cli, datamodules, zoo\nfor m in (cli, datamodules, zoo): print(m.__file__)", program="python"
    )
    assert all(Path(line).is_relative_to(site) for line in where.splitlines()), where
    return run


WEIGHTS = (".safetensors", ".json", ".onnx")


@pytest.mark.wheel
def test_it_holds_code_and_configurations_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    kinds = {Path(name).suffix for name in names}
    assert kinds == {".py", ".yaml", ".bash", ".md", ".html", ".css", ".js", ".template", *WEIGHTS}
    assert {re.sub(r"/.*|\.py", "", name) for name in names} == {"cli", "datamodules", "zoo"}
    yaml = {path.relative_to(ROOT).as_posix() for path in (ROOT / "configs").rglob("*.yaml")}
    assert {name.removeprefix("zoo/") for name in names if name.endswith(".yaml")} == yaml


@pytest.mark.wheel
def test_a_run_and_its_network(zoo):
    zoo("fit", "-c", "quickstart", "--trainer.max_epochs", "1", "--figures", "false", "--run_dir", "run")
    record = json.loads((zoo.home / "run/result.json").read_text())
    assert record["test"]["n"] == 359
    assert record["git_commit"] is None  # the folder is a repository, but not that of the code
    assert "LeNet on Digits" in zoo("describe", "--run_dir", "run")


@pytest.mark.wheel
def test_weights_came_along(zoo):
    pictures = ROOT / "tests/pictures"
    assert " 7 " in zoo("predict", "mnist_lenet", str(pictures / "seven.png"))
    assert "99.22 %" in zoo("weights", "show", "mnist_lenet")


@pytest.mark.wheel
def test_a_study_that_names_files_of_the_zoo(zoo):
    base = {"config": ["configs/data/digits.yaml", "mlp"], "model.hidden": [8], "trainer.max_epochs": 1}
    write_study(zoo.home / "mine", seeds=1, base=base)
    assert "2 rows in mine/results.csv, 0 of failed runs. Next: zoo study report mine" in zoo("study", "run", "mine")
    assert [row["error"] for row in read_table(zoo.home / "mine/results.csv")] == ["", ""]
    zoo("study", "report", "mine")
    assert "relu" in (zoo.home / "mine/README.md").read_text()


@pytest.mark.wheel
def test_what_there_is(zoo):
    """Without torch, so quickly."""
    assert "activations" in zoo("study", "list")
    assert "99.28 ± 0.06 %" in zoo("recipe", "list")
    script = zoo("completion", "bash")
    names = [path.stem for kind in KINDS for path in (ROOT / "configs" / kind).glob("*.yaml")]
    assert all(f" {name}" in script or f"'{name}" in script for name in names)

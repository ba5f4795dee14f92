"""Protects the list of what a configuration may import: what is on it, what is not, and who may add to it."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch.plugins.environments
import pytest
from jsonargparse import ArgumentParser

import zoo
from cli import main
from zoo.commands.arguments import without_imports
from zoo.config.allowlist import ALLOWED, DENIED, IN_WORDS, could_be_trusted, find_disallowed, is_listed, restrict
from zoo.errors import UsageError

ROOT = Path(__file__).parents[2]
FIT = ["fit", "--data", "Digits", "--trainer.accelerator", "cpu", "--trainer.max_epochs", "1"]
OWN = """
import torch
import zoo


class Wide(zoo.MLP):
    pass


def steep(slope: float = 3.0) -> torch.nn.Module:
    return torch.nn.LeakyReLU(slope)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that Python looks for modules in, where a configuration may import from the list only."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    restrict()
    yield tmp_path
    restrict()


@pytest.fixture
def own(folder: Path, request: pytest.FixtureRequest) -> str:
    """Name of a module of the user's own, another one for each test, as Python imports a module only once."""
    name = f"own_of_{request.node.originalname[5:20]}"
    (folder / f"{name}.py").write_text(OWN)
    return name


def parsed(path: str) -> Any:
    """What a path stands for where any function or class may stand, so that only the list can refuse it."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--f", type=Callable)
    return parser.parse_args(["--f", path]).f


def refused(path: str) -> bool:
    try:
        parsed(path)
    except Exception as error:
        return "is not allowed" in str(error)
    return False


def said(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    return capsys.readouterr().err.strip()


@pytest.mark.parametrize("path", ["os.system", "torch.load", "lightning.Trainer", "json.loads", "not_there.f"])
def test_what_is_not_on_the_list_is_refused(path):
    assert refused(path)


def test_it_is_not_even_imported(own):
    assert refused(f"{own}.Wide")
    assert own not in sys.modules
    restrict([own])
    assert not refused(f"{own}.Wide")
    assert own in sys.modules


@pytest.mark.parametrize(
    "path",
    [
        "zoo.nn.layers.partial",
        "zoo.training.classifier.torch.load",
        "zoo.runs.result.subprocess.run",
        "datamodules.arrays.np.load",
        "datamodules.arrays.Path",
        "torch.nn.modules.module.functools.partial",
        "torch.optim.optimizer.functools.partial",
        "torch.optim.sgd.torch.from_file",
        "lightning.pytorch.callbacks.model_checkpoint.shutil.rmtree",
        "lightning.pytorch.loggers.csv_logs.os.system",
        "lightning.pytorch.strategies.ddp.torch.load",
        "lightning.pytorch.plugins.layer_sync.torch.load",
        "lightning.fabric.plugins.environments.slurm.shutil.which",
        "lightning.pytorch.profilers.profiler.os.system",
    ],
)
def test_what_is_only_reached_through_the_list_is_refused(path):
    """jsonargparse asks the object for its own module; if a version of it no longer does, this is red."""
    assert refused(path)


def test_what_is_not_there_is_no_refusal():
    """Or else the test above would be green for paths that a new version of torch or Lightning does not have."""
    assert not refused("lightning.pytorch.loggers.csv_logs.not_there")
    assert not refused("torch.nn.modules.module.not_there.partial")


@pytest.mark.parametrize("entry", [*ALLOWED, *DENIED])
def test_entries_name_modules(entry):
    """A module that torch or Lightning has renamed would be allowed, or refused, by mistake."""
    package, _, name = entry.rpartition(".")
    package = zoo.config.shelf.shelf().get(name, package) if package == "zoo" else package
    found = getattr(importlib.import_module(package), name, None) if package else None
    if not isinstance(found, type):
        assert importlib.import_module(entry).__name__ == entry


@pytest.mark.parametrize("room", [path.stem for path in sorted((ROOT / "zoo").iterdir()) if path.stem != "__pycache__"])
def test_of_the_zoo_only_what_is_public_is_on_the_list(room):
    """The rest is the command itself: nothing to choose there."""
    public = {*zoo.config.shelf.shelf().values(), "zoo.optimizers", "zoo.schedules", "zoo.callbacks"}
    assert is_listed(f"zoo.{room}.Anything") == (f"zoo.{room}" in public)


def test_what_lightning_offers_by_name_is_on_the_list():
    """All that its packages export, but the callback for functions and what reads checkpoints."""
    off = set()
    for name in ("callbacks", "loggers", "strategies", "plugins", "profilers"):
        package = importlib.import_module(f"lightning.pytorch.{name}")
        classes = [getattr(package, each) for each in package.__all__]
        off |= {each.__name__ for each in classes if not is_listed(f"{each.__module__}.{each.__qualname__}")}
    assert off == {"LambdaCallback", "CheckpointIO", "TorchCheckpointIO", "AsyncCheckpointIO", "XLACheckpointIO"}
    for each in vars(lightning.pytorch.plugins.environments).values():
        assert not isinstance(each, type) or is_listed(f"{each.__module__}.{each.__qualname__}")


def test_what_the_user_trusts_is_trusted_for_one_command(folder, own, capsys):
    (folder / "own.yaml").write_text(f"model: {{class_path: {own}.Wide, init_args: {{hidden: [8]}}}}\n")
    argv = [*FIT, "-c", "own.yaml", "--run_dir", "run"]
    line = (
        f"error: class in --model of own.yaml: expected {IN_WORDS}, found '{own}.Wide'."
        f" Try: --allow_import {own} if you trust it"
    )
    assert said(argv, capsys) == line
    main([*argv, "--allow_import", "textwrap", f"--allow_import={own}"])
    assert f"class_path: {own}.Wide" in (folder / "run/config.yaml").read_text()
    assert "allow_import" not in (folder / "run/config.yaml").read_text()
    assert own in said(["test", "--run_dir", "run"], capsys)  # a folder cannot say it for the user
    main(["test", "--run_dir", "run", "--allow_import", own])


FUNCTION = "torch.nn.attention._fa4._fa4_import_module"  # imports what it is told


@pytest.mark.parametrize(
    "written",
    [
        f"activation: {{class_path: {FUNCTION}, init_args: {{module_path: NAME}}}}",
        f"optimizer: {{class_path: {FUNCTION}, init_args: {{module_path: NAME}}}}",
        "activation: {class_path: zoo.callbacks.dead_units.dead_units, init_args: {y: NAME}}",
    ],
)
def test_only_classes_are_called(written, own, folder, capsys):
    (folder / "own.yaml").write_text(f"model: {{class_path: MLP, init_args: {{{written.replace('NAME', own)}}}}}\n")
    assert ", a function" in said([*FIT, "-c", "own.yaml"], capsys)
    assert own not in sys.modules


def test_a_function_of_the_users_own_is_called(own, capsys):
    argv = [*FIT, "--model", "MLP", "--model.activation", f"{own}.steep", "--trainer.fast_dev_run", "true"]
    assert own in said(argv, capsys)
    main([*argv, "--allow_import", own])


@pytest.mark.parametrize("verb", ["download", "describe"])
def test_verbs_with_their_own_parser_have_the_same_list(verb, own, capsys):
    assert f"--allow_import {own}" in said([verb, "--data", f"{own}.Wide"], capsys)
    with pytest.raises(SystemExit):
        main([verb, "--help_all"])
    assert "--allow_import" in capsys.readouterr().out


def test_described_configurations_call_no_functions(own, folder, capsys):
    activation = f"{{class_path: {FUNCTION}, init_args: {{module_path: {own}}}}}"
    (folder / "own.yaml").write_text(f"model: {{class_path: MLP, init_args: {{activation: {activation}}}}}\n")
    assert ", a function" in said(["describe", "--data", "Digits", "-c", "own.yaml"], capsys)
    assert own not in sys.modules


def test_the_list_is_as_it_was_after_each_widening(own):
    restrict([own, "torch", "torch.nn.functional", "lightning.pytorch.plugins.io", "os"])
    assert not refused(f"{own}.Wide")
    assert not refused("torch.load")
    assert not refused("lightning.pytorch.plugins.AsyncCheckpointIO")
    restrict()
    for path in (f"{own}.Wide", "torch.load", "lightning.pytorch.plugins.AsyncCheckpointIO", "os.getcwd"):
        assert refused(path)
        assert not is_listed(path) or "Async" in path  # its own path is another
    for path in ("torch.nn.functional.relu", "torch.optim.SGD", "lightning.pytorch.plugins.Precision"):
        assert not refused(path)
    restrict([own])
    assert not refused(f"{own}.Wide")


def test_processes_that_lightning_starts_trust_the_same(folder, own):
    flags = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--trainer.fast_dev_run", "true"]
    trusted = ["--model", f"{own}.Wide", "--model.hidden", "[8]", "--allow_import", own]
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *FIT, *flags, *trusted],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    assert done.returncode == 0, done.stderr
    assert "one batch of training and of validation went through" in done.stdout


def test_the_flag_is_taken_out_of_the_words():
    assert without_imports(["fit", "--allow_import", "a", "-c", "x", "--allow_import=b.c"]) == (
        ["fit", "-c", "x"],
        ["a", "b.c"],
    )
    assert without_imports(["fit", "--model.allow_import", "a"]) == (["fit", "--model.allow_import", "a"], [])


@pytest.mark.parametrize("argv", [[], ["--model"], ["*"], ["a.1"], [""], ["a b"], ["jsonargparse"], ["a."]])
def test_a_flag_without_a_module_is_refused(argv):
    with pytest.raises(UsageError, match=r"module in --allow_import: expected .+, found .+\. Try: --allow_import"):
        without_imports(["fit", "--allow_import", *argv])


def test_the_flag_is_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--help_all"])
    assert "--allow_import MODULE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("numpy.load", "numpy"),
        ("os.system", None),
        ("torch.load", None),
        ("zoo.runs.result.git_commit", None),
        ("not_there.Model", None),
        ("__main__.f", None),
    ],
)
def test_trust_is_offered_for_what_may_be_the_users_own(path, package):
    assert could_be_trusted(path) == package


def test_classes_among_unread_values_are_found():
    spec = {"class_path": "a.B"}
    assert find_disallowed({"class_path": "c.D", "init_args": {"x": spec}}) is None
    assert find_disallowed({"x": [importlib.import_module]}) == "the function importlib.import_module"
    assert (
        find_disallowed({"callbacks": [{"class_path": "c.D", "dict_kwargs": {"x": [1, {"y": spec}]}}]})
        == "the class a.B in dict_kwargs"
    )
    assert find_disallowed({"dict_kwargs": {"x": 3}}) is None

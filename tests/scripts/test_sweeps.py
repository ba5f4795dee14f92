"""Protects the files under configs/sweeps: what W&B's agent makes of them is understood by the real command."""

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

import datamodules
from forked import Forked
from zoo.commands.cli.command import ZooCLI
from zoo.studies.reading import read_study

ROOT = Path(__file__).parents[2]
SWEEPS = sorted((ROOT / "configs/sweeps").glob("*.yaml"))


def choices(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a sweep may choose: every combination of a grid; of a distribution both ends."""
    values = {
        name: spec["values"] if "values" in spec else [spec["value"]] if "value" in spec else [spec["min"], spec["max"]]
        for name, spec in parameters.items()
    }
    for chosen in itertools.product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def agents_words(sweep: dict[str, Any], chosen: dict[str, Any]) -> list[str]:
    """The command that W&B's agent runs for a choice; with its own functions, as it puts them together."""
    given = create_sweep_command_args({"args": {name: {"value": value} for name, value in chosen.items()}})
    macros = {**given, "env": ["/usr/bin/env"], "interpreter": ["python"], "program": [sweep["program"]]}
    argv: list[str] = []
    for chunk in create_sweep_command(list(sweep["command"])):
        argv += macros[chunk[2:-1]] if chunk.startswith("${") else [chunk]
    return argv


def set_by(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The configuration that a command sets, as plain values."""
    monkeypatch.chdir(ROOT)
    cli = ZooCLI(datamodules.ImageDataModule, [*argv, "--trainer.accelerator", "cpu"], run=False)
    return yaml.safe_load(cli.parser.dump(cli.config, skip_none=False))


def value_at(config: dict[str, Any], name: str) -> Any:
    for key in name.split("."):
        config = config[key] if key in config else config["init_args"][key]
    return config


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_agents_commands_are_understood(path, monkeypatch):
    sweep = yaml.safe_load(path.read_text())
    every = list(choices(sweep["parameters"]))
    for chosen in (every[0], every[len(every) // 2], every[-1]):
        env, python, program, verb, *argv = agents_words(sweep, chosen)
        assert (env, python, program, verb) == ("/usr/bin/env", "python", "cli.py", "fit")
        config = set_by(argv, monkeypatch)
        for name, value in chosen.items():
            expected = yaml.safe_load(value) if isinstance(value, str) else value
            assert value_at(config, name) == expected, name
        assert [logger["class_path"] for logger in config["trainer"]["logger"]] == ["zoo.loggers.Wandb"]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_sweep_is_chosen_on_validation_and_says_how_to_start_it(path):
    sweep = yaml.safe_load(path.read_text())
    assert sweep["metric"] == {"name": "val/accuracy", "goal": "maximize"}
    assert sweep["method"] in ("grid", "random", "bayes")
    assert sweep["command"][-1] == "${args}"  # the one that leaves nothing out
    assert f"wandb sweep configs/sweeps/{path.name}" in path.read_text()
    assert "wandb agent" in path.read_text()


def test_the_number_of_runs_is_as_stated():
    sweep = yaml.safe_load((ROOT / "configs/sweeps/fashion_lr_width.yaml").read_text())
    assert len(list(choices(sweep["parameters"]))) == 27


def test_a_run_of_an_agent_belongs_to_its_sweep(tmp_path, monkeypatch):
    """The agent's command in a process of its own, as the agent starts it: identity, project and sweep are its own."""
    sweep = yaml.safe_load((ROOT / "configs/sweeps/fashion_lr_width.yaml").read_text())
    chosen = {"model.optimizer.lr": 0.003, "model.hidden": "[64]", "seed_everything": 2}
    argv = [{"python": sys.executable}.get(word, word) for word in agents_words(sweep, chosen)]
    (tmp_path / "parameters.yaml").write_text(
        yaml.safe_dump({name: {"value": value} for name, value in chosen.items()})
    )
    agent = {
        "WANDB_RUN_ID": "agents1d",
        "WANDB_SWEEP_ID": "sweep1",
        "WANDB_PROJECT": "agents-project",
        "WANDB_SWEEP_PARAM_PATH": str(tmp_path / "parameters.yaml"),
        "WANDB_MODE": "offline",
    }
    # another data set and length: the recipe's would take minutes
    quick = ["--data", "Digits", "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"]
    command = [*argv, *quick, "--run_dir", str(tmp_path / "run")]
    assert command[:3] == ["/usr/bin/env", sys.executable, "cli.py"]
    monkeypatch.chdir(ROOT)
    done = Forked(tmp_path / "log", command[3:], environment=agent, errors=tmp_path / "errors")
    code, errors = done.code(300), done.stderr.read_text()
    assert code == 0, errors
    assert "warning" not in errors.lower()
    (place,) = (tmp_path / "run/wandb").glob("offline-run-*-agents1d")
    held = (place / "run-agents1d.wandb").read_bytes()
    for fact in (b"sweep1", b"agents-project", b"model.optimizer.lr"):
        assert fact in held


def test_the_study_beside_a_grid_has_the_same_runs(monkeypatch):
    monkeypatch.chdir(ROOT)  # studies name files as seen from there
    sweep = yaml.safe_load((ROOT / "configs/sweeps/fashion_lr_width.yaml").read_text())
    study = read_study(ROOT / "configs/sweeps/fashion_lr_width")
    of_study = [
        {**study.settings(cell, {}), "seed_everything": seed} for cell in study.cells for seed in sorted(study.seeds)
    ]
    (files,) = {tuple(settings.pop("config")) for settings in of_study}
    assert files[0] in sweep["command"]
    of_sweep = [{**one, "model.hidden": json.loads(one["model.hidden"])} for one in choices(sweep["parameters"])]
    assert sorted(map(str, (sorted(one.items()) for one in of_study))) == sorted(
        map(str, (sorted(one.items()) for one in of_sweep))
    )

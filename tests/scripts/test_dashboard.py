"""Protects the dashboard made by code: it asks for what runs log, chooses nothing on the test set, and can be saved."""

import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import datamodules
from records import texts
from wandb_server import KEY, WandbServer
from zoo.commands.cli.command import ZooCLI
from zoo.loggers.wandb.logger import STEP, summary_of
from zoo.loggers.wandb.privacy import SHOWN
from zoo.runs.metrics import FIRST

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts/wandb_dashboard.py"
PART = {"accuracy": 0.5, "loss": 1.0, "n": 10}
RECORD = {"parameters": 1, "seconds": 1.0, "epochs": 1, "best_epoch": 1, "train": PART, "val": PART, "test": PART}

needs_package = pytest.mark.skipif(
    not importlib.util.find_spec("wandb_workspaces"),
    reason="no wandb-workspaces here: pip install -e '.[dashboard]'",
)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wandb_dashboard", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def no_account(tmp_path, monkeypatch) -> None:
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_ENTITY", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def panels(page: Any) -> Iterator[dict[str, Any]]:
    """All panels of a page's specification, wherever they are."""
    if isinstance(page, dict):
        if "viewType" in page and "config" in page:
            yield page
        page = list(page.values())
    if isinstance(page, list):
        for part in page:
            yield from panels(part)


@pytest.fixture
def pages(script) -> dict[str, Any]:
    return {
        "workspace": script.specification(script.make_workspace("me", "mine")),
        "report": script.specification(script.make_report("me", "mine", ["MNIST", "Digits"])),
    }


@needs_package
def test_the_workspace_has_ladder_seeds_and_studies(pages):
    sections = pages["workspace"]["section"]["panelBankConfig"]["sections"]
    kinds = {section["name"]: [panel["viewType"] for panel in section["panels"]] for section in sections}
    assert kinds == {
        "Ladder": ["Bar Chart", "Bar Chart", "Scatter Plot"],
        "Seeds": ["Run History Line Plot"] * 4,
        "Studies": ["Parallel Coordinates Plot", "Parameter Importance", "Scatter Plot"],
        "Pictures": ["Media Browser", "Media Browser"],
    }
    (runs,) = pages["workspace"]["section"]["runSets"]
    assert runs["grouping"] == [{"section": "run", "name": "group"}]


@needs_package
@pytest.mark.parametrize("page", ["workspace", "report"])
def test_seeds_are_means_with_bands_over_groups(page, pages):
    lines = [panel["config"] for panel in panels(pages[page]) if panel["viewType"] == "Run History Line Plot"]
    assert {line["metrics"][0] for line in lines} == {
        f"{s}/{m}" for s in ("train", "val") for m in ("loss", "accuracy")
    }
    for line in lines:
        assert (line["groupBy"], line["groupAgg"], line["groupArea"]) == ("group", "mean", "stddev")
        assert line["xAxis"] == STEP
    bars = [panel["config"] for panel in panels(pages[page]) if panel["viewType"] == "Bar Chart"]
    assert {(bar["groupBy"], bar["groupAgg"], bar["groupArea"]) for bar in bars} == {("group", "mean", "stderr")}


@needs_package
def test_the_report_has_a_chapter_for_each_data_set(pages):
    titles = [block["children"][0]["text"] for block in pages["report"]["blocks"] if block.get("type") == "heading"]
    assert titles == ["MNIST", "Ladder", "Seeds", "Studies", "Digits", "Ladder", "Seeds", "Studies"]
    grids = [block["metadata"] for block in pages["report"]["blocks"] if block.get("type") == "panel-grid"]
    filters = [grid["runSets"][0]["filters"]["filters"] for grid in grids]
    assert [(each["key"]["name"], each["op"], each["value"]) for (each,) in filters] == (
        [("tags", "IN", ["MNIST"])] * 3 + [("tags", "IN", ["Digits"])] * 3
    )


@needs_package
@pytest.mark.parametrize("page", ["workspace", "report"])
def test_what_is_asked_for_is_what_runs_log(page, pages):
    logged = {*FIRST, STEP, *summary_of(RECORD)}
    for panel in panels(pages[page]):
        config, kind = panel["config"], panel["viewType"]
        asked = [text for text in texts(config) if "/" in text and " " not in text]
        asked = [text.removeprefix("summary_metrics.").removeprefix("summary:") for text in asked]
        assert set(asked) <= logged | {f"figures/{name}" for name in (*SHOWN, "mistakes")}, kind
        assert asked or kind == "Bar Chart"


@needs_package
def test_studies_ask_for_settings_that_there_are(script, pages, monkeypatch):
    """Under the names that the settings have in the configuration; and for validation, never the test."""
    monkeypatch.chdir(ROOT)
    argv = ["-c", "configs/recipes/fashion_mlp.yaml", "--trainer.accelerator", "cpu"]
    cli = ZooCLI(datamodules.ImageDataModule, argv, run=False)
    config = yaml.safe_load(cli.parser.dump(cli.config, skip_none=False))
    for name in (script.RATE, script.WIDTHS):
        place: Any = config
        for key in name.split("."):
            place = place[key]
        assert place
    (studies,) = [
        part for part in pages["workspace"]["section"]["panelBankConfig"]["sections"] if part["name"] == "Studies"
    ]
    assert "config:model.value.init_args.optimizer.init_args.lr" in set(texts(studies))
    assert not [text for text in texts(studies) if "test/" in text]


@needs_package
def test_both_pages_are_saved(script, monkeypatch, capsys):
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
        import wandb

        wandb.teardown()  # it remembers the server it was first used with
        script.main(["--data", "MNIST"])
        wandb.teardown()
        assert [(page["entityName"], page["projectName"]) for page in server.pages] == [("me", "small-image-zoo")] * 2
        assert all(list(panels(json.loads(page["spec"]))) for page in server.pages)
        said = capsys.readouterr().out
        assert f"workspace: {server.url}/me/small-image-zoo" in said
        assert f"report: {server.url}/me/small-image-zoo/reports/" in said


@needs_package
def test_printing_needs_no_account(script, capsys):
    script.main(["--print"])
    assert set(json.loads(capsys.readouterr().out)) == {"workspace", "report"}


@pytest.mark.parametrize("missing", ["package", "key", "server"])
def test_what_is_missing_is_said_in_one_line(missing, script, monkeypatch, closed_port, capsys):
    monkeypatch.setattr(script, "find_spec", lambda name: None if missing == "package" else name)
    if missing == "server":
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_BASE_URL", closed_port)
    with pytest.raises(SystemExit) as stop:
        script.main([])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    expected = {"package": "pip install -e '.[dashboard]'", "key": "wandb login", "server": closed_port.rstrip("/")}
    assert line.startswith("error: ")
    assert expected[missing] in line


def test_the_package_is_there_where_the_lock_is_installed():
    """Or nobody would run the tests above."""
    if "ZOO_LOCKED" not in os.environ:
        pytest.skip("not an environment made by `make install`")
    assert importlib.util.find_spec("wandb_workspaces")

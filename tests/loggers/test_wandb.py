"""Protects a run from its dashboard: without a key, a network or a server that is well, it goes on and says so once."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import main
from wandb_server import KEY, WandbServer
from zoo.errors import UsageError
from zoo.loggers.wandb import connection as wandb_mode
from zoo.loggers.wandb.connection import resolve_mode

FOLDER = Path("some run")
LIGHTNINGS = {"class_path": "lightning.pytorch.loggers.WandbLogger", "init_args": {"offline": False}}


def own(mode: Any = "auto") -> dict[str, Any]:
    return {"class_path": "zoo.loggers.Wandb", "init_args": {"mode": mode}}


@pytest.fixture(autouse=True)
def no_account(tmp_path, monkeypatch):
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL", "http_proxy", "https_proxy"):
        # set first, so that what the code sets is taken back
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("WANDB_BASE_URL")
    monkeypatch.chdir(tmp_path)  # whose folder wandb/ may hold settings
    monkeypatch.setattr(wandb_mode, "PATIENCE", 0.5)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes calls and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def server(monkeypatch) -> Iterator[WandbServer]:
    """A server that is well, and a key for it."""
    with WandbServer() as server:
        monkeypatch.setattr(wandb_mode, "PATIENCE", 60.0)  # the machine may be busy
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        yield server


def test_no_key():
    mode, text = resolve_mode([LIGHTNINGS], FOLDER)
    assert mode == "offline"
    assert "wandb login" in str(text)


def test_a_server_that_answers_is_used(server):
    assert resolve_mode([LIGHTNINGS], FOLDER) == ("online", None)
    assert resolve_mode([own()], FOLDER) == ("online", None)
    assert server.names() == ["Viewer", "Viewer"]


def test_a_key_in_netrc(tmp_path, monkeypatch, server):
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    address = server.url.removeprefix("http://")
    (tmp_path / "netrc").write_text(f"machine {address} login user password {KEY}\n")
    assert resolve_mode([own()], FOLDER) == ("online", None)
    (tmp_path / "netrc").write_text(f"machine elsewhere.org login user password {KEY}\n")
    assert resolve_mode([own()], FOLDER)[0] == "offline"


@pytest.mark.parametrize("kind", ["closed", "silent", "no address"])
def test_a_server_out_of_reach(kind, closed_port, silent, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    address = {"closed": closed_port, "silent": silent, "no address": "nonsense"}[kind].rstrip("/")
    monkeypatch.setenv("WANDB_BASE_URL", address)
    mode, text = resolve_mode([own()], FOLDER)
    assert mode == "offline"
    assert address in str(text)
    assert "later: wandb sync 'some run'/wandb/offline-run-*" in str(text)


@pytest.mark.parametrize("kind", ["hang", "drip", "drop", "html", "list", "404", "500", "429", "redirect"])
@pytest.mark.parametrize("mode", ["auto", "online"])
def test_a_sick_server(kind, mode, server, monkeypatch):
    server.sick["Viewer"] = kind
    monkeypatch.setattr(wandb_mode, "PATIENCE", 0.5)
    start = time.monotonic()
    found, text = resolve_mode([own(mode)], FOLDER)
    assert time.monotonic() - start < 20  # the server would keep it for a minute
    assert found == "offline"
    assert server.url in str(text)
    assert KEY not in str(text)


def test_the_key_does_not_follow_a_redirection(server):
    with WandbServer() as other:
        server.sick["Viewer"], server.target = "redirect", other.url
        resolve_mode([own()], FOLDER)
        assert other.received == []


@pytest.mark.parametrize("kind", ["401", "403", "nobody"])
def test_a_key_that_is_refused(kind, server):
    server.sick["Viewer"] = kind
    mode, text = resolve_mode([own("auto")], FOLDER)
    assert mode == "offline"
    assert "refuses the key" in str(text)
    with pytest.raises(UsageError, match=r"key in WANDB_API_KEY .*: expected .*, found .* Try: wandb login") as error:
        resolve_mode([own("online")], FOLDER)
    assert KEY not in str(error.value)


@pytest.mark.parametrize(
    ("logger", "variable", "mode"),
    [
        (own("offline"), "online", "offline"),  # a flag beats the environment
        (own("off"), "online", "off"),
        (own(False), "online", "off"),  # `off` as yaml reads it
        (own("online"), "offline", "online"),
        (own("auto"), "offline", "offline"),
        (own("auto"), "dryrun", "offline"),
        (own("auto"), "disabled", "off"),
        (LIGHTNINGS, "offline", "offline"),
        ({**LIGHTNINGS, "init_args": {"offline": True}}, "online", "offline"),
        ({"class_path": "lightning.pytorch.loggers.CSVLogger"}, "", "off"),
    ],
    ids=str,
)
def test_what_was_asked_for(logger, variable, mode, server, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", variable)
    assert resolve_mode([logger], FOLDER) == (mode, None)
    assert len(server.received) == (mode == "online")  # nothing is asked without need


def test_wandbs_own_file_of_settings_counts(server, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_BASE_URL")
    (tmp_path / "wandb").mkdir()
    settings = tmp_path / "wandb" / "settings"
    settings.write_text(f"[default]\nbase_url = {server.url}\n")
    assert resolve_mode([own()], FOLDER) == ("online", None)
    settings.write_text(f"[default]\nbase_url = {server.url}\nmode = offline\n")
    assert resolve_mode([own()], FOLDER) == ("offline", None)
    assert server.names() == ["Viewer"]


def test_no_logger_no_question(server):
    assert resolve_mode([], FOLDER) == ("off", None)
    assert server.received == []


def test_a_run_goes_on_without_its_dashboard(tmp_path, monkeypatch, capsys, silent):
    """With Lightning's own logger, which writes where it always has."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", silent)
    monkeypatch.setenv("WANDB_SILENT", "true")
    argv = "fit --data Digits --model SoftmaxRegression --trainer.max_epochs 1 --trainer.accelerator cpu --run_dir run"
    main([*argv.split(), "--trainer.logger", "WandbLogger"])
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:")]
    assert len(warnings) == 1
    assert "later: wandb sync wandb/offline-run-*" in warnings[0]
    assert json.loads(Path("run/result.json").read_text())["test"]["n"] == 359
    assert list(tmp_path.glob("wandb/offline-run-*"))

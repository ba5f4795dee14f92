"""Protects a run from its dashboard: without a key, a network or a server that answers, it goes on and says so once."""

import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cli import main
from zoo.runs import wandb_mode
from zoo.runs.wandb_mode import settle

ONLINE = {"class_path": "lightning.pytorch.loggers.WandbLogger", "init_args": {"offline": False}}
KEY = "x" * 40


@pytest.fixture(autouse=True)
def no_account(tmp_path, monkeypatch):
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL", "http_proxy", "https_proxy"):
        # set first, so that what the code sets is taken back
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("WANDB_BASE_URL")
    monkeypatch.setattr(wandb_mode, "PATIENCE", 0.5)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes calls and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def answering(request) -> Iterator[str]:
    """A server that says no."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_no_key():
    assert "wandb login" in str(settle([ONLINE]))


def test_a_key_in_netrc(tmp_path, monkeypatch, answering):
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login user password {KEY}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", answering)
    assert settle([ONLINE]) is None


def test_a_server_that_answers_is_used(monkeypatch, answering):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", answering)
    assert settle([ONLINE]) is None


@pytest.mark.parametrize("kind", ["closed", "silent", "no address"])
def test_a_server_out_of_reach(kind, closed_port, silent, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    address = {"closed": closed_port, "silent": silent, "no address": "nonsense"}[kind]
    monkeypatch.setenv("WANDB_BASE_URL", address)
    text = str(settle([ONLINE]))
    assert address in text
    assert "wandb sync" in text


@pytest.mark.parametrize(
    "loggers",
    [[], [{"class_path": "lightning.pytorch.loggers.CSVLogger"}], [{**ONLINE, "init_args": {"offline": True}}]],
    ids=["none", "another", "offline"],
)
def test_nothing_is_asked_without_need(loggers):
    assert settle(loggers) is None


def test_a_run_goes_on_without_its_dashboard(tmp_path, monkeypatch, capsys, silent):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", silent)
    monkeypatch.setenv("WANDB_SILENT", "true")
    words = "fit --data Digits --model SoftmaxRegression --trainer.max_epochs 1 --trainer.accelerator cpu --run_dir run"
    main([*words.split(), "--trainer.logger", "WandbLogger"])
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:")]
    assert len(warnings) == 1
    assert json.loads(Path("run/result.json").read_text())["test"]["n"] == 359
    assert list(tmp_path.glob("wandb/offline-run-*"))

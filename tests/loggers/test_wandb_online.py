"""Protects runs with Weights & Biases online, against a server that is well, and one that fails at each moment."""

import base64
import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
from PIL import Image

import zoo.loggers.wandb.connection
import zoo.loggers.wandb.logger
import zoo.loggers.wandb.start
from cli import main
from forked import two
from wandb_server import KEY, WandbServer
from zoo import Classifier
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

ROOT = Path(__file__).parents[2]
BASE = "fit --data Digits --data.train_size 64 --model SoftmaxRegression --trainer.accelerator cpu --run_dir run"
ON = ["-c", str(ROOT / "configs/logger/wandb.yaml")]


@pytest.fixture(autouse=True)
def account(tmp_path, monkeypatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "")  # set first, so that what the code sets is taken back
    monkeypatch.delenv("WANDB_ERROR_REPORTING")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    be_patient(monkeypatch, 60.0)  # with a server that is well, on a machine that is busy
    monkeypatch.setattr(zoo.loggers.wandb.connection, "PATIENCE", 60.0)
    yield
    wandb.teardown()


def be_patient(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(zoo.loggers.wandb.start, "START", seconds)
    monkeypatch.setattr(zoo.loggers.wandb.logger, "FINISH", seconds)


@pytest.fixture
def impatient(monkeypatch) -> None:
    be_patient(monkeypatch, 1.0)


@pytest.fixture
def server(monkeypatch) -> Iterator[WandbServer]:
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        yield server


@pytest.fixture
def patient(monkeypatch) -> None:
    """For servers that are well, on machines that are slow."""
    monkeypatch.setattr(zoo.loggers.wandb.start, "START", 60.0)
    monkeypatch.setattr(zoo.loggers.wandb.logger, "FINISH", 60.0)


@pytest.fixture
def figures(monkeypatch) -> None:
    def draw(folder: RunFolder, *args: Any) -> None:
        folder.figures.mkdir(exist_ok=True)
        for i, name in enumerate(("curves", "confusion", "mistakes")):
            Image.new("L", (8 + i, 8)).save(folder.figures / f"{name}.png")

    monkeypatch.setattr("zoo.commands.cli.fitting.draw_run", draw)


def fit(*flags: str) -> RunFolder:
    main([*BASE.split(), *ON, *" ".join(("--trainer.max_epochs 2", *flags)).split()])
    return RunFolder("run")


def test_a_well_server_gets_everything(server, patient, figures, capsys):
    run = fit("--trainer.logger.mode online", "--trainer.logger.entity me")
    started = server.runs[0]
    assert started["name"] == (run.path / "wandb" / "run_id").read_text().strip()
    assert started["entity"] == "me"
    assert started["groupName"].startswith("digits-softmaxregression-")
    assert json.loads(started["config"])["model"]["value"]["class_path"].endswith("SoftmaxRegression")
    sent: dict[int, dict[str, float]] = {}
    for row in server.rows:
        sent.setdefault(row["trainer/global_step"], {}).update(row)
    for row in read_metrics(run.metrics):
        step = int(row.pop("step"))
        assert {name: sent[step][name] for name in row} == pytest.approx(row, rel=1e-6)
    pictures = {name.split("/")[-1].split("_")[0] for name in server.files if name.startswith("media/")}
    assert pictures == {"curves", "confusion", "mistakes"}
    summary = json.loads(server.files["wandb-summary.json"])
    assert summary["test/accuracy"] == json.loads(run.result.read_text())["test"]["accuracy"]
    said = capsys.readouterr()
    assert f"W&B: {server.url}/me/small-image-zoo/runs/{started['name']}" in said.out
    assert "warning" not in said.err
    assert "sync" not in said.out


def test_minimal_sends_nothing_of_machine_user_and_images(server, patient, figures, tmp_path):
    fit("--trainer.logger.privacy minimal", f"--data.root {tmp_path / 'secret'}")
    secrets = [str(tmp_path), str(ROOT), str(Path.home()), f'"{socket.gethostname()}"', f'"{getpass.getuser()}"', KEY]
    bodies = b"\n".join(body for _, _, body in server.received).decode(errors="replace")
    assert not [secret for secret in secrets if secret in bodies]
    assert not [name for name in server.files if "mistakes" in name]
    assert set(server.names()) <= {
        "Viewer", "UpsertBucket", "RunResumeStatus", "CreateRunFiles", "files", "upload",
        "OrganizationCoreWeaveOrganizationID",
    }  # fmt: skip
    # and the key went in the headers, to be let in
    assert base64.b64encode(f"api:{KEY}".encode()).decode() in server.received[0][1]


def test_full_shows_that_the_test_above_would_see_it(server, patient, figures, tmp_path):
    fit("--trainer.logger.privacy full", f"--data.root {tmp_path / 'secret'}")
    assert str(tmp_path / "secret").encode() in server.everything
    assert f'"{socket.gethostname()}"'.encode() in server.everything
    assert [name for name in server.files if "mistakes" in name]


def test_a_run_that_goes_on_is_the_same_run_there(server, patient):
    fit("--trainer.max_epochs 1")
    fit("--resume must", "--trainer.max_epochs 3")
    assert len({variables["name"] for variables in server.runs}) == 1
    assert server.names().count("RunResumeStatus") == 2
    assert {row["epoch"] for row in server.rows} == {0, 1, 2}


def test_a_stopped_run_says_so_there(server, patient, monkeypatch):
    step = Classifier.training_step

    def stop(self: Classifier, *args: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *args)

    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(Classifier, "training_step", stop)
    with pytest.raises(SystemExit) as stopped:
        fit()
    signal.signal(signal.SIGTERM, handler)
    assert stopped.value.code == 143
    last = json.loads([body for name, _, body in server.received if name == "files"][-1])
    assert last["exitcode"] == 143
    assert any(b'"preempting":true' in body for name, _, body in server.received if name == "files")


def test_what_was_kept_here_can_be_sent_later_with_the_line_that_was_said(server, figures, monkeypatch, capsys):
    """After two starts without a server: one run, every epoch, the pictures; and as private as it was."""
    with monkeypatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        fit("--trainer.max_epochs 1", "--trainer.logger.privacy minimal")
        fit("--trainer.max_epochs 3", "--trainer.logger.privacy minimal", "--resume must")
    assert server.received == []
    said = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("W&B: logged on this machine only")
    ]
    assert len(said) == 2
    for line in said:
        _, command, place = line.partition("wandb sync ")
        sync = [sys.executable, "-m", "wandb", *command.split()[1:], place.strip("'")]
        done = subprocess.run(sync, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr
    assert {variables["name"] for variables in server.runs} == {Path("run/wandb/run_id").read_text().strip()}
    assert {row["epoch"] for row in server.rows if "train/loss" in row} == {0, 1, 2}
    pictures = {name.split("/")[-1].split("_")[0] for name in server.files if name.startswith("media/")}
    assert pictures == {"curves", "confusion"}
    assert f'"{socket.gethostname()}"'.encode() not in server.everything


# failing servers


def warnings(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:")]


def fit_beside_a_sick_server(capsys: pytest.CaptureFixture[str]) -> tuple[RunFolder, str]:
    """A whole run, in good time, with its one warning."""
    start = time.monotonic()
    run = fit()
    assert time.monotonic() - start < 40  # the server would keep it for a minute, W&B for longer
    assert json.loads(run.result.read_text())["test"]["n"] == 359
    (warning,) = warnings(capsys)
    return run, warning


@pytest.mark.parametrize("query", ["UpsertBucket", "RunResumeStatus"])
@pytest.mark.parametrize("kind", ["hang", "drop", "500", "401", "html"])
def test_a_server_that_does_not_take_the_run(query, kind, server, capsys, impatient):
    server.sick[query] = kind
    run, warning = fit_beside_a_sick_server(capsys)
    assert "later: wandb sync 'run'/wandb/offline-run-*" in warning
    assert list(run.path.glob("wandb/offline-run-*/*.wandb"))


@pytest.mark.parametrize(
    ("request_", "kind"),
    [("files", "hang"), ("files", "500"), ("files", "drop"), ("CreateRunFiles", "hang"), ("upload", "500")],
)
def test_a_server_that_falls_ill_later(request_, kind, server, figures, capsys, impatient):
    server.sick[request_] = kind
    _, warning = fit_beside_a_sick_server(capsys)
    assert "later: wandb sync --include-online 'run/wandb/run-" in warning


def test_an_invalid_key_is_told_before_there_is_a_folder(server, capsys):
    server.sick["Viewer"] = "401"
    with pytest.raises(SystemExit) as stop:
        fit("--trainer.logger.mode online")
    assert stop.value.code == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert "Try: wandb login --relogin" in error
    assert not Path("run").exists()


def wandbs_processes() -> list[int]:
    """The processes that W&B has started from this one."""
    found = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    fields = [text.replace("(", "").replace(")", "").split() for text in found]  # number, name, state, parent
    return [int(row[0]) for row in fields if row[1] == "wandb-core" and int(row[3]) == os.getpid()]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to find the process in")
def test_an_invalid_key_ends_all_processes_with_one_message(server, tmp_path):
    server.sick["Viewer"] = "401"
    argv = f"{BASE} --trainer.devices 2 --trainer.strategy ddp --trainer.logger.mode online".split()
    ranks = two(tmp_path, [*argv[:1], *ON, *argv[1:]])
    assert [process.code(100) for process in ranks] == [2, 2]
    assert len([line for process in ranks for line in process.errors]) == 1
    assert not Path("run").exists()


def test_wandbs_process_may_die(server, monkeypatch, capsys):
    step = Classifier.training_step
    killed: list[int] = []

    def kill(self: Classifier, *args: Any) -> Any:
        for number in [] if killed else wandbs_processes():
            killed.append(number)
            os.kill(number, signal.SIGKILL)
        return step(self, *args)

    monkeypatch.setattr(Classifier, "training_step", kill)
    run = fit()
    assert killed
    assert json.loads(run.result.read_text())["test"]["n"] == 359
    assert len(read_metrics(run.metrics)) == 2
    (warning,) = warnings(capsys)
    assert "later: wandb sync" in warning


def test_a_run_folder_cannot_send_the_key_elsewhere(server):
    """W&B reads settings from a folder named wandb: that of the working folder, not that of a run."""
    fit("--trainer.max_epochs 1")
    with WandbServer() as other:
        Path("run/wandb/settings").write_text(f"[default]\nbase_url = {other.url}\n")
        os.environ.pop("WANDB_BASE_URL")
        Path("wandb").mkdir()
        Path("wandb/settings").write_text(f"[default]\nbase_url = {server.url}\n")
        fit("--resume must")
        assert other.received == []
    assert len({variables["name"] for variables in server.runs}) == 1

"""Protects what a run leaves for Weights & Biases, as W&B's own reader finds it: complete, one run, no secret."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import wandb
import yaml
from lightning import Callback, LightningModule, Trainer
from PIL import Image

from cli import main
from forked import done_by_two
from records import texts
from zoo.loggers import log_histogram
from zoo.loggers.base import RunFacts
from zoo.loggers.wandb.group import experiment_of
from zoo.loggers.wandb.start import kept_id
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

ROOT = Path(__file__).parents[2]
BASE = "fit --data Digits --data.train_size 64 --model SoftmaxRegression --trainer.accelerator cpu"
ON = ["-c", str(ROOT / "configs/logger/wandb.yaml")]
STEP = "trainer/global_step"


class Log(NamedTuple):
    """What one start of a run has written: the records by type, and the folder."""

    records: dict[str, list[dict[str, Any]]]
    place: Path

    @property
    def run(self) -> dict[str, Any]:
        return self.records["run"][0]

    @property
    def history(self) -> list[dict[str, Any]]:
        return [record["item"] for record in self.records.get("history", [])]

    @property
    def summary(self) -> dict[str, Any]:
        return {name: value for record in self.records["summary"] for name, value in record["update"].items()}


def read_log(place: Path) -> Log:
    """The records of a run that is kept on this machine, from `wandb leet inspect`."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(place)]
    env = {**os.environ, "WANDB_MODE": "offline"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=env)
    records: dict[str, list[dict[str, Any]]] = {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        records.setdefault(record["type"], []).append(record[record["type"]])
    return Log(records, place)


def logs(folder: RunFolder) -> list[Log]:
    return [read_log(place) for place in sorted(folder.path.glob("wandb/offline-run-*"))]


def fit(folder: Path, *flags: str) -> RunFolder:
    main([*BASE.split(), *ON, "--run_dir", str(folder), *" ".join(flags).split()])
    return RunFolder(folder)


def draw(folder: RunFolder, *args: Any) -> None:
    """In place of what takes seconds: three pictures."""
    folder.figures.mkdir(exist_ok=True)
    for i, name in enumerate(("curves", "confusion", "mistakes")):
        Image.new("L", (8 + i, 8)).save(folder.figures / f"{name}.png")


@pytest.fixture(scope="module", autouse=True)
def offline() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.commands.cli.fitting.draw_run", draw)
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_ERROR_REPORTING", "false")
        yield
        wandb.teardown()


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    """A run of three epochs that was started twice, with the same command but its length."""
    folder = tmp_path_factory.mktemp("runs") / "a"
    flags = ("--seed_everything 3", "--trainer.logger.checkpoint true")
    fit(folder, "--trainer.max_epochs 1", *flags)
    return fit(folder, "--trainer.max_epochs 3 --resume must", *flags)


@pytest.fixture(scope="module")
def both(run) -> list[Log]:
    return logs(run)


def test_the_whole_configuration_is_there_as_a_tree(run, both):
    sent = dict(both[1].run["config"]["update"])  # config.yaml follows what may change
    sent.pop("_wandb")
    held = yaml.safe_load(run.config.read_text())
    assert sent["model"]["init_args"]["optimizer"]["init_args"]["lr"] == 0.001
    assert sent == held


def test_every_metric_of_every_epoch_is_there(run, both):
    sent: dict[int, dict[str, float]] = {}
    for row in [row for log in both for row in log.history]:
        sent.setdefault(row[STEP], {}).update(row)
    rows = read_metrics(run.metrics)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    for row in rows:
        step = int(row.pop("step"))
        assert {name: sent[step][name] for name in row} == pytest.approx(row, rel=1e-6)
    assert not [name for row in sent.values() for name in row if name.startswith("test/")]
    assert both[0].records["metric"][0]["step_metric"] == STEP


def test_the_summary_is_the_result(run, both):
    result, summary = json.loads(run.result.read_text()), both[1].summary
    for split, prefix in (("test", ""), ("val", "best/"), ("train", "best/")):
        for name, value in result[split].items():
            assert summary[f"{prefix}{split}/{name}"] == pytest.approx(value)
    for name in ("parameters", "seconds", "epochs", "best_epoch"):
        assert summary[name] == pytest.approx(result[name])


def test_the_pictures_are_there(run, both):
    rows = [row for row in both[1].history if any(name.startswith("figures/") for name in row)]
    paths = {name.split(".")[0]: row[name] for row in rows for name in row if name.endswith(".path")}
    assert set(paths) == {f"figures/{name}" for name in ("curves", "confusion", "mistakes")}
    for name, path in paths.items():
        assert (both[1].place / "files" / path).read_bytes() == (run.path / f"{name}.png").read_bytes()
    listed = {file["path"] for record in both[1].records["files"] for file in record["files"]}
    assert set(paths.values()) <= listed


def test_both_starts_are_one_run(run, both):
    assert len(both) == 2
    identity = (run.path / "wandb" / "run_id").read_text().strip()
    for log in both:
        assert log.run["run_id"] == identity
        assert log.run["resume"]
        assert log.run["display_name"] == "digits-softmaxregression-s3"
        assert log.run["tags"] == ["Digits", "SoftmaxRegression"]
        assert log.run["project"] == "small-image-zoo"
        assert log.run["job_type"] == "fit"


def test_the_weights_are_sent_by_flag_only(run, both, tmp_path):
    (artifact,) = both[1].records["artifact"]
    assert artifact["type"] == "model"
    (entry,) = artifact["manifest"]["contents"]
    assert entry["path"] == "best.ckpt"
    assert int(entry["size"]) == run.best.stat().st_size
    (log,) = logs(fit(tmp_path / "b", "--trainer.max_epochs 1"))
    assert "artifact" not in log.records


def test_the_run_folder_holds_no_links(run):
    """It can be copied to where there is a network, and `wandb sync` works there."""
    assert not [path for path in run.path.rglob("*") if path.is_symlink() and path.parent.name != "logs"]
    assert {path.name.split("-")[0] for path in (run.path / "wandb").iterdir()} == {"run_id", "offline"}


def test_of_several_processes_only_the_first_logs(tmp_path):
    argv = f"{BASE} --data.batch_size 32 --trainer.devices 2 --trainer.strategy ddp --trainer.max_epochs 1".split()
    said, _ = done_by_two(tmp_path, [*argv, *ON, "--run_dir", str(tmp_path / "a")])
    assert said.count("W&B: logged on this machine only; later: wandb sync ") == 1
    (log,) = logs(RunFolder(tmp_path / "a"))
    assert len([row for row in log.history if "train/loss" in row]) == 1


# the experiment


def facts(**flags: Any) -> RunFacts:
    config: dict[str, Any] = {
        "seed_everything": 0,
        "trainer": {"max_epochs": 3, "logger": None, "callbacks": None},
        "data": {"class_path": "datamodules.MNIST", "init_args": {"root": "data", "batch_size": 64, "seed": 0}},
        "model": {"class_path": "zoo.MLP", "init_args": {"hidden": [32], "dropout": 0.0}},
    }
    for name, value in flags.items():
        *way, last = name.split("__")
        place: Any = config
        for key in way:
            place = place[key]
        place[last] = value
    return RunFacts(Path(), "MNIST", "MLP", config["seed_everything"], config, 0, None)


@pytest.mark.parametrize(
    ("flags", "same"),
    [
        ({"seed_everything": 7, "data__init_args__seed": 7}, True),
        ({"data__init_args__root": "/elsewhere"}, True),
        ({"trainer__logger": [{"class_path": "zoo.loggers.Wandb"}]}, True),
        ({"data__init_args__batch_size": 32}, False),
        ({"model__init_args__hidden": [33]}, False),
        ({"trainer__max_epochs": 4}, False),
        ({"trainer__callbacks": [{"class_path": "EarlyStopping"}]}, False),
    ],
    ids=str,
)
def test_an_experiment_is_all_but_the_seed(flags, same):
    assert (experiment_of(facts(**flags)) == experiment_of(facts())) == same
    assert experiment_of(facts()).startswith("mnist-mlp-")


def test_seeds_share_a_group_which_the_user_may_name(both, tmp_path):
    (other,) = logs(fit(tmp_path / "b", "--trainer.max_epochs 3 --seed_everything 4"))
    assert other.run["run_group"] == both[1].run["run_group"]
    assert other.run["run_id"] != both[1].run["run_id"]
    flags = "--trainer.logger.group mine --trainer.logger.name named --trainer.logger.tags [x] --trainer.max_epochs 1"
    (named,) = logs(fit(tmp_path / "c", flags))
    assert (named.run["run_group"], named.run["display_name"]) == ("mine", "named")
    assert named.run["tags"] == ["Digits", "SoftmaxRegression", "x"]


# the identity


def test_the_agent_of_a_sweep_gives_the_identity_and_the_folder_keeps_it(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "of-the-agent")
    (tmp_path / "wandb").mkdir()
    assert kept_id(tmp_path / "wandb" / "run_id") == "of-the-agent"
    monkeypatch.setenv("WANDB_RUN_ID", "another")
    assert kept_id(tmp_path / "wandb" / "run_id") == "of-the-agent"


@pytest.mark.parametrize("text", ["", "../other", "a b", "x" * 65, "é"])
def test_an_identity_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "run_id").write_text(text)
    with pytest.raises(ValueError, match=r"identity .* in .*run_id: expected .*, found .* Try: "):
        kept_id(tmp_path / "run_id")


@pytest.mark.parametrize("name", ["wandb", "wandb/run_id", "tensorboard"])
def test_a_link_out_of_the_run_folder_is_not_followed(name, run, tmp_path, capsys):
    folder = tmp_path / "stranger"
    shutil.copytree(run.path, folder, ignore=shutil.ignore_patterns("offline-run-*", Path(name).name))
    place, mine = folder / name, tmp_path / "mine"
    mine.write_text("mine\n")
    place.symlink_to(mine)
    with pytest.raises(SystemExit) as stop:
        fit(folder, "--resume must", "--trainer.max_epochs 4")
    assert stop.value.code == 2
    assert "found " + place.name + ", a link to" in capsys.readouterr().err
    assert mine.read_text() == "mine\n"


# what others may log


class Histograms(Callback):
    """What a diagnostic does."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        weight = next(pl_module.parameters())
        log_histogram(trainer, "weights/first", weight)
        log_histogram(trainer, "weights/broken", weight * float("nan"))


def test_callbacks_can_log_histograms(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.training.callbacks.progress.EpochLines.on_train_batch_end", Histograms.on_train_batch_end)
    folder = fit(tmp_path / "a", "--trainer.max_epochs 1 --trainer.limit_train_batches 2 --data.batch_size 32")
    (log,) = logs(folder)
    found = [row for row in log.history if "weights/first._type" in row]
    assert [row[STEP] for row in found] == [1, 2]
    counts = found[0]["weights/first.values"]
    assert sum(counts) == 784 * 10
    assert not [row for row in log.history if "weights/broken._type" in row]  # no number in it is finite


# privacy


def told(log: Log, folder: Path) -> set[str]:
    """Which facts about machine and user are in what would be sent."""
    found = set(texts(list(log.records.values())))
    sent = [path.read_text() for path in log.place.glob("files/*") if path.suffix in (".json", ".txt", ".patch")]
    wanted = {
        "host": socket.gethostname() in found,
        "user": getpass.getuser() in found,
        "folder": any(str(folder) in text for text in [*found, *sent]),
        "home": any(str(Path.home()) in text for text in [*found, *sent]),
        "code": any(str(ROOT) in text for text in [*found, *sent]),
        "python": any(sys.executable in text for text in [*found, *sent]),
        "packages": any("torchvision==" in text for text in sent),
        "load": "stats" in log.records,
        "versions": torch.__version__.partition("+")[0] in found,
        "mistakes": any("figures/mistakes.path" in row for row in log.history),
        "console": "output_raw" in log.records or "output" in log.records,
    }
    return {name for name, is_told in wanted.items() if is_told}


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> dict[str, set[str]]:
    """What runs with each kind of privacy tell; one that has drawn its figures."""
    found = {}
    for privacy in ("minimal", "normal", "full"):
        folder = tmp_path_factory.mktemp(privacy)
        flags = f"--trainer.max_epochs 1 --trainer.logger.privacy {privacy} --data.root {folder / 'mine'}"
        (log,) = logs(fit(folder / "run", flags))
        found[privacy] = told(log, folder)
    return found


def test_minimal_tells_nothing_of_machine_and_user(shown):
    assert shown["minimal"] == set()


def test_normal_tells_of_the_machine_but_not_whose_it_is(shown):
    assert shown["normal"] == {"load", "versions", "mistakes", "folder"}  # `folder`: the data's, in the configuration


def test_full_tells_all(shown):
    """Also shows that the test above would see it."""
    assert shown["full"] >= {"host", "folder", "python", "packages", "load", "versions", "mistakes", "console"}


def test_the_key_is_nowhere_in_the_run_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "s3cret" * 8)
    folder = fit(tmp_path / "a", "--trainer.max_epochs 1 --trainer.logger.privacy full")
    assert not [path for path in folder.path.rglob("*") if path.is_file() and b"s3crets3cret" in path.read_bytes()]

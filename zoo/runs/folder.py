"""The folder of a run: what lies where, and when it may be made.

config.yaml  metrics.csv  result.json  predictions.csv  checkpoints/{best,last}.ckpt  figures/*.png
diagnostics.csv  wandb/  tensorboard/   where these are on
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import yaml
from lightning import Callback, LightningModule, Trainer

from zoo.runs.messages import UsageError

RECORDED = ("seed_everything", "trainer", "data", "model")  # keys of config.yaml; the rest belongs to one start only


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Opens a text file beside `path` that takes its place once it is written: under the name it is always whole."""
    beside = path.with_suffix(".tmp")
    try:
        beside.unlink(missing_ok=True)  # a link of this name is not followed
        with beside.open("x", newline="") as file:
            yield file
        beside.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


class RunFolder:
    """Names of the files of one run; makes nothing by itself.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.settle(path)

    def settle(self, path: str | Path) -> None:
        """Names the files anew, below another path."""
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.metrics = self.path / "metrics.csv"
        self.diagnostics = self.path / "diagnostics.csv"
        self.result = self.path / "result.json"
        self.predictions = self.path / "predictions.csv"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.checkpoints / "best.ckpt"
        self.last = self.checkpoints / "last.ckpt"
        self.figures = self.path / "figures"
        self.logs = (self.path / "wandb", self.path / "tensorboard")

    @property
    def holds_run(self) -> bool:
        """Whether a run was started here."""
        return self.config.exists() or self.checkpoints.exists() or self.metrics.exists()

    @property
    def chosen(self) -> Path:
        """The checkpoint that validation chose; the last one where there was no validation."""
        return self.best if self.best.exists() else self.last

    def check_free(self) -> None:
        """Raises UsageError if a new run may not start here."""
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"run folder in --run_dir: expected a folder, found the file {self.path}")
        if self.holds_run:
            raise UsageError(
                f"run folder in --run_dir: expected a new or empty folder, found a run in {self.path}."
                f" Try: --resume auto to continue it, or another --run_dir"
            )

    def check_run(self) -> None:
        """Raises UsageError unless a run with a checkpoint lies here."""
        if not self.config.exists():
            raise UsageError(
                f"run folder in --run_dir: expected one that holds a run (config.yaml), found none in {self.path}"
            )
        if not self.chosen.exists():
            raise UsageError(
                f"checkpoint in {self.checkpoints}: expected best.ckpt or last.ckpt, found neither."
                f" Try: python cli.py fit --resume auto --run_dir {self.path}"
            )

    def check_same(self, config: Mapping[str, Any]) -> None:
        """Raises UsageError if the run that lies here is another experiment than the one that is to go on.

        Args:
            config: the whole resolved configuration of that.
        """
        try:
            found, expected = described(yaml.safe_load(self.config.read_text())), described(config)
        except (yaml.YAMLError, OSError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
            return  # no run, or one whose configuration has been read before, with better words for what is wrong in it
        if found != expected:
            raise UsageError(
                f"run in --run_dir: expected one of {expected}, found one of {found} in {self.path}."
                f" Try: another --run_dir, or {found}"
            )

    def check_own(self) -> None:
        """Raises UsageError if a file here is none, or leads out of the folder: what is written would follow it."""
        home = os.path.realpath(self.path)
        for folder in (self.path, self.checkpoints, self.figures, *self.logs):
            for path in folder.iterdir() if folder.is_dir() else ():
                if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home):
                    found = f"{path.name}, a link to {os.path.realpath(path)}"
                elif path.exists() and not (path.is_file() or path.is_dir()):
                    found = f"{path.name}, which is neither file nor folder"
                else:
                    continue
                raise UsageError(
                    f"files in {folder}: expected the run's own, found {found}. Try: rm '{path}', if the run is yours"
                )

    def check_config(self) -> None:
        """Raises UsageError if config.yaml says more than how to train: where to write is said on the command line."""
        try:
            held = yaml.safe_load(self.config.read_text())
        except (yaml.YAMLError, OSError, UnicodeDecodeError, RecursionError):  # the parser has the better words for it
            return
        others = [str(key) for key in held if key not in RECORDED] if isinstance(held, dict) else []
        if others:
            raise UsageError(
                f"keys in {self.config}: expected only {', '.join(RECORDED)}, found {', '.join(others)[:60]}."
                " Try: give it on the command line"
            )

    @classmethod
    def default(cls, data: str, model: str, seed: int) -> "RunFolder":
        """A folder of its own for each run: runs/<data>-<model>/<time>-s<seed>."""
        parent = Path("runs", f"{data}-{model}".lower())
        stem = f"{time.strftime('%Y%m%d-%H%M%S')}-s{seed}"
        path, again = parent / stem, 1
        while path.exists():  # a second run in the same second
            again += 1
            path = parent / f"{stem}-{again}"
        return cls(path)


def described(config: Mapping[str, Any]) -> str:
    """What tells one experiment from another, as flags."""
    data, model = (str(config[key]["class_path"]).rpartition(".")[2][:60] for key in ("data", "model"))
    return f"--data {data} --model {model} --seed_everything {str(config['seed_everything'])[:20]}"


class OpenRun(Callback):
    """Makes the run folder and writes its configuration, once data and model are known to be good.

    Nothing of a run that could not start is left behind: this hook runs after the data has been read.

    Args:
        folder: where.
        config: the whole resolved configuration, without what belongs to this one start of it.
    """

    def __init__(self, folder: RunFolder, config: dict[str, object]) -> None:
        self.folder, self.config = folder, config

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        # a folder's default name is the time, and each process has its own
        self.folder.settle(trainer.strategy.broadcast(str(self.folder.path)))
        if not trainer.is_global_zero:
            return
        self.folder.path.mkdir(parents=True, exist_ok=True)
        if not self.folder.config.exists():
            text = "# python cli.py fit -c config.yaml repeats this run\n" + yaml.safe_dump(
                self.config, sort_keys=False
            )
            with whole_file(self.folder.config) as file:
                file.write(text)
        print(f"run folder: {self.folder.path}", flush=True)

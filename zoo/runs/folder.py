"""The folder of a run: what lies where, and when it may be made.

config.yaml  identity.json  metrics.csv  result.json  predictions*.csv  checkpoints/{best,last}.ckpt  figures/*.png
diagnostics.csv  wandb/  tensorboard/   where these are on
.lock                                   while a process is at it: lock.py

Nothing of a run that could not start is left behind: config.yaml comes with the first checkpoint, after the first step,
and a folder without it is taken back.
"""

import os
import re
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from zoo.checkpoints.storage import previous_of, read_checkpoint
from zoo.errors import UsageError
from zoo.runs.lock import make_folders

TEMPORARY = re.compile(r"\..+\.\d+-[0-9a-f]{12}\.tmp|\.(last|last\.prev|best)\.ckpt\.\d+\.tmp")  # the second: of old
# keys of config.yaml; the rest belongs to one start only
RECORDED = ("seed_everything", "monitor", "trainer", "data", "model")


class RunFolder:
    """Names of the files of one run; makes nothing by itself.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.settle(path)

    def settle(self, path: str | Path) -> None:
        """Names the files anew, below another path.

        `~` is the user's home, also behind a `=`, where shells leave it; a folder that is left again by `..` need not
        exist, and one called `-x` is no flag.
        """
        self.path = Path(os.path.expanduser(path))  # noqa: PTH111  with no such user it is a name like any other
        if ".." in self.path.parts or str(self.path).startswith("-"):
            self.path = Path(os.path.realpath(self.path))
        self.config = self.path / "config.yaml"
        self.metrics = self.path / "metrics.csv"
        self.diagnostics = self.path / "diagnostics.csv"
        self.identity = self.path / "identity.json"
        self.result = self.path / "result.json"
        self.result_before = self.path / "result.before.json"  # of a run that has trained on since
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

    def check_config_there(self) -> None:
        """Raises UsageError unless a run lies here, with or without a checkpoint."""
        if not self.config.exists():
            raise UsageError(
                f"run folder in --run_dir: expected one that holds a run (config.yaml), found none in {self.path}"
            )

    def check_run(self) -> None:
        """Raises UsageError unless a run with a checkpoint lies here."""
        self.check_config_there()
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
            found, expected = experiment_flags(read_or_none(self.config)), experiment_flags(config)
        except (KeyError, TypeError):
            return  # no run, or one whose configuration has been read before, with a better message
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
        held = read_or_none(self.config)  # where it cannot be read, the parser has the better message
        others = [str(key) for key in held if key not in RECORDED] if isinstance(held, dict) else []
        if others:
            raise UsageError(
                f"keys in {self.config}: expected only {', '.join(RECORDED)}, found {', '.join(others)[:60]}."
                " Try: give it on the command line"
            )

    def sweep(self) -> None:
        """Deletes what processes have left that were killed while they wrote; only for the one that holds the lock."""
        for folder in (self.path, self.checkpoints):
            for left in folder.iterdir() if folder.is_dir() else ():
                if TEMPORARY.fullmatch(left.name):
                    left.unlink(missing_ok=True)

    def clear(self, before: Collection[str]) -> None:
        """Deletes what a start has made that did not become a run; only for the one that holds the lock.

        Args:
            before: names that were in the folder when it was taken.
        """
        made = (self.figures, self.diagnostics, *self.logs, *self.path.glob(".lr_find_*"), *self.path.glob(".scale_*"))
        for path in made:
            if path.name in before:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    @classmethod
    def default(cls, data: str, model: str, seed: int) -> "RunFolder":
        """The name of a folder for a run: runs/<data>-<model>/<time>-s<seed>."""
        return cls(Path("runs", f"{data}-{model}".lower(), f"{time.strftime('%Y%m%d-%H%M%S')}-s{seed}"))

    def make_new(self) -> list[Path]:
        """Makes the folder, under a name that has a number behind it if another run has this one.

        Returns:
            The folders that were made, the outermost first.
        """
        stem, again, made = self.path, 1, []
        while True:
            made += make_folders(stem.parent)
            try:
                self.path.mkdir()
            except FileExistsError:  # a second run in the same second
                again += 1
                self.settle(stem.with_name(f"{stem.name}-{again}"))
            except FileNotFoundError:  # a run that could not start has taken the one above back
                if stem.parent.is_dir():
                    raise
            else:
                return [*made, self.path]


def read_or_none(path: Path) -> Any:
    """What a configuration file says; None if there is none that can be read."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError, UnicodeDecodeError, RecursionError):
        return None


def experiment_flags(config: Mapping[str, Any]) -> str:
    """What tells one experiment from another, as flags."""
    data, model = (str(config[key]["class_path"]).rpartition(".")[2][:60] for key in ("data", "model"))
    return f"--data {data} --model {model} --seed_everything {str(config['seed_everything'])[:20]}"


def resumable(folder: RunFolder) -> tuple[Path | None, str | None]:
    """The newest whole checkpoint of a run, if it has one, and a warning if that is not the newest file.

    Depends on the files alone, so that all processes of a run choose the same.

    Raises:
        ValueError: there are checkpoints, but none is whole.
    """
    there = [path for path in (folder.last, previous_of(folder.last)) if path.exists()]
    for i, path in enumerate(there):
        try:
            read_checkpoint(path)
        except ValueError as error:
            if path == there[-1]:
                raise
            complaint = str(error).partition(". Try:")[0]
            continue
        return path, f"{complaint}; goes on from the one before, {path}" if i else None
    return None, None

"""Protects what the README says of Lightning's parts: each works, with its effect, or is refused in a right line.

A row is a command, and what must come of it. Imports are made once, each row runs in a process that is forked from
there; `python tests/test_trainer_matrix.py` counts the rows.
"""

import json
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import yaml

import cli
from datamodules import Digits
from zoo.runs import command, describe  # noqa: F401  what the command imports
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import Row as MetricsRow
from zoo.runs.metrics import read_metrics

BASE = (
    "fit --data Digits --data.train_size 320 --data.batch_size 64 --model MLP --model.hidden [16] --figures false"
    " --trainer.max_epochs 2 --trainer.accelerator cpu --run_dir r"
)
ERROR = re.compile(r"error: .+ in .+: expected .+, found .+")


class Outcome(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str
    place: Path  # where it ran

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.place / "r")

    @property
    def result(self) -> dict[str, Any]:
        return json.loads(self.folder.result.read_text())

    @property
    def rows(self) -> list[MetricsRow]:
        return read_metrics(self.folder.metrics)

    @property
    def config(self) -> dict[str, Any]:
        return yaml.safe_load(self.folder.config.read_text())

    def checkpoint(self, name: str = "last") -> dict[str, Any]:
        return torch.load(self.folder.checkpoints / f"{name}.ckpt", weights_only=True)

    @property
    def files(self) -> set[str]:
        return {str(path.relative_to(self.place)) for path in self.place.rglob("*") if path.is_file()}

    def again(self, words: str) -> "Outcome":
        """Another command in the same place."""
        return run(words, self.place)


class Row(NamedTuple):
    """One row of the matrix."""

    words: str  # behind BASE
    kind: str  # works, or refused
    check: Callable[[Outcome], object]
    slow: bool = False


def run(words: str, place: Path) -> Outcome:
    """Runs a command in a forked process, in this folder."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if child == 0:
            code = 70
            try:
                os.chdir(place)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
                code = ended(words.split())
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return Outcome(code, out.read(), err.read(), place)


def ended(words: list[str]) -> int:
    """The exit code of a command in this process."""
    sys.argv = ["cli.py", *words]
    try:
        cli.main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 99
    return 0


@cache
def made(words: str) -> Outcome:
    """What BASE with these words comes to, run once for all rows that compare with it."""
    return run(f"{BASE} {words}", Path(tempfile.mkdtemp(prefix="matrix-")))


# what may come of a row


def refused(words: str, *texts: str) -> Row:
    """Exit code 2, nothing left behind, and one line that holds these texts."""

    def check(outcome: Outcome) -> None:
        assert outcome.code == 2
        assert len(outcome.err.splitlines()) == 1
        assert ERROR.match(outcome.err)
        assert all(text in outcome.err for text in texts)
        assert outcome.files == set()

    return Row(words, "refused", check)


def works(words: str, *effects: Callable[[Outcome], object], slow: bool = False, err: str = "") -> Row:
    """A run with its result, nothing on stderr but this, and these effects."""

    def check(outcome: Outcome) -> None:
        assert outcome.err == "" if not err else re.search(err, outcome.err)
        assert outcome.code == 0
        for effect in effects:
            assert effect(outcome), effect

    return Row(words, "works", check, slow)


def weights_equal(a: Outcome, b: Outcome, name: str = "last") -> bool:
    """Whether the weights of both are the same, bit for bit."""
    left, right = (each.checkpoint(name)["state_dict"] for each in (a, b))
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def same_as(words: str) -> Callable[[Outcome], bool]:
    """The effect: the weights are those of BASE with these words, bit for bit."""
    return lambda outcome: weights_equal(outcome, made(words))


def other_than(words: str) -> Callable[[Outcome], bool]:
    """The effect: the weights are others than those of BASE with these words."""
    return lambda outcome: not weights_equal(outcome, made(words))


def says(text: str) -> Callable[[Outcome], bool]:
    """The effect: this is printed."""
    return lambda outcome: text in outcome.out


def has(pattern: str) -> Callable[[Outcome], bool]:
    """The effect: there is a file of this pattern."""
    return lambda outcome: any(outcome.place.glob(pattern))


def trainer(flags: str, value: Any = None) -> str:
    """`--trainer.` flags."""
    return " ".join(f"--trainer.{flag}" for flag in flags.split("; "))


def callback(words: str) -> str:
    """The words for a callback with options: `Timer interval epoch`."""
    name, *rest = words.split()
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return " ".join([f"--trainer.callbacks {name}", *(f"--trainer.callbacks.{key} {value}" for key, value in pairs)])


NUMBERS = [
    refused(f"--trainer.{name} {value}", f"in --trainer.{name}: expected ", f"found {shown}", "Try: --trainer.")
    for name, value, shown in (
        ("accumulate_grad_batches", "0", "0"),
        ("accumulate_grad_batches", "-1", "-1"),
        ("val_check_interval", "0", "0"),
        ("val_check_interval", "-1", "-1"),
        ("val_check_interval", "0.0", "the share 0.0"),
        ("val_check_interval", "1.5", "the share 1.5"),
        ("check_val_every_n_epoch", "0", "0"),
        ("check_val_every_n_epoch", "-1", "-1"),
        ("gradient_clip_val", "-1", "-1"),
        ("gradient_clip_val", ".nan", "nan"),
        ("gradient_clip_val", ".inf", "inf"),
        ("num_sanity_val_steps", "-5", "-5"),
        ("log_every_n_steps", "-1", "-1"),
        ("limit_train_batches", "-1", "-1"),
        ("limit_train_batches", "1.5", "1.5"),
        ("limit_train_batches", ".nan", "nan"),
        ("limit_val_batches", "-0.5", "-0.5"),
        ("limit_test_batches", "-2", "-2"),
        ("overfit_batches", "-1", "-1"),
        ("overfit_batches", "1.5", "1.5"),
        ("max_epochs", "-5", "-5"),
        ("max_steps", "-5", "-5"),
        ("min_epochs", "-5", "-5"),
        ("min_steps", "-5", "-5"),
        ("devices", "0", "0"),
        ("devices", "-3", "-3"),
        ("devices", "[]", "[]"),
        ("num_nodes", "0", "0"),
        ("fast_dev_run", "-1", "-1"),
        ("reload_dataloaders_every_n_epochs", "-1", "-1"),
    )
]
UNFIT = [
    *(
        refused(
            callback(words),
            "class in --trainer.callbacks: expected ",
            "found StochasticWeightAveraging, whose average",
            "Try: --trainer.callbacks EMAWeightAveraging, or -c configs/callbacks/ema.yaml",
        )
        for words in (
            "StochasticWeightAveraging",
            "StochasticWeightAveraging swa_lrs 0.01",
            "[StochasticWeightAveraging]",
        )
    ),
    refused(callback("BackboneFinetuning"), "found BackboneFinetuning, which needs a part that was trained before"),
    refused(callback("LambdaCallback"), "found LambdaCallback, which runs any function", "Try: --allow_import"),
    refused(callback("BasePredictionWriter"), "found BasePredictionWriter, whose subclasses do"),
    refused(trainer("plugins TorchCheckpointIO"), "found TorchCheckpointIO, which writes or reads them"),
    refused(trainer("plugins AsyncCheckpointIO"), "found AsyncCheckpointIO, which writes or reads them"),
]
ROWS = [*NUMBERS, *UNFIT]


@pytest.fixture(scope="module", autouse=True)
def data() -> None:
    """The images, read once: forked processes have them."""
    Digits().setup()


def params(rows: Iterable[Row]) -> list[Any]:
    return [pytest.param(row, id=f"{row.kind}: {row.words}", marks=[pytest.mark.slow] * row.slow) for row in rows]


@pytest.mark.parametrize("row", params(ROWS))
def test_a_row(row: Row, tmp_path: Path) -> None:
    outcome = run(f"{BASE} {row.words}", tmp_path)
    print(outcome.out, outcome.err)
    row.check(outcome)


def counts() -> str:
    """How many rows there are of each kind, in a sentence."""
    kinds = {kind: sum(row.kind == kind for row in ROWS) for kind in ("works", "refused")}
    slow = sum(row.slow for row in ROWS)
    return (
        f"{len(ROWS)} rows: {kinds['works']} work, {kinds['refused']} are refused in a line that is right;"
        f" {len(ROWS) - slow} run by default, {slow} are marked slow"
    )


if __name__ == "__main__":
    print(counts())

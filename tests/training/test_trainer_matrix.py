"""Protects what the README says of Lightning's parts: each works, with its effect, or is refused in a right line.

A row is a command, and what must come of it. Imports are made once, each row runs in a process that is forked from
there; `python -m tests.test_trainer_matrix` counts the rows.
"""

import json
import os
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import yaml

import cli
from datamodules import Digits
from zoo.commands import cli as command  # noqa: F401  what the command imports
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import Row as MetricsRow
from zoo.runs.metrics import read_metrics

BASE = (
    "fit --data Digits --data.train_size 320 --data.batch_size 64 --model MLP --model.hidden [16] --figures false"
    " --trainer.max_epochs 2 --trainer.accelerator cpu --run_dir r"
)
CONFIGS = Path(__file__).parents[2] / "configs"
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

    def again(self, args: str) -> "Outcome":
        """Another command in the same place."""
        return run(args, self.place)


class Row(NamedTuple):
    """One row of the matrix."""

    args: str  # behind BASE
    kind: str  # works, or refused
    check: Callable[[Outcome], object]
    slow: bool = False
    effects: tuple[Callable[[Outcome], object], ...] = ()
    err: str = ""


def run(args: str, place: Path) -> Outcome:
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
                code = ended(shlex.split(args))
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return Outcome(code, out.read(), err.read(), place)


def ended(args: list[str]) -> int:
    """The exit code of a command in this process."""
    sys.argv = ["cli.py", *args]
    try:
        cli.main(args)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 99
    return 0


@cache
def made(args: str) -> Outcome:
    """What BASE with these flags comes to, run once for all rows that compare with it."""
    return run(f"{BASE} {args}", Path(tempfile.mkdtemp(prefix="matrix-")))


# what may come of a row


def refused(args: str, *texts: str) -> Row:
    """Exit code 2, nothing left behind, and one line that holds these texts."""

    def check(outcome: Outcome) -> None:
        assert outcome.code == 2
        assert len(outcome.err.splitlines()) == 1
        assert ERROR.match(outcome.err)
        assert all(text in outcome.err for text in texts)
        assert outcome.files == set()

    return Row(args, "refused", check)


def works(args: str, *effects: Callable[[Outcome], object], slow: bool = False, err: str = "") -> Row:
    """A run that ends well, with nothing on stderr but this, and these effects."""

    def check(outcome: Outcome) -> None:
        assert outcome.err == "" if not err else re.search(err, outcome.err)
        assert outcome.code == 0
        for effect in effects:
            assert effect(outcome), effect

    return Row(args, "works", check, slow, effects, err)


def weights_equal(a: Outcome, b: Outcome, name: str = "last") -> bool:
    """Whether the weights of both are the same, bit for bit."""
    left, right = (each.checkpoint(name)["state_dict"] for each in (a, b))
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def same_as(args: str) -> Callable[[Outcome], bool]:
    """The effect: the weights are those of BASE with these flags, bit for bit."""
    return lambda outcome: weights_equal(outcome, made(args))


def other_than(args: str) -> Callable[[Outcome], bool]:
    """The effect: the weights are others than those of BASE with these flags."""
    return lambda outcome: not weights_equal(outcome, made(args))


def says(text: str) -> Callable[[Outcome], bool]:
    """The effect: this is printed."""
    return lambda outcome: text in outcome.out


def has(pattern: str) -> Callable[[Outcome], bool]:
    """The effect: there is a file of this pattern."""
    return lambda outcome: any(outcome.place.glob(pattern))


def trainer(flags: str) -> str:
    """Flags of the trainer: `max_steps 7; logger true`."""
    return " ".join(f"--trainer.{flag}" for flag in flags.split("; "))


def optimizer(args: str) -> str:
    """The flags for an optimiser of torch's with options: `SGD lr 0.1`."""
    name, *rest = args.split()
    pairs = zip(rest[::2], rest[1::2], strict=True)
    flags = (f"--model.optimizer.{key} {value}" for key, value in pairs)
    return " ".join([f"--model.optimizer {name}", *flags])


def repeats(outcome: Outcome) -> bool:
    """The effect: config.yaml gives the same weights again, and the run can be tested again to the same number."""
    other = outcome.again("fit -c r/config.yaml --figures false --run_dir other")
    assert other.code == 0, other.err
    left, right = (
        torch.load(outcome.place / name / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("r", "other")
    )
    assert all(torch.equal(left[key], right[key]) for key in left)
    tested = outcome.again("test --run_dir r")
    assert tested.code == 0, tested.err
    return f"{100 * outcome.result['test']['accuracy']:.2f} %" in tested.out


def resumes(args: str, straight: str) -> Callable[[Outcome], bool]:
    """The effect: with these flags the run goes on to what BASE with those gives straight on, bit for bit."""

    def check(outcome: Outcome) -> bool:
        later = outcome.again(f"{BASE} --resume must {args}")
        assert later.code == 0, later.err
        return weights_equal(later, made(straight))

    return check


def same_rows(args: str) -> Callable[[Outcome], bool]:
    """The effect: metrics.csv is that of BASE with these flags, but for the seconds."""

    def check(outcome: Outcome) -> bool:
        here, there = ([{**row, "seconds": 0} for row in each.rows] for each in (outcome, made(args)))
        return here == there

    return check


def is_pruned(share: float) -> Callable[[Outcome], bool]:
    """The effect: the weights that were tested are pruned, by this share at least, and the record says by how much."""

    def check(outcome: Outcome) -> bool:
        name = "best" if outcome.folder.best.exists() else "last"
        weights = outcome.checkpoint(name)["state_dict"].values()
        zeros = sum(int((weight == 0).sum()) for weight in weights) / sum(weight.numel() for weight in weights)
        said = f"pruned: {100 * zeros:.1f} % of the parameters are 0"
        return zeros >= share - 0.01 and abs(outcome.result["zeros"] - zeros) < 1e-5 and said in outcome.out

    return check


def cannot_go_on(text: str) -> Callable[[Outcome], bool]:
    """The effect: the same command does not go on, and says why with this text."""

    def check(outcome: Outcome) -> bool:
        later = outcome.again("fit --run_dir r --resume must --trainer.max_epochs 3")
        return later.code == 2 and bool(ERROR.match(later.err)) and text in later.err

    return check


def in_file(name: str, text: str) -> Callable[[Outcome], bool]:
    """The effect: a file of this pattern holds this text."""
    return lambda outcome: any(text in path.read_text() for path in outcome.place.glob(name))


def steps(count: int) -> Callable[[Outcome], bool]:
    """The effect: so many steps were made."""
    return lambda outcome: outcome.checkpoint()["global_step"] == count


def epochs(count: int) -> Callable[[Outcome], bool]:
    """The effect: so many epochs were trained."""
    return lambda outcome: outcome.result["epochs"] == count


def left_nothing(outcome: Outcome) -> bool:
    """The effect: no file."""
    return outcome.files == set()


def trains_nothing(flag: str) -> Callable[[Outcome], bool]:
    """The effect: no file, and a line that names the flag."""
    line = f"no step was trained ({flag}), so nothing was written or tested\n"
    return lambda outcome: left_nothing(outcome) and outcome.out == line


def callback(args: str) -> str:
    """The flags for a callback with options: `Timer interval epoch`."""
    name, *rest = args.split()
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
            callback(args),
            "class in --trainer.callbacks: expected ",
            "found StochasticWeightAveraging, whose average",
            "Try: --trainer.callbacks EMAWeightAveraging, or -c configs/callbacks/ema.yaml",
        )
        for args in (
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


def does_not_search_again(args: str) -> Callable[[Outcome], bool]:
    """The effect: the same command with --resume goes on with what was found, whatever rate and size it names."""

    def check(outcome: Outcome) -> bool:
        found = outcome.result["proposed"]
        again = outcome.again(f"{BASE} {args} --resume must --trainer.max_epochs 3")
        assert again.code == 0, again.err
        assert "proposes" not in again.out
        assert again.result["proposed"] == found
        group = again.checkpoint()["optimizer_states"][0]["param_groups"][0]
        return again.result["epochs"] == 3 and group["lr"] == found.get("lr", group["lr"])

    return check


def describes_itself(outcome: Outcome) -> bool:
    """The effect: from the checkpoint the model is made with the rate that was found."""
    held = outcome.checkpoint()["hyper_parameters"]["optimizer"]
    return held["init_args"]["lr"] == outcome.result["proposed"]["lr"]


WINDOWED = callback("BatchSizeFinder init_val 64") + " --trainer.accumulate_grad_batches 2"
FROM_ANOTHER_RATE = callback("LearningRateFinder num_training_steps 20") + " --model.optimizer.lr 0.5"
STOP = "monitor val/loss patience 0 min_delta 10"  # at the second validation
CALLBACKS = [
    works(callback(f"EarlyStopping {STOP}") + " " + trainer("max_epochs 5"), epochs(2), same_as("")),
    works(callback(f"EarlyStopping {STOP} verbose true"), says("Signaling Trainer to stop."), repeats),
    works(callback("EarlyStopping monitor nothing strict false"), same_as(""), err="nothing|^$"),
    refused(
        callback("EarlyStopping monitor val_loss"),
        "metric in --trainer.callbacks.monitor of EarlyStopping: expected one of train/loss, train/accuracy, lr,",
        "found 'val_loss'. Try: --trainer.callbacks.monitor val/loss",
    ),
    works(callback("EarlyStopping monitor val/accuracy mode max patience 9"), same_as("")),
    works(callback("EarlyStopping monitor val/accuracy patience 9"), err="expected max for val/accuracy.*mode max$"),
    works(callback("ModelCheckpoint monitor val/loss mode max"), err="Try: --trainer.callbacks.mode min$"),
    refused(callback("EarlyStopping monitor val_acc mode max"), "Try: --trainer.callbacks.monitor val/accuracy"),
    refused(callback("EarlyStopping monitor val/loss") + " " + trainer("limit_val_batches 0"), "found 'val/loss'"),
    refused(callback("EarlyStopping"), "value in --trainer.callbacks.monitor: expected ", "found none"),
    works(callback("ModelCheckpoint"), same_as(""), has("r/metrics/checkpoints/*.ckpt"), repeats),
    works(
        callback("ModelCheckpoint monitor val/loss verbose true"),
        says("Epoch 0, global step 5: 'val/loss' reached"),
        has("r/metrics/checkpoints/epoch=1-step=10.ckpt"),
    ),
    refused(callback("ModelCheckpoint monitor val_los"), "of ModelCheckpoint: expected", "callbacks.monitor val/loss"),
    works(callback("OnExceptionCheckpoint dirpath oe"), same_as(""), slow=True),
    refused(
        "--trainer.callbacks+=Timer --trainer.callbacks.duration 00:00:01:00"
        " --trainer.callbacks+=Timer --trainer.callbacks.duration 00:00:02:00",
        "expected one Timer of its kind, found 2",
    ),
    refused(
        callback("Timer duration 00:00:01:00") + " " + trainer("max_time 00:00:02:00"),
        "expected one, found both. Try: without --trainer.max_time",
    ),
    works(
        callback("Timer interval epoch") + " " + trainer("max_time 00:00:00:00"),
        says("Time limit reached"),
        says("no step was trained"),
    ),
    works(callback("LearningRateMonitor"), same_as(""), in_file("r/metrics.csv", "lr-Adam"), repeats),
    works(
        callback("LearningRateFinder"),
        says("LearningRateFinder proposes --model.optimizer.lr "),
        lambda outcome: (
            outcome.result["proposed"]["lr"] == outcome.checkpoint()["optimizer_states"][0]["param_groups"][0]["lr"]
        ),
        lambda outcome: same_as(f"--model.optimizer.lr {outcome.result['proposed']['lr']}")(outcome),
        lambda outcome: outcome.files <= made("").files,
        repeats,
    ),
    works(callback("LearningRateFinder update_attr false"), says("proposes --model.optimizer.lr"), same_as("")),
    works(
        callback("LearningRateFinder num_training_steps 20") + " --model.schedule Cosine",
        says("proposes --model.optimizer.lr"),
        lambda outcome: same_as(f"--model.schedule Cosine --model.optimizer.lr {outcome.result['proposed']['lr']}")(
            outcome
        ),
        slow=True,
    ),
    works(FROM_ANOTHER_RATE, describes_itself, does_not_search_again(FROM_ANOTHER_RATE)),
    refused(callback("LearningRateFinder num_training_steps 5"), "num_training_steps: expected at least 13, found 5"),
    refused(
        callback("LearningRateFinder min_lr 2 max_lr 1"), "min_lr: expected more than 0 and less than", "found 2 and 1"
    ),
    refused(callback("BatchSizeFinder init_val 0"), "init_val: expected at least 1, found 0"),
    refused(callback("BatchSizeFinder steps_per_trial 0"), "steps_per_trial: expected at least 1, found 0"),
    refused(
        callback("EarlyStopping monitor val/loss mode up"),
        "(`mode` can be min, max, got up)",
        "Try: another --trainer.callbacks.mode",
    ),
    refused(callback("Timer duration never"), "callbacks.duration: expected days:", "callbacks.duration 00:00:10:00"),
    refused(trainer("max_time never"), "in --trainer.max_time: expected days:", "Try: --trainer.max_time 00:00:10:00"),
    refused(callback("Timer interval minute"), "in --trainer.callbacks.interval: expected step or epoch, found minute"),
    refused(
        callback("RichProgressBar") + " --trainer.callbacks+ TQDMProgressBar",
        "progress bars in --trainer.callbacks: expected one, found several",
    ),
    refused(
        callback("TQDMProgressBar") + " --trainer.enable_progress_bar false",
        "in --trainer.enable_progress_bar: expected true beside a progress bar, found false beside TQDMProgressBar",
    ),
    refused(callback("EMAWeightAveraging decay 3"), "found EMAWeightAveraging (Invalid decay value 3.0"),
    refused(callback("ModelPruning pruning_fn l1_unstructured amount 3.5"), "amount: expected a share", "found 3.5"),
    refused(callback("ModelPruning pruning_fn ln_structured"), "the `pruning_dim` should be provided"),
    refused(callback("ThroughputMonitor window_size 1"), "found ThroughputMonitor (AssertionError: "),
    refused(callback("LearningRateFinder attr_name speed"), "attr_name: expected lr", "found 'speed'"),
    works(callback("LearningRateFinder") + " " + trainer("fast_dev_run true"), left_nothing, slow=True),
    works(
        callback("BatchSizeFinder init_val 64"),
        says("BatchSizeFinder proposes --data.batch_size 320 instead of 64"),
        lambda outcome: outcome.config["data"]["init_args"]["batch_size"] == 320,
        same_as("--data.batch_size 320"),
        lambda outcome: outcome.files <= made("").files,
        repeats,
    ),
    works(
        WINDOWED,
        says("BatchSizeFinder proposes --data.batch_size 160 instead of 64"),
        does_not_search_again(WINDOWED),
    ),
    works(callback("BatchSizeFinder init_val 64 mode binsearch max_val 100"), same_as("--data.batch_size 100")),
    refused(callback("BatchSizeFinder batch_arg_name size"), "batch_arg_name: expected batch_size"),
    works(callback("EMAWeightAveraging decay 0.5"), other_than(""), repeats, slow=True),
    works(callback("WeightAveraging"), other_than(""), slow=True),
    works(f"{callback('GradientAccumulationScheduler')} --trainer.callbacks.scheduling '{{0: 5}}'", steps(2), repeats),
    works(callback("Timer duration 00:00:01:00"), same_as(""), repeats),
    works(callback("Timer duration 00:00:01:00 interval epoch"), same_as(""), repeats, slow=True),
    works(
        callback("Timer duration 00:00:01:00"), resumes("--trainer.max_epochs 3", "--trainer.max_epochs 3"), slow=True
    ),
    works(callback("ModelSummary max_depth 2"), says("Trainable params"), same_as("")),
    works(callback("RichModelSummary"), says("Trainable params"), same_as(""), slow=True),
    works(callback("TQDMProgressBar"), same_as(""), says("Epoch 1"), repeats),
    works(callback("RichProgressBar"), same_as(""), repeats, slow=True),
    refused(
        callback("TQDMProgressBar") + " " + trainer("enable_progress_bar false"), "in --trainer.enable_progress_bar"
    ),
    works(callback("ThroughputMonitor"), same_as(""), in_file("r/metrics.csv", "train/samples"), repeats),
    works(callback("SpikeDetection"), same_as(""), cannot_go_on("SpikeDetection, whose load_state_dict in Lightning")),
    works("-c {configs}/callbacks/early_stopping.yaml", same_as("")),
    works("-c {configs}/callbacks/ema.yaml", other_than(""), slow=True),
    works("-c {configs}/callbacks/diagnostics.yaml", same_as(""), has("r/diagnostics.csv"), slow=True),
]
PRUNING = callback("ModelPruning pruning_fn l1_unstructured amount 0.3")
DECAYED = f"{PRUNING} --trainer.callbacks.use_lottery_ticket_hypothesis false --model.optimizer.weight_decay 0.01"
LONGER = "--trainer.max_epochs 4"
STRUCTURED = "ModelPruning pruning_fn ln_structured pruning_dim 0 pruning_norm 2 use_global_unstructured false"
CALLBACKS += [
    works(f"{PRUNING} --trainer.callbacks.verbose 1", says("Applied `L1Unstructured`. Pruned: "), is_pruned(0.3)),
    works(PRUNING, is_pruned(0.3), resumes(f"{PRUNING} {LONGER}", f"{PRUNING} {LONGER}")),
    works(DECAYED, is_pruned(0.3), resumes(f"{DECAYED} {LONGER}", f"{DECAYED} {LONGER}"), slow=True),
    works(
        f"{PRUNING} --trainer.max_epochs 1",
        is_pruned(0.3),
        repeats,
        resumes(f"{PRUNING} {LONGER}", f"{PRUNING} {LONGER}"),
        same_rows(f"{PRUNING} {LONGER}"),
    ),
    refused(
        f"{PRUNING} --trainer.callbacks+=EMAWeightAveraging",
        "expected ModelPruning or EMAWeightAveraging, found both",
        "Try: without EMAWeightAveraging",
    ),
    works(f"{callback('ModelPruning pruning_fn random_unstructured')} --model LeNet", is_pruned(0.5), slow=True),
    works(f"{callback(STRUCTURED)} --trainer.callbacks.parameter_names [weight]", repeats, slow=True),
    refused(f"{PRUNING} --trainer.callbacks.make_pruning_permanent false", "make_pruning_permanent: expected true"),
    refused(callback("ModelPruning pruning_fn magic"), "in --trainer.callbacks.pruning_fn", "l1_unstructured"),
    works(f"--model LeNet {optimizer('torch.optim.LBFGS')}", other_than("--model LeNet"), repeats, slow=True),
]
if find_spec("psutil"):
    CALLBACKS.append(works(callback("DeviceStatsMonitor"), same_as(""), in_file("r/metrics.csv", "DeviceStatsMonitor")))
else:
    CALLBACKS.append(refused(callback("DeviceStatsMonitor"), "found DeviceStatsMonitor (", "Try: pip install -U"))
PROFILERS = [
    works(
        trainer("profiler simple"),
        same_as(""),
        in_file("r/fit-profile.txt", "run_training_epoch"),
        says("profile: r/fit-profile.txt, r/test-profile.txt"),
        repeats,
    ),
    works(trainer("profiler advanced"), in_file("r/fit-profile.txt", "function calls"), same_as(""), slow=True),
    works(
        trainer("profiler pytorch"), in_file("r/fit-profile.txt", "CPU total"), has("r/*trace.json"), err="^", slow=True
    ),
    works(trainer("profiler SimpleProfiler; profiler.filename rep"), says("profile: r/fit-rep.txt, r/test-rep.txt")),
    works(
        trainer("profiler SimpleProfiler; profiler.filename rep; profiler.dirpath p"),
        in_file("p/fit-rep.txt", "run_training_epoch"),
        says("profile: p/fit-rep.txt"),
        slow=True,
    ),
    works(trainer("profiler simple; fast_dev_run true"), says("FIT Profiler Report"), left_nothing),
    works(
        "",
        lambda outcome: (
            "profile: r/validate-profile.txt" in outcome.again("validate --run_dir r --trainer.profiler simple").out
        ),
        has("r/validate-profile.txt"),
    ),
    refused(trainer("profiler XLAProfiler"), "profiler in --trainer.profiler", "found XLAProfiler", "pip install"),
    refused(trainer("profiler fast"), "in --trainer.profiler"),
]
TRAINER = [
    works(trainer("enable_model_summary true"), says("Trainable params"), same_as("")),
    works(trainer("enable_progress_bar true"), same_as(""), slow=True),
    works(trainer("barebones true"), says("barebones: 2 epochs in "), left_nothing),
    refused(trainer("barebones true; enable_checkpointing true"), "barebones"),
    works(trainer("logger true"), same_as(""), has("r/tensorboard/events*") if find_spec("tensorboard") else says("")),
    works(
        trainer("logger CSVLogger; logger.save_dir logs"),
        same_as(""),
        has("logs/lightning_logs/*/metrics.csv"),
        slow=True,
    ),
    works(trainer("overfit_batches 2"), steps(4), other_than("")),
    works(trainer("overfit_batches 1"), steps(2), slow=True),
    works(trainer("fast_dev_run 3"), says("fast_dev_run: 3 batches of training and of validation"), left_nothing),
    works(
        trainer("fast_dev_run true"),
        says("fast_dev_run: one batch of training and of validation"),
        left_nothing,
        slow=True,
    ),
    works(trainer("strategy DDPStrategy"), same_as(""), repeats, slow=True),
    works(trainer("strategy SingleDeviceStrategy"), same_as(""), slow=True),
    works(trainer("limit_train_batches 2"), steps(4), slow=True),
    works(trainer("limit_train_batches 0.5"), steps(4), slow=True),
    works(trainer("limit_val_batches 0"), same_as(""), says("(the last: nothing was validated)")),
    works(trainer("limit_test_batches 1"), same_as(""), slow=True),
    works(trainer("accumulate_grad_batches 5"), steps(2), slow=True),
    works(trainer("max_steps 7"), steps(7), slow=True),
    works(trainer("max_epochs 1"), epochs(1), resumes("", "")),
    works(trainer("max_epochs 0"), trains_nothing("--trainer.max_epochs 0")),
    works(trainer("max_steps 0"), trains_nothing("--trainer.max_steps 0"), slow=True),
    works(trainer("limit_train_batches 0"), trains_nothing("--trainer.limit_train_batches 0"), slow=True),
    works(trainer("min_epochs 2"), same_as(""), slow=True),
    works(trainer("max_time 00:00:05:00"), same_as(""), repeats, slow=True),
    works(trainer("max_time 00:00:05:00; max_epochs 1"), resumes("--trainer.max_time 00:00:05:00", "")),
    works(trainer("num_sanity_val_steps 2"), same_as(""), slow=True),
    works(trainer("val_check_interval 0.5"), same_as("")),
    works(trainer("val_check_interval 2"), same_as(""), slow=True),
    works(trainer("check_val_every_n_epoch 2"), same_as("")),
    works(trainer("gradient_clip_val 0.01"), other_than(""), slow=True),
    works(trainer("gradient_clip_val 0.01; gradient_clip_algorithm value"), other_than(""), slow=True),
    works(trainer("deterministic true"), same_as(""), slow=True),
    works(trainer("benchmark true"), same_as(""), slow=True),
    works(trainer("inference_mode false"), same_as(""), slow=True),
    works(trainer("detect_anomaly true"), same_as(""), err="", slow=True),
    works(trainer("reload_dataloaders_every_n_epochs 1"), same_as(""), slow=True),
    works(trainer("precision 64-true"), other_than(""), repeats, slow=True),
    works(trainer("precision bf16-mixed"), other_than(""), repeats, slow=True),
    works(trainer("precision bf16-true"), other_than(""), slow=True),
    works(
        trainer("plugins MixedPrecision; plugins.precision bf16-mixed; plugins.device cpu"),
        same_as(trainer("precision bf16-mixed")),
        slow=True,
    ),
    works(trainer("precision 16-true"), err="warning: --model.optimizer.eps is 1e-08, which is 0 in float16"),
    refused(trainer("precision transformer-engine"), "precision in --trainer.precision", "Try: pip install"),
    works("--model.optimizer torch.optim.SGD --model.optimizer.lr 0", err="warning: --model.optimizer.lr is 0"),
    refused(trainer("precision 16-mixed"), "in --trainer.precision", "a GPU. Try: --trainer.precision bf16-mixed"),
    refused(trainer("precision 16"), "in --trainer.precision", "a GPU. Try: --trainer.precision bf16-mixed"),
    refused(trainer("precision 7"), "in --trainer.precision"),
    refused(trainer("accelerator tpu"), "accelerator in --trainer.accelerator", "Try: pip install"),
    refused(trainer("strategy xla"), "strategy in --trainer.strategy", "Try: pip install"),
    refused(trainer("strategy fsdp"), "strategy in --trainer.strategy"),
    refused(trainer("strategy ddp_spawn"), "strategy in --trainer.strategy"),
    refused(trainer("max_time soon"), "max_time"),
    refused(trainer("gradient_clip_val 1; gradient_clip_algorithm cut"), "gradient_clip_algorithm"),
    refused(trainer("val_check_interval 25"), "expected at most the 5 of an epoch, found 25. Try: --trainer.val_check"),
    works(trainer("val_check_interval 5"), same_as(""), slow=True),
    refused(trainer("overfit_batches 0.1"), "share in --trainer.overfit_batches", "Try: --trainer.overfit_batches 1"),
    refused(trainer("limit_val_batches 0.5"), "share in --trainer.limit_val_batches", "--trainer.limit_val_batches 1"),
    refused(trainer("limit_train_batches 0.05"), "share in --trainer.limit_train_batches", "found 0.05"),
    refused("--seed_everything true", "value in --seed_everything: expected int, found True"),
    refused("--seed_everything null", "value in --seed_everything: expected int, found "),
    refused("--seed_everything -1", "expected 0 to 4294967295"),
    refused("--weights_only false", "option weights_only in --weights_only"),
    refused("--ckpt_path best --run_dir other", "checkpoint"),
]
OPTIMIZERS = [
    *(
        works(optimizer(f"torch.optim.{name}"), repeats, slow=name != "SGD")
        for name in (
            *("ASGD", "Adadelta", "Adafactor", "Adagrad", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop"),
            *("SGD", "LBFGS"),
        )
    ),
    works(optimizer("torch.optim.Adam foreach true"), repeats),
    works(
        "--model.optimizer.foreach true",
        lambda outcome: outcome.checkpoint()["optimizer_states"][0]["param_groups"][0]["foreach"],
    ),
    works(optimizer("torch.optim.SGD foreach true"), other_than(""), slow=True),
    works(optimizer("torch.optim.Adagrad foreach true"), other_than(""), slow=True),
    refused("--model.optimizer.foreach true --model.optimizer.fused true", "optimiser in --model.optimizer"),
    refused("--model.optimizer.differentiable true", "optimiser in --model.optimizer"),
    refused(optimizer("torch.optim.NAdam capturable true"), "optimiser in --model.optimizer", "capturable=True"),
    refused(optimizer("torch.optim.SparseAdam"), "optimiser in --model.optimizer", "does not support dense gradients"),
    refused(optimizer("torch.optim.Muon"), "optimiser in --model.optimizer", "only supports 2D parameters"),
    refused(optimizer("zoo.optimizers.Muon"), "Try: --model.optimizer.matrices true"),
    works(optimizer("zoo.optimizers.Muon matrices true lr 0.01"), other_than(""), slow=True),
    refused(optimizer("torch.optim.SGD nesterov true"), "optimiser in --model.optimizer", "Nesterov momentum requires"),
    refused(
        "--model.optimizer.betas [0.9,1.5]",
        "Invalid beta",
        "found [0.9, 1.5]",
        "Try: --model.optimizer.betas [0.9,0.999]",
    ),
    refused("--model.optimizer.lr -1", "lr in --model.optimizer.lr: expected", "Try: --model.optimizer.lr 0.001"),
    refused("--model.optimizer null", "expected one, found null. Try: --model.optimizer torch.optim.Adam"),
    refused("--model.schedule torch.optim.lr_scheduler.StepLR", "expected one of Cosine", "--model.schedule Steps"),
    refused("--model.schedule ReduceLROnPlateau", "class in --model.schedule: expected one of Cosine, Steps, Triangle"),
    works("--model.schedule Cosine", other_than(""), repeats, slow=True),
    refused("--model.hidden [100000000000]", "memory in --model: expected enough"),
]
# their options and values are such as a configuration could not hold, or what they do is done once and written down
REPEATED = ("Timer duration 00:00:01:00", "LearningRateFinder", "BatchSizeFinder init_val 64", "EarlyStopping " + STOP)


def by_cost(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows; those that repeat the whole run besides are two, of which the one with the repetition is slow."""
    for row in rows:
        if repeats not in row.effects or row.slow or row.args in map(callback, REPEATED):
            yield row
            continue
        if others := [effect for effect in row.effects if effect is not repeats]:
            yield works(row.args, *others, err=row.err)
        yield works(row.args, repeats, err=row.err, slow=True)


ROWS = [*NUMBERS, *UNFIT, *by_cost([*CALLBACKS, *PROFILERS, *TRAINER, *OPTIMIZERS])]


@pytest.fixture(scope="module", autouse=True)
def data() -> None:
    """The images, read once: forked processes have them."""
    Digits().setup()


def params(rows: Iterable[Row]) -> list[Any]:
    return [pytest.param(row, id=f"{row.kind}: {row.args}", marks=[pytest.mark.slow] * row.slow) for row in rows]


@pytest.mark.parametrize("row", params(ROWS))
def test_a_row(row: Row, tmp_path: Path) -> None:
    args = row.args.replace("{configs}", str(CONFIGS))
    outcome = run(f"{BASE} {args}", tmp_path)
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

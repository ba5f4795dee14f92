"""Settings and parts of the trainer: what Lightning would misread is refused, what it leaves open is given.

    --trainer.accumulate_grad_batches 0          -> number in …: expected at least 1, found 0. Try: …
    --trainer.callbacks ThroughputMonitor        -> counts the images of a batch

Lightning divides by accumulate_grad_batches; with -1 the loss would rise. All of it is checked before anything is built
or starts; what Lightning refuses by itself is left to it.
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from lightning import Callback, LightningModule
from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.callbacks import (
    EarlyStopping,
    ModelCheckpoint,
    ModelPruning,
    ThroughputMonitor,
    Timer,
    WeightAveraging,
)
from lightning.pytorch.strategies import StrategyRegistry
from torch.optim import Optimizer

from zoo.config.errors.option_errors import unfit_line
from zoo.config.errors.unfit_parts import unfit
from zoo.config.type_names import best_match, nearest
from zoo.errors import UsageError, shorten, warn
from zoo.runs.result import MONITOR
from zoo.training.callbacks.named_callbacks import images_in, options_of
from zoo.training.callbacks.pruning import KeptPruning

TRAIN = ("train/loss", "train/accuracy")
VALIDATION = ("val/loss", "val/balanced_accuracy", "val/accuracy")
AT_EPOCH_END = (*TRAIN, "lr", "seconds")
SHOWN = 8  # names in one line
SMALLEST_HALF = 2.0**-25  # what is less is 0 in float16


class Range(NamedTuple):
    """What a number may be.

    Attributes:
        least: the smallest.
        others: values below it that have a meaning of their own.
        advice: one that is usual.
        share: whether a number with a point is a share, so that it ends at 1.
    """

    least: float
    others: tuple[Any, ...] = ()
    advice: str = "1"
    share: bool = False


NUMBERS = {
    "max_epochs": Range(0, (-1,), "10"),
    "min_epochs": Range(0),
    "max_steps": Range(0, (-1,), "-1"),
    "min_steps": Range(0),
    "accumulate_grad_batches": Range(1),
    "check_val_every_n_epoch": Range(1),
    "log_every_n_steps": Range(0),
    "num_sanity_val_steps": Range(0, (-1,), "0"),
    "gradient_clip_val": Range(0),
    "num_nodes": Range(1),
    "reload_dataloaders_every_n_epochs": Range(0, (), "0"),
    "fast_dev_run": Range(0),
    "overfit_batches": Range(0, (), "1", share=True),
    "limit_train_batches": Range(0, (), "1.0", share=True),
    "limit_val_batches": Range(0, (), "1.0", share=True),
    "limit_test_batches": Range(0, (), "1.0", share=True),
    "limit_predict_batches": Range(0, (), "1.0", share=True),
}


def check_trainer(trainer: Mapping[str, Any]) -> None:
    """Raises UsageError for settings of the trainer that Lightning would take and then fail with, or misread.

    Args:
        trainer: its flags, with class paths where classes were named.
    """
    for name, range_ in NUMBERS.items():
        check_number(name, trainer.get(name), range_)
    devices = trainer.get("devices")
    if devices == [] or re.fullmatch(r"0|-([02-9]|\d{2,})", str(devices)):  # -1 is all there are
        raise UsageError(
            f"devices in --trainer.devices: expected at least 1, found {devices}. Try: --trainer.devices 1"
        )
    check_interval(trainer.get("val_check_interval"))
    for name, names in names_of_parts().items():
        check_named(name, trainer.get(name), names)


def names_of_parts() -> dict[str, list[str]]:
    """What Lightning calls the parts of the trainer that have names, the usual one first."""
    return {
        "accelerator": ["auto", "cpu", "gpu", *AcceleratorRegistry.available_accelerators()],
        "strategy": ["auto", "ddp", *StrategyRegistry.available_strategies()],
        "profiler": ["simple", "advanced", "pytorch", "xla"],
        "gradient_clip_algorithm": ["norm", "value"],
    }


def check_named(name: str, value: Any, names: list[str]) -> None:
    """Raises UsageError, with the nearest name, for one that Lightning does not know."""
    if not isinstance(value, str) or "." in value or value.lower() in names:
        return
    names = list(dict.fromkeys(names))
    some = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    raise UsageError(
        f"value in --trainer.{name}: expected one of {some}, found {shorten(repr(value))}."
        f" Try: --trainer.{name} {best_match(value, names) or names[0]}"
    )


def check_number(name: str, value: Any, range_: Range) -> None:
    """Raises UsageError for a number out of its range, or one that is none."""
    if value is None or isinstance(value, bool | str) or value in range_.others:
        return
    most = 1.0 if range_.share and isinstance(value, float) else math.inf
    if not (math.isfinite(value) and range_.least <= value <= most):
        raise UsageError(
            f"number in --trainer.{name}: expected {expected(range_)}, found {value}."
            f" Try: --trainer.{name} {range_.advice}"
        )


def expected(range_: Range) -> str:
    """A range in words."""
    others = "".join(f", or {other} for no limit" for other in range_.others)
    return (
        f"a share from 0.0 to 1.0, or whole batches from {range_.least:g}"
        if range_.share
        else f"at least {range_.least:g}{others}"
    )


def check_interval(value: Any) -> None:
    """Raises UsageError for an interval between validations that is none: Lightning divides by it."""
    # times, `00:05:00`, come as text or as a timedelta
    if value is None or isinstance(value, str | timedelta | Mapping):
        return
    if isinstance(value, float) and not 0 < value <= 1:
        found, advice = f"the share {value}", "0.5, or a whole number of batches"
    elif isinstance(value, int) and value < 1:
        found, advice = str(value), "1.0"
    else:
        return
    raise UsageError(
        "batches between validations in --trainer.val_check_interval: expected a share of the epoch above 0 and up to"
        f" 1.0, or at least 1 batch, found {found}. Try: --trainer.val_check_interval {advice}"
    )


def check_parts(trainer: Mapping[str, Any]) -> None:
    """Raises UsageError for a part of the trainer that cannot do its work here.

    Args:
        trainer: its flags, with class paths where classes were named.
    """
    for name in ("callbacks", "plugins"):
        value = trainer.get(name)
        for part in value if isinstance(value, list) else [value]:
            path = part.get("class_path") if isinstance(part, Mapping) else part
            if isinstance(path, str) and (reason := unfit(path)):
                raise UsageError(unfit_line(f"--trainer.{name}", path, reason).replace(": -- ", f": --trainer.{name} "))


def settle_callbacks(callbacks: Iterable[Callback], max_time: Any = None) -> list[Callback]:
    """The callbacks, with what they need besides their options.

    Args:
        callbacks: as they were configured.
        max_time: `--trainer.max_time`, which Lightning passes over where there is a Timer.
    """
    callbacks, settled = list(callbacks), []
    check_told_apart(callbacks)
    averages = [type(each).__name__ for each in callbacks if isinstance(each, WeightAveraging)]
    if averages and any(isinstance(each, ModelPruning) for each in callbacks):
        raise UsageError(  # the average remembers weights that are pruned since
            f"callbacks in --trainer.callbacks: expected ModelPruning or {averages[0]}, found both, and an average of"
            f" weights from before and after pruning is not pruned. Try: without {averages[0]}"
        )
    for callback in callbacks:
        if isinstance(callback, ThroughputMonitor) and callback.batch_size_fn is None:
            callback.batch_size_fn = images_in
        if type(callback) is ModelPruning:
            if not options_of(callback)["make_pruning_permanent"]:
                raise UsageError(
                    "option in --trainer.callbacks.make_pruning_permanent: expected true, so that checkpoints hold the"
                    " weights of the network, found false. Try: without it; masks are in last.ckpt anyway"
                )
            amount = callback.amount
            if (isinstance(amount, float) and not 0 <= amount <= 1) or (isinstance(amount, int) and amount < 0):
                raise UsageError(
                    "number in --trainer.callbacks.amount: expected a share from 0.0 to 1.0, or a whole number of"
                    f" parameters, found {amount}. Try: --trainer.callbacks.amount 0.5"
                )
            callback = KeptPruning.of(callback)
        if isinstance(callback, Timer) and max_time is not None:
            options = options_of(callback)
            if options["duration"] is not None:
                raise UsageError(
                    "times in --trainer.max_time and --trainer.callbacks.duration: expected one, found both."
                    " Try: without --trainer.max_time"
                )
            callback = Timer(max_time, options["interval"], options["verbose"])
        settled.append(callback)
    return settled


def check_told_apart(callbacks: Iterable[Callback]) -> None:
    """Raises UsageError for two callbacks whose states a checkpoint could not tell apart: Lightning refuses them."""
    stateful = [each for each in callbacks if type(each).state_dict is not Callback.state_dict]
    keys = [each.state_key for each in stateful]
    twice = next((each for each in stateful if keys.count(each.state_key) > 1), None)
    if twice:
        name = type(twice).__name__
        raise UsageError(
            f"callbacks in --trainer.callbacks: expected one {name} of its kind, found {keys.count(twice.state_key)},"
            f" whose states a checkpoint cannot tell apart. Try: one {name}"
        )


def check_monitors(callbacks: Iterable[Callback], model: LightningModule, *, validates: bool) -> None:
    """Raises UsageError for a callback that would wait for a number that nobody logs.

    Args:
        callbacks: all that were named; one of the user's own may log anything.
        model: the model; one of the user's own may, too.
        validates: whether there is a validation.
    """
    callbacks = list(callbacks)
    if not all(is_known(each) for each in (*callbacks, model)):
        return
    for callback in callbacks:
        wanted = getattr(callback, "monitor", None)
        if not isinstance(callback, EarlyStopping | ModelCheckpoint) or wanted is None:
            continue
        if isinstance(callback, EarlyStopping) and not callback.strict:
            continue
        there = [*AT_EPOCH_END, *VALIDATION * validates]
        if wanted in there or (isinstance(callback, ModelCheckpoint) and wanted in ("epoch", "step")):
            warn(wrong_way(type(callback).__name__, wanted, callback.mode))
            continue
        raise UsageError(
            f"metric in --trainer.callbacks.monitor of {type(callback).__name__}: expected one of {', '.join(there)},"
            f" found {str(wanted)[:60]!r}. Try: --trainer.callbacks.monitor {likely(wanted, there)}"
        )


def wrong_way(name: str, metric: str, mode: str) -> str | None:
    """The warning where a callback takes a lower accuracy, or a higher loss, for better; Lightning's default is min."""
    right = "max" if metric.endswith("accuracy") else "min" if metric.endswith("loss") else mode
    if right == mode:
        return None
    return (
        f"mode in --trainer.callbacks.mode of {name}: expected {right} for {metric}, found {mode}, by which the worst"
        f" is the best. Try: --trainer.callbacks.mode {right}"
    )


def check_choice(monitor: str, *, validates: bool) -> None:
    """Raises UsageError where weights are to be chosen by a validation that there is none of."""
    if monitor != MONITOR and not validates:
        raise UsageError(
            f"metric in --monitor: expected a validation for {monitor} to choose weights by, found none"
            " (--data.val_size 0 or --trainer.limit_val_batches 0). Try: --data.val_size 100, or without --monitor"
        )


def likely(name: str, names: list[str]) -> str:
    """The one that is meant: `val_acc` for `val/accuracy`."""
    split, _, what = name.replace("_", "/").replace("-", "/").replace("valid/", "val/").partition("/")
    split = "val" if split == "test" else split  # nothing is tested in a training
    guess = f"{split}/{what.replace('acc', 'accuracy') if what == 'acc' else what}"
    return nearest(guess, names) or nearest(name, names) or names[-1]


def is_known(part: object) -> bool:
    """Whether a class is ours or Lightning's, so that it is known what it logs."""
    return type(part).__module__.partition(".")[0] in ("zoo", "lightning")


def stands_still(optimizer: Optimizer) -> str | None:
    """The message for a learning rate of 0; None if there is another."""
    if optimizer.defaults.get("lr") != 0 or any(group["lr"] != 0 for group in optimizer.param_groups):
        return None
    return "--model.optimizer.lr is 0: no weight will change. Try: --model.optimizer.lr 0.001"


def too_small(optimizer: Optimizer, precision: str) -> str | None:
    """The message for an optimiser whose eps is 0 in the numbers that it is to work with; None if it is not."""
    eps = optimizer.defaults.get("eps")
    if precision != "16-true" or not isinstance(eps, float) or eps >= SMALLEST_HALF:
        return None
    return (
        f"--model.optimizer.eps is {eps:g}, which is 0 in float16 (--trainer.precision 16-true): steps divide by 0, or"
        " go astray. Try: --model.optimizer.eps 1e-4, or --trainer.precision bf16-mixed"
    )

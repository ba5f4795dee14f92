"""Lightning's finders: they search before the run, and what they propose becomes part of its configuration.

    LearningRateFinder  -> --model.optimizer.lr 0.0123
    BatchSizeFinder     -> --data.batch_size 320

So the run is the one that this value, set by hand, would give, and config.yaml repeats it without another search.
Lightning would search within the run: in a checkpoint that it leaves behind, with steps that the run then counts.
"""

import contextlib
import logging
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from jsonargparse import Namespace
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import BatchSizeFinder, LearningRateFinder
from lightning.pytorch.tuner import Tuner, lr_finder
from tqdm import tqdm

from zoo.checkpoints.checkpoint_io import SafeCheckpointIO
from zoo.config.errors.library_errors import is_out_of_memory
from zoo.errors import UsageError
from zoo.training.callbacks.named_callbacks import options_of
from zoo.training.classifier import Classifier

FINDERS = (LearningRateFinder, BatchSizeFinder)
# what the value may be called; there is only one
RATES: tuple[str, ...] = ("lr", "", "learning_rate", "optimizer.lr", "optimizer.init_args.lr", "model.optimizer.lr")
SIZES = ("batch_size", "data.batch_size")
FEWEST = 13  # steps of a search for a rate: Lightning leaves out the first ten and the last, and needs a slope
DEFAULTS = {"num_training_steps": 100, "init_val": 2, "steps_per_trial": 3, "max_trials": 25, "max_val": 8192}
# of the trainer: what a step depends on
KEPT = (
    *("accelerator", "precision", "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"),
    *("limit_train_batches", "overfit_batches", "deterministic", "benchmark", "detect_anomaly"),
)


def finders(callbacks: Sequence[Any]) -> list[Any]:
    """The finders among callbacks."""
    return [callback for callback in callbacks if isinstance(callback, FINDERS)]


def check_alone(world_size: int) -> None:
    """Raises UsageError where several devices would each find something of their own."""
    if world_size > 1:
        raise UsageError(
            f"devices in --trainer.devices: expected 1 for a finder among the callbacks, found {world_size}."
            " Try: --trainer.devices 1 with the finder, then the value it proposes on all of them"
        )


def check_finder(finder: Any) -> None:
    """Raises UsageError for options with which there is nothing to find."""
    options = options_of(finder)
    if isinstance(finder, LearningRateFinder):
        if not 0 < options["min_lr"] < options["max_lr"]:
            raise UsageError(
                "rates in --trainer.callbacks.min_lr: expected more than 0 and less than --trainer.callbacks.max_lr,"
                f" found {options['min_lr']:g} and {options['max_lr']:g}. Try: --trainer.callbacks.min_lr 1e-8"
            )
        numbers = {"num_training_steps": FEWEST}
        option, names = "attr_name", RATES
    else:
        option, names = "batch_arg_name", SIZES
        numbers = dict.fromkeys(("init_val", "steps_per_trial", "max_trials", "max_val"), 1)
    for name, least in numbers.items():
        if (value := options[name]) < least:
            raise UsageError(
                f"number in --trainer.callbacks.{name}: expected at least {least}, found {value}."
                f" Try: --trainer.callbacks.{name} {DEFAULTS[name]}"
            )
    if options[option] not in names:
        raise UsageError(
            f"name in --trainer.callbacks.{option}: expected {names[0]}, found {options[option]!r}. Try: without it"
        )


def search_trainer(flags: Mapping[str, Any], root: str, **settings: Any) -> Trainer:
    """A trainer whose steps are those of the run, and which writes nothing outside `root`."""
    kept = {name: flags[name] for name in KEPT if name in flags}
    return Trainer(
        **kept,
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        use_distributed_sampler=False,
        default_root_dir=root,
        plugins=[SafeCheckpointIO()],
        **settings,
    )


def find_rate(
    finder: LearningRateFinder, model: Classifier, data: LightningDataModule, flags: Mapping[str, Any]
) -> float:
    """The learning rate at which the loss falls most steeply, to four digits.

    Args:
        finder: with its options.
        model: is trained, and of no use afterwards.
        data: of the run.
        flags: those of the trainer.

    Raises:
        UsageError: there are too few steps to tell.
    """
    options = options_of(finder)
    model.schedule = None  # the finder has one of its own
    kept = {name: options[name] for name in ("min_lr", "max_lr", "mode", "early_stop_threshold")}
    kept |= {"num_training": options["num_training_steps"], "update_attr": False}
    with tempfile.TemporaryDirectory() as root, quiet_bar(model):
        trainer = search_trainer(flags, root, max_epochs=-1, enable_checkpointing=False)
        search = Tuner(trainer).lr_find(model, datamodule=data, **kept)
    found = search.suggestion() if search else None
    if found is None:
        raise UsageError(
            "steps in --trainer.callbacks.num_training_steps: expected enough for the loss to fall, found too few"
            f" ({options['num_training_steps']}). Try: --trainer.callbacks.num_training_steps 100"
        )
    return float(f"{found:.4g}")


@contextlib.contextmanager
def quiet_bar(model: LightningModule) -> Any:
    """The finder's progress bar is for terminals only, and goes when it is done; what it cannot do is said here."""
    log, start = logging.getLogger(lr_finder.__name__), model.on_train_start

    def on_train_start() -> None:
        for callback in model.trainer.callbacks:  # type: ignore[attr-defined]
            if hasattr(callback, "progress_bar_refresh_rate"):  # the finder's own, which would make its bar later
                total = callback.num_training
                callback.progress_bar = tqdm(desc="Finding best initial lr", total=total, disable=None, leave=False)
        start()

    log.disabled, model.on_train_start = True, on_train_start  # type: ignore[method-assign]
    try:
        yield
    finally:
        log.disabled = False
        del model.on_train_start


def find_batch_size(
    finder: BatchSizeFinder, model: LightningModule, data: Any, flags: Mapping[str, Any], images: int
) -> int:
    """The largest batch size that there is memory for, up to a number of images.

    Args:
        finder: with its options.
        model: is copied for each trial.
        data: of the run; its batch size is as before afterwards.
        flags: those of the trainer.
        images: the most that a batch may hold.
    """
    options = options_of(finder)
    before = data.batch_size

    def fits(size: int) -> bool:
        data.batch_size = size
        with tempfile.TemporaryDirectory() as root:
            trainer = search_trainer(flags, root, max_steps=options["steps_per_trial"], enable_checkpointing=False)
            try:
                trainer.fit(deepcopy(model), data)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                return False
        return True

    try:
        return largest(
            fits,
            start=options["init_val"],
            most=min(options["max_val"], images),
            trials=options["max_trials"],
            margin=options["margin"] if options["mode"].lower() == "binsearch" else None,
        )
    finally:
        data.batch_size = before


def largest(fits: Callable[[int], bool], *, start: int, most: int, trials: int, margin: float | None) -> int:
    """The largest size that fits, found by doubling.

    Args:
        fits: whether a size does.
        start: the first.
        most: the largest that may be asked for.
        trials: how often may be asked.
        margin: then also by halving the last step again and again, less this share; None takes the last double.

    Raises:
        UsageError: not even 1 fits.
    """
    good, bad = 0, most + 1
    size = min(start, most)
    for _ in range(trials):
        if fits(size):
            good = size
        else:
            bad = size
        doubled = min(2 * good, most) if bad > most else good
        size = doubled if bad > most else (good + bad) // 2 if margin is not None or not good else good
        if size in (0, good):
            break
    if not good:
        raise UsageError("memory in --data.batch_size: expected enough for one image, found none. Try: another --model")
    return good if margin is None or bad > most else max(1, int(good * (1 - margin)))


def without_finders(named: Any) -> Any:
    """The value of `--trainer.callbacks` for the run itself: what was found is in the configuration then."""
    if not isinstance(named, list):
        return None if is_finder(named) else named
    return [each for each in named if not is_finder(each)]


def known_proposals(proposed: Any) -> dict[str, float]:
    """What the record of a run says that its finders have proposed; what could not have been is left out."""
    held: Mapping[str, Any] = proposed if isinstance(proposed, Mapping) else {}
    rate, size = held.get("lr"), held.get("batch_size")
    known: dict[str, float] = {}
    if isinstance(rate, int | float) and not isinstance(rate, bool) and 0 < rate < math.inf:
        known["lr"] = rate
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        known["batch_size"] = size
    return known


def taken_up(named: Any, proposed: Mapping[str, float]) -> dict[str, float]:
    """What a run that goes on takes of the proposals, as its finders are named again: they do not search anew.

    Args:
        named: the value of `--trainer.callbacks`.
        proposed: what was found as the run began.
    """
    taken: dict[str, float] = {}
    for each in named if isinstance(named, list) else [named]:
        if is_finder(each):
            plain = each.as_dict() if isinstance(each, Namespace) else each if isinstance(each, Mapping) else {}
            name = "batch_size" if "BatchSize" in str(plain.get("class_path", each)) else "lr"
            wanted = name == "batch_size" or (plain.get("init_args") or {}).get("update_attr", True)
            taken |= {name: proposed[name]} if wanted and name in proposed else {}
    return taken


def is_finder(named: Any) -> bool:
    """Whether a callback, as configured, is one of Lightning's finders."""
    path = str(named.get("class_path")) if isinstance(named, Mapping | Namespace) else str(named)
    return path.rpartition(".")[2] in {finder.__name__ for finder in FINDERS}

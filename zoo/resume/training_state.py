"""Could this run have saved that? The training state in a checkpoint, held against those that this run would save now.

    loops, callbacks, optimiser, schedule, tally:  the same keys, numbers where numbers are, tensors of the same layout

What goes on from them trusts them: Lightning's counters take any attribute from a checkpoint and it forgets a schedule
that is missing; torch's fused optimisers write beyond the end of a tensor that is too short.
"""

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import SpikeDetection
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from zoo.errors import UsageError
from zoo.training.classifier import Classifier

LOOPS = ("fit_loop", "validate_loop", "test_loop", "predict_loop")


def check_loops_and_callbacks(path: Path, checkpoint: Mapping[str, Any], trainer: Trainer) -> None:
    """Raises UsageError if the loops and callbacks of a training cannot take up what the checkpoint holds for them."""
    try:
        if "loops" in checkpoint:
            check_layout({name: getattr(trainer, name).state_dict() for name in LOOPS}, checkpoint["loops"], "loops")
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        for callback in callbacks:
            state = checkpoint.get("callbacks", {}).get(callback.state_key)
            if state is not None:
                check_callback(callback, state)
    except StateMismatch as error:
        raise mismatch_error(path, error) from error


def check_callback(callback: Callback, state: Any) -> None:
    """Raises Unlike if a callback cannot have saved this state, as far as it is known what it saves, or UsageError.

    The zoo's own have the same keys all the time, of which an older version may have had fewer. Lightning's let lists
    and dicts grow, and write texts and seconds where there was nothing. What a user's own does nobody knows.
    """
    if isinstance(callback, SpikeDetection):
        raise UsageError(
            "callback in --trainer.callbacks: expected one that can go on, found SpikeDetection, whose load_state_dict"
            " in Lightning 2.6 fails. Try: --trainer.callbacks null, or a new run (without --resume)"
        )
    origin, place = type(callback).__module__.partition(".")[0], f"callbacks.{callback.state_key}"
    now = callback.state_dict()
    if origin == "zoo":
        known = {name: value for name, value in now.items() if name in state} if isinstance(state, dict) else now
        check_layout(known, state, place, loose=True)
    elif origin == "lightning":
        check_grown(now, state, place)


def check_grown(now: Any, saved: Any, place: str) -> None:
    """Raises Unlike if a state cannot have become the other in the course of a training.

    Args:
        now: a fresh one.
        saved: what it may have become.
        place: keys that lead there.
    """
    if now is None or saved is None:
        return
    if isinstance(now, dict) and isinstance(saved, dict):
        for name in now.keys() & saved.keys():
            check_grown(now[name], saved[name], f"{place}.{name}")
    elif type(now) is int and type(saved) is float:  # seconds that were none yet
        # not from 0 on: Lightning's Timer takes the end of the validation before from the start of one that goes on
        if not math.isfinite(saved):
            raise StateMismatch(place, "a finite number", f"{saved}")
    elif not (isinstance(now, list | tuple) and isinstance(saved, list | tuple)) and not fits(now, saved):
        raise StateMismatch(place, format_state(now), format_state(saved))


def check_training_state(path: Path, checkpoint: Mapping[str, Any], model: Classifier) -> None:
    """Raises UsageError if training cannot go on from the states of optimiser, schedule and accumulator."""
    begun = checkpoint["global_step"] > 0
    try:
        if begun and "loops" not in checkpoint:
            raise StateMismatch("loops", "counters", "none")
        if type(model).configure_optimizers is Classifier.configure_optimizers:
            now, schedules = training_states(model)
            same = checkpoint.get("hyper_parameters", {}).get("optimizer") == model.hparams.get("optimizer")
            check_groups(now["param_groups"], checkpoint.get("optimizer_states"), same=same)
            check_moments(now["state"], checkpoint["optimizer_states"][0]["state"], begun=begun)
            check_layout(schedules, checkpoint.get("lr_schedulers"), "lr_schedulers")
        if "tally" in checkpoint and "num_classes" in model.hparams:
            check_accumulator(checkpoint["tally"], model.hparams["num_classes"])
    except StateMismatch as error:
        raise mismatch_error(path, error) from error


class StateMismatch(Exception):
    """A state is of another form than it should be.

    Args:
        place: its keys, `loops.fit_loop.epoch_progress`.
        expected: what should be there.
        found: what is.
    """

    def __init__(self, place: str, expected: Any, found: Any) -> None:
        super().__init__(place, expected, found)
        self.place, self.expected, self.found = place, expected, found


def mismatch_error(path: Path, error: StateMismatch) -> UsageError:
    """The one line."""
    return UsageError(
        f"state in {path}: expected {error.expected} as {error.place[:100]}, found {error.found}."
        " Try: the command and config.yaml it was made with, or a new run"
    )


def check_layout(now: Any, saved: Any, place: str, *, loose: bool = False) -> None:
    """Raises Unlike unless the saved state is of the form of the present one.

    Args:
        now: what would be saved now.
        saved: what was.
        place: keys that lead there.
        loose: what is nothing now may be anything, and an empty dict may be filled; it may in loops, too.
    """
    if loose and now is None:
        return
    if now == {} and isinstance(saved, dict) and (loose or place.endswith("state_dict")):
        return
    if isinstance(now, dict) and isinstance(saved, dict):
        for name in {**now, **saved}:
            if name not in now or name not in saved:
                raise StateMismatch(f"{place}.{name}", *("nothing", "something")[:: 1 if name in saved else -1])
            check_layout(now[name], saved[name], f"{place}.{name}", loose=loose)
    elif isinstance(now, list | tuple) and isinstance(saved, list | tuple) and len(now) == len(saved):
        for i, (present, past) in enumerate(zip(now, saved, strict=True)):
            check_layout(present, past, f"{place}.{i}", loose=loose)
    elif isinstance(now, list | tuple) or not fits(now, saved):
        raise StateMismatch(place, format_state(now), format_state(saved))


def fits(now: Any, saved: Any) -> bool:
    """Whether a value can stand for the other: the same type, and counts that are not negative."""
    if isinstance(now, Tensor):
        return isinstance(saved, Tensor) and layout(now) == layout(saved)
    if type(now) is int:
        return type(saved) is int and saved >= min(now, 0)
    return type(saved) in (int, float) if isinstance(now, float) else type(saved) is type(now)


def layout(value: Tensor) -> tuple[Any, ...]:
    """Shape, order of the axes in memory, and whether the numbers have a point; precision may differ."""
    strides = [stride for stride, side in zip(value.stride(), value.shape, strict=True) if side > 1]
    return tuple(value.shape), strides, value.is_floating_point(), value.is_complex()


def format_state(value: Any) -> str:
    """A value as far as its form goes."""
    if isinstance(value, Tensor):
        strides = "" if value.is_contiguous() else f" with strides {value.stride()}"
        return f"a tensor {tuple(value.shape)} of {str(value.dtype).removeprefix('torch.')}{strides}"
    if isinstance(value, list | tuple):
        return f"{len(value)} in a list"
    names = {bool: "true or false", dict: "a dict", str: "a text", type(None): "nothing", float: "a number"}
    return names.get(type(value)) or ("a whole number" if value >= 0 else f"the number {value}")


def training_states(model: Classifier) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What optimiser and schedule of this model would save after a first step: that of a copy whose weights are 0."""
    # frozen ones too: they may have been set free, or will be
    copies = [nn.Parameter(torch.zeros_like(weight)) for weight in model.parameters()]
    optimizer = model.optimizer(copies)
    schedules = [LambdaLR(optimizer, model._factor).state_dict()] if model.schedule else []
    for copy in copies:
        copy.grad = torch.zeros_like(copy)
    with contextlib.suppress(Exception):  # LBFGS and its like ask for more than gradients: their states stay unknown
        optimizer.step()
    return optimizer.state_dict(), schedules


def check_groups(now: list[dict[str, Any]], saved: Any, *, same: bool) -> None:
    """Raises Unlike unless these are the states of one optimiser, and its settings are those that this one has.

    Args:
        now: the groups of parameters of this run's optimiser.
        saved: the states in the checkpoint.
        same: whether the checkpoint says that its optimiser was made like this one: then its switches are the same.
    """
    # a number may have been given as a whole one
    groups = [{name: float(value) if type(value) is int else value for name, value in group.items()} for group in now]
    check_layout([{"state": {}, "param_groups": groups}], saved, "optimizer_states", loose=True)
    for group, before in zip(now, saved[0]["param_groups"], strict=True):
        for name, value in group.items():
            switch = value is None or isinstance(value, bool | str)
            if (name == "params" or (switch and same)) and before[name] != value:
                raise StateMismatch(f"optimizer_states.0.param_groups.{name}", str(value)[:60], str(before[name])[:60])
            if isinstance(before[name], float) and not math.isfinite(before[name]):
                raise StateMismatch(f"optimizer_states.0.param_groups.{name}", "a finite number", before[name])


def check_moments(now: dict[Any, Any], saved: dict[Any, Any], *, begun: bool) -> None:
    """Raises Unlike unless what the optimiser remembers of each parameter is of that parameter's layout, and finite.

    Args:
        now: what it remembers of each after one step.
        saved: what the checkpoint says.
        begun: whether steps were made before the checkpoint.
    """
    place = "optimizer_states.0.state"
    if now and begun and not saved:
        raise StateMismatch(place, "averages of past gradients", "none")
    known = {parameter: saved[parameter] for parameter in now if parameter in saved}  # frozen ones have none
    if now:
        check_layout({parameter: now[parameter] for parameter in known}, saved, place)
    stored = [value for entry in known.values() for value in entry.values() if isinstance(value, Tensor)]
    if not all(value.isfinite().all() for value in stored):
        raise StateMismatch(place, "finite numbers", "others")
    if len({value.untyped_storage().data_ptr() for value in stored}) < len(stored):
        raise StateMismatch(place, "tensors of their own", "two that share their memory")


def check_accumulator(saved: dict[str, Any], num_classes: int) -> None:
    """Raises Unlike unless the counts of the epoch that goes on are of so many classes, a row for each device."""
    devices = len(saved["loss"]) if isinstance(saved.get("loss"), Tensor) and saved["loss"].ndim else 1
    confusion = torch.zeros(devices, num_classes**2, dtype=torch.int64)
    check_layout({"confusion": confusion, "loss": torch.zeros(devices)}, saved, "tally")
    if saved["confusion"].lt(0).any() or not saved["loss"].isfinite().all():
        raise StateMismatch("tally", "counts from 0 and a finite loss", "others")

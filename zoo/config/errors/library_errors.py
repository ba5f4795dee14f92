"""Whose fault is an exception of a library? A part's that a flag has named, or ours.

    SparseAdam.step raises RuntimeError              -> optimiser in --model.optimizer: expected …, found SparseAdam (…)
    training_step, called by Adam.step, raises it    -> ours: a traceback

The traceback tells: what was raised in a method of one of Lightning's callbacks, profilers or loggers, in one of
torch's optimisers, or where a strategy, a precision or an accelerator is made, is put to the flag that names it, unless
code of ours was running within. Where it passes nothing of that kind, a message of Lightning's that quotes a flag of
the trainer is put to that flag. Everything else is ours.
"""

import re
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from types import TracebackType
from typing import Any

import lightning
import torch
from lightning import Callback
from lightning.fabric.accelerators import Accelerator
from lightning.fabric.plugins.precision import Precision
from lightning.fabric.strategies import Strategy as FabricStrategy
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy
from torch.optim import Optimizer

from zoo.errors import chain

FLAGS: dict[type, tuple[str, str]] = {
    Callback: ("callback", "trainer.callbacks"),
    Profiler: ("profiler", "trainer.profiler"),
    Logger: ("logger", "trainer.logger"),
    Optimizer: ("optimiser", "model.optimizer"),
    # every step passes these, whoever has chosen them
    Precision: ("precision", "trainer.precision"),
    Accelerator: ("accelerator", "trainer.accelerator"),
    Strategy: ("strategy", "trainer.strategy"),
    FabricStrategy: ("strategy", "trainer.strategy"),
}
ONLY_MADE = (Precision, Accelerator, Strategy, FabricStrategy)
RESTORE_HOOKS = ("load_state_dict", "on_load_checkpoint")  # what fails there is the checkpoint's
HERE = Path(__file__).parents[3]
OURS = tuple(str(HERE / name) for name in ("zoo", "datamodules", "cli.py", "scripts", "tests"))
INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
LIGHTNING = str(Path(str(lightning.__file__)).parent)
MEMORY = re.compile(r"can't allocate memory|out of memory|Unable to allocate", re.IGNORECASE)
SIZE = re.compile(r"(?:tried|Tried) to allocate ([\d.]+ \w+)|Unable to allocate ([\d.]+ \w+)")
INSTALL = re.compile(r"`?(pip install [^`]+?)`")


def line_for(error: BaseException) -> str | None:
    """The one line for an exception of a library, with the flag that has led to it; None if it is ours.

    Args:
        error: with its traceback.
    """
    if is_out_of_memory(error):
        size = SIZE.search(str(error))
        wanted = f"none for {next(filter(None, size.groups()))} more" if size else "too little"
        return (
            f"memory in --data.batch_size: expected enough for the network and its batches, found {wanted}."
            " Try: a smaller --data.batch_size, or a smaller network"
        )
    for pattern, formatter in KNOWN.items():
        if found := re.search(pattern, str(error)):
            return formatter(error, *found.groups())
    if part := part_at_fault(error):
        what, flag = part_flag(part) or ("", "")
        reason = one_sentence(error)
        advice = INSTALL.search(str(error))
        options = [name for name in signature(type(part)).parameters if re.search(rf"\b{name}\b", reason)]
        made = any(name == "__init__" and owner is part for _, name, owner in frames(error.__traceback__))
        if made and len(options) == 1:
            flag = f"{flag}.{options[0]}"
        return (
            f"{what} in --{flag}: expected one that works here, found {type(part).__name__} ({reason})"
            f". Try: {advice[1] if advice else f'another --{flag}'}"
        )
    quoted = quoted_flag(error)
    if quoted is None:
        return None
    return f"setting in --{quoted}: expected one that Lightning can run here, found another ({one_sentence(error)})"


def too_few(error: BaseException, share: str, split: str, batches: str) -> str:
    """The line for a share of the batches that is less than one of them."""
    names = {"train": "training", "val": "validation", "test": "test", "predict": "prediction"}
    name = "overfit_batches" if overfitting(error) else f"limit_{split}_batches"
    return (
        f"share in --trainer.{name}: expected at least one batch of the {batches} of {names.get(split, split)}, found"
        f" {share} of them. Try: --trainer.{name} 1"
    )


def too_late(error: BaseException, interval: str, batches: str) -> str:
    """The line for a validation that no epoch comes to."""
    return (
        f"batches between validations in --trainer.val_check_interval: expected at most the {batches} of an epoch,"
        f" found {interval}. Try: --trainer.val_check_interval {batches}, or --trainer.check_val_every_n_epoch null as"
        " well, to count on over the epochs"
    )


def no_time(error: BaseException, found: str) -> str:
    """The line for a time that is none."""
    of_flag = any(function == "_configure_timer_callback" for _, function, _ in frames(error.__traceback__))
    flag = "trainer.max_time" if of_flag else "trainer.callbacks.duration"  # the flag makes a Timer of its own
    return f"time in --{flag}: expected days:hours:minutes:seconds, found {found}. Try: --{flag} 00:00:10:00"


def no_interval(error: BaseException, found: str) -> str:
    """The line for a Timer that is to look at the clock at no known time."""
    flag = "trainer.callbacks.interval"
    return f"value in --{flag}: expected step or epoch, found {found}. Try: --{flag} step"


def several_bars(error: BaseException) -> str:
    """The line for more than one progress bar."""
    return (
        "progress bars in --trainer.callbacks: expected one, found several. Try: --trainer.callbacks with one of them"
    )


def a_bar_and_none(error: BaseException, bar: str) -> str:
    """The line for a progress bar where none is wanted."""
    return (
        f"value in --trainer.enable_progress_bar: expected true beside a progress bar, found false beside {bar}."
        " Try: without one of the two"
    )


KNOWN: dict[str, Callable[..., str]] = {  # messages of Lightning's, and the lines for what is in them
    r"You requested to check ([\d.]+) of the `(\w+)_dataloader` but \S+ \* (\d+) < 1": too_few,
    r"`val_check_interval` \((\d+)\) must be less than or equal to the number of .* batches \((\d+)\)": too_late,
    r"`Timer\(duration=('.*?')\)` is not a valid duration": no_time,
    r"`Timer\(interval=(.*?)\)`\. Possible choices": no_interval,
    r"You added multiple progress bar callbacks": several_bars,
    r"with `enable_progress_bar=False` but found `(\w+)` in callbacks": a_bar_and_none,
}


def overfitting(error: BaseException) -> bool:
    """Whether the trainer that has raised this was to overfit some batches: it calls that by other names."""
    trainers = (getattr(owner, "trainer", None) for _, _, owner in frames(error.__traceback__))
    return any(getattr(trainer, "overfit_batches", 0) for trainer in trainers)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was no memory left, on the processor or a GPU."""
    return any(
        isinstance(each, MemoryError | torch.OutOfMemoryError)
        or (isinstance(each, RuntimeError) and MEMORY.search(str(each)))
        for each in chain(error)
    )


def one_sentence(error: BaseException) -> str:
    """The first of what it says, without what stands in the middle of another sentence badly."""
    last = traceback.extract_tb(error.__traceback__)[-1:]  # an assertion may have no words but its own
    text = " ".join(str(error).split()) or next((f"{type(error).__name__}: {call.line}" for call in last), "")
    return text.partition(" HINT:")[0].rstrip(". ")[:300]


def frames(trace: TracebackType | None) -> Iterator[tuple[str, str, Any]]:
    """File, function and `self` of each call that an exception has passed, outermost first."""
    while trace:
        code = trace.tb_frame.f_code
        yield code.co_filename, code.co_name, trace.tb_frame.f_locals.get("self")
        trace = trace.tb_next


def part_at_fault(error: BaseException) -> object | None:
    """The part of Lightning's or torch's in whose method this was raised, without code of ours in between."""
    part = None
    for file, function, owner in frames(error.__traceback__):
        if file.startswith(OURS) or not file.startswith((*INSTALLED, "<")):
            part = None
        elif function in RESTORE_HOOKS:
            return None
        elif part_flag(owner) and (function == "__init__" or not isinstance(owner, ONLY_MADE)):
            part = owner
    return part


def part_flag(owner: object) -> tuple[str, str] | None:
    """What a part is, and the flag that names it; None for other objects and for parts of ours."""
    if type(owner).__module__.partition(".")[0] not in ("lightning", "torch"):
        return None
    return next((formatter for base, formatter in FLAGS.items() if isinstance(owner, base)), None)


def quoted_flag(error: BaseException) -> str | None:
    """The flag of the trainer that a message of Lightning's quotes."""
    files = [file for file, _, _ in frames(error.__traceback__)]
    if not files or not files[-1].startswith(LIGHTNING):
        return None
    names = re.findall(r"`(?:Trainer\()?(\w+)[`=(\s]", str(error))
    options = lightning.Trainer.__init__.__annotations__
    return next((f"trainer.{name}" for name in names if name in options), None)

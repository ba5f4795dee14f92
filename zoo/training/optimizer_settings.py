"""The settings of an optimiser: as configured, as a checkpoint brings them, and one that its class does not take.

groups of parameters: [{"params": […], "lr": 0.1, "momentum": 0.9}]  ->  settings: [{"lr": 0.1, "momentum": 0.9}]
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

from lightning import LightningModule
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

Settings = list[dict[str, Any]]  # per group of parameters


def settings_of(optimizer: Optimizer) -> Settings:
    """The settings of each group of parameters."""
    return [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]


def restore_settings(model: LightningModule, settings: Settings, factor: Callable[[int], float]) -> None:
    """Gives the optimiser of a model its settings back, where a checkpoint has brought its own along.

    Args:
        model: in a training.
        settings: what was asked for on this start.
        factor: what the schedule multiplies the learning rate by in a step.
    """
    optimizer, scheduler = model.optimizers(), model.lr_schedulers()
    assert not isinstance(optimizer, list)
    for group, own in zip(optimizer.param_groups, settings, strict=True):
        group.update(own)
        if isinstance(scheduler, LambdaLR):
            group["initial_lr"], group["lr"] = own["lr"], own["lr"] * factor(scheduler.last_epoch)
    if isinstance(scheduler, LambdaLR):
        scheduler.base_lrs = [own["lr"] for own in settings]


def refusal(optimizer: Any, error: str) -> str:
    """The message for an optimiser that does not take its parameters, or its own arguments.

    Args:
        optimizer: class_path and init_args, where it was configured.
        error: what the class says, such as `Invalid learning rate: -1.0`.
    """
    return wrong_setting(optimizer, error) or (
        f"optimiser in --model.optimizer: expected one for these parameters, found another ({error})"
    )


def wrong_setting(optimizer: Any, error: str) -> str | None:
    """The message for an optimiser's setting that its class does not take; None if the error names none.

    Args:
        optimizer: class_path and init_args.
        error: what the class says, such as `Invalid learning rate: -1.0`.
    """
    if not isinstance(optimizer, Mapping) or "class_path" not in optimizer:  # made in Python
        return None
    module, _, name = str(optimizer["class_path"]).rpartition(".")
    defaults = inspect.signature(getattr(sys.modules.get(module), name, dict)).parameters
    for setting, value in optimizer.get("init_args", {}).items():
        values = value if isinstance(value, list | tuple) else [value]
        if setting in defaults and any(error.endswith(f": {each}") for each in values):
            default = defaults[setting].default
            default = f"[{','.join(map(str, default))}]" if isinstance(default, list | tuple) else default
            return (
                f"{setting} in --model.optimizer.{setting}: expected what {name} takes, found {value} ({error})."
                f" Try: --model.optimizer.{setting} {default}"
            )
    return None

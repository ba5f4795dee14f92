"""W&B: the logger, its start, its connection, what it may tell."""

from zoo.loggers.wandb.logger import Wandb

__all__ = ["Wandb"]

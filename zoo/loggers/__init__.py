"""Dashboards beside metrics.csv: one file = one of them."""

from zoo.loggers.base import log_histogram
from zoo.loggers.tensorboard import TensorBoard
from zoo.loggers.wandb.logger import Wandb

__all__ = ["TensorBoard", "Wandb", "log_histogram"]

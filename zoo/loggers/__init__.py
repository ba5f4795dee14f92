"""Dashboards beside metrics.csv: one file = one of them."""

from zoo.loggers.run_logger import log_histogram
from zoo.loggers.tensorboard import TensorBoard
from zoo.loggers.wandb import Wandb

__all__ = ["TensorBoard", "Wandb", "log_histogram"]

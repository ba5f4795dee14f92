"""What is to be done at the next boundary, the same on all processes: nothing, save, or save and leave.

a signal, or so many seconds since the last save  ->  the greatest wish of all processes, asked for every few batches
"""

import math
import time
from datetime import timedelta
from typing import Any

import torch
import torch.distributed
from lightning import Trainer

from zoo.resume.signals import StopSignals
from zoo.training.lightning_compat import ask_for_no_signal

AGREE_EVERY = 8  # batches between two agreements of the processes; one costs about as much as a tiny step
SAVE = 1  # an answer to "what is to be done?", like 0 for nothing and a signal's number for saving and leaving


class Consensus:
    """What the processes of a training have agreed on.

    Args:
        every: seconds after which a save is due.
        signals: those of the command.
        timeout: how long several processes wait for each other; None for as long as torch has it.

    Attributes:
        wanted: 0, SAVE, or the number of a signal.
    """

    def __init__(self, every: float, signals: StopSignals, timeout: timedelta | None) -> None:
        self.every, self.signals, self.timeout = every, signals, timeout
        self.wanted = 0
        self._saved = 0.0  # when, by the monotonic clock
        self._batches = 0
        self._group: Any = None

    def begin(self, trainer: Trainer) -> None:
        """At the start of training: from now on signals wait for a boundary."""
        self.signals.deferred = True
        self._saved = time.monotonic()
        if trainer.world_size > 1:
            # a group of its own on the CPU: asking does not wait for a GPU
            self._group = torch.distributed.new_group(backend="gloo", timeout=self.timeout)
            ask_for_no_signal(trainer)  # Lightning's question is not needed any more
        if trainer.global_step == 0:  # the first save is due after the first step: before it, a run has not begun
            self._saved = -math.inf

    def ask(self, trainer: Trainer, *, now: bool = False) -> None:
        """Finds out what is to be done at the next boundary, the same on all processes."""
        wanted = self.signals.received or (SAVE if time.monotonic() - self._saved >= self.every else 0)
        if trainer.world_size == 1:
            self.wanted = wanted
            return
        self._batches += 1
        if now or self._batches % AGREE_EVERY == 0:
            answers = torch.tensor([max(wanted, self.wanted)])
            torch.distributed.all_reduce(answers, torch.distributed.ReduceOp.MAX, group=self._group)
            self.wanted = int(answers.item())
        if self._saved == -math.inf:  # for all of them the same
            self.wanted = max(self.wanted, SAVE)

    def saved(self) -> None:
        """Something has just been saved."""
        self._saved = time.monotonic()

    def take(self) -> int:
        """What is wanted; it counts as done from now on."""
        wanted, self.wanted = self.wanted, 0
        return wanted

    def end(self) -> None:
        """At the end of training: signals no longer wait; one that has come is wanted."""
        self.signals.deferred = False
        self.wanted = self.wanted or self.signals.received

    def leave(self) -> None:
        """Drops the group: its threads end with the last that holds it, see `leave_group`."""
        self._group = None

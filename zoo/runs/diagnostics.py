"""diagnostics.csv: what was measured inside a network, one row for each moment, layer and quantity.

    step,epoch,layer,quantity,value
    0,0,net.1,gradient_norm,0.04217

`step` is the number of updates that the weights had been through, so 0 is the network as it was initialised. The layers
of a moment stand in order, from input to output; what concerns the whole network has none. There is such a file where
diagnostics were asked for, and a run that goes on continues it: what is measured again replaces what was there.
"""

import csv
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lightning.pytorch.utilities import rank_zero_only

from zoo.files import whole_file
from zoo.runs.metrics import ADVICE, tidy


class Reading(NamedTuple):
    """One number.

    Attributes:
        step: updates of the weights before it was read.
        epoch: from 0.
        layer: such as `net.1`; empty for the whole network.
        quantity: such as `gradient_norm`.
        value: may be infinite or nan, as the network's own numbers may.
    """

    step: int
    epoch: int
    layer: str
    quantity: str
    value: float


class Grid(NamedTuple):
    """One quantity over layers and time.

    Attributes:
        layers: from input to output.
        steps: rising.
        values: (layers, steps) float64, nan where nothing was read.
    """

    layers: list[str]
    steps: list[int]
    values: np.ndarray


class DiagnosticsFile:
    """The readings of a run.

    Args:
        path: where they are written; None keeps them in memory, for runs without a folder.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._readings: dict[tuple[int, str, str], Reading] = {}
        self._all_written = True

    @property
    def readings(self) -> list[Reading]:
        """All so far, in the order of their first reading."""
        return list(self._readings.values())

    def add(self, readings: Iterable[Reading]) -> None:
        """Takes readings; one of the same step, layer and quantity as before takes its place."""
        for reading in readings:
            # the value as it will come back from the file: a run that goes on has no other
            value = float(tidy(reading.value))
            self._readings[reading.step, reading.layer, reading.quantity] = reading._replace(value=value)
            self._all_written = False

    def last_of(self, quantity: str, epoch: int) -> dict[str, float]:
        """What was last read of a quantity in an epoch, by layers; nothing if it was not."""
        found: list[Reading] = []
        for reading in reversed(self._readings.values()):  # the newest are the last
            if reading.epoch < epoch:
                break
            if reading.quantity == quantity and reading.epoch == epoch:
                found.append(reading)
        last = max((reading.step for reading in found), default=0)
        return {reading.layer: reading.value for reading in reversed(found) if reading.step == last}

    @rank_zero_only
    def write(self) -> None:
        """Writes the file anew if there is anything new; only the first process does."""
        if self.path is None or self._all_written:
            return
        with whole_file(self.path) as file:
            table = csv.writer(file)
            table.writerow(Reading._fields)
            table.writerows((*reading[:4], tidy(reading.value)) for reading in self.readings)
        self._all_written = True

    def continue_from(self, step: int) -> None:
        """Takes up the file of an interrupted run; what was read after this step will be read again."""
        assert self.path is not None
        self.add(reading for reading in read_diagnostics(self.path) if reading.step <= step)

    def take_back(self, epoch: int, quantities: Collection[str], stays: Callable[[int], bool]) -> None:
        """Forgets what was read at the end of a training in mid-epoch: now that it goes on, that is no end.

        Args:
            epoch: the one that had not come to its end.
            quantities: those meant.
            stays: whether a reading at this step is one of a training that goes through, too.
        """
        for key, reading in list(self._readings.items()):
            if reading.epoch == epoch and reading.quantity in quantities and not stays(reading.step):
                del self._readings[key]
                self._all_written = False


def read_diagnostics(path: Path) -> list[Reading]:
    """The readings in a file; none if there is no file.

    Raises:
        ValueError: it is not one that was written here.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            heading, *rows = csv.reader(file)
        if tuple(heading) != Reading._fields:
            raise ValueError(f"columns {', '.join(heading)[:60]}")
        return [
            Reading(int(step), int(epoch), layer, quantity, float(value))
            for step, epoch, layer, quantity, value in rows
        ]
    except (ValueError, csv.Error) as error:
        raise ValueError(
            f"readings in {path}: expected rows of {', '.join(Reading._fields)}, found others ({error}).{ADVICE}"
        ) from error


def grid_of(readings: Iterable[Reading], quantity: str) -> Grid:
    """One quantity as a table of layers and steps; an empty one if it was never read."""
    chosen = [reading for reading in readings if reading.quantity == quantity]
    layers = list(dict.fromkeys(reading.layer for reading in chosen))
    steps = sorted({reading.step for reading in chosen})
    values = np.full((len(layers), len(steps)), np.nan)
    for reading in chosen:
        values[layers.index(reading.layer), steps.index(reading.step)] = reading.value
    return Grid(layers, steps, values)

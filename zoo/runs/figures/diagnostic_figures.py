"""Pictures of what was measured inside a network: heat maps of layer × step, and the gap between the curves.

    readings of a run -> {"gradient_norm": figure, "update_ratio": …, "saturation": …, "dead_units": …, "gap": …}

Only of what was read. Columns are moments of measurement, evenly spaced, labelled by the step.
"""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from zoo.runs.diagnostics import Grid, Reading, grid_of

MOST_LABELS = 8  # steps that are written under a picture
MOST_NUMBERS = 15  # columns; in narrower pictures each cell says its number
LEAST_RANGE = 2.0  # of a scale, in powers of ten
STEPS = "updates of the weights so far"
NOTHING = "0.75"  # grey of cells without a logarithm, or without a number


class HeatMap(NamedTuple):
    """How a quantity is drawn.

    Attributes:
        title: with what to look for.
        unit: of the colours.
        colours: a colour map of matplotlib.
        logarithm: whether colours are powers of ten; otherwise shares from 0 to 1.
    """

    title: str
    unit: str
    colours: str
    logarithm: bool


HEAT_MAPS = {
    "gradient_norm": HeatMap("Gradients: do they vanish towards the input?", "log₁₀ |gradient|", "viridis", True),
    "update_ratio": HeatMap("Updates: does every layer learn, near −3?", "log₁₀ |update| / |weights|", "viridis", True),
    "saturation": HeatMap("Saturation: is a layer flat?", "share of activations", "Reds", False),
    "dead_units": HeatMap("Dead units: does a layer lose some?", "share of units", "Reds", False),
}
GAPS = {
    "gap/loss": ("gap in loss:\nvalidation − training", 1.0),
    "gap/accuracy": ("gap in accuracy, points:\ntraining − validation", 100.0),
}


@matplotlib.rc_context({"text.parse_math": False, "text.usetex": False})  # names of layers are text
def draw_heat(grid: Grid, look: HeatMap, run: str) -> Figure:
    """One quantity: a row for each layer, the input on top, and a column for each moment."""
    values = np.log10(np.where(grid.values > 0, grid.values, np.nan)) if look.logarithm else grid.values
    values = np.where(np.isfinite(values), values, np.nan)
    rows, columns = values.shape
    figure = Figure(figsize=(max(5.2, min(9.0, 2.6 + 0.5 * columns)), 1.7 + 0.28 * max(rows, 5)), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor(NOTHING)
    low, high = limits(values) if look.logarithm else (0.0, 1.0)
    colours = matplotlib.colormaps[look.colours]
    image = axes.imshow(values, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    if columns <= MOST_NUMBERS:
        write_numbers(axes, values, colours, (low, high), ".1f" if look.logarithm else ".2f")
    ticks = np.unique(np.linspace(0, columns - 1, min(columns, MOST_LABELS)).round().astype(int))
    axes.set_xticks(ticks, [f"{grid.steps[i]:,}" for i in ticks])
    axes.set_yticks(range(rows), grid.layers)
    axes.set(xlabel=STEPS, ylabel="layer, from input to output")
    figure.colorbar(image, label=look.unit + (", grey: zero" if np.isnan(values).any() else ""))
    figure.suptitle(f"{look.title}\n{run}", fontsize=10)
    return figure


def write_numbers(axes: Axes, values: np.ndarray, colours: Colormap, ends: tuple[float, float], form: str) -> None:
    """Writes its number into each cell, in black or white, whichever can be read on its colour."""
    low, high = ends
    for (i, j), value in np.ndenumerate(values):
        if not np.isfinite(value):
            continue
        red, green, blue, _ = colours((value - low) / (high - low))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5  # brightness as the eye has it
        text = format(value, form).replace("-0.0", "0.0").replace("-", "−")
        axes.text(j, i, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")


def limits(values: np.ndarray) -> tuple[float, float]:
    """Ends of a scale of powers of ten: those of the values, some powers apart, or small changes would glare."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    room = max(0.0, LEAST_RANGE - (high - low)) / 2
    return low - room, high + room


def draw_gap(readings: Sequence[Reading], run: str) -> Figure:
    """By how much validation is worse than training, in loss and in accuracy, over the training."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, (quantity, (label, unit)) in zip(figure.subplots(1, 2), GAPS.items(), strict=True):
        grid = grid_of(readings, quantity)
        axes.axhline(0, color="0.6", linewidth=1)
        axes.plot(grid.steps, unit * grid.values.sum(0), "o-", markersize=3, color="C3")  # the sum of one row
        axes.set(xlabel=STEPS, ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(alpha=0.3)
    figure.suptitle(f"Validation against training: does the gap grow?\n{run}", fontsize=10)
    return figure


def draw_diagnostics(readings: Sequence[Reading], run: str) -> dict[str, Figure]:
    """A figure by its name for each quantity that was read.

    Args:
        readings: of a run.
        run: in words, for the titles.
    """
    figures = {}
    for quantity, look in HEAT_MAPS.items():
        grid = grid_of(readings, quantity)
        if grid.layers:
            figures[quantity] = draw_heat(grid, look, run)
    if any(reading.quantity in GAPS for reading in readings):
        figures["gap"] = draw_gap(readings, run)
    return figures

"""The pictures of a study: differences from the baseline, outcome by levels, learning curves, and maps of layers.

Each function draws onto a Figure and knows nothing of files; `drawing` makes SVG of it.
"""

import json
import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from zoo.studies.drawing import COLOURS, INK, LINE, MARKERS
from zoo.studies.formatting import with_interval
from zoo.studies.outcomes import SMALLEST, Outcome
from zoo.studies.rows import Row
from zoo.studies.spec import ARM, Cell, Study
from zoo.studies.statistics import Mean, mean_of
from zoo.studies.verdicts import BaselineContrast, ValidRows, Values

MOST_PANELS = 3  # side by side
FAR = 4  # times as far as the others: drawn to scale, one arm would press all others into the line


def forest(study: Study, outcome: Outcome, found: Sequence[BaselineContrast]) -> Figure:
    """Each arm's difference from the baseline with its interval: right of the line it is higher."""
    groups: dict[Cell, list[BaselineContrast]] = {}
    for each in found:
        groups.setdefault(each.cell[1:], []).append(each)
    lines = sum(len(group) + bool(place) for place, group in groups.items())
    figure = Figure(figsize=(8.2, 1.1 + 0.32 * lines), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=INK, linewidth=1)
    reach = furthest([each.mean for each in found])
    labels: list[str] = []
    for place, group in groups.items():
        if place:
            labels.append(", ".join(place))
        for each in sorted(group, key=lambda each: -each.mean.value):
            draw_contrast(axes, len(labels), each, outcome, reach)
            labels.append(each.cell[0])
    axes.set_yticks(range(len(labels)), labels, ha="left")
    for text in axes.get_yticklabels() if any(groups) else ():
        if text.get_text() in {", ".join(place) for place in groups}:
            text.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    # left-aligned names need the room of the longest
    axes.tick_params(axis="y", pad=7 + 6.2 * max((len(text) for text in labels), default=1))
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.6)
    unit = ", points" if outcome.unit == "points" else ", orders of magnitude" if outcome.log else ""
    axes.set_xlabel(f"{outcome.label}: difference from {study.baseline}{unit}")
    return figure


def draw_contrast(axes: Axes, y: int, each: BaselineContrast, outcome: Outcome, reach: float) -> None:
    """One line of a forest: point, interval and number; an arrow where the point lies beyond the reach of the axis."""
    mean, colour = each.mean, COLOURS[0] if each.p < 0.05 else COLOURS[7]
    if abs(mean.value) <= reach:
        axes.errorbar(mean.value, y, xerr=bar(mean), fmt="o", color=colour, markersize=6, capsize=3, linewidth=1.8)
    else:
        marker = ">" if mean.value > 0 else "<"
        axes.plot(math.copysign(reach, mean.value), y, marker, color=colour, markersize=8, clip_on=False)
    number = with_interval(mean, outcome, plus=True)
    axes.annotate(number, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=colour)


def furthest(means: Sequence[Mean]) -> float:
    """How far from zero the axis of a forest goes: to the end of all intervals, but not for the sake of a few.

    Where a minority of the intervals reaches more than FAR times as far as the others, the others count.
    """
    ends = sorted(abs(mean.value) + bar(mean) for mean in means)
    for i in range(len(ends) // 2 + 1, len(ends)):
        if ends[i] > FAR * ends[i - 1] > 0:
            return ends[i - 1]
    return ends[-1] if ends else 0.0


def bar(mean: Mean) -> float:
    """Half an interval, as an error bar; none for a single seed."""
    return mean.half if np.isfinite(mean.half) else 0.0


def panels(places: Sequence[tuple[str, ...]], height: float) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each place; those that differ in their last level only stand side by side."""
    last = len({place[-1:] for place in places})
    columns = last if 1 < last <= MOST_PANELS else min(MOST_PANELS, len(places))
    rows = math.ceil(len(places) / columns)
    figure = Figure(figsize=(max(7.2, 3.4 * columns), height * rows), layout="constrained")
    grid = list(np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).flat)
    for axes in grid[len(places) :]:
        axes.set_visible(False)
    for axes, place in zip(grid, places, strict=False):
        axes.set_title(", ".join(place))
        axes.grid(alpha=0.6)
    return figure, grid[: len(places)]


def legend(figure: Figure, axes: Axes, columns: int = 5) -> None:
    """One legend for all panels, below them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(labels)))


def curves(study: Study, found: ValidRows) -> Figure:
    """Accuracy on the validation images after each epoch, mean over seeds with its 95 % interval as a band."""
    places = [*product(*([*levels] for factor, levels in study.factors.items() if factor != ARM))]
    figure, grid = panels(places, 3.1)
    for axes, place in zip(grid, places, strict=True):
        for i, arm in enumerate(study.factors[ARM]):
            values = curve_values(found.rows[(arm, *place)])
            if not len(values):
                continue
            means = [mean_of(column) for column in values.T.tolist()]
            epochs = range(1, len(means) + 1)
            axes.plot(epochs, [m.value for m in means], **line(i), label=arm)
            low, high = [m.value - bar(m) for m in means], [m.value + bar(m) for m in means]
            axes.fill_between(epochs, low, high, color=COLOURS[i % len(COLOURS)], alpha=0.18, linewidth=0)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[0].set_ylabel("validation accuracy, %")
    legend(figure, grid[0])
    return figure


def curve_values(rows: Sequence[Row]) -> np.ndarray:
    """Per cent of each run (rows) after each epoch (columns), as far as all of them have come."""
    curves = [[100 * float(value) for value in row["val_curve"].split()] for row in rows]
    length = min((len(curve) for curve in curves), default=0)
    return np.array([curve[:length] for curve in curves]) if length else np.empty((0, 0))


def line(i: int) -> dict[str, Any]:
    """The look of the arm of this number."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "marker": MARKERS[i % len(MARKERS)],
        "markersize": 4.5,
        "linewidth": 1.6,
    }


def by_levels(study: Study, outcome: Outcome, values: Values) -> Figure:
    """The outcome of each arm over the levels of the last factor; a panel for each combination of the others."""
    *others, last = [factor for factor in study.factors if factor != ARM]
    levels = [*study.factors[last]]
    places = [*product(*([*study.factors[factor]] for factor in others))]
    figure, grid = panels(places, 3.3)
    for axes, place in zip(grid, places, strict=True):
        for i, arm in enumerate(study.factors[ARM]):
            points = [(x, [*values[(arm, *place, level)].values()]) for x, level in enumerate(levels)]
            there = [(x, mean_of(found)) for x, found in points if found]
            # a little apart, so that no bar hides another
            xs = [x + 0.05 * (i - (len(study.factors[ARM]) - 1) / 2) for x, _ in there]
            means = [mean for _, mean in there]
            errors = [bar(mean) for mean in means]
            axes.errorbar(xs, [mean.value for mean in means], yerr=errors, capsize=2.5, label=arm, **line(i))
        axes.set_xticks(range(len(levels)), levels)
        axes.set_xlabel(last)
    grid[0].set_ylabel(outcome.axis)
    legend(figure, grid[0])
    return figure


def layer_map(study: Study, quantity: str, found: ValidRows) -> Figure:
    """A quantity of the diagnostics in each layer (from input, above, to output) over the steps, means over seeds."""
    cells = [cell for cell in study.cells if found.rows[cell]]
    maps = {cell: mean_map([row[quantity] for row in found.rows[cell]]) for cell in cells}
    log = quantity.endswith(("norm", "ratio"))
    scaled = {cell: np.log10(np.maximum(values, SMALLEST)) if log else values for cell, (_, _, values) in maps.items()}
    low, high = min(v.min() for v in scaled.values()), max(v.max() for v in scaled.values())
    columns = min(4, len(cells))
    rows = math.ceil(len(cells) / columns)
    figure = Figure(figsize=(1.6 + 2.5 * columns, 0.6 + 2.4 * rows), layout="constrained")
    grid = list(np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).flat)
    for axes, cell in zip(grid, cells, strict=False):
        layers, steps, _ = maps[cell]
        mesh = axes.pcolormesh(scaled[cell], vmin=low, vmax=high, cmap="viridis", edgecolor=LINE, linewidth=0.3)
        axes.set_yticks(np.arange(len(layers)) + 0.5, layers, fontsize=7)
        ticks = sorted({0, len(steps) // 2, len(steps) - 1})
        axes.set_xticks([tick + 0.5 for tick in ticks], [str(steps[tick]) for tick in ticks], fontsize=8)
        axes.invert_yaxis()
        axes.set_title(study.named(cell), fontsize=9)
        axes.set_xlabel("step", fontsize=8)
    for axes in grid[len(cells) :]:
        axes.set_visible(False)
    name = quantity.replace("_", " ")
    figure.colorbar(mesh, ax=grid, aspect=35, label=f"log10 of {name}" if log else name)
    return figure


def mean_map(cells: Sequence[str]) -> tuple[list[str], list[int], np.ndarray]:
    """Layers, steps and the mean over runs of what `rows.packed` has written, (layers, steps)."""
    profiles = [json.loads(cell) for cell in cells]
    layers = [*profiles[0]]
    steps = sorted({int(step) for step in profiles[0][layers[0]]})
    values = [[[profile[layer][str(step)] for step in steps] for layer in layers] for profile in profiles]
    return layers, steps, np.mean(values, axis=0)

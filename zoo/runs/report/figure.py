"""The figure of a report, `figures/report.png`: classes, confusions, calibration, accuracy against confidence.

Colours after Okabe and Ito 2008, apart for colour-blind readers too; the paper is white on light and dark pages alike.
"""

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from zoo.errors import shorten
from zoo.runs.report.numbers import Report
from zoo.runs.report.table import worst_classes

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "0.55"
SHOWN = 12  # classes, and confusions
LETTERS = 15  # of a name
LETTER = 0.0075  # width of one, as a share of the figure
STYLE: Any = {
    "text.parse_math": False,  # names are text, never TeX
    "text.usetex": False,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


@rc_context(STYLE)
def draw_report(report: Report, title: str) -> Figure:
    """All four parts of it."""
    figure = Figure(figsize=(10, 7.6))
    rows = worst_classes(report, SHOWN)
    names = [f"{axis_name(row['class'])} ({row['support']:,})" for row in rows]
    mistakes = [f"{axis_name(each['label'])} → {axis_name(each['predicted'])}" for each in report["confusions"][:SHOWN]]
    # laid out by hand: matplotlib's own layout takes as long again as the drawing
    draw_classes(figure.add_axes(beside(names, 0.02, 0.49, bottom=0.57)), rows, names)
    draw_confusions(figure.add_axes(beside(mistakes, 0.51, 0.985, bottom=0.57)), report["confusions"], mistakes)
    draw_reliability(figure.add_axes((0.065, 0.07, 0.42, 0.37)), report)
    draw_coverage(figure.add_axes((0.57, 0.07, 0.415, 0.37)), report)
    k = report["num_classes"]
    which = (
        f"the {len(rows)} of {k:,} classes with the lowest F1 (images)" if k > len(rows) else "classes by F1 (images)"
    )
    heading = {"fontsize": 10, "fontweight": "bold"}
    figure.text(0.02, 0.932, which, heading)
    figure.text(0.51, 0.932, "most frequent mistakes, label → prediction" if mistakes else "no mistakes", heading)
    figure.suptitle(title)
    return figure


def beside(labels: list[str], left: float, right: float, bottom: float) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of axes with room for labels at their side, in shares of the figure."""
    room = LETTER * max(map(len, labels), default=0) + 0.015
    return left + room, bottom, right - left - room, 0.35


def draw_classes(axes: Axes, rows: list[dict[str, Any]], names: list[str]) -> None:
    """Precision and recall of some classes, the lowest F1 above."""
    place = np.arange(len(rows))
    columns = [
        np.array([np.nan if row[name] is None else 100 * row[name] for row in rows]) for name in ("precision", "recall")
    ]
    axes.hlines(place, np.fmin(*columns), np.fmax(*columns), color="0.75", linewidth=2, zorder=1)
    for name, column, colour, marker in zip(("precision", "recall"), columns, (BLUE, ORANGE), "os", strict=True):
        axes.scatter(column, place, s=34, color=colour, marker=marker, label=name, zorder=2)
    axes.set_yticks(place, names)
    axes.set(xlabel="share, %", ylim=(len(rows) - 0.5, -0.5), xlim=(low_end(np.concatenate(columns)), 101))
    axes.legend(loc="lower left")


def draw_confusions(axes: Axes, found: list[dict[str, Any]], names: list[str]) -> None:
    """The most frequent mistakes."""
    place = np.arange(len(names))
    axes.barh(place, [each["count"] for each in found[: len(names)]], color=ORANGE, height=0.7)
    axes.set_yticks(place, names)
    axes.set(xlabel="images", ylim=(max(len(names), 1) - 0.5, -0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=False, axis="y")


def draw_reliability(axes: Axes, report: Report) -> None:
    """The reliability curve, over the share of the images in each bin."""
    found = report["calibration"]
    there = [m for m in range(found["bins"]) if found["images"][m]]
    sure, right = (100 * np.array([found[name][m] for m in there]) for name in ("confidence", "accuracy"))
    share = np.array([found["images"][m] for m in there]) / report["n"]
    axes.plot([0, 100], [0, 100], color=GREY, linestyle="--", linewidth=1, label="as right as sure")
    edges = 100 * (np.array(there) + 0.5) / found["bins"]
    axes.bar(edges, 100 * share, width=94 / found["bins"], color="0.88", label="share of the images")
    axes.plot(sure, right, color=BLUE, linewidth=1)
    axes.scatter(sure, right, s=20, color=BLUE, zorder=2, label="accuracy in each bin")
    axes.set(xlim=(0, 101), ylim=(0, 103), xlabel="confidence, %", ylabel="accuracy, %")
    axes.set_title(f"calibration: expected error {100 * found['expected_error']:.2f} points ({found['bins']} bins)")
    axes.legend(loc="upper left")


def draw_coverage(axes: Axes, report: Report) -> None:
    """Accuracy on the surest images."""
    found = report["confidence"]
    share, accuracy = (100 * np.array(found[name]) for name in ("coverage", "accuracy"))
    axes.plot(share, accuracy, color=BLUE, marker="o", markersize=3)
    axes.axhline(100 * report["accuracy"], color=GREY, linestyle="--", linewidth=1, label="all images")
    axes.set(xlim=(0, 101), xlabel="surest images, % of all", ylabel="accuracy on them, %")
    low = low_end(accuracy)
    axes.set_ylim(low, 100 + 0.03 * (100 - low))
    axes.set_title("accuracy against confidence")
    axes.legend(loc="lower left")


def low_end(percents: Any) -> float:
    """Where an axis that ends at 100 begins: room below the least, at a round number."""
    least = float(np.nanmin(percents)) if np.isfinite(percents).any() else 0.0
    span = 100 - least
    step = 20 if span > 30 else 5 if span > 6 else 1
    return max(0.0, step * np.floor((least - 0.1 * span - 0.2) / step))


def axis_name(name: str) -> str:
    """A name of a class beside an axis."""
    return shorten(name, LETTERS)

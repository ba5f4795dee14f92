"""Pictures of a run, drawn once at its end into `figures/`: curves, confusion matrix, mistakes, diagnostics."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from zoo.runs.diagnostics import read_diagnostics
from zoo.runs.figures.diagnostic_figures import draw_diagnostics
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import Row, read_metrics
from zoo.runs.report.figure import draw_report
from zoo.runs.report.numbers import Report
from zoo.training.accumulator import Result
from zoo.training.callbacks.collect_answers import Answers

SPLITS = {"train": "C0", "val": "C1"}
# names are text, whatever is in them: `$\\foo$` is no formula
PLAIN: Any = {"text.parse_math": False, "text.usetex": False}
LONGEST = 24  # letters of a name in a picture
MISTAKES = 36  # the surest are shown


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure without a window system and without matplotlib's global state."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # a link of this name is not followed
    with rc_context(PLAIN), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # a box stands for it
        FigureCanvasAgg(figure).print_figure(path, dpi=120)


def label_of(name: str) -> str:
    """A class's name as it can stand in a picture: in one line, printable, and not too long."""
    line = "".join(letter if letter.isprintable() else "�" for letter in str(name))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


@rc_context(PLAIN)
def draw_curves(rows: Sequence[Row], title: str, best_epoch: int) -> Figure:
    """Loss and error of training and validation over the epochs; a line marks the epoch that was chosen."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, metric, label in zip(figure.subplots(1, 2), ("loss", "accuracy"), ("loss", "error, %"), strict=True):
        for split, colour in SPLITS.items():
            name = f"{split}/{metric}"
            points = [(row["epoch"] + 1, row[name]) for row in rows if {"epoch", name} <= row.keys()]
            if points:
                epochs, values = np.array(points).T
                plotted = values if metric == "loss" else 100 * (1 - values)
                axes.plot(epochs, plotted, "o-", markersize=3, color=colour, label=split)
        axes.axvline(best_epoch, color="0.6", linewidth=1, linestyle=":", label="chosen")
        axes.set(xlabel="epoch", ylabel=label)
        axes.set_xlim(0.5, max(len(rows), best_epoch) + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    return figure


@rc_context(PLAIN)
def draw_confusion(confusion: Tensor, classes: Sequence[str], title: str) -> Figure:
    """Counts of label (row) and prediction (column).

    Colour is the share of the label's images that are taken for another class; what is right, the diagonal, is grey.
    The scale is the same for all networks, and steep at its beginning: one error in a hundred can be seen, and is pale.
    """
    counts = confusion.numpy()
    k = len(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    wrong = np.where(np.eye(k), 0, share)
    side = min(14.0, 2.5 + 0.5 * k)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(100 * wrong, cmap="Reds", norm=PowerNorm(0.5, 0, 100))
    for i in range(k):  # what is right
        axes.add_patch(Rectangle((i - 0.5, i - 0.5), 1, 1, facecolor="0.92", edgecolor="0.5", linewidth=0.8))
    if k <= 20:
        for i, j in np.ndindex(k, k):
            if counts[i, j]:
                colour = "white" if wrong[i, j] > 0.45 else "black"
                axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=8, color=colour)
        labels = [label_of(name) for name in classes]
        axes.set_xticks(range(k), labels, rotation=45, ha="right")
        axes.set_yticks(range(k), labels)
    axes.set(xlabel="prediction", ylabel="label", title=title)
    figure.colorbar(
        image, label="taken for another class, % of the label's images", shrink=0.6, ticks=[0, 1, 5, 20, 50, 100]
    )
    return figure


@rc_context(PLAIN)
def draw_mistakes(mistakes: Answers, images: Tensor, classes: Sequence[str], title: str) -> Figure:
    """A grid of M ≥ 1 wrongly classified images (M, C, H, W) uint8 with label, prediction and its probability."""
    count = len(mistakes.image)
    columns = min(9, count)
    rows = -(-count // columns)
    across = max(1.5 * columns, 0.11 * len(title) + 0.4)  # the title has room, however few mistakes there are
    figure = Figure(figsize=(across, 1.85 * rows + 0.5))
    # one pair of axes, 1.5 × 1.85 inches a cell with the caption above: axes of their own for each image would take
    # most of the time of a short training
    axes = figure.add_axes((0, 0, 1, 1.85 * rows / (1.85 * rows + 0.5)))
    axes.axis("off")
    for i in range(count):
        left, bottom = (across - 1.5 * columns) / 2 + 1.5 * (i % columns) + 0.05, 1.85 * (i // columns) + 1.8
        height, width = images.shape[2:]
        side = 1.4 / max(height, width)  # of a pixel
        middle = left + 0.7
        extent = (middle - side * width / 2, middle + side * width / 2, bottom, bottom - side * height)
        image = images[i].permute(1, 2, 0).squeeze(-1).numpy()
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto", interpolation="nearest")
        label, predicted = (label_of(classes[int(each[i])]) for each in (mistakes.label, mistakes.predicted))
        caption = f"{label}\nas {predicted}, {100 * mistakes.confidence[i]:.1f} %"
        axes.text(middle, bottom - side * height - 0.05, caption, ha="center", va="bottom", fontsize=7)
    axes.set(xlim=(0, across), ylim=(1.85 * rows, 0))
    figure.suptitle(title)
    return figure


def draw_run(
    folder: RunFolder,
    title: str,
    best_epoch: int,
    results: Mapping[str, Result],
    answers: Answers | None,
    data: Any,
    report: Report | None = None,
) -> None:
    """Draws what there is to draw of a run into its folder.

    Args:
        folder: the run's, with its metrics in it.
        title: of all figures.
        best_epoch: the epoch whose weights were kept, from 1.
        results: of the splits that were scored.
        answers: of the test, if it was made.
        data: the data module, for images and names of classes.
        report: of the test, likewise.
    """
    save_figure(draw_curves(read_metrics(folder.metrics), title, best_epoch), folder.figures / "curves.png")
    for name, drawn in draw_diagnostics(read_diagnostics(folder.diagnostics), title).items():
        save_figure(drawn, folder.figures / f"{name}.png")
    if "test" in results:
        confusion = draw_confusion(results["test"].confusion, data.classes, f"{title}: test images")
        save_figure(confusion, folder.figures / "confusion.png")
    if report:
        save_figure(draw_report(report, f"{title}: {report['n']:,} test images"), folder.figures / "report.png")
    path = folder.figures / "mistakes.png"
    mistakes = answers.mistakes(MISTAKES) if answers is not None else None
    if mistakes is not None and not len(mistakes.image):  # there is nothing to show, nor is what was before
        path.unlink(missing_ok=True)
    elif mistakes is not None:
        images = data.part("test").images[mistakes.image]
        figure = draw_mistakes(mistakes, images, data.classes, f"{title}: most confident mistakes")
        save_figure(figure, path)

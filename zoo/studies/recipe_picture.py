"""The picture of the recipes: misclassified test images against the time of training, both on logarithmic scales.

    points (data set, model, seconds, misclassified ± half of the interval)  ->  SVG

`zoo recipe table --write` draws it. The same rows make the same picture; a test compares them.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import NullLocator
from matplotlib.transforms import Bbox

from zoo.studies.drawing import COLOURS, INK, MARKERS, style, to_svg

SHORT = {"softmax regression": "softmax"}
TIMES = {10: "10 s", 30: "30 s", 60: "1 min", 120: "2 min", 300: "5 min", 600: "10 min", 1200: "20 min", 2400: "40 min"}
COUNTS = [30, 100, 300, 1000, 3000]
SIZE = 8  # of a label, in points


class Point(NamedTuple):
    """What one recipe comes to.

    Attributes:
        data: the data set.
        model: the model.
        seconds: of training.
        misclassified: test images, the mean over seeds.
        half: of the 95 % interval of that mean.
    """

    data: str
    model: str
    seconds: float
    misclassified: float
    half: float


def draw(points: Sequence[Point]) -> str:
    """The picture."""
    with style("recipes"):
        figure = Figure(figsize=(7.4, 5.2), dpi=100)
        axes = figure.add_subplot()
        axes.set(xscale="log", yscale="log", xlim=(7, 3600), ylim=(22, 9000))
        axes.set_xlabel("time of training on one processor thread")
        axes.set_ylabel("misclassified of 10,000 test images (lower is better)")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_xticks(list(TIMES), list(TIMES.values()))
        axes.set_yticks(COUNTS, [f"{count:,}" for count in COUNTS])
        axes.grid(linewidth=0.6)
        axes.set_axisbelow(True)
        shown = sorted({point.data for point in points}, key=lambda data: min(error(points, data)))
        for data, colour, marker in zip(shown, COLOURS, MARKERS, strict=False):
            own = [point for point in points if point.data == data]
            axes.errorbar(
                [point.seconds for point in own],
                [point.misclassified for point in own],
                [point.half for point in own],
                fmt=marker,
                color=colour,
                markersize=6,
                linewidth=1.4,
                capsize=2.5,
                label=data,
                clip_on=False,
            )
        add_labels(axes, points)
        # from the hardest data set to the easiest, as the points lie
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], loc="upper right")
        return to_svg(figure)


def error(points: Sequence[Point], data: str) -> Iterator[float]:
    """Misclassified images of each recipe of a data set."""
    return (point.misclassified for point in points if point.data == data)


def add_labels(axes: Axes, points: Sequence[Point]) -> None:
    """Writes the model beside each point, where it covers the least of what is there already."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in (place(axes, point) for point in points)]
    for point in points:
        text = axes.text(0, 0, SHORT.get(point.model, point.model), fontsize=SIZE, color=INK, transform=None)
        best = min(label_places(axes, point, text), key=lambda box: sum(common(box, other) for other in taken))
        x, y = axes.transData.inverted().transform((best.x0, best.y0))
        text.set_transform(axes.transData)
        text.set_position((float(x), float(y)))
        taken.append(best)


def place(axes: Axes, point: Point) -> tuple[float, float]:
    """Where a point lies, in pixels."""
    x, y = axes.transData.transform((point.seconds, point.misclassified))
    return float(x), float(y)


def label_places(axes: Axes, point: Point, text: Text) -> Iterator[Bbox]:
    """Places for the label of a point: right of it, left of it, above and below."""
    box, (x, y) = text.get_window_extent(), place(axes, point)
    for side, lift in product((8, -8 - box.width), (-4, 5, -13)):
        yield Bbox.from_bounds(x + side, y + lift, box.width, box.height)
    for distance in (9, 16):
        for bottom in (y + distance, y - distance - box.height):
            yield Bbox.from_bounds(x - box.width / 2, bottom, box.width, box.height)


def common(one: Bbox, other: Bbox) -> float:
    """The area that two boxes share, in square pixels."""
    shared = Bbox.intersection(one, other)
    return shared.width * shared.height if shared else 0.0

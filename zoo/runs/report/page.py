"""The page of a report: one HTML file that asks for no other, light and dark, on a wide screen and on a telephone.

    report, title, facts  ->  templates/report.html

All text is escaped: names of classes are anybody's.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from zoo.runs.report import TEMPLATES
from zoo.runs.report.numbers import Report
from zoo.runs.report.table import in_percent, worst_classes
from zoo.runs.result import interval

FIRST = 30  # classes in the table; all are behind a fold
LEFT, TOP, WIDE, HIGH = 46, 26, 292, 206  # of the axes in a picture, in its units
PNG = b"\x89PNG\r\n\x1a\n"
LARGEST = 3_000_000  # bytes of a picture on the page


class Axis(NamedTuple):
    """A stretch of numbers, shares from 0 to 1, over some units of a picture."""

    low: float
    start: float
    length: float

    def at(self, value: float) -> float:
        """Where a number stands."""
        return round(self.start + self.length * (value - self.low) / (1 - self.low), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Places and words of its marks."""
        step = next(step for step in (0.002, 0.01, 0.02, 0.05, 0.1, 0.2) if (1 - self.low) / step <= 5.5)
        values = [self.low + i * step for i in range(round((1 - self.low) / step) + 1)]
        return [(self.at(value), f"{100 * value:.3g} %") for value in values]


def make_page(report: Report, title: str, facts: Mapping[str, str], mistakes: str = "") -> str:
    """The page.

    Args:
        report: what it is about.
        title: of the page.
        facts: what else is known of the network, as names and texts.
        mistakes: a picture of some, as the address of itself.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"percent": lambda share: in_percent(share).replace(" ", "\N{NO-BREAK SPACE}")}
    rows = worst_classes(report, len(report["classes"]))
    low, high = interval(report["accuracy"], report["n"])
    return environment.get_template("report.html").render(
        report=report,
        title=title,
        facts=facts,
        mistakes=mistakes,
        rows=rows,
        first=rows[:FIRST],
        taken=most_taken_for(report),
        right=round(report["accuracy"] * report["n"]),
        span=f"{100 * low:.2f}–{in_percent(high)}".replace(" ", "\N{NO-BREAK SPACE}"),
        reliability=reliability(report),
        coverage=coverage(report),
        picture={"left": LEFT, "top": TOP, "right": LEFT + WIDE, "bottom": TOP + HIGH},
    )


def most_taken_for(report: Report) -> dict[str, str]:
    """What a class is most often taken for, where that is among the most frequent mistakes of all."""
    found: dict[str, str] = {}
    for each in report["confusions"]:
        found.setdefault(each["label"], f"{each['predicted']} ({each['count']:,})")
    return found


def reliability(report: Report) -> dict[str, Any]:
    """The reliability curve as places in a picture."""
    x, y = Axis(0, LEFT, WIDE), Axis(0, TOP + HIGH, -HIGH)
    found, bars, points = report["calibration"], [], []
    for m in range(found["bins"]):
        images, sure, right = (found[name][m] for name in ("images", "confidence", "accuracy"))
        if not images or sure is None or right is None:
            continue
        share = images / report["n"]
        left, width = x.at(m / found["bins"]), WIDE / found["bins"]
        words = f"{images:,} images, {in_percent(sure)} sure, {in_percent(right)} right"
        bars.append({"x": left + 1, "y": y.at(min(1.0, share)), "width": width - 2, "words": words})
        points.append({"x": x.at(sure), "y": y.at(right), "words": words})
    return {"x": x, "y": y, "bars": bars, "points": points, "line": curve_line(points)}


def coverage(report: Report) -> dict[str, Any]:
    """Accuracy on the surest images as places in a picture."""
    found = report["confidence"]
    least = min(*found["accuracy"], report["accuracy"])
    low = next(low for low in (0.98, 0.95, 0.9, 0.8, 0.5, 0.0) if least >= low + 0.1 * (1 - low) or low == 0)
    x, y = Axis(0, LEFT, WIDE), Axis(low, TOP + HIGH, -HIGH)
    points, rows = [], []
    for share, accuracy, sure in zip(*(found[name] for name in ("coverage", "accuracy", "least")), strict=True):
        words = f"the surest {100 * share:.3g} %: {in_percent(accuracy)} right, confidence from {in_percent(sure)}"
        points.append({"x": x.at(share), "y": y.at(accuracy), "words": words})
        if share in (0.5, 0.8, 0.9, 0.95, 0.99, 1.0):
            rows.append({"share": f"{100 * share:.3g} %", "accuracy": accuracy, "least": sure})
    return {"x": x, "y": y, "points": points, "line": curve_line(points), "all": y.at(report["accuracy"]), "rows": rows}


def curve_line(points: list[dict[str, Any]]) -> str:
    """Points as an SVG has them."""
    return " ".join(f"{point['x']},{point['y']}" for point in points)


def picture_address(path: Path) -> str:
    """A PNG as the address of itself; empty if there is none that can be shown."""
    if not path.is_file() or path.is_symlink() or path.stat().st_size > LARGEST:
        return ""
    content = path.read_bytes()
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}" if content.startswith(PNG) else ""

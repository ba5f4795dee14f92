"""How does time grow with width, depth, data, batch? Curves from the record, beside those of the roofline.

results/benchmark_cost.json -> docs/performance/{width,depth,data,batch}.svg
"""

from typing import Any

import matplotlib
from matplotlib.figure import Figure

from benchmarks.suites.scaling import best_of, per_image
from zoo.studies.drawing import COLOURS, MARKERS, style, to_svg


def draw(record: dict[str, Any]) -> dict[str, str]:
    """A picture for each axis, as SVG."""
    return {axis: picture(axis, models, best_of(record)) for axis, models in record["axes"].items()}


def picture(axis: str, models: dict[str, Any], best: dict[str, float]) -> str:
    """Microseconds an image against one axis, both logarithmic: one panel for each model."""
    with style(axis), matplotlib.rc_context({"text.parse_math": True}):  # powers of ten; all names are our own
        figure = Figure(figsize=(3.6 * len(models), 2.8), layout="constrained")
        panels = figure.subplots(1, len(models), squeeze=False)[0]
        for panel, (name, one) in zip(panels, models.items(), strict=True):
            places, times, rooflines = zip(*per_image(one, best), strict=True)
            panel.loglog(places, times, color=COLOURS[0], marker=MARKERS[0], markersize=4, label="fit")
            panel.loglog(places, rooflines, color=COLOURS[1], linestyle="--", label="roofline")
            panel.set_xticks(places, [f"{place:g}" for place in places])
            panel.minorticks_off()
            panel.set_ylim(bottom=min(rooflines) / 2)
            panel.set(xlabel=name, ylabel="µs an image")
            panel.legend()
        return to_svg(figure)

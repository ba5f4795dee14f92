"""Which model? Accuracy of all weights against what they cost: a page and a picture, from cards and measured times.

python scripts/which_model.py --measure     asks every network, round after round: results/which_model.csv
python scripts/which_model.py               cards, times, results/peers.csv  ->  docs/which-model.{md,svg}

Times are those of `zoo.load(NAME)` as it comes, on one thread, in seconds of the processor: other programs change them
less than those of the clock. The networks take turns, so that a slow minute meets them all.
"""

import csv
import os
import statistics
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, NamedTuple

from entry import begin

ROOT = Path(__file__).resolve().parents[1]
TIMES, PEERS = ROOT / "results/which_model.csv", ROOT / "results/peers.csv"
PAGE, PICTURE = ROOT / "docs/which-model.md", ROOT / "docs/which-model.svg"
BEGIN, END = "<!-- made: {} -->", "<!-- end -->"
ROUNDS = 11
TICKS = ([1e4, 1e5, 1e6], [1e4, 1e6, 1e8], [0.1, 1, 10])  # of the three axes
CALLS = {1: 20, 200: 1}  # of each batch in a round
NAMES = {"FashionMNIST": "Fashion-MNIST", "SoftmaxRegression": "softmax regression"}
ORDER = ("Digits", "MNIST", "FashionMNIST", "CIFAR-10, JPEG copy")


class Model(NamedTuple):
    """What is told of one network.

    Attributes:
        card: its card.
        size: bytes of its weights.
        one: milliseconds for one picture.
        many: milliseconds for each of 200 pictures at once.
    """

    card: dict[str, Any]
    size: int
    one: float
    many: float

    @property
    def network(self) -> str:
        """The name of its class, in words."""
        name = self.card["model"]["class_path"].rpartition(".")[2]
        return NAMES.get(name, name)

    @property
    def mistakes(self) -> float:
        """Per cent of the test images."""
        return 100 * (1 - float(self.card["test_accuracy"]))


def measure() -> None:
    """Times every network, and writes one row for each network and round."""
    import numpy as np

    import zoo
    from benchmarks.measure.environment import machine

    models = {name: zoo.load(name) for name in zoo.list_models()}
    images = np.random.default_rng(0)
    rows = []
    for i in range(ROUNDS + 1):
        for name, model in models.items():
            channels, height, width = model.card["in_shape"]
            row: dict[str, Any] = {"name": name, "round": i, "machine": machine()}
            for batch, calls in CALLS.items():
                given = images.integers(0, 256, (batch, channels, height, width), np.uint8)
                begun = time.process_time()
                for _ in range(calls):
                    model(given)
                row[f"ms_{batch}"] = f"{1000 * (time.process_time() - begun) / calls / batch:.4f}"
            if i:  # the first round makes what later ones find
                rows.append(row)
        print(f"round {i} of {ROUNDS}", file=sys.stderr)
    with TIMES.open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def models() -> list[Model]:
    """All networks that have a card and times, by data set and then from the lowest accuracy to the highest."""
    import zoo
    from zoo.studies.rows import read_table
    from zoo.weights.card import read_card
    from zoo.weights.store import OWN

    times: dict[str, list[dict[str, str]]] = {}
    for row in read_table(TIMES):
        times.setdefault(row["name"], []).append(row)
    found = []
    for name in zoo.list_models():
        if name in times:
            one, many = (statistics.median(float(row[f"ms_{n}"]) for row in times[name]) for n in CALLS)
            found.append(
                Model(read_card(OWN / f"{name}.json"), (OWN / f"{name}.safetensors").stat().st_size, one, many)
            )
    return sorted(found, key=lambda each: (ORDER.index(each.card["data"]), -each.mistakes))


def table(of: list[Model]) -> str:
    """A line for each network."""
    from zoo.studies.recipe_tables import accuracy
    from zoo.studies.rows import read_table

    runs = read_table(ROOT / "results/recipes.csv")
    lines = [
        "| data | name | network | test accuracy | its recipe, mean | parameters | multiply-adds | file | one picture"
        " | each of 200 |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for each in of:
        card, size, one, many = each
        mean = accuracy([row for row in runs if row["recipe"] == card["recipe"]], "test")
        lines.append(
            f"| {NAMES.get(card['data'], card['data'])} | `{card['name']}` | {each.network}"
            f" | **{100 * card['test_accuracy']:.2f} %** | {mean} | {card['parameters']:,}"
            f" | {card['multiply_adds'] / 1e6:.3g} M | {size / 1e6:.2f} MB{' (float16)' * (card['dtype'] == 'float16')}"
            f" | {one:.2f} ms | {many:.3f} ms |"
        )
    return "\n".join(lines)


def of_others() -> str:
    """What others say of theirs."""
    with PEERS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [
        "| data | network | accuracy they give | parameters | multiply-adds | where |",
        "|---|---|---:|---:|---:|---|",
    ]
    for row in rows:
        where = row["source"].removeprefix("https://github.com/")
        lines.append(
            f"| {row['data']} | {row['model']} | {row['accuracy']} % | {row['parameters']} | {row['multiply_adds']}"
            f" | [{where}]({row['source']}) |"
        )
    return "\n".join(lines)


def picture(of: list[Model]) -> str:
    """Mistakes against parameters, multiply-adds and the time of one picture, as SVG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    from zoo.studies.drawing import COLOURS, MARKERS, style, to_svg
    from zoo.studies.recipe_picture import Point, add_labels

    costs = {
        "parameters": lambda each: each.card["parameters"],
        "multiply-adds for one image": lambda each: each.card["multiply_adds"],
        "ms for one picture, one thread": lambda each: each.one,
    }
    with style("which-model"):
        figure = Figure(figsize=(10.5, 4.8), dpi=100)
        of = [each for each in of if each.card["data"] != "Digits"]  # 359 test images: one is 0.28 %
        shown = [data for data in ORDER if any(each.card["data"] == data for each in of)]
        for i, (label, cost) in enumerate(costs.items()):
            axes = figure.add_subplot(1, 3, i + 1)
            axes.set(xscale="log", yscale="log", xlabel=label, ylim=(0.2, 80))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.set_yticks([0.3, 1, 3, 10, 30], ["0.3", "1", "3", "10", "30"] if not i else [""] * 5)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
            axes.set(xticks=TICKS[i], xlim=(TICKS[i][0] / 4, TICKS[i][-1] * 5))
            axes.grid(linewidth=0.6)
            axes.set_axisbelow(True)
            for data, colour, marker in zip(shown, COLOURS, MARKERS, strict=False):
                own = [each for each in of if each.card["data"] == data]
                xs, ys = [cost(each) for each in own], [each.mistakes for each in own]
                axes.plot(xs, ys, marker, color=colour, markersize=6, label=NAMES.get(data, data), clip_on=False)
                front = [each for each in own if not any(better(other, each, cost) for other in own)]
                front.sort(key=cost)
                xs, ys = [cost(each) for each in front], [each.mistakes for each in front]
                axes.plot(xs, ys, color=colour, linewidth=0.8)
        figure.axes[0].set_ylabel("% of the test images mistaken (lower is better)")
        figure.axes[0].legend(loc="lower left", fontsize=8)
        figure.tight_layout()
        for axes, cost in zip(figure.axes, costs.values(), strict=True):  # once all else has its place
            add_labels(axes, [Point(each.card["data"], each.network, cost(each), each.mistakes, 0) for each in of])
        return to_svg(figure)


def better(one: Model, other: Model, cost: Any) -> bool:
    """Whether one costs no more than another and errs no more, and is another."""
    return one is not other and cost(one) <= cost(other) and one.mistakes <= other.mistakes


def short(value: float) -> str:
    """A number as it stands at an axis: 10 k, 1 M, 0.1."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def with_part(text: str, name: str, part: str) -> str:
    """A page with one generated part made anew."""
    before, rest = text.split(BEGIN.format(name))
    return f"{before}{BEGIN.format(name)}\n{part}\n{END}{rest.split(END, 1)[1]}"


def page() -> dict[Path, str]:
    """The files that are made: page and picture."""
    of = models()
    with TIMES.open(newline="") as file:
        machine = next(csv.DictReader(file))["machine"]
    text = with_part(PAGE.read_text(), "weights", table(of))
    text = with_part(text, "machine", f"Times: {machine}, one thread, median of {ROUNDS} rounds.")
    return {PAGE: with_part(text, "others", of_others()), PICTURE: picture(of)}


def main() -> None:
    """Does what is asked for on the command line."""
    parser = ArgumentParser(description="Which model? A page and a picture.")
    parser.add_argument("--measure", action="store_true", help="time every network first, on one thread")
    if parser.parse_args().measure:
        measure()
    for path, text in page().items():
        path.write_text(text)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    begin()
    main()

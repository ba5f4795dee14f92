"""What does it cost to make a network wider or deeper, the data larger, the batch smaller?

    width     784-h-10, and ConvNet with more kernels           data     784-256-10 on more images of MNIST
    depth     more layers of 256 units, more convolutions       batch    784-256-10 on batches from 16 to 2,048
    devices   one process against two (devices.py)

    python scripts/benchmark.py scaling width depth data batch --data-root DIR [--rounds 5]
    python scripts/benchmark.py scaling [devices]

Each point is the training part of a warm epoch of `fit`, in a process of its own, interleaved with the others of its
axis. Time is linear in the data if the seconds per image of all sizes are within 10 % of the largest size's.
"""

import argparse
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from benchmarks.baselines.loops import in_process
from benchmarks.measure.case import Case, cost_of
from benchmarks.measure.environment import as_sentence, environment, keep, not_measured
from benchmarks.measure.intervals import interval
from benchmarks.measure.noise_probe import peaks, probe
from benchmarks.measure.roofline import roofline
from benchmarks.measure.rounds import best_noise, counted, run_interleaved, values
from benchmarks.measure.targets import LINEAR, Row, verdict
from benchmarks.suites import devices
from zoo.errors import UsageError

AXES = ("width", "depth", "data", "batch")
MLP = Case("MLP", "MNIST", images=13_500)
CONVNET = Case("ConvNet", "MNIST", images=512, epochs=2)
Points = dict[float, Case]


def hidden(*widths: int) -> Case:
    """An MLP of these widths."""
    return replace(MLP, options=("--model.hidden", f"[{','.join(map(str, widths))}]"))


def channels(scale: float) -> Case:
    """A ConvNet with so many times its kernels."""
    counts = [str(int(scale * count)) for count in (32, 64, 128)]
    return replace(CONVNET, options=("--model.channels", f"[{','.join(counts)}]"))


def deep(count: int) -> Case:
    """A ConvNet with so many convolutions a stage."""
    return replace(CONVNET, options=("--model.depth", str(count)))


def series() -> dict[str, dict[str, Points]]:
    """What is measured: axis -> model -> place on the axis -> case."""
    return {
        "width": {
            "MLP, units": {n: hidden(n) for n in (64, 128, 256, 512, 1024, 2048)},
            "ConvNet, kernels of the first stage": {int(32 * scale): channels(scale) for scale in (0.25, 0.5, 1, 2)},
        },
        "depth": {
            "MLP, hidden layers": {n: hidden(*[256] * n) for n in (1, 2, 4, 8)},
            "ConvNet, convolutions a stage": {n: deep(n) for n in (1, 2, 3)},
        },
        "data": {"MLP, images": {n: replace(MLP, images=n) for n in (6_750, 13_500, 27_000, 54_000)}},
        "batch": {"MLP, images a step": {n: replace(MLP, batch=n) for n in (16, 32, 64, 128, 256, 512, 1024, 2048)}},
    }


def measure(points: Points, options: argparse.Namespace, top: dict[str, float], skipped: list[str]) -> dict[str, Any]:
    """All rounds of one model on one axis."""
    programs = {f"{place:g}": in_process("zoo", case, options) for place, case in points.items()}
    found = []
    for place, case in points.items():
        one = cost_of(case)
        least = roofline(one, case.images, 0, case.precision, top)
        found.append({"place": place, "case": case.plain(), "flop": one.training, "floor": least})
    return {"points": found, "rounds": run_interleaved(programs, options.rounds, probe(options), skipped)}


def per_image(one: dict[str, Any], best: dict[str, float]) -> list[tuple[float, float, float]]:
    """Place, microseconds an image, and those of the roofline, along an axis."""
    rounds, _ = counted(one["rounds"], best)
    rows = []
    for point in one["points"]:
        seconds = interval(values(rounds, f"{point['place']:g}", "training")).median
        scale = 1e6 / point["case"]["images"]
        rows.append((point["place"], seconds * scale, point["floor"] * scale))
    return rows


def deviation(rows: list[tuple[float, float, float]]) -> float:
    """The largest relative distance of time per image from that of the largest size."""
    last = rows[-1][1]
    return max(abs(time / last - 1) for _, time, _ in rows)


def section(record: dict[str, Any]) -> list[str]:
    """The record as a table for each axis."""
    best = best_of(record)
    lines = [as_sentence(record["setting"]), ""]
    for axis, models in record["axes"].items():
        lines += [f"![{axis}](performance/{axis}.svg)", "", f"| {axis} | | µs an image | roofline | roofline / time |"]
        lines.append("|---|---:|---:|---:|---:|")
        for name, one in models.items():
            rows = per_image(one, best)
            lines += [f"| {name} | {x:g} | {t:.1f} | {f:.1f} | {100 * f / t:.0f} % |" for x, t, f in rows]
            if axis == "data":
                off = deviation(rows)
                text = f"Time an image differs by at most {100 * off:.0f} % between sizes, target 10 %:"
                lines += ["", f"{text} {verdict(off <= LINEAR)}."]
        lines.append("")
    return [*lines, *not_measured(record)]


def targets(record: dict[str, Any]) -> list[Row]:
    """Whether time is linear in the data."""
    found, best = [], best_of(record)
    for name, one in record["axes"].get("data", {}).items():
        off, which = deviation(per_image(one, best)), counted(one["rounds"], best)[1]
        found.append(Row("time linear in data ± 10 %", name, f"{100 * off:.0f} %", off <= LINEAR, which))
    return found


def best_of(record: dict[str, Any]) -> dict[str, float]:
    """The best samples of the noise probe, of all axes."""
    return best_noise(one for axis in record["axes"].values() for model in axis.values() for one in model["rounds"])


def check(options: argparse.Namespace) -> None:
    """Raises UsageError for an axis that there is not."""
    known = ("devices", *AXES)
    if unknown := [axis for axis in options.axes if axis not in known]:
        near = get_close_matches(unknown[0], known, 1, 0)[0]
        raise UsageError(f"axis in scaling: expected one of {', '.join(known)}, found {unknown[0]}. Try: {near}")


def main(options: argparse.Namespace) -> None:
    """Measures the axes asked for."""
    if "devices" in options.axes:
        devices.main(options)
    axes = [axis for axis in AXES if axis in options.axes]
    if not axes:
        return
    skipped: list[str] = options.skipped
    top = peaks(options.clock, options.device)
    record: dict[str, Any] = {"setting": environment(options), "peaks": top, "skipped": skipped, "axes": {}}
    for axis in axes:
        print(axis, flush=True)
        record["axes"][axis] = {name: measure(points, options, top, skipped) for name, points in series()[axis].items()}
    print("\n".join(section(record)))
    keep(record, options, "cost")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("axes", nargs="*", default=["devices"], metavar="AXIS", help=f"devices, {', '.join(AXES)}")
    parser.add_argument("--workers", type=int, default=0, help=argparse.SUPPRESS)

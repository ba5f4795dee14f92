"""Writes docs/performance.md and its pictures from the raw rounds in results/.

    python scripts/benchmark.py report

    results/benchmark_*.json -> docs/performance.md, docs/performance/*.svg

The same rounds make the same bytes; a test compares them with what is committed.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure.case import read_case
from benchmarks.measure.environment import RESULTS, ROOT
from benchmarks.measure.rounds import best_canary, counted, interval, ratios, values
from benchmarks.measure.targets import LINEAR, MEMORY, pairs
from benchmarks.report import curves
from benchmarks.suites import epoch, gpu, memory, safety, scaling, startup, studies, target, wandb

PAGE, PICTURES = ROOT / "docs/performance.md", ROOT / "docs/performance"
Record = dict[str, Any]
HEAD, TABLE = Path(__file__).with_name("head.md"), "<!-- table -->"
MISSING = "No rounds yet: `python scripts/benchmark.py {}`."
PARTS: list[tuple[str, str, str, Callable[[Record], list[str]]]] = [
    ("An epoch", "epoch", "benchmark_epoch*.json", epoch.section),
    ("Time to an accuracy", "target", "benchmark_target_*.json", target.section),
    ("Cold commands", "startup", "benchmark_startup.json", startup.section),
    ("Memory of a whole fit", "memory", "benchmark_memory.json", memory.section),
    ("On a GPU", "gpu", "benchmark_gpu.json", gpu.section),
    ("Cost against size", "scaling width depth data batch", "benchmark_cost.json", scaling.section),
]


def read(folder: Path, pattern: str) -> dict[str, Record]:
    """Records by file name."""
    return {path.name: json.loads(path.read_text()) for path in sorted(folder.glob(pattern))}


def page(folder: Path = RESULTS) -> str:
    """The whole document."""
    lines = [HEAD.read_text().replace(TABLE, table(folder)), "## Aims", "", *aims(folder)]
    for title, command, pattern, section in PARTS:
        lines += ["", f"## {title}", ""]
        records = read(folder, pattern)
        for name, record in records.items():
            lines += [f"Raw rounds: [results/{name}](../results/{name}).", "", *section(record)]
        if not records:
            lines.append(MISSING.format(command))
    lines += ["", "## Elsewhere", "", *elsewhere(folder)]
    return squeezed("\n".join(lines))


def squeezed(text: str) -> str:
    """Without more than one empty line in a row."""
    kept: list[str] = []
    for line in text.splitlines():
        if line or (kept and kept[-1]):
            kept.append(line.rstrip())
    return "\n".join(kept).rstrip() + "\n"


def aims(folder: Path) -> list[str]:
    """The ratios that the project aims at, each with what was reached."""
    lines = ["| aim | case | median, 95 % interval | | of |", "|---|---|---|---|---|"]
    for record in read(folder, "benchmark_epoch*.json").values():
        best = best_canary(one for case in record["cases"] for one in case["rounds"])
        for one in record["cases"]:
            case = read_case(one["case"])
            rounds, which = counted(one["rounds"], best)
            names = sorted({name for row in rounds for name in row["samples"]})
            for slow, fast, aim in pairs(case, names):
                if aim:
                    found = interval(ratios(rounds, slow, fast, case.what))
                    threads = record["setting"]["threads"]
                    where = f"{case.name}, {threads} thread{'s' if threads > 1 else ''}"
                    verdict = word(aim.met(found.median))
                    lines.append(f"| {slow} / {fast} {aim} | {where} | {found} | {verdict} | {which} |")
    for record in read(folder, "benchmark_target_*.json").values():
        for aimed, result, met, which in target.aims(record):
            lines.append(f"| {aimed} | {record['recipe']} | {result} | {word(met)} | {which} |")
    for record in read(folder, "benchmark_startup.json").values():
        for aimed, where, result, met, which in startup.aims(record):
            lines.append(f"| {aimed} | {where} | {result} | {word(met)} | {which} |")
    for record in read(folder, "benchmark_memory.json").values():
        for one in record["rows"]:
            share, where = memory.ratio(one), f"{one['case']['model']} on {one['case']['data']}"
            lines.append(
                f"| peak memory / needed ≤ {MEMORY} | {where} | {share:.2f} | {word(share <= MEMORY)} | one run |"
            )
    for record in read(folder, "benchmark_cost.json").values():
        for name, one in record["axes"].get("data", {}).items():
            best = scaling.best_of(record)
            off, which = scaling.deviation(scaling.per_image(one, best)), counted(one["rounds"], best)[1]
            lines.append(
                f"| time linear in data ± 10 % | {name} | {100 * off:.0f} % | {word(off <= LINEAR)} | {which} |"
            )
    return lines


def word(met: bool) -> str:
    """What became of an aim."""
    return "reached" if met else "**missed**"


def elsewhere(folder: Path) -> list[str]:
    """What other pages tell more of, in a line each."""
    lines = []
    for record in read(folder, "benchmark_scaling.json").values():
        lines.append(
            f"- [Two processes](cluster.md) are {record['ratio']:.2f} times as fast as one, ConvNet, a thread each."
        )
    for record in read(folder, "benchmark_studies.json").values():
        lines.append(
            f"- [Studies](studies.md): {studies.RUNS} runs take {record['ratio']:.1f} times as long one by one."
        )
    for record in read(folder, "benchmark_safety.json").values():
        texts = [safety.summary(name, rows) for name, rows in record.items() if name != "setting"]
        lines += [f"- [Exact resume](reliability.md): {text}." for text in texts]
    for record in read(folder, "benchmark_wandb.json").values():
        lines.append(f"- [W&B](wandb.md): {wandb.summary(record)}.")
    return lines


def table(folder: Path = RESULTS) -> str:
    """The lectures' network, and who was measured beside it."""
    [record] = read(folder, "benchmark_epoch_peers.json").values()
    [one] = record["cases"]
    rounds, which = counted(one["rounds"])
    threads = record["setting"]["threads"]
    lines = [f"| an epoch of 784-256-10 on MNIST, batch 128, {threads} threads, medians of {which} | seconds | |"]
    lines.append("|---|---:|---|")
    for name, text in TOLD.items():
        if not any(name in row["samples"] for row in rounds):
            continue
        slow, fast = ("zoo", "plain") if name == "zoo" else (name, "zoo")
        ratio = interval(ratios(rounds, slow, fast)).median
        shown = (
            ""
            if name == "plain"
            else f"{ratio:.2f} × the bare loop"
            if name == "zoo"
            else f"{ratio:.1f} × this project's"
        )
        lines.append(f"| {text} | {interval(values(rounds, name)).median:.2f} | {shown} |")
    return "\n".join(lines)


TOLD = {
    "plain": "a bare PyTorch loop over tensors in memory",
    "zoo": "this project's `fit`: Lightning, metrics, validation, checkpoints",
    "tutorial": "Lightning with torchvision and a `DataLoader`, `self.log` at every step",
    "lightning-hydra-template": "lightning-hydra-template as it ships, with this network",
}


def pictures(folder: Path = RESULTS) -> dict[str, str]:
    """The curves by name."""
    return {
        axis: svg
        for record in read(folder, "benchmark_cost.json").values()
        for axis, svg in curves.draw(record).items()
    }


def main(options: argparse.Namespace) -> None:
    """Writes all of it."""
    PICTURES.mkdir(exist_ok=True)
    for axis, svg in pictures().items():
        (PICTURES / f"{axis}.svg").write_text(svg)
    PAGE.write_text(page())
    print(f"page: {PAGE}")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set: nothing."""

"""Writes docs/performance.md and its pictures from the raw rounds in results/.

    python scripts/benchmark.py report

    results/benchmark_*.json -> docs/performance.md, docs/performance/*.svg

The same rounds make the same bytes; a test compares them with what is committed.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.measure.environment import RESULTS, ROOT
from benchmarks.measure.intervals import interval
from benchmarks.measure.rounds import counted, ratios, values
from benchmarks.measure.targets import verdict
from benchmarks.report import curves
from benchmarks.suites import epoch, folder, gpu, memory, predict, safety, scaling, startup, studies, target, wandb

PAGE, PICTURES = ROOT / "docs/performance.md", ROOT / "docs/performance"
Record = dict[str, Any]
HEAD, TABLE = Path(__file__).with_name("head.md"), "<!-- table -->"
MISSING = "No rounds yet: `python scripts/benchmark.py {}`."
PARTS: list[tuple[str, str, str, Any]] = [
    ("An epoch", "epoch", "benchmark_epoch*.json", epoch),
    ("Time to an accuracy", "target", "benchmark_target_*.json", target),
    ("Cold commands", "startup", "benchmark_startup.json", startup),
    ("Memory of a whole fit", "memory", "benchmark_memory.json", memory),
    ("An answer", "predict", "benchmark_predict.json", predict),
    ("A folder of pictures", "folder", "benchmark_folder.json", folder),
    ("On a GPU", "gpu", "benchmark_gpu.json", gpu),
    ("Cost against size", "scaling width depth data batch", "benchmark_cost.json", scaling),
]
PROGRAMS = {
    "plain": "a bare PyTorch loop over tensors in memory",
    "zoo": "this project's `fit`: Lightning, metrics, validation, checkpoints",
    "tutorial": "Lightning with torchvision and a `DataLoader`, `self.log` at every step",
    "lightning-hydra-template": "lightning-hydra-template as it ships, with this network",
}


def read(folder: Path, pattern: str) -> dict[str, Record]:
    """Records by file name."""
    return {path.name: json.loads(path.read_text()) for path in sorted(folder.glob(pattern))}


def page(folder: Path = RESULTS) -> str:
    """The whole document."""
    lines = [HEAD.read_text().replace(TABLE, table(folder)), "## Targets", "", *targets(folder)]
    for title, command, pattern, suite in PARTS:
        lines += ["", f"## {title}", ""]
        records = read(folder, pattern)
        for name, record in records.items():
            lines += [f"Raw rounds: [results/{name}](../results/{name}).", "", *suite.section(record)]
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


def targets(folder: Path) -> list[str]:
    """What the project aims at, each with what was reached."""
    rows = [
        row
        for _, _, pattern, suite in PARTS
        if suite is not gpu
        for record in read(folder, pattern).values()
        for row in suite.targets(record)
    ]
    lines = ["| target | case | median, 95 % interval | | of |", "|---|---|---|---|---|"]
    return lines + [f"| {row.target} | {row.case} | {row.found} | {verdict(row.met)} | {row.rounds} |" for row in rows]


def elsewhere(folder: Path) -> list[str]:
    """What other pages tell more of, in a line each."""
    lines = []
    for record in read(folder, "benchmark_scaling.json").values():
        text = f"{record['ratio']:.2f} times as fast as one, ConvNet, a thread each"
        lines.append(f"- [Two processes](cluster.md) are {text}.")
    for record in read(folder, "benchmark_studies.json").values():
        text = f"{studies.RUNS} runs take {record['ratio']:.1f} times as long one by one"
        lines.append(f"- [Studies](studies.md): {text}.")
    for record in read(folder, "benchmark_safety.json").values():
        texts = [safety.summary(name, rows) for name, rows in record.items() if name != "setting"]
        lines += [f"- [Exact resume](reliability.md): {text}." for text in texts]
    for record in read(folder, "benchmark_wandb.json").values():
        lines.append(f"- [W&B](wandb.md): {wandb.summary(record)}.")
    return lines


def table(folder: Path = RESULTS) -> str:
    """The lectures' network, and what was measured beside it."""
    [record] = read(folder, "benchmark_epoch_peers.json").values()
    rounds, which = counted(record["cases"][0]["rounds"])
    threads = record["setting"]["threads"]
    lines = [f"| an epoch of 784-256-10 on MNIST, batch 128, {threads} threads, medians of {which} | seconds | |"]
    lines.append("|---|---:|---|")
    for name, text in PROGRAMS.items():
        if not (seconds := values(rounds, name)):
            continue
        shown = ""
        if name == "zoo":
            shown = f"{interval(ratios(rounds, 'zoo', 'plain')).median:.2f} × the bare loop"
        elif name != "plain":
            shown = f"{interval(ratios(rounds, name, 'zoo')).median:.1f} × this project's"
        lines.append(f"| {text} | {interval(seconds).median:.2f} | {shown} |")
    return "\n".join(lines)


def pictures(folder: Path = RESULTS) -> dict[str, str]:
    """The curves by name."""
    records = read(folder, "benchmark_cost.json").values()
    return {axis: svg for record in records for axis, svg in curves.draw(record).items()}


def main(options: argparse.Namespace) -> None:
    """Writes all of it."""
    PICTURES.mkdir(exist_ok=True)
    for axis, svg in pictures().items():
        (PICTURES / f"{axis}.svg").write_text(svg)
    PAGE.write_text(page())
    print(f"page: {PAGE}")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set: nothing."""

"""How much memory does a whole `fit` need? Its peak, against what must be there.

needed = images and labels (uint8, int64) + 4 numbers a parameter (weight, gradient, two of Adam) + torch's own
torch's own = peak of `python -c "import torch, lightning"`

python scripts/benchmark.py memory --cifar10 OUT.npz [--model ConvNet]
"""

import argparse
import sys
import tempfile
from typing import Any

from benchmarks.measure.case import MODELS, Case, make, read_case
from benchmarks.measure.environment import ROOT, keep, setting, told
from benchmarks.measure.process import run
from benchmarks.measure.targets import MEMORY
from benchmarks.suites.startup import COMMANDS

BYTES = 4  # of a number
COPIES = 4  # numbers a parameter


def needed(case: Case, options: argparse.Namespace) -> tuple[int, int]:
    """Bytes of the data as decoded, and of the model with its gradients and Adam's moments."""
    data, model = make(case, options)
    data.setup("fit")
    arrays = [array for split in ("train", "test") for array in data.part(split)]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return sum(array.nbytes for array in arrays), parameters * BYTES * COPIES


def measure(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """Peaks and what is needed, in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        words = [*case.words(options), "--trainer.accelerator=cpu", "--trainer.max_epochs=1"]
        words += ["--trainer.limit_train_batches=20", "--run_dir", f"{folder}/run"]
        peak = run([sys.executable, "cli.py", "fit", *words], options.threads, folder=ROOT).peak
    own = run([sys.executable, *COMMANDS["imports"]], options.threads).peak
    data, model = needed(case, options)
    return {"case": case.plain(), "peak": peak, "torch": own, "data": data, "model": model}


def ratio(one: dict[str, Any]) -> float:
    """Peak over needed."""
    return one["peak"] / (one["torch"] + one["data"] + one["model"])


def main(options: argparse.Namespace) -> None:
    """Measures and says what came out."""
    rows = []
    for model in MODELS if options.model == ["all"] else options.model:
        rows.append(one := measure(Case(model, options.data), options))
        parts = ", ".join(f"{part} {one[part] / 1e6:.0f} MB" for part in ("torch", "data", "model"))
        reached = "reached" if ratio(one) <= MEMORY else "missed"
        print(f"{model}: peak {one['peak'] / 1e6:.0f} MB, {ratio(one):.2f} x ({parts}), aim {MEMORY}: {reached}")
    keep({"setting": setting(options), "rows": rows}, options, "memory")


def section(record: dict[str, Any]) -> list[str]:
    """The record as a table, in MB (10^6 bytes)."""
    lines = [told(record["setting"]), "", "| fit | peak | torch's own | data | model | peak / needed | aim |"]
    lines.append("|---|---:|---:|---:|---:|---:|---|")
    for one in record["rows"]:
        case = read_case(one["case"])
        cells = [f"{one[part] / 1e6:,.0f}" for part in ("peak", "torch", "data", "model")]
        verdict = f"≤ {MEMORY}: {'reached' if ratio(one) <= MEMORY else '**missed**'}"
        lines.append(f"| {case.model} on {case.data} | {' | '.join(cells)} | **{ratio(one):.2f}** | {verdict} |")
    return [*lines, ""]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--model", nargs="+", default=["ConvNet"], choices=[*MODELS, "all"])
    parser.add_argument("--data", default="CIFAR10", choices=["MNIST", "CIFAR10"])

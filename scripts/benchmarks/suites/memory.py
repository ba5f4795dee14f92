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
from benchmarks.measure.environment import ROOT, as_sentence, environment, keep
from benchmarks.measure.process import run
from benchmarks.measure.targets import MEMORY, Row, verdict
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
        argv = [*case.argv(options), "--trainer.accelerator=cpu", "--trainer.max_epochs=1"]
        argv += ["--trainer.limit_train_batches=20", "--run_dir", f"{folder}/run"]
        peak = run([sys.executable, "cli.py", "fit", *argv], options.threads, folder=ROOT).peak
    own = run([sys.executable, *COMMANDS["imports"]], options.threads).peak
    data, model = needed(case, options)
    return {"case": case.plain(), "peak": peak, "torch": own, "data": data, "model": model}


def ratio(one: dict[str, Any]) -> float:
    """Peak over needed."""
    return one["peak"] / (one["torch"] + one["data"] + one["model"])


def main(options: argparse.Namespace) -> None:
    """Measures and prints what came out."""
    models = MODELS if options.model == ["all"] else options.model
    rows = [measure(Case(model, options.data), options) for model in models]
    record = {"setting": environment(options), "rows": rows}
    print("\n".join(section(record)))
    keep(record, options, "memory")


def section(record: dict[str, Any]) -> list[str]:
    """The record as a table, in MB (10^6 bytes)."""
    lines = [as_sentence(record["setting"]), ""]
    lines += [
        "| fit | peak | torch's own | data | model | peak / needed | target |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for one, row in zip(record["rows"], targets(record), strict=True):
        cells = [f"{one[part] / 1e6:,.0f}" for part in ("peak", "torch", "data", "model")]
        lines.append(f"| {row.case} | {' | '.join(cells)} | **{row.found}** | ≤ {MEMORY}: {verdict(row.met)} |")
    return [*lines, ""]


def targets(record: dict[str, Any]) -> list[Row]:
    """How much a fit was to need, and how much it does."""
    found = []
    for one in record["rows"]:
        case, share = read_case(one["case"]), ratio(one)
        where = f"{case.model} on {case.data}"
        found.append(Row(f"peak memory / needed ≤ {MEMORY}", where, f"{share:.2f}", share <= MEMORY, "one run"))
    return found


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--model", nargs="+", default=["ConvNet"], choices=[*MODELS, "all"])
    parser.add_argument("--data", default="CIFAR10", choices=["MNIST", "CIFAR10"])

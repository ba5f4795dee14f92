"""How long until something happens? Whole commands, cold, against what Python needs for torch and Lightning alone.

    imports   python -c "import torch, lightning"
    help      python cli.py --help
    version   python cli.py --version
    fit       python cli.py fit --data Digits --model SoftmaxRegression --trainer.max_steps 1

    python scripts/benchmark.py startup [--rounds 10]

Each is a fresh process with its imports; the files of the packages lie in memory, as after any other start.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.measure.environment import ROOT, as_sentence, environment, keep, not_measured
from benchmarks.measure.intervals import interval
from benchmarks.measure.noise_probe import probe
from benchmarks.measure.process import run
from benchmarks.measure.rounds import Sample, counted, ratios, run_interleaved, values
from benchmarks.measure.targets import AT_ONCE, STARTUP, Row

COMMANDS = {
    "imports": ["-c", "import torch, lightning"],
    "help": ["cli.py", "--help"],
    "version": ["cli.py", "--version"],
    "fit": ["cli.py", "fit", "--data", "Digits", "--model", "SoftmaxRegression", "--trainer.max_steps", "1"],
}


def start(name: str, options: argparse.Namespace) -> Sample:
    """Runs a command once."""
    with tempfile.TemporaryDirectory() as folder:
        where = ["--run_dir", f"{folder}/run"] if name == "fit" else []
        ended = run([sys.executable, *COMMANDS[name], *where], options.threads, folder=ROOT)
    counts = ended.processor if options.clock == "processor" else ended.seconds
    return {"seconds": counts, "wall": ended.seconds, "processor": ended.processor, "peak": float(ended.peak)}


def main(options: argparse.Namespace) -> None:
    """Runs the rounds and prints what came out."""
    programs: dict[str, Callable[[], Sample]] = {name: partial(start, name, options) for name in COMMANDS}
    rounds = run_interleaved(programs, options.rounds, probe(options), options.skipped)
    record = {"setting": environment(options), "skipped": options.skipped, "rounds": rounds}
    print("\n".join(section(record)))
    keep(record, options, "startup")


def section(record: dict[str, Any]) -> list[str]:
    """The record as a table."""
    kept, which = counted(record["rounds"])
    lines = [f"{as_sentence(record['setting'])} {which[0].upper()}{which[1:]} count.", ""]
    lines += ["| command | seconds | ratio to the imports, 95 % interval |", "|---|---:|---|"]
    for name, argv in COMMANDS.items():
        ratio, middle = interval(ratios(kept, name, "imports")), interval(values(kept, name)).median
        shown = str(ratio) if name != "imports" else ""
        text = f"python {argv[0]} '{argv[1]}'" if name == "imports" else f"python {' '.join(argv)}"
        lines.append(f"| `{text}` | {middle:.2f} | {shown} |")
    return [*lines, "", *not_measured(record)]


def targets(record: dict[str, Any]) -> list[Row]:
    """What a start was to take, and what it takes."""
    kept, which = counted(record["rounds"])
    ratio = interval(ratios(kept, "fit", "imports"))
    found = [Row(f"fit / imports ≤ {STARTUP:g}", "one step, cold", str(ratio), ratio.median <= STARTUP, which)]
    for name in ("help", "version"):
        seconds = interval(values(kept, name)).median
        found.append(Row(f"within {AT_ONCE:g} s", f"--{name}, cold", f"{seconds:.2f} s", seconds <= AT_ONCE, which))
    return found


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set besides the common flags: nothing."""

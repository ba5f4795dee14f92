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

from benchmarks.measure.environment import ROOT, keep, not_measured, setting, told
from benchmarks.measure.noise_probe import canary
from benchmarks.measure.process import run
from benchmarks.measure.rounds import Sample, counted, interval, play, ratios, values
from benchmarks.measure.targets import AT_ONCE, STARTUP

COMMANDS = {
    "imports": ["-c", "import torch, lightning"],
    "help": ["cli.py", "--help"],
    "version": ["cli.py", "--version"],
    "fit": ["cli.py", "fit", "--data", "Digits", "--model", "SoftmaxRegression", "--trainer.max_steps", "1"],
}


def start(name: str, options: argparse.Namespace) -> Callable[[], Sample]:
    """What runs a command once."""

    def turn() -> Sample:
        with tempfile.TemporaryDirectory() as folder:
            where = ["--run_dir", f"{folder}/run"] if name == "fit" else []
            ended = run([sys.executable, *COMMANDS[name], *where], options.threads, folder=ROOT)
        counts = ended.processor if options.clock == "processor" else ended.seconds
        return {"seconds": counts, "wall": ended.seconds, "processor": ended.processor, "peak": float(ended.peak)}

    return turn


def main(options: argparse.Namespace) -> None:
    """Runs the rounds and says what came out."""
    skipped: list[str] = options.skipped
    turns = {name: start(name, options) for name in COMMANDS}
    rounds = play(turns, options.rounds, partial(canary, options.clock, options.device), skipped)
    print(summary(rounds))
    keep({"setting": setting(options), "skipped": skipped, "rounds": rounds}, options, "startup")


def summary(rounds: list[dict]) -> str:
    """Medians and ratios to the imports."""
    kept, which = counted(rounds)
    lines = [f"cold starts: {which}"]
    for name in COMMANDS:
        ratio, middle = interval(ratios(kept, name, "imports")), interval(values(kept, name)).median
        lines.append(f"  {name} {middle:.2f} s, {name} / imports {ratio}")
    return "\n".join(lines)


def section(record: dict[str, Any]) -> list[str]:
    """The record as a table."""
    kept, which = counted(record["rounds"])
    lines = [f"{told(record['setting'])} {which[0].upper()}{which[1:]} count.", ""]
    lines += ["| command | seconds | ratio to the imports, 95 % interval |", "|---|---:|---|"]
    for name, words in COMMANDS.items():
        ratio, middle = interval(ratios(kept, name, "imports")), interval(values(kept, name)).median
        shown = str(ratio) if name != "imports" else ""
        text = f"python {words[0]} '{words[1]}'" if name == "imports" else f"python {' '.join(words)}"
        lines.append(f"| `{text}` | {middle:.2f} | {shown} |")
    return [*lines, "", *not_measured(record)]


def aims(record: dict[str, Any]) -> list[tuple[str, str, str, bool, str]]:
    """What was aimed at, with which command, what came out, whether that is it, and of which rounds."""
    kept, which = counted(record["rounds"])
    ratio = interval(ratios(kept, "fit", "imports"))
    found = [(f"fit / imports ≤ {STARTUP:g}", "one step, cold", str(ratio), ratio.median <= STARTUP, which)]
    for name in ("help", "version"):
        seconds = interval(values(kept, name)).median
        found.append((f"within {AT_ONCE:g} s", f"--{name}, cold", f"{seconds:.2f} s", seconds <= AT_ONCE, which))
    return found


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set besides the common flags: nothing."""

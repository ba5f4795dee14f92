"""Under which conditions was it measured, and where is it kept? What all records begin with."""

import argparse
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "results"
PACKAGES = ("torch", "torchvision", "lightning", "numpy")
PLACES = {
    "--data-root": "DIR",
    "--cifar10": "OUT.npz",
    "--before": "OLD",
    "--zoo": "FILE",
    "--scratch": "SCRATCH",
}  # for a place on this machine, in a record
NAMED = {"--peer": "DIR", "--peer-python": "PATH"}  # the same behind NAME=
LEFT_OUT = "--out"


def environment(options: argparse.Namespace) -> dict[str, Any]:
    """Machine, threads, clock, load, versions, and the command without the places of this machine."""
    return {
        "command": " ".join(["python scripts/benchmark.py", *anonymous(sys.argv[1:])]),
        "machine": machine(),
        "threads": options.threads,
        "clock": options.clock,
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": sys.version.split()[0],
        "commit": commit(ROOT),
        "versions": {name: version(name) for name in PACKAGES},
        "peers": {name: commit(folder) for name, folder in options.peers.items()},
    }


def machine() -> str:
    """Cores and maker of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{os.cpu_count()} cores, {' '.join(name.split()[:2])}"


def anonymous(argv: list[str]) -> list[str]:
    """The arguments of a command, places on this machine replaced by names."""
    kept: list[str] = []
    flag = ""
    for word in (part for arg in argv for part in (arg.split("=", 1) if arg.startswith("--") else [arg])):
        flag = word if word.startswith("--") else flag
        if flag == LEFT_OUT:
            continue
        if word != flag and flag in PLACES:
            kept.append(PLACES[flag])
        elif word != flag and flag in NAMED:
            kept.append(f"{word.partition('=')[0]}={NAMED[flag]}")
        else:
            kept.append(word)
    return kept


def as_sentence(how: dict[str, Any]) -> str:
    """An environment; of older records, what they know."""
    threads = f"{how['threads']} thread{'' if how['threads'] == 1 else 's'}" if isinstance(how["threads"], int) else ""
    clock = {"processor": "seconds of the processor", "wall": "seconds of the clock"}.get(how.get("clock", ""), "")
    load = f"load {how['load'][0]:.1f} at the start" if "load" in how else ""
    versions = ", ".join(f"{name} {number}" for name, number in how.get("versions", {}).items())
    peers = ", ".join(f"{name} {commit[:7]}" for name, commit in how.get("peers", {}).items())
    at = f"at commit {how['commit'][:7]}" if "commit" in how else ""
    parts = (how.get("machine", ""), threads, clock, load, at, versions, peers, how.get("note", ""))
    command = f"`{how['command']}`: " if "command" in how else ""
    return f"{command}{'; '.join(part for part in parts if part)}."


def not_measured(record: dict[str, Any]) -> list[str]:
    """A line for each thing that was wanted and not had."""
    lines = [f"- not measured: {text.removeprefix('error: ')}" for text in record.get("skipped", [])]
    return [*lines, ""] if lines else []


def commit(folder: Path) -> str:
    """The commit of a checkout; "unknown" if git does not tell."""
    argv = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    return subprocess.run(argv, capture_output=True, text=True).stdout.strip() or "unknown"


def keep(record: dict[str, Any], options: argparse.Namespace, name: str) -> None:
    """Writes the raw rounds down: where `--out` says, else to results/benchmark_NAME.json."""
    path = options.out or RESULTS / f"benchmark_{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tidy(record), indent=1, ensure_ascii=False) + "\n")
    print(f"raw rounds: {path}")


def tidy(value: Any) -> Any:
    """Numbers with six digits: no clock is better than that."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: tidy(item) for key, item in value.items()}
    return [tidy(item) for item in value] if isinstance(value, list | tuple) else value

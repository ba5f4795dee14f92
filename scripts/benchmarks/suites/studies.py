"""What does it save that the runs of a study share a process? The first 20 runs of the study of activations, two ways.

    separate   20 × `python cli.py fit …`, one after another, each with all processors
    study      `zoo study run … --jobs 2`, its start and its end included

    python scripts/benchmark.py studies --data-root DIR [--rounds 1]

Besides the clock, which other work on the machine disturbs, the processor seconds of both are measured: on two quiet
processors a study of two processes takes half of its own. Both train the same 20 networks; that they are the same, to
the last bit, is a test (tests/studies/test_study_runs.py).
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure.environment import ROOT, environment, keep
from benchmarks.measure.process import run
from zoo.studies.reading import read_study
from zoo.studies.rows import read_table
from zoo.studies.running import runnable
from zoo.studies.settings import to_argv

STUDY = ROOT / "configs/studies/activations"
RUNS, JOBS = 20, 2


def first_runs() -> list[Any]:
    """The runs that the study begins with: those that tune."""
    study = read_study(STUDY)
    return [(study.settings(run.cell, run.tuned, tuning=True), run) for run in runnable(study, []).values()][:RUNS]


def write_part(folder: Path) -> None:
    """Writes a study that consists of these runs and no others: what is tuned is a factor of it."""
    content = yaml.safe_load((STUDY / "study.yaml").read_text())
    tune = content["tune"]
    per_arm = len(tune["seeds"])
    for values in tune["values"].values():
        per_arm *= len(values)
    for key, values in content["arms"]["grid"].items():
        content["arms"]["grid"][key] = values[: RUNS // per_arm]
    part = {key: content[key] for key in ("question", "base", "arms", "baseline", "report")}
    part |= {"factors": {"tuned": {"grid": tune["values"]}}, "seeds": tune["seeds"]}
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(part))


def separate(options: argparse.Namespace, folder: Path) -> None:
    """The commands, one after another."""
    for i, (settings, one) in enumerate(first_runs()):
        flags = f"--data.root={options.data_root} --seed_everything={one.seed} --run_dir={folder}/{i}"
        run([sys.executable, "cli.py", "fit", *to_argv(settings), *flags.split()], options.threads, folder=ROOT)


def together(options: argparse.Namespace, folder: Path) -> None:
    """The same runs as a study, which divides the processors itself."""
    write_part(folder / "part")
    command = [sys.executable, "cli.py", "study", "run", str(folder / "part"), "--jobs", str(JOBS)]
    flags = ["--data-root", str(options.data_root), "--work", str(folder / "work")]
    environ = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    subprocess.run([*command, *flags], check=True, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL)
    rows = read_table(folder / "part/results.csv")
    assert {(row["config"], int(row["seed"])) for row in rows} == {one.key for _, one in first_runs()}


def processor_seconds() -> float:
    """What the processes that this one has started and seen end have computed; others do not lengthen it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(options: argparse.Namespace) -> None:
    """Runs the rounds, prints what came out, and writes it down if asked for."""
    rounds: list[dict[str, float]] = []
    for i in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            row: dict[str, float] = {"load": os.getloadavg()[0]}
            for name, way in (("study", together), ("separate", separate)):
                began, computed = time.perf_counter(), processor_seconds()
                way(options, Path(folder))
                row |= {name: time.perf_counter() - began, f"{name}_processor": processor_seconds() - computed}
        rounds.append(row)
        print(f"round {i + 1}: " + "  ".join(f"{key} {value:.1f}" for key, value in rounds[-1].items()), flush=True)
    ratio = statistics.median(row["separate"] / row["study"] for row in rounds)
    rates = {key: 60 * RUNS / statistics.median(row[key] for row in rounds) for key in ("study", "separate")}
    work = statistics.median(row["separate_processor"] / row["study_processor"] for row in rounds)
    print(f"processor seconds: the commands take {work:.2f} x those of the study")
    print(f"{rates['study']:.1f} runs a minute as a study, {rates['separate']:.1f} as commands: {ratio:.2f} x")
    how = {"cpus": os.cpu_count(), "jobs": JOBS, "threads_separate": options.threads, "runs": RUNS}
    how = {**environment(options), **how}
    keep({"setting": how, "rounds": rounds, "ratio": ratio, "ratio_processor": work}, options, "studies")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set besides the common flags: nothing."""

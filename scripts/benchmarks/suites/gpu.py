"""A GPU in ten minutes: what it can do, what Lightning costs on it, FastNet beside airbench94_muon; fetches nothing.

    python scripts/benchmark.py gpu --data-root DIR --cifar10 OUT.npz --peer cifar10-airbench=DIR
    python scripts/benchmark.py gpu … --quick --device cpu                                        whether it would run

    ceilings   matrix product and convolution in float32 and bfloat16, copy, and one tiny operation after another
    accuracy   FastNet's recipe through `fit`, over seeds, beside that project on the same images
    epochs     every model on MNIST and CIFAR-10, all images, `fit` beside the bare loop: the ratio is Lightning's tax

Rounds of epochs go on until `--seconds` are over, so that all of it fits into one call on a borrowed machine; what has
been measured until then is printed and kept.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.baselines.loops import in_process
from benchmarks.measure.case import HEAVY, IMAGES, MODELS, Case, read_case
from benchmarks.measure.environment import ROOT, as_sentence, environment, keep, not_measured
from benchmarks.measure.noise_probe import launch, peaks, probe
from benchmarks.measure.rounds import report, run_interleaved
from benchmarks.suites import epoch, target

RECIPE = ROOT / "configs/recipes/cifar10_fastnet_94.yaml"
QUICK = ("--trainer.max_epochs=1", "--data.train_size=400", "--data.val_size=100", "--data.batch_size=100")
QUICK_IMAGES, QUICK_PEER = 256, 2000  # a batch of the other project's


def ceilings(options: argparse.Namespace) -> dict[str, float]:
    """What the device can do: GFLOP/s by precision, GB/s, and microseconds of a tiny operation."""
    return {**peaks("wall", options.device), "launch": 1e6 * launch(options.device)}


def in_a_line(top: dict[str, float]) -> str:
    """Ceilings."""
    names = {"32-true": "float32", "bf16-mixed": "bfloat16"}
    speeds = ", ".join(f"{name} {top[kind] / 1000:.1f} TFLOP/s" for kind, name in names.items())
    return f"ceilings: {speeds}, copy {top['copy']:.0f} GB/s, a tiny operation {top['launch']:.1f} µs"


def plans(options: argparse.Namespace, top: dict[str, float]) -> list[dict[str, Any]]:
    """Each model on both data sets, all images, before its rounds; with `--quick` a few images."""
    found = []
    for model in MODELS if options.model == ["all"] else options.model:
        for data in options.data:
            case = Case(model, data, options.batch, options.precision, IMAGES[data])
            case = replace(case, images=QUICK_IMAGES, epochs=2) if options.quick else case
            found.append(plan := epoch.planned(case, top) | {"rounds": []})
            if plan["flop"] * case.images > 10 * HEAVY:
                plan["case"]["epochs"] = 2
    return found


def accuracy(options: argparse.Namespace, skipped: list[str]) -> dict[str, Any]:
    """FastNet and the other project, with one round a seed."""
    options.recipe, options.accuracy = options.recipe.absolute(), target.accuracy_of(options.recipe)
    if options.quick:
        options.more, options.images, options.peer_flags, options.runs = QUICK, QUICK_PEER, "--epochs 1", 1
    options.peer_rounds = 1  # it is compiled anew in each process, but runs more than once in one
    rounds = target.rounds_of(target.programs(options, skipped), options, skipped, probe(options))
    return {"recipe": options.recipe.stem, "accuracy": options.accuracy, "rounds": rounds}


def epochs(options: argparse.Namespace, top: dict[str, float], skipped: list[str], end: float) -> list[dict[str, Any]]:
    """Rounds over all cases, for as long as there is time for another like the last."""
    records = plans(options, top)
    for done in range(options.rounds):
        began = time.monotonic()
        for record in records:
            case = read_case(record["case"])
            if time.monotonic() > end:
                break
            print(case.name, flush=True)
            programs = {name: in_process(name, case, options) for name in ("zoo", "plain")}
            record["rounds"] += run_interleaved(programs, 1, probe(options), skipped, seed=done)
        if 2 * time.monotonic() - began > end:
            break
    return [record for record in records if record["rounds"]]


def main(options: argparse.Namespace) -> None:
    """Measures the three parts, one after the other, and prints what came out."""
    end = time.monotonic() + options.seconds
    skipped: list[str] = options.skipped
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    record: dict[str, Any] = {"setting": {**environment(options), "device": name}, "skipped": skipped}
    record["ceilings"] = ceilings(options)
    print(f"{name}, {in_a_line(record['ceilings'])}", flush=True)
    if not options.data_root.joinpath("MNIST/raw").is_dir() and "MNIST" in options.data:
        options.data = [data for data in options.data if data != "MNIST"]
        report("MNIST in --data-root: expected MNIST/raw in it, found none. Try: --data-root DIR", skipped)
    record |= {"target": accuracy(options, skipped), "epochs": []}
    keep(record, options, "gpu")  # should the time be over before the end
    record["epochs"] = epochs(options, record["ceilings"], skipped, end)
    print("\n".join(section(record)))
    keep(record, options, "gpu")


def section(record: dict[str, Any]) -> list[str]:
    """The record in words and tables."""
    how, done = record["setting"], [one for one in record["target"]["rounds"] if "zoo" in one["samples"]]
    lines = [f"{how['device']}; {as_sentence(how)}", "", f"{in_a_line(record['ceilings'])}.", ""]
    lines += target.section({"setting": how, **record["target"]}) if done else []
    return [*lines, *epoch.section({"setting": how, "cases": record["epochs"]}), *not_measured(record)]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.set_defaults(device="cuda", rounds=20, workers=0, clock="wall", images=None, peer_flags="", more=())
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="FastNet's")
    parser.add_argument("--seeds", type=int, default=5, help="of FastNet")
    parser.add_argument("--runs", type=int, default=5, help="of the other project, in one process")
    parser.add_argument("--model", nargs="+", default=["all"], choices=[*MODELS, "all"])
    parser.add_argument("--data", nargs="+", default=list(IMAGES), choices=list(IMAGES))
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--precision", default="bf16-mixed", choices=["32-true", "bf16-mixed"])
    parser.add_argument("--seconds", type=float, default=540, help="no new epochs are begun after so many")
    parser.add_argument("--quick", action="store_true", help="a few images, one epoch: does it run?")

"""Does a second process pay? The same training on one process and on two, one thread each, and what a step is made of.

    step of one process   compute(B)                      forward, backward and Adam on B images
    step of N processes   compute(B / N) + all-reduce     the gradients, 4 bytes a parameter, summed over all of them

    python scripts/benchmark.py scaling [--rounds 5]

Epochs are those of `fit`, ConvNet on images of CIFAR-10's shape, batch 128; both run interleaved, in processes of their
own, and the last epoch counts. Computing is measured in seconds of the processor, which others on the machine do not
lengthen, an all-reduce (gloo, two processes) in seconds of the clock, of which the quickest tenth counts.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F

from benchmarks.measure.environment import ROOT, environment, keep
from benchmarks.measure.process import run
from faults.forking import free_port

BATCH, STEPS, EPOCHS = 128, 20, 2
TWO = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
REPEATS = 200  # of an all-reduce


def write_images(path: Path) -> None:
    """Random images of CIFAR-10's shape, as many as an epoch needs."""
    chance = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in (("train", STEPS * BATCH + 100), ("test", 10)):
        arrays[f"{split}_images"] = chance.integers(0, 256, (count, 32, 32, 3), np.uint8)
        arrays[f"{split}_labels"] = np.arange(count) % 10
    np.savez(path, **arrays)


def epoch(images: Path, flags: list[str]) -> float:
    """Seconds of the last epoch of `fit`, from its own record."""
    from zoo.runs.metrics import read_metrics

    with tempfile.TemporaryDirectory() as folder:
        argv = f"fit --data Arrays --data.path {images} --data.val_size 100 --data.batch_size {BATCH} --model ConvNet"
        argv += f" --trainer.accelerator cpu --trainer.max_epochs {EPOCHS} --run_dir {folder}/run"
        run([sys.executable, "cli.py", *argv.split(), *flags], threads=1, folder=ROOT)
        rows = read_metrics(Path(folder, "run", "metrics.csv"))
    return rows[-1]["seconds"] - rows[-2]["seconds"]


def networks() -> dict[str, tuple[Any, tuple[int, int, int]]]:
    """Models as they come, with the shape of their images."""
    import zoo

    grey, colour = (1, 28, 28), (3, 32, 32)
    shapes = {"MLP": grey, "LeNet": grey, "ConvNet": colour, "ResNet": colour}
    return {name: (getattr(zoo, name)(shape, 10), shape) for name, shape in shapes.items()}


def compute(model: Any, shape: tuple[int, int, int], batch: int) -> float:
    """Processor seconds of a training step on so many images: median of five, or as many as there are in 10 seconds."""
    x, y = torch.rand(batch, *shape), torch.arange(batch) % 10
    optimizer = model.make_optimizer()
    seconds: list[float] = []
    while len(seconds) < 6 and (len(seconds) < 2 or sum(seconds) < 10):  # the first is to warm up
        start = time.process_time()
        optimizer.zero_grad()
        F.cross_entropy(model.net(x), y).backward()
        optimizer.step()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds[1:])


def reduce(rank: int, port: int, sizes: list[int], results: Any) -> None:
    """One of two processes that sum arrays of these sizes; the first reports how long each takes."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    for size in sizes:
        values, seconds = torch.zeros(size), []
        for _ in range(REPEATS):
            dist.barrier()
            start = time.perf_counter()
            dist.all_reduce(values)
            seconds.append(time.perf_counter() - start)
        if rank == 0:
            results.put(statistics.quantiles(seconds, n=10)[0])
    dist.destroy_process_group()


def all_reduces(sizes: list[int]) -> list[float]:
    """Seconds of an all-reduce of so many float32 numbers over two processes of this machine."""
    port = free_port()
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    both = [context.Process(target=reduce, args=(rank, port, sizes, results)) for rank in (0, 1)]
    for process in both:
        process.start()
    found = [results.get(timeout=300) for _ in sizes]
    for process in both:
        process.join()
    return found


def measure_steps() -> dict[str, dict[str, float]]:
    """What a step of each model is made of, in milliseconds."""
    torch.set_num_threads(1)
    rows: dict[str, dict[str, float]] = {}
    for name, (model, shape) in networks().items():
        parameters = sum(parameter.numel() for parameter in model.parameters())
        whole, half = (1000 * compute(model, shape, batch) for batch in (BATCH, BATCH // 2))
        rows[name] = {"parameters": parameters, "step": whole, "half": half}
    for row, seconds in zip(rows.values(), all_reduces([int(row["parameters"]) for row in rows.values()]), strict=True):
        row["all_reduce"] = 1000 * seconds
        row["expected"] = row["step"] / (row["half"] + row["all_reduce"])
    return rows


def main(options: argparse.Namespace) -> None:
    """Runs the rounds, prints what came out, and writes it down if asked for."""
    steps = measure_steps()
    for name, row in steps.items():
        print(
            f"{name}: {int(row['parameters']):,} parameters, {BATCH} images {row['step']:.2f} ms, half of them"
            f" {row['half']:.2f} ms, all-reduce {row['all_reduce']:.2f} ms: at best {row['expected']:.2f} x",
            flush=True,
        )
    rounds: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder, "images.npz")
        write_images(images)
        for i in range(options.rounds):
            rounds.append({"one": epoch(images, []), "two": epoch(images, TWO), "load": os.getloadavg()[0]})
            print(f"round {i + 1}: " + "  ".join(f"{key} {value:.2f}" for key, value in rounds[-1].items()), flush=True)
    ratio = statistics.median(row["one"] / row["two"] for row in rounds)
    print(f"two processes are {ratio:.2f} x as fast as one (median of {len(rounds)} rounds)")
    how = {**environment(options), "cpus": os.cpu_count(), "torch": torch.__version__, "batch": BATCH}
    keep({"setting": how, "steps": steps, "rounds": rounds, "ratio": ratio}, options, "scaling")

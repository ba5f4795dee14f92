"""How fast is an epoch? The lectures' 784-256-10 MLP on MNIST at batch 128, three ways, interleaved in one run.

    plain     a PyTorch loop over float tensors in memory: what there is to do, and nothing else
    tutorial  Lightning, torchvision's data set image by image through a DataLoader, self.log at every step
    zoo       this project's `fit`, with metrics.csv, checkpoints and validation on

    python scripts/benchmark.py --data-root DIR [--rounds 7] [--threads 2]
    python scripts/benchmark.py --data-root DIR --safety 20     # what exact resume and safe saves cost instead
    python scripts/benchmark.py scaling --rounds 5              # what a second process is worth instead
    python scripts/benchmark.py --data-root DIR --wandb 10      # what W&B costs, offline
    python scripts/benchmark.py studies --data-root DIR         # what a study saves by sharing a process

An epoch is 54,000 training images and the 6,000 validation images, for all three. Each round runs all three in turn,
each in a fresh process, and takes the last epoch of each, warm; the machine's noise hits them alike, so the medians of
the rounds' ratios are what counts, not the seconds. Raw rounds go to `--out` as JSON.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

BATCH, TRAIN, EPOCHS = 128, 54_000, 2
MEAN, STD = 0.1307, 0.3081
NAMES = ("plain", "tutorial", "zoo")


def make_net() -> nn.Sequential:
    """784-256-10 with ReLU, as PyTorch initialises it."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def plain(root: Path) -> float:
    """Seconds of the last epoch of a bare loop: shuffled gather, forward, backward, Adam step; then validation."""
    data = torchvision.datasets.MNIST(str(root))
    x, y = (data.data.float().div_(255) - MEAN).div_(STD), data.targets
    train_x, train_y, val_x, val_y = x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:]
    net = make_net()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    seconds = 0.0
    for _ in range(EPOCHS):
        start = time.perf_counter()
        order = torch.randperm(TRAIN)
        for i in range(TRAIN // BATCH):
            index = order[i * BATCH : (i + 1) * BATCH]
            optimizer.zero_grad()
            F.cross_entropy(net(train_x[index]), train_y[index]).backward()
            optimizer.step()
        with torch.no_grad():
            correct = sum(
                int((net(a).argmax(1) == b).sum()) for a, b in zip(val_x.split(1000), val_y.split(1000), strict=True)
            )
        seconds = time.perf_counter() - start
        assert correct > 0.8 * len(val_y)  # it learns, or the time means nothing
    return seconds


def tutorial(root: Path, workers: int) -> float:
    """Seconds of the last epoch of Lightning with a DataLoader, its logging and checkpoints on."""
    from lightning import Callback, LightningModule, Trainer
    from torch.utils.data import DataLoader, random_split
    from torchvision import transforms

    class Model(LightningModule):
        """The model of Lightning's own introduction, on the lectures' network."""

        def __init__(self) -> None:
            super().__init__()
            self.net = make_net()

        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            return self.step(batch, "train")

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.step(batch, "val")

        def step(self, batch: Any, split: str) -> torch.Tensor:
            """Loss of a batch, logged with its accuracy."""
            x, y = batch
            logits = self.net(x)
            loss = F.cross_entropy(logits, y)
            self.log(f"{split}_loss", loss)
            self.log(f"{split}_acc", (logits.argmax(1) == y).float().mean())
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=1e-3)

    class Timer(Callback):
        """Remembers when epochs start, and when the last ends."""

        def __init__(self) -> None:
            self.marks: list[float] = []

        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            self.marks.append(time.perf_counter())

        on_train_end = on_train_epoch_start

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    data = torchvision.datasets.MNIST(str(root), transform=transform)
    train, val = random_split(data, [TRAIN, len(data) - TRAIN])
    timer = Timer()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(max_epochs=EPOCHS, accelerator="cpu", devices=1, callbacks=[timer], default_root_dir=folder)
        common: dict[str, Any] = {"batch_size": BATCH, "num_workers": workers, "persistent_workers": workers > 0}
        trainer.fit(Model(), DataLoader(train, shuffle=True, **common), DataLoader(val, **common))
    return timer.marks[-1] - timer.marks[-2]


def zoo(root: Path) -> float:
    """Seconds of the last epoch of `fit`, from its own record."""
    from cli import main as command
    from zoo.runs.metrics import read_metrics

    with tempfile.TemporaryDirectory() as folder:
        command(fit_words(root, f"{folder}/run"))
        rows = read_metrics(Path(folder, "run", "metrics.csv"))
    return rows[-1]["seconds"] - rows[-2]["seconds"]


def fit_words(root: Path, folder: str) -> list[str]:
    """The command that is measured."""
    words = f"fit --data MNIST --data.root {root} --data.batch_size {BATCH} --model MLP --model.hidden [256]"
    return [*words.split(), "--trainer.max_epochs", str(EPOCHS), "--trainer.accelerator", "cpu", "--run_dir", folder]


def peak_memory(root: Path, threads: int) -> float:
    """Largest resident set of a whole `fit` in its own process, GB (10^9 bytes)."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "cli.py"), *fit_words(root, f"{folder}/run")]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": str(threads)}
        )
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9


def measure(name: str, options: argparse.Namespace) -> float:
    """Seconds of one contender in this process, without what it prints."""
    torch.set_num_threads(options.threads)
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        if name == "plain":
            return plain(options.data_root)
        return zoo(options.data_root) if name == "zoo" else tutorial(options.data_root, options.workers)


def measure_safety(options: argparse.Namespace) -> None:
    """Cost of exact resume and safe saves, for each of the cases, in this process."""
    from benchmark_safety import CASES, Switch, measure, summary

    torch.set_num_threads(options.threads)
    record: dict[str, Any] = {"setting": {"threads": options.threads, "torch": torch.__version__}}
    switch = Switch()
    switch.install()
    for name in [name for name in CASES if options.case in name]:
        with contextlib.redirect_stdout(io.StringIO()):
            record[name] = measure(options.data_root, name, options.safety, switch)
        print(summary(name, record[name]), flush=True)
    if options.out:
        options.out.write_text(json.dumps(record, indent=2) + "\n")


def measure_wandb(options: argparse.Namespace) -> None:
    """Cost of W&B, offline, in this process."""
    from benchmark_wandb import measure, summary

    torch.set_num_threads(options.threads)
    with contextlib.redirect_stdout(io.StringIO()):
        record = measure(options.data_root, options.wandb)
    print(summary(record), flush=True)
    if options.out:
        setting = {"threads": options.threads, "torch": torch.__version__}
        options.out.write_text(json.dumps({"setting": setting, **record}, indent=2) + "\n")


def measure_afresh(name: str, options: argparse.Namespace) -> float:
    """Seconds of one contender in a process of its own."""
    flags = [f"--data-root={options.data_root}", f"--threads={options.threads}", f"--workers={options.workers}"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    command = [sys.executable, __file__, "--only", name, *flags]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Runs the rounds and prints medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what",
        nargs="?",
        choices=["scaling", "studies"],
        help="one process against two, runs in one process; without it, an epoch",
    )
    default_root = Path(os.environ.get("ZOO_DATA", "data"))
    parser.add_argument("--data-root", type=Path, default=default_root, help="folder that holds MNIST/raw")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0, help="num_workers of the tutorial's DataLoader")
    parser.add_argument("--safety", type=int, metavar="PAIRS", help="pairs of epochs with and without exact resume")
    parser.add_argument("--wandb", type=int, metavar="PAIRS", help="pairs of epochs with and without W&B")
    parser.add_argument("--case", default="", help="with --safety: only the cases that have this in their names")
    parser.add_argument("--only", choices=NAMES, help="run one of them once, here, and print its seconds")
    parser.add_argument("--out", type=Path, help="JSON file for the raw rounds")
    options = parser.parse_args()
    if options.what == "scaling":
        import benchmark_scaling

        benchmark_scaling.main(options)
        return
    if not (options.data_root / "MNIST/raw").is_dir():
        parser.error(f"MNIST in {options.data_root}: expected MNIST/raw in it, found none. Try: --data-root DIR")
    if options.what == "studies":
        import benchmark_studies

        benchmark_studies.main(options)
        return
    if options.only:
        print(measure(options.only, options))
        return
    if options.safety:
        measure_safety(options)
        return
    if options.wandb:
        measure_wandb(options)
        return
    memory = peak_memory(options.data_root, options.threads)  # before the others: it is the largest of all children
    rounds: list[dict[str, float]] = []
    for i in range(options.rounds):
        rounds.append({name: measure_afresh(name, options) for name in NAMES})
        shown = "  ".join(f"{name} {seconds:.2f} s" for name, seconds in rounds[-1].items())
        print(f"round {i + 1}: {shown}", flush=True)
    ratios = {
        "tutorial / zoo": statistics.median(r["tutorial"] / r["zoo"] for r in rounds),
        "zoo / plain": statistics.median(r["zoo"] / r["plain"] for r in rounds),
    }
    print("median: " + "  ".join(f"{name} {statistics.median(r[name] for r in rounds):.2f} s" for name in NAMES))
    print("median of ratios: " + "  ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))
    print(f"peak memory of fit: {memory:.2f} GB")
    if options.out:
        setting = {
            "threads": options.threads,
            "workers": options.workers,
            "torch": torch.__version__,
        }
        record = {"setting": setting, "rounds": rounds, "ratios": ratios, "peak_memory_gb": memory}
        options.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()

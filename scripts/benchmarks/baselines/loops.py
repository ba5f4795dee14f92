"""What trains: this project's `fit`, a bare PyTorch loop, and Lightning as its introductions teach it.

    zoo        `python cli.py fit …`, with metrics.csv, checkpoints and validation on
    plain      the same network, optimiser, precision and images as float tensors in memory; forward, backward, step
    nchw       the same in float32, and channels first, as PyTorch is unless it is told otherwise
    tutorial   784-256-10 in Lightning; torchvision's images one by one through a DataLoader, self.log at each step

Each runs in a process of its own: `python scripts/benchmark.py loop JSON` prints the seconds of its epochs.
"""

import json
import statistics
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from benchmarks.measure.case import Case, make, read_case
from benchmarks.measure.environment import ROOT
from benchmarks.measure.epoch_timer import EpochTimer, durations, now, read
from benchmarks.measure.process import run
from benchmarks.measure.rounds import Sample

MEAN, STD = 0.1307, 0.3081  # of MNIST
ACCELERATORS = {"cpu": "cpu", "cuda": "gpu"}
Epochs = list[dict[str, float]]


def zoo(case: Case, options: Namespace) -> Epochs:
    """Epochs of the command."""
    from cli import main as command

    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder, "times.json")
        timer = [f"--trainer.callbacks+={EpochTimer.__module__}.EpochTimer", f"--trainer.callbacks.path={times}"]
        command([*fit_argv(case, options, f"{folder}/run"), *timer, "--allow_import", "benchmarks"])
        return read(times)


def fit_argv(case: Case, options: Namespace, folder: str) -> list[str]:
    """The command that is measured."""
    trainer = [f"--trainer.max_epochs={case.epochs}", f"--trainer.precision={case.precision}"]
    trainer += [f"--trainer.accelerator={ACCELERATORS[options.device]}", "--trainer.limit_test_batches=1"]
    return ["fit", *case.argv(options), *trainer, "--figures=false", "--run_dir", folder]


def plain(case: Case, options: Namespace, *, channels_last: bool = True) -> Epochs:
    """Epochs of a bare loop: shuffled gather, forward, backward, step; then validation."""
    import torch
    import torch.nn.functional as F

    from datamodules.base import EVAL_BATCH_SIZE

    torch.manual_seed(0)
    data, model = make(case, options)
    data.setup("fit")
    images, labels = data.part("train")
    x, val_x = (data.prepare_images(images[data.splits[split]]) for split in ("train", "val"))
    y, val_y = (labels[data.splits[split]] for split in ("train", "val"))
    for layer in model.net:
        if hasattr(layer, "fit"):  # filters that are computed from images
            layer.fit(x[:5000])
    x, y, val_x, val_y = (array.to(options.device) for array in (x, y, val_x, val_y))
    model.lay_out(flat=not channels_last)
    net = model.to(options.device).net
    optimizer = model.make_optimizer()
    half = torch.autocast(options.device, torch.bfloat16, enabled=case.precision == "bf16-mixed" and channels_last)
    epochs: Epochs = []
    for _ in range(case.epochs):
        start = now()
        net.train()
        order = torch.randperm(len(y), device=options.device)
        for i in range(len(y) // case.batch):
            index = order[i * case.batch : (i + 1) * case.batch]
            optimizer.zero_grad()
            with half:
                loss = F.cross_entropy(net(x.index_select(0, index)), y.index_select(0, index))
            loss.backward()
            optimizer.step()
        trained = now()
        net.eval()
        with torch.no_grad(), half:
            pairs = zip(val_x.split(EVAL_BATCH_SIZE), val_y.split(EVAL_BATCH_SIZE), strict=True)
            sum(int((net(a).argmax(1) == b).sum()) for a, b in pairs)
        epochs.append(durations(start, trained, now()))
    return epochs


def nchw(case: Case, options: Namespace) -> Epochs:
    """Epochs of the bare loop as PyTorch comes."""
    return plain(case, options, channels_last=False)


def tutorial(case: Case, options: Namespace) -> Epochs:
    """Epochs of Lightning with a DataLoader, its logging and checkpoints on."""
    import torch
    import torch.nn.functional as F
    from lightning import LightningModule, Trainer
    from torch import nn
    from torch.utils.data import DataLoader, random_split
    from torchvision import datasets, transforms

    class Model(LightningModule):
        """The model of Lightning's own introduction, on the lectures' network."""

        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))

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

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    data = datasets.MNIST(str(options.data_root), transform=transform)
    train, val = random_split(data, [case.images, len(data) - case.images])
    common: dict[str, Any] = {"batch_size": case.batch, "num_workers": options.workers}
    common["persistent_workers"] = options.workers > 0
    with tempfile.TemporaryDirectory() as folder:
        timer = EpochTimer(f"{folder}/times.json")
        trainer = Trainer(max_epochs=2, accelerator="cpu", devices=1, callbacks=[timer], default_root_dir=folder)
        trainer.fit(Model(), DataLoader(train, shuffle=True, **common), DataLoader(val, **common))
    return timer.epochs


LOOPS: dict[str, Callable[[Case, Namespace], Epochs]] = {loop.__name__: loop for loop in (zoo, plain, nchw, tutorial)}


def run_here(text: str) -> None:
    """Runs one of them in this process and prints its epochs as JSON, and nothing else on stdout."""
    import torch

    task = json.loads(text)
    torch.set_num_threads(task["threads"])
    options = Namespace(**task["options"])
    stderr = sys.stderr
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as errors:
        try:
            epochs = LOOPS[task["loop"]](read_case(task["case"]), options)
        except SystemExit:
            stderr.write(errors.getvalue())
            raise
    print(json.dumps(epochs))


def in_process(loop: str, case: Case, options: Namespace) -> Callable[[], Sample]:
    """What runs one of them once, in a fresh process."""
    passed = {"data_root": str(options.data_root), "workers": options.workers, "device": options.device}
    passed["cifar10"] = str(options.cifar10) if options.cifar10 else None
    task = {"loop": loop, "case": case.plain(), "threads": options.threads, "options": passed}
    command = [sys.executable, "-W", "ignore", str(ROOT / "scripts/benchmark.py"), "loop", json.dumps(task)]
    return lambda: sample(json.loads(run(command, options.threads).printed.splitlines()[-1]), options.clock)


def sample(epochs: Epochs, clock: str) -> Sample:
    """The medians of the warm epochs, by the clock that counts."""
    warm = epochs[1:] or epochs
    middle = {key: statistics.median(one[key] for one in warm) for key in warm[0]}
    if clock == "processor":
        return {"seconds": middle["processor"], "training": middle["training_processor"], "wall": middle["seconds"]}
    return middle

#!/bin/sh
# lightning 2.6.6, jsonargparse 4.53.0, torch 2.13.0. The config.yaml that LightningCLI saves for repeating a run does not
# hold some callbacks' own values: for ModelPruning it says "pruning_fn: Unable to serialize instance l1_unstructured", which
# fails when it is read; with Timer's default interval, an enum, the run ends in an error before its first step.
# Hurts whoever relies on the saved file; only a warning tells. Cure: write such values as text, interval as "step".
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet torch==2.13.0 lightning==2.6.6 'jsonargparse[signatures]==4.53.0' numpy
cd "$work"
env/bin/python - <<'PYTHON'
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.cli import LightningCLI
from torch.utils.data import DataLoader, TensorDataset


class Line(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(4, 1)

    def training_step(self, batch, index):
        return ((self.net(batch[0]) - batch[1]) ** 2).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


class Ones(L.LightningDataModule):
    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.ones(20, 4), torch.ones(20, 1)), 2)


def fit(folder, *callback):
    words = ["fit", "--trainer.callbacks", *callback, "--trainer.default_root_dir", folder, "--trainer.max_epochs", "1",
             "--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]
    LightningCLI(Line, Ones, args=words)
    return next(Path(folder).rglob("config.yaml")).read_text()


text = fit("pruning", "ModelPruning", "--trainer.callbacks.pruning_fn", "l1_unstructured", "--trainer.callbacks.amount", "0.3")
line = next(line.strip() for line in text.splitlines() if "pruning_fn" in line)
print("saved:", line)
assert line == "pruning_fn: Unable to serialize instance l1_unstructured", "the saved file holds the value now"
try:
    fit("timer", "Timer", "--trainer.callbacks.duration", "00:00:10:00")
except ValueError as error:
    print("Timer:", str(error).splitlines()[0])
else:
    raise SystemExit("the saved file holds Timer's interval now")
PYTHON

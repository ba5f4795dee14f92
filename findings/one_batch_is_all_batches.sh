#!/bin/sh
# lightning 2.6.6, jsonargparse 4.53.0, torch 2.13.0, Python 3.11. Where torchvision is not installed, LightningCLI reads
# limit_train_batches 1, one batch, as 1.0, all of them: ten steps instead of one, and nothing is said. So it is with
# limit_val_batches and limit_test_batches; 3 is an error. Why: Fabric's clip_val asks for Optional[Union[float, int]] first,
# which Python's typing takes for the Trainer's Optional[Union[int, float]] and hands out again; jsonargparse tries float first.
# Hurts whoever counts on one batch. Cure: a share such as 0.1, a Trainer made in Python, or a parser whose types are reordered.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet torch==2.13.0 lightning==2.6.6 'jsonargparse[signatures]==4.53.0' numpy
cd "$work"
cat >steps.py <<'PYTHON'
import sys

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


words = f"--trainer.limit_train_batches {sys.argv[1]} --trainer.max_epochs 1 --trainer.accelerator cpu --trainer.logger false"
words += " --trainer.enable_progress_bar false --trainer.enable_checkpointing false"
cli = LightningCLI(Line, Ones, args=["fit", *words.split()], save_config_callback=None)
print("steps:", cli.trainer.global_step)
PYTHON
one=$(env/bin/python steps.py 1 2>/dev/null | tail -1)
tenth=$(env/bin/python steps.py 0.1 2>/dev/null | tail -1)
echo "limit_train_batches 1: $one; 0.1 of ten batches: $tenth"
[ "$one" = "steps: 10" ] && [ "$tenth" = "steps: 1" ]

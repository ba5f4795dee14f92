#!/bin/sh
# lightning 2.6.6, jsonargparse 4.53.0, scikit-learn 1.9.1, torch 2.13.0. With "import sklearn.svm" above it, a script of
# LightningCLI reads limit_train_batches 1, one batch, as 1.0, all of them: ten steps instead of one, and nothing is said.
# Why: Optional[Union[int, float]] is, to Python's typing, equal to the Optional[Union[float, int]] that scikit-learn asked
# for first, and typing hands out that one again; jsonargparse tries float first. So it is with limit_val_batches and others.
# Hurts whoever counts on one batch, or 3 (an error then). Cure: import lightning first, or reorder the types of the parser.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet torch==2.13.0 lightning==2.6.6 'jsonargparse[signatures]==4.53.0' scikit-learn==1.9.1 numpy
cd "$work"
cat >steps.py <<'PYTHON'
import sys

if sys.argv[1] == "sklearn":
    import sklearn.svm  # noqa: F401
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


words = "--trainer.limit_train_batches 1 --trainer.max_epochs 1 --trainer.accelerator cpu --trainer.logger false"
words += " --trainer.enable_progress_bar false --trainer.enable_checkpointing false"
cli = LightningCLI(Line, Ones, args=["fit", *words.split()], save_config_callback=None)
print("steps:", cli.trainer.global_step)
PYTHON
alone=$(env/bin/python steps.py alone 2>/dev/null | tail -1)
after=$(env/bin/python steps.py sklearn 2>/dev/null | tail -1)
echo "lightning first: $alone; scikit-learn first: $after"
[ "$alone" = "steps: 1" ] && [ "$after" = "steps: 10" ]

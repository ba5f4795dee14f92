#!/bin/sh
# lightning 2.6.6, torch 2.13.0. With GradientAccumulationScheduler({0: 5}), trainer.estimated_stepping_batches, asked in
# configure_optimizers, is 20 for 2 epochs of 10 batches; 4 steps are made. accumulate_grad_batches=5 gives the right 4.
# Hurts schedules laid out over the total (OneCycleLR, cosine): they end at a fifth of their way, with a high rate.
# Cure: add up the callback's own schedule, window by window, before the schedule is made.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet torch==2.13.0 lightning==2.6.6 numpy
cd "$work"
env/bin/python - <<'PYTHON'
import lightning as L
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from torch.utils.data import DataLoader, TensorDataset


class Line(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(4))

    def training_step(self, batch, index):
        return ((batch[0] @ self.weight - batch[1]) ** 2).mean()

    def configure_optimizers(self):
        self.expected = self.trainer.estimated_stepping_batches
        return torch.optim.SGD(self.parameters(), lr=0.1)


def steps(**options):
    model = Line()
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=2, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, **options,
    )
    trainer.fit(model, DataLoader(TensorDataset(torch.ones(20, 4), torch.ones(20)), 2))
    return model.expected, trainer.global_step


flag = steps(accumulate_grad_batches=5)
callback = steps(callbacks=[GradientAccumulationScheduler({0: 5})])
print("estimated and made, by the flag:", flag, "by the callback:", callback)
assert flag == (4, 4)
assert callback == (20, 4), "the estimate knows the callback now"
PYTHON

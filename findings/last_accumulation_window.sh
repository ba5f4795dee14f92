#!/bin/sh
# lightning 2.6.6, torch 2.13.0. Trainer(accumulate_grad_batches=4) on 10 equal batches steps three times, but the last
# window, of two batches, is divided by 4 as well: gradient norms 4, 4, 2. One would expect a mean over its batches.
# Hurts whoever accumulates over a number of batches that does not divide an epoch; with a window longer than an epoch
# every gradient is too small. Cure: scale the loss of the last n % k batches by k / (n % k).
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet torch==2.13.0 lightning==2.6.6 numpy
cd "$work"
env/bin/python - <<'PYTHON'
import lightning as L
import torch
from torch.utils.data import DataLoader, TensorDataset


class Line(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(4))
        self.norms = []

    def training_step(self, batch, index):
        return ((batch[0] @ self.weight - batch[1]) ** 2).mean()

    def on_before_optimizer_step(self, optimizer):
        self.norms.append(round(self.weight.grad.norm().item(), 4))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


model = Line()
data = DataLoader(TensorDataset(torch.ones(20, 4), torch.ones(20)), 2)
L.Trainer(
    accelerator="cpu", max_epochs=1, accumulate_grad_batches=4,
    logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
).fit(model, data)
print("gradient norms of the three windows:", model.norms)
assert len(model.norms) == 3
assert model.norms[0] == model.norms[1] == 2 * model.norms[2], "the last window is a mean over its own batches now"
PYTHON

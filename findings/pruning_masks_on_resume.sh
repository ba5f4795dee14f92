#!/bin/sh
# lightning 2.6.6, torch 2.13.0. ModelPruning(amount=0.5) over two epochs leaves 3 of 4 weights at zero; stopped after the
# first epoch and resumed from its checkpoint it leaves 2: the masks are not in the checkpoint, and the second pruning
# chooses the weights that are zero already. Hurts whoever resumes a pruned training: another sparsity, and no word.
# Cure: keep the masks in the callback's state, or prune in one uninterrupted fit.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet torch==2.13.0 lightning==2.6.6 numpy
cd "$work"
env/bin/python - <<'PYTHON'
import lightning as L
import torch
from lightning.pytorch.callbacks import ModelPruning
from torch.utils.data import DataLoader, TensorDataset


class Line(L.LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.net = torch.nn.Linear(4, 1, bias=False)

    def training_step(self, batch, index):
        return ((self.net(batch[0]) - batch[1]) ** 2).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


def zeros(epochs, start=None, save=None):
    model = Line()
    pruning = ModelPruning("l1_unstructured", amount=0.5, parameters_to_prune=[(model.net, "weight")])
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=epochs, callbacks=[pruning], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(model, DataLoader(TensorDataset(torch.ones(20, 4), torch.full((20, 1), 4.0)), 2), ckpt_path=start)
    if save:
        trainer.save_checkpoint(save)
    return int((model.net.weight == 0).sum())


straight = zeros(2)
zeros(1, save="half.ckpt")
resumed = zeros(2, start="half.ckpt")
print("weights at zero, of 4: straight", straight, "resumed", resumed)
assert (straight, resumed) == (3, 2), "the masks survive a resume now"
PYTHON

#!/bin/sh
# lightning 2.6.6, torch 2.13.0. A checkpoint saved with the callback SpikeDetection cannot be loaded with it again:
# AttributeError: 'SpikeDetection' object has no attribute 'running'. Its load_state_dict names an attribute that its
# constructor calls running_mean. Hurts every resume, and trainer.test(ckpt_path="best") of such a run, after all
# training is done. Cure: a subclass with a load_state_dict of its own, or no SpikeDetection at a restart.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet torch==2.13.0 lightning==2.6.6 numpy
cd "$work"
env/bin/python - <<'PYTHON'
import lightning as L
import torch
from lightning.pytorch.callbacks import SpikeDetection
from torch.utils.data import DataLoader, TensorDataset


class Line(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(4))

    def training_step(self, batch, index):
        return {"loss": ((batch[0] @ self.weight - batch[1]) ** 2).mean()}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


def fit(epochs, start=None):
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=epochs, callbacks=[SpikeDetection()], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(Line(), DataLoader(TensorDataset(torch.ones(20, 4), torch.ones(20)), 2), ckpt_path=start)
    trainer.save_checkpoint("last.ckpt")


fit(1)
try:
    fit(2, "last.ckpt")
except AttributeError as error:
    print("on resume:", error)
    assert "'running'" in str(error)
else:
    raise SystemExit("the callback takes its own state up now")
PYTHON

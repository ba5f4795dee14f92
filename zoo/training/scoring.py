"""A network whose answers are counted: the steps of validation, test and prediction, and the results of each pass.

images (B, C, H, W), labels (B,)  ->  logits (B, K)  ->  the split's Accumulator  ->  at the end of a pass: a Result
"""

from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.callbacks import ModelPruning
from torch import Tensor, nn

from zoo.training.accumulator import Accumulator, Result
from zoo.training.checks import cross_entropy, labelled, several_loaders, wrong_images

Batch = tuple[Tensor, ...]  # images, labels, and whatever else the data has to say


class ScoredModule(LightningModule):
    """Scores a network: all of a Classifier that is not training.

    Args:
        net: maps images (B, C, H, W) to logits (B, K).

    Attributes:
        results: of the last complete pass over each split.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.results: dict[str, Result] = {}
        self._accumulators: dict[str, Accumulator] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning writes down the name of the running hook forty times a step. What is there already and stays a text,
        # or nothing, is no parameter, buffer or layer, and need not be looked for among them
        if (value is None or type(value) is str) and name in self.__dict__:
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def setup(self, stage: str) -> None:
        self.lay_out(flat=any(isinstance(each, ModelPruning) for each in self.trainer.callbacks))  # type: ignore[attr-defined]

    def teardown(self, stage: str) -> None:
        self.lay_out(flat=True)

    def lay_out(self, *, flat: bool) -> None:
        """Puts the weights into the order in memory that suits the work before them.

        Convolutions are faster with the channels last, and vectors don't notice: no change of result. But for those
        that `corrupts` knows.

        Args:
            flat: channels first, for those who take the weights of a layer for one long vector.
        """
        flat = flat or any(map(corrupts, self.net.modules()))
        self.net.to(memory_format=torch.contiguous_format if flat else torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) -> logits (B, K); raises ValueError if the network does not take their shape."""
        try:
            return self.net(x)
        except RuntimeError as error:  # costs nothing as long as there is none
            if text := wrong_images(self, x, error):
                raise ValueError(text) from error
            raise

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        self._evaluate("val", batch, dataloader_idx)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Tensor:
        """Images -> logits (B, K)."""
        return self._evaluate("test", batch, dataloader_idx)

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Tensor:
        """Images -> probability of each class, (B, K) float32."""
        return self(batch if isinstance(batch, Tensor) else batch[0]).float().softmax(1)

    def _evaluate(self, split: str, batch: Batch, loader: int = 0) -> Tensor:
        if loader:
            raise ValueError(several_loaders(split))
        x, y = labelled(batch)
        logits = self(x)
        self._count(split, logits, y, cross_entropy(logits.float(), y, reduction="sum"))
        return logits

    def _count(self, split: str, logits: Tensor, y: Tensor, loss: Tensor) -> None:
        if split not in self._accumulators:
            self._accumulators[split] = Accumulator(logits.shape[1], logits.device)
        self._accumulators[split].add(logits, y, loss)

    def on_validation_epoch_end(self) -> None:
        self._report("val")

    def on_test_epoch_end(self) -> None:
        self._report("test")

    def _report(self, split: str) -> None:
        """Closes a pass: sums over devices, remembers the result, and logs one row."""
        accumulator = self._accumulators.pop(split, None)
        if accumulator is None:  # a pass of no batches
            return
        result = self.results[split] = accumulator.result(self.trainer.strategy)
        # summed over devices already: every device logs the same value
        logged = {f"{split}/loss": result.loss, f"{split}/accuracy": result.accuracy}
        if split != "train":  # whose counts are of weights that were still moving
            logged[f"{split}/balanced_accuracy"] = result.balanced_accuracy
        self.log_dict(logged, rank_zero_only=False)


def corrupts(layer: nn.Module) -> bool:
    """Whether torch 2.15 does not compute this layer safely on a CPU with the channels last: a process was ended."""
    return (
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and layer.stride != (1, 1)
        and layer.in_channels < 8
    )

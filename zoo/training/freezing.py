"""A network whose last layer alone is trained, for a while or to the end: `--model.freeze body`.

    frozen     no gradients, so no state and no weight decay in any optimiser; batch norms use and keep their averages
    set free   at the beginning of an epoch, `--model.unfreeze_at`; a checkpoint knows whether it was

The optimiser has all parameters from the beginning. Those without gradients it passes over, so that a run which goes on
finds the same groups before and after.
"""

import gc
from typing import Any, Literal, Self

from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from zoo.errors import check_name, warn
from zoo.nn.transfer import layers_of
from zoo.training.scoring import ScoredModule

FreezeName = Literal["none", "body"]
FROZEN = "frozen"  # key in checkpoints
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)  # that average over batches


class FreezableModule(ScoredModule):
    """Trains all of a network, or its last layer alone.

    Args:
        net: maps images (B, C, H, W) to logits (B, K).
        freeze: `body` keeps all but the last layer as it is.
        unfreeze_at: the epoch, counted from 1, at whose beginning it is trained too; None never.
    """

    def __init__(self, net: nn.Module, freeze: FreezeName, unfreeze_at: int | None) -> None:
        super().__init__(net)
        check_freezing(net, freeze, unfreeze_at)
        self.unfreeze_at = unfreeze_at
        self.frozen = False
        self.freezes = freeze == "body"
        if self.freezes:
            self.freeze_body()

    def train(self, mode: bool = True) -> Self:
        """As torch's, but batch norms of a frozen body stay in eval mode."""
        super().train(mode)
        if mode and self.frozen:
            self._set_norms(training=False)
        return self

    def freeze_body(self) -> None:
        """Stops training all but the last layer."""
        _, head = layers_of(self.net)[-1]
        self.net.requires_grad_(False)
        head.requires_grad_(True)
        self.frozen = True
        self._set_norms(training=False)

    def free_body(self) -> None:
        """Trains the body too, from now on."""
        self.net.requires_grad_(True)
        self.frozen = False
        self._set_norms(training=self.training)

    def _set_norms(self, *, training: bool) -> None:
        for layer in self.net.modules():
            if isinstance(layer, NORMS):
                layer.train(training)

    def frozen_names(self) -> set[str]:
        """Names of weights and buffers that do not change at present."""
        head = f"net.{layers_of(self.net)[-1][0]}." if self.frozen else ""
        return {name for name in self.state_dict() if not name.startswith(head)}

    def free_if_due(self) -> None:
        """At the beginning of an epoch."""
        if self.frozen and self.unfreeze_at is not None and self.current_epoch + 1 >= self.unfreeze_at:
            self.free_body()
            wrap_anew(self.trainer.strategy)

    def warn_of_late_end(self) -> None:
        """Warns if the body was to be trained from an epoch on that never comes."""
        last = self.trainer.max_epochs
        if self.frozen and self.unfreeze_at is not None and last is not None and 0 <= last < self.unfreeze_at:
            warn(
                f"--model.unfreeze_at is {self.unfreeze_at}, which comes after --trainer.max_epochs {last}: the body"
                " stays as it is"
            )

    def note_frozen(self, checkpoint: dict[str, Any]) -> None:
        """Lets a checkpoint know whether the body was frozen."""
        if self.freezes:
            checkpoint[FROZEN] = self.frozen

    def restore_frozen(self, checkpoint: dict[str, Any]) -> None:
        """Takes up what a checkpoint knows of it."""
        if self.freezes and self.frozen and checkpoint.get(FROZEN) is False:
            self.free_body()


def check_freezing(net: nn.Module, freeze: Any, unfreeze_at: Any) -> None:
    """Raises ValueError unless a network can be frozen like this."""
    check_name("--model.freeze", freeze, ["none", "body"])
    if freeze == "body" and len(layers_of(net)) < 2:
        raise ValueError(
            "body in --model.freeze: expected a network of several layers, found one with a last layer only."
            " Try: --model.freeze none"
        )
    if unfreeze_at is None:
        return
    if freeze != "body":
        raise ValueError(
            f"epoch in --model.unfreeze_at: expected none without --model.freeze body, found {unfreeze_at}."
            f" Try: --model.freeze body --model.unfreeze_at {unfreeze_at}"
        )
    if type(unfreeze_at) is not int or unfreeze_at < 2:
        raise ValueError(
            f"epoch in --model.unfreeze_at: expected a whole number from 2, found {unfreeze_at!r}."
            " Try: --model.freeze none, which trains all from epoch 1 on"
        )


def wrap_anew(strategy: Any) -> None:
    """Lets several devices add up the gradients of weights that had none when they were shared out."""
    if isinstance(strategy, DDPStrategy):
        strategy.model = strategy.lightning_module
        gc.collect()  # the wrapper before would still listen to the gradients
        strategy.configure_ddp()

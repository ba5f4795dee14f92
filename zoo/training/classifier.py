"""Classifier: any network, together with everything about training it.

    x (B, C, H, W) -> net -> logits (B, K) -> cross-entropy with y (B,)

A model of the zoo is a subclass with a constructor and nothing else: it builds a plain `nn.Module` and hands it over.
So architecture never knows of training, and `model.net` is pure torch, for weights, export and hooks.
"""

import inspect
import math
import warnings
from pathlib import Path
from typing import Any, Self

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from zoo.checkpoints.hyper_parameters import HELD, UNSAVED, checked_copy, for_checkpoint
from zoo.nn.initialisers import InitialiserName, initialise
from zoo.nn.layers import check_share
from zoo.schedules import Schedule
from zoo.training.accumulation import check_closure, short_window, start_windows, steps_of
from zoo.training.accumulator import Accumulator
from zoo.training.callbacks.step_randomness import SameDraws
from zoo.training.checks import cross_entropy, labelled
from zoo.training.freezing import FreezableModule, FreezeName
from zoo.training.from_checkpoint import Resumed
from zoo.training.lightning_compat import leave_scaling
from zoo.training.optimizer_settings import Settings, refusal, restore_settings, settings_of
from zoo.training.pretrained import Weights, start_from, statistics
from zoo.training.scoring import Batch
from zoo.training.training_images import fit_layers


class Classifier(FreezableModule):
    """A network that maps images to class scores, and the way it is trained.

    Args:
        net: maps images (B, C, H, W) to logits (B, K). A checkpoint of a bare `Classifier` does not hold the recipe of
            its net and is not rebuilt by `load_from_checkpoint`; checkpoints of the zoo's models are.
        init: how the weights start; `pytorch` leaves them as they are.
        optimizer: makes the optimiser from the parameters. A class, or a `functools.partial` of one, comes back from a
            checkpoint; a function of your own has to be given again.
        schedule: multiplies the learning rate as training goes on; None keeps it constant.
        label_smoothing: probability mass spread evenly over all classes, in training only (Szegedy et al. 2016,
            arXiv 1512.00567, §7), 0 to below 1.
        compile: whether torch.compile makes the network into kernels of its own at the first step. That takes up to a
            minute, and is meant for a GPU.
        weights: trained weights of the same architecture to start from: in Python what `zoo.load` gives; on the command
            line the name of weights of the zoo, a run, a folder with a card, or hf://USER/REPO. Of other classes the
            last layer is new.
        freeze: what is not trained: `none`, or `body`, all but the last layer, whose norms keep their averages.
        unfreeze_at: the epoch, counted from 1, at whose beginning a frozen body is trained too; None never.
    """

    def __init__(
        self,
        net: nn.Module,
        init: InitialiserName = "he_normal",
        optimizer: OptimizerCallable = lambda params: torch.optim.Adam(params, lr=1e-3, fused=True),
        schedule: Schedule | None = None,
        label_smoothing: float = 0.0,
        compile: bool = False,
        weights: Weights = None,
        freeze: FreezeName = "none",
        unfreeze_at: int | None = None,
    ) -> None:
        super().__init__(net, freeze, unfreeze_at)
        check_share("label_smoothing", label_smoothing)
        with warnings.catch_warnings():  # of a layer given as activation: each layer of the net is a copy of it
            warnings.filterwarnings("ignore", ".*is an instance of `nn.Module` and is already saved")
            self.save_hyperparameters(ignore=["net", "weights"], logger=False)
        self._made_with = dict(self.hparams)  # a logger takes out of them what cannot be pickled
        initialise(net, init)
        self.seen: dict[str, list[float]] | None = None  # mean and std by which the images of its weights came
        if weights is not None:
            start_from(self, weights, self.frozen)
            self.seen = statistics(weights.card, self.hparams["in_shape"][0])  # type: ignore[union-attr]
        self.optimizer = optimizer
        self.schedule = schedule
        self.label_smoothing = label_smoothing
        self.identity: dict[str, Any] | None = None  # the record of the run that trains it, zoo/resume/identity
        self._resumed = Resumed()
        self._was_loaded = False  # in eval mode then, until it is trained
        self._settings: Settings = []  # those of the optimiser, as configured here
        self._total_steps = 1.0  # of the whole training
        self._short_from, self._short_factor = math.inf, 1.0  # the window that ends with an epoch: `short_window`
        self._evaluated: list[Any] = [None]  # the batch in training, in a list, which is faster than an attribute
        self._draws: SameDraws | None = None  # where the optimiser evaluates each batch several times

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | Path, *args: Any, **kwargs: Any) -> Self:  # type: ignore[override]
        """As Lightning's, for a file on this machine: whoever wrote it, nothing in it is run or imported.

        The model is in eval mode, and trains in train mode again.

        Args:
            checkpoint_path: the file.
            args: as for Lightning's.
            kwargs: as for Lightning's; `weights_only` is always true.

        Raises:
            ValueError: the model was made with what a file cannot hold, such as a function, and it is not given again.
        """
        checked, built = checked_copy(cls, Path(checkpoint_path), kwargs)
        model = super().load_from_checkpoint(checked, *args, **{**built, **kwargs, "weights_only": True})
        model._was_loaded = True
        return model.eval()

    def setup(self, stage: str) -> None:
        super().setup(stage)
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        if self.seen and getattr(data, "normalize", None) == "weights":
            data.trained_with(self.seen)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, y = labelled(batch)
        first = self._evaluated[0] != (batch_idx, id(batch))
        self._evaluated[0] = batch_idx, id(batch)
        if self._draws is not None:
            self._draws.begin(self.device, first=first)
        logits = self(x)
        loss = cross_entropy(logits, y, label_smoothing=self.label_smoothing)
        if first:  # LBFGS comes twenty times, with other weights
            self._count("train", logits.detach(), y, loss.detach() * len(y))
        return loss if batch_idx < self._short_from else loss * self._short_factor

    def on_fit_start(self) -> None:
        if self.trainer.train_dataloader is None:  # Lightning has not asked for the batches yet, and will tell them
            self._resumed.batches = []
        if self._was_loaded and not self.training:  # Lightning trains a model in the mode that it is in
            self.train()
        self._was_loaded = False
        fit_layers(self.net, self.trainer)
        self.warn_of_late_end()
        if self.hparams.get("compile"):
            self.net.compile()  # in place: no parameter changes its name

    def on_train_start(self) -> None:
        start_windows(self.trainer)
        self._short_from, self._short_factor = short_window(self.trainer)
        self._resumed.place_batches(self.trainer)
        if (counts := self._resumed.take_counts()) is not None:
            self._accumulators["train"] = Accumulator.from_rows(counts, self.global_rank, self.device)
        if self._resumed.other_settings:  # what was asked for on this start beats what the checkpoint has brought along
            restore_settings(self, self._settings, self._factor)

    def on_train_epoch_start(self) -> None:
        self.free_if_due()
        self._accumulators.pop("train", None)
        self._evaluated[0] = None
        self._short_from, self._short_factor = short_window(self.trainer)

    def on_train_epoch_end(self) -> None:
        self._report("train")
        optimizer = self.optimizers()
        assert not isinstance(optimizer, list)
        self.log("lr", optimizer.param_groups[0]["lr"])

    def make_optimizer(self) -> Any:
        """A new optimiser of the parameters; raises ValueError if it does not take them, or its own arguments."""
        try:
            return self.optimizer(self.parameters())
        except (TypeError, ValueError) as error:
            raise ValueError(refusal(self.hparams.get("optimizer"), str(error))) from error

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer()
        check_closure(optimizer, self.trainer)
        self._draws = None
        if isinstance(optimizer, torch.optim.LBFGS):
            self._draws = SameDraws()
            self.lay_out(flat=True)  # it flattens gradients, which lie as their weights do
        leave_scaling(optimizer)
        self._settings = settings_of(optimizer)
        if self.schedule is None:
            return optimizer
        self._total_steps = steps_of(self.trainer)
        scheduler = LambdaLR(optimizer, self._factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _factor(self, step: int) -> float:
        """What the learning rate is multiplied by in this step."""
        assert self.schedule is not None
        return self.schedule(step / self._total_steps)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        made_with = {name: value for name, value in {**self._made_with, **self.hparams}.items() if value is not adam}
        checkpoint[HELD], unsaved = for_checkpoint(made_with)
        if unsaved:
            checkpoint[UNSAVED] = unsaved
        self.note_frozen(checkpoint)
        if self.identity:
            checkpoint["identity"] = self.identity
        found = {split: result.numbers for split, result in self.results.items()}
        checkpoint["results"] = self._resumed.results | found
        if self.schedule is not None:  # which is laid out over them
            checkpoint["total_steps"] = self._total_steps
        if "train" in self._accumulators:  # saved in mid-epoch
            checkpoint["tally"] = self._accumulators["train"].rows()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._resumed = Resumed.read(checkpoint, self.hparams.get("optimizer"))
        self.restore_frozen(checkpoint)


# by this name pickle finds the default optimiser; as a lambda jsonargparse sees what is in it
adam = inspect.signature(Classifier.__init__).parameters["optimizer"].default
adam.__qualname__ = "adam"

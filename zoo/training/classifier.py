"""Classifier: any network, together with everything about training it.

    x (B, C, H, W) -> net -> logits (B, K) -> cross-entropy with y (B,)

A model of the zoo is a subclass with a constructor and nothing else: it builds a plain `nn.Module` and hands it over.
So architecture never knows of training, and `model.net` is pure torch, for weights, export and hooks.
"""

import inspect
import io
import math
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import torch
from lightning import LightningModule
from lightning.pytorch.callbacks import ModelPruning
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from zoo.checkpoints.class_allowlist import check_classes
from zoo.checkpoints.hyper_parameters import (
    UNSAVED,
    check_given,
    describe_unsaved,
    from_spec,
    is_plain,
    is_spec,
    to_spec,
)
from zoo.checkpoints.storage import read_checkpoint
from zoo.geometry import misfit
from zoo.nn.initialisers import InitialiserName, initialise
from zoo.nn.layers import DataDependentInit, check_share
from zoo.schedules import Schedule
from zoo.training.accumulation import check_closure, check_windows, scheduler_of, short_window, steps_of
from zoo.training.accumulator import Accumulator, Result
from zoo.training.checks import cross_entropy, labelled, other_numbers, uncompiled, wrong_setting
from zoo.training.lightning_compat import leave_scaling

Batch = tuple[Tensor, ...]  # images, labels, and whatever else the data has to say
SEEN = 5000  # images that a layer is computed from, where one is: more change nothing


class Classifier(LightningModule):
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
    """

    def __init__(
        self,
        net: nn.Module,
        init: InitialiserName = "he_normal",
        optimizer: OptimizerCallable = lambda params: torch.optim.Adam(params, lr=1e-3, fused=True),
        schedule: Schedule | None = None,
        label_smoothing: float = 0.0,
        compile: bool = False,
    ) -> None:
        super().__init__()
        check_share("label_smoothing", label_smoothing)
        with warnings.catch_warnings():  # of a layer given as activation: each layer of the net is a copy of it
            warnings.filterwarnings("ignore", ".*is an instance of `nn.Module` and is already saved")
            self.save_hyperparameters(ignore=["net"], logger=False)
        self._made_with = dict(self.hparams)  # a logger takes out of them what cannot be pickled
        initialise(net, init)
        self.net = net
        self.optimizer = optimizer
        self.schedule = schedule
        self.label_smoothing = label_smoothing
        self.results: dict[str, Result] = {}  # of the last complete pass over each split
        self._results_before: dict[str, dict[str, float]] = {}  # of the run that this one goes on from
        self._accumulators: dict[str, Accumulator] = {}
        self._counted: dict[str, Tensor] | None = None  # what a resumed epoch had counted before
        self._batches_stood: list[Any] = []  # the states of the loaders where a resumed epoch stood
        self.identity: dict[str, Any] | None = None  # the record of the run that trains it, zoo/resume/identity
        self._settings: list[dict[str, Any]] = []  # those of the optimiser, per group of parameters, as configured here
        self._settings_differ = False  # from those of the checkpoint that the run goes on from
        self._total_steps = 1.0  # of the whole training
        self._short_from, self._short_factor = math.inf, 1.0  # the window that ends with an epoch: `short_window`
        self._evaluated: list[Any] = [None]  # the batch in training, in a list, which is faster than an attribute
        self._again = False  # whether the optimiser evaluates each batch several times
        self._draws: list[Tensor] = []  # states of the generators before the first time
        self._was_loaded = False  # in eval mode then, until it is trained

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning writes down the name of the running hook forty times a step. What is there already and stays a text,
        # or nothing, is no parameter, buffer or layer, and need not be looked for among them
        if (value is None or type(value) is str) and name in self.__dict__:
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

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
        content = read_checkpoint(Path(checkpoint_path))
        held = content.get(cls.CHECKPOINT_HYPER_PARAMS_KEY, {})
        check_classes(Path(checkpoint_path), held)
        check_given(cls, Path(checkpoint_path), content, kwargs)
        built = {}
        if "_instantiator" not in held:  # made in Python
            built = {name: from_spec(value) for name, value in held.items() if name not in kwargs and is_spec(value)}
        checked = io.BytesIO()  # Lightning reads what was checked, not the file again
        torch.save(content, checked)
        checked.seek(0)
        model = super().load_from_checkpoint(checked, *args, **{**built, **kwargs, "weights_only": True})
        model._was_loaded = True
        return model.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) -> logits (B, K); raises ValueError if the network does not take their shape."""
        try:
            return self.net(x)
        except RuntimeError as error:  # costs nothing as long as there is none
            # compiled layers could not be watched; the compiler itself takes seconds to import
            eager = torch.compiler.set_stance("force_eager") if self.hparams.get("compile") else nullcontext()
            with eager:
                text = misfit(self.net, type(self).__name__, x, self.hparams.get("in_shape"))
            if text := text or uncompiled(error) or other_numbers(x, self):
                raise ValueError(text) from error
            raise

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, y = labelled(batch)
        first = self._evaluated[0] != (batch_idx, id(batch))
        self._evaluated[0] = batch_idx, id(batch)
        if self._again:
            self._draw_the_same(first)
        logits = self(x)
        loss = cross_entropy(logits, y, label_smoothing=self.label_smoothing)
        if first:  # LBFGS comes twenty times, with other weights
            self._count("train", logits.detach(), y, loss.detach() * len(y))
        return loss if batch_idx < self._short_from else loss * self._short_factor

    def _draw_the_same(self, first: bool) -> None:
        """Lets all evaluations of a batch have the same dropout: LBFGS compares them."""
        if first:
            self._draws = [torch.get_rng_state()]
            if self.device.type == "cuda":
                self._draws.append(torch.cuda.get_rng_state(self.device))
            return
        torch.set_rng_state(self._draws[0])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(self._draws[1], self.device)

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
            raise ValueError(
                f"loaders of {split} images in the Trainer: expected one, whose images are counted together, found"
                " several. Try: torch.utils.data.ConcatDataset in one loader"
            )
        x, y = labelled(batch)
        logits = self(x)
        self._count(split, logits, y, cross_entropy(logits.float(), y, reduction="sum"))
        return logits

    def _count(self, split: str, logits: Tensor, y: Tensor, loss: Tensor) -> None:
        if split not in self._accumulators:
            self._accumulators[split] = Accumulator(logits.shape[1], logits.device)
        self._accumulators[split].add(logits, y, loss)

    def _report(self, split: str) -> None:
        """Closes a pass: sums over devices, remembers the result, and logs one row."""
        accumulator = self._accumulators.pop(split, None)
        if accumulator is None:  # a pass of no batches
            return
        result = self.results[split] = accumulator.result(self.trainer.strategy)
        # summed over devices already: every device logs the same value
        self.log_dict({f"{split}/loss": result.loss, f"{split}/accuracy": result.accuracy}, rank_zero_only=False)

    def setup(self, stage: str) -> None:
        self.lay_out(flat=any(isinstance(each, ModelPruning) for each in self.trainer.callbacks))  # type: ignore[attr-defined]

    def lay_out(self, *, flat: bool) -> None:
        """Puts the weights into the order in memory that suits the work before them.

        Convolutions are faster with the channels last, and vectors don't notice: no change of result. But for those
        that `corrupts` knows.

        Args:
            flat: channels first, for those who take the weights of a layer for one long vector.
        """
        flat = flat or any(map(corrupts, self.net.modules()))
        self.net.to(memory_format=torch.contiguous_format if flat else torch.channels_last)

    def teardown(self, stage: str) -> None:
        self.lay_out(flat=True)

    def on_fit_start(self) -> None:
        if self.trainer.train_dataloader is None:  # Lightning has not asked for the batches yet, and will tell them
            self._batches_stood = []
        if self._was_loaded and not self.training:  # Lightning trains a model in the mode that it is in
            self.train()
        self._was_loaded = False
        for layer in self.net.modules():
            if isinstance(layer, DataDependentInit) and not layer.fitted:
                layer.fit(self.training_images(slice(SEEN))[0])
        if self.hparams.get("compile"):
            self.net.compile()  # in place: no parameter changes its name

    def training_images(self, part: slice) -> tuple[Tensor, Tensor]:
        """Some training images, as batches hold them but without augmentation; alike everywhere.

        Args:
            part: of their fixed, stratified order.

        Returns:
            Images (B, C, H, W) float32 and labels (B,) on the CPU.
        """
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        if data is None:
            raise ValueError(
                "data in trainer.fit: expected a data module, of whose images some are needed besides the batches,"
                " found none. Try: trainer.fit(model, datamodule=…); where the first layer is computed from them, also"
                " model.net[0].fit(images) before"
            )
        images, labels = data.part("train")
        chosen = data.splits["train"][part]
        return data.prepare_images(images[chosen]), labels[chosen]

    def on_train_start(self) -> None:
        if windows := scheduler_of(self.trainer):  # which Lightning does not ask where it goes on in mid-epoch
            self.trainer.accumulate_grad_batches = windows.get_accumulate_grad_batches(self.trainer.current_epoch)
        check_windows(self.trainer)
        self._short_from, self._short_factor = short_window(self.trainer)
        # where the epoch stood: Lightning 2.6 forgets to tell the batches if the schedule has asked for the number of
        # steps (its issue 20550)
        if self.trainer.fit_loop.restarting and self._batches_stood:
            loaders = CombinedLoader(self.trainer.train_dataloader).flattened
            stateful = [loader for loader in loaders if hasattr(loader, "load_state_dict")]
            for loader, state in zip(stateful, self._batches_stood, strict=False):
                loader.load_state_dict(state)
        self._batches_stood = []
        if self._counted is not None:
            self._accumulators["train"] = Accumulator.from_rows(self._counted, self.global_rank, self.device)
            self._counted = None
        if not self._settings_differ:
            return
        # the checkpoint has brought its own settings along; what was asked for on this start beats them
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        assert not isinstance(optimizer, list)
        for group, settings in zip(optimizer.param_groups, self._settings, strict=True):
            group.update(settings)
            if isinstance(scheduler, LambdaLR):
                group["initial_lr"], group["lr"] = settings["lr"], settings["lr"] * self._factor(scheduler.last_epoch)
        if isinstance(scheduler, LambdaLR):
            scheduler.base_lrs = [settings["lr"] for settings in self._settings]

    def on_train_epoch_start(self) -> None:
        self._accumulators.pop("train", None)
        self._evaluated[0] = None
        self._short_from, self._short_factor = short_window(self.trainer)

    def on_train_epoch_end(self) -> None:
        self._report("train")
        optimizer = self.optimizers()
        assert not isinstance(optimizer, list)
        self.log("lr", optimizer.param_groups[0]["lr"])

    def on_validation_epoch_end(self) -> None:
        self._report("val")

    def on_test_epoch_end(self) -> None:
        self._report("test")

    def make_optimizer(self) -> Any:
        """A new optimiser of the parameters; raises ValueError if it does not take them, or its own arguments."""
        try:
            return self.optimizer(self.parameters())
        except (TypeError, ValueError) as error:
            line = wrong_setting(self.hparams.get("optimizer"), str(error)) or (
                f"optimiser in --model.optimizer: expected one for these parameters, found another ({error})"
            )
            raise ValueError(line) from error

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer()
        check_closure(optimizer, self.trainer)
        self._again = isinstance(optimizer, torch.optim.LBFGS)
        if self._again:  # it flattens gradients, which lie as their weights do
            self.lay_out(flat=True)
        leave_scaling(optimizer)
        self._settings = [
            {name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups
        ]
        if self.schedule is None:
            return optimizer
        total = self._total_steps = steps_of(self.trainer)
        if total == float("inf"):
            raise ValueError(
                "end of training in --trainer.max_epochs: expected a number for the schedule to reach its end,"
                " found none. Try: --trainer.max_epochs 10"
            )
        scheduler = LambdaLR(optimizer, self._factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _factor(self, step: int) -> float:
        """What the learning rate is multiplied by in this step."""
        assert self.schedule is not None
        return self.schedule(step / self._total_steps)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # built in Python rather than by the CLI, a model may have been given objects: those do not go into a file
        # that must load with weights_only=True
        held = {name: value for name, value in {**self._made_with, **self.hparams}.items() if value is not adam}
        plain = {name: value if is_plain(value) else to_spec(value) for name, value in held.items()}
        unsaved = {name for name, value in plain.items() if value is None and held[name] is not None}
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_KEY] = {n: value for n, value in plain.items() if n not in unsaved}
        if unsaved:
            checkpoint[UNSAVED] = {name: describe_unsaved(held[name]) for name in unsaved}
        if self.identity:
            checkpoint["identity"] = self.identity
        checkpoint["results"] = self._results_before | {
            split: {"accuracy": result.accuracy, "loss": result.loss, "n": result.n}
            for split, result in self.results.items()
        }
        if self.schedule is not None:  # which is laid out over them
            checkpoint["total_steps"] = self._total_steps
        if "train" in self._accumulators:  # saved in mid-epoch
            checkpoint["tally"] = self._accumulators["train"].rows()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._counted = checkpoint.get("tally")
        results = checkpoint.get("results", {})
        self._results_before = {split: results[split] for split in ("train", "val") if split in results}
        loop = checkpoint.get("loops", {}).get("fit_loop", {}).get("state_dict", {})
        self._batches_stood = loop.get("combined_loader", [])
        held = checkpoint.get(self.CHECKPOINT_HYPER_PARAMS_KEY, {}).get("optimizer")
        now = self.hparams.get("optimizer")
        self._settings_differ = held is not None and held != (now if is_plain(now) else to_spec(now))


def corrupts(layer: nn.Module) -> bool:
    """Whether torch 2.15 does not compute this layer safely on a CPU with the channels last: a process was ended."""
    return (
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and layer.stride != (1, 1)
        and layer.in_channels < 8
    )


# by this name pickle finds the default optimiser; as a lambda jsonargparse sees what is in it
adam = inspect.signature(Classifier.__init__).parameters["optimizer"].default
adam.__qualname__ = "adam"

"""Classifier: any network, together with everything about training it.

    x (B, C, H, W) -> net -> logits (B, K) -> cross-entropy with y (B,)

A model of the zoo is a subclass with a constructor and nothing else: it builds a plain `nn.Module` and hands it over.
So architecture never knows of training, and `model.net` is pure torch, for weights, export and hooks.
"""

import io
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from lightning import LightningModule
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from zoo.geometry import misfit
from zoo.initialisers import InitialiserName, initialise
from zoo.layers import SeesImages
from zoo.runs.checkpoints import read_checkpoint
from zoo.runs.named_classes import check_classes
from zoo.schedules import Schedule
from zoo.tally import Result, Tally

Batch = tuple[Tensor, ...]  # images, labels, and whatever else the data has to say
SEEN = 5000  # images that a layer is computed from, where one is: more change nothing


class Classifier(LightningModule):
    """A network that maps images to class scores, and the way it is trained.

    Args:
        net: maps images (B, C, H, W) to logits (B, K). A checkpoint of a bare `Classifier` does not hold the recipe of
            its net and is not rebuilt by `load_from_checkpoint`; checkpoints of the zoo's models are.
        init: how the weights start; `pytorch` leaves them as they are.
        optimizer: makes the optimiser from the parameters.
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
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"share in --model.label_smoothing: expected 0 to below 1, found {label_smoothing}")
        self.save_hyperparameters(ignore=["net"], logger=False)
        initialise(net, init)
        # a memory format, not a change of result: convolutions are faster with the channels last; vectors don't notice
        self.net = net.to(memory_format=torch.channels_last)
        self.optimizer = optimizer
        self.schedule = schedule
        self.label_smoothing = label_smoothing
        self.results: dict[str, Result] = {}  # of the last complete pass over each split
        self._tally: dict[str, Tally] = {}
        self._counted: dict[str, Tensor] | None = None  # what a resumed epoch had counted before
        self._settings: list[dict[str, Any]] = []  # those of the optimiser, per group of parameters, as configured here
        self._settings_differ = False  # from those of the checkpoint that the run goes on from
        self._total_steps = 1.0  # of the whole training

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning writes down the name of the running hook forty times a step: it is no parameter, buffer or layer,
        # and need not be looked for among them
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | Path, *args: Any, **kwargs: Any) -> Self:  # type: ignore[override]
        """As Lightning's, for a file on this machine: whoever wrote it, nothing in it is run or imported.

        Args:
            checkpoint_path: the file.
            args: as for Lightning's.
            kwargs: as for Lightning's; `weights_only` is always true.
        """
        content = read_checkpoint(Path(checkpoint_path))
        check_classes(Path(checkpoint_path), content.get(cls.CHECKPOINT_HYPER_PARAMS_KEY, {}))
        checked = io.BytesIO()  # Lightning reads what was checked, not the file again
        torch.save(content, checked)
        checked.seek(0)
        return super().load_from_checkpoint(checked, *args, **{**kwargs, "weights_only": True})

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) -> logits (B, K); raises ValueError if the network does not take their shape."""
        try:
            return self.net(x)
        except RuntimeError as error:  # costs nothing as long as there is none
            # compiled layers could not be watched; the compiler itself takes seconds to import
            eager = torch.compiler.set_stance("force_eager") if self.hparams.get("compile") else nullcontext()
            with eager:
                text = misfit(self.net, type(self).__name__, x, self.hparams.get("in_shape"))
            if text := text or uncompiled(error):
                raise ValueError(text) from error
            raise

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, y = batch[:2]
        logits = self(x)
        loss = F.cross_entropy(logits, y, label_smoothing=self.label_smoothing)
        self._count("train", logits.detach(), y, loss.detach() * len(y))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Images -> logits (B, K)."""
        return self._evaluate("test", batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Images -> probability of each class, (B, K) float32."""
        return self(batch[0]).float().softmax(1)

    def _evaluate(self, split: str, batch: Batch) -> Tensor:
        x, y = batch[:2]
        logits = self(x)
        self._count(split, logits, y, F.cross_entropy(logits.float(), y, reduction="sum"))
        return logits

    def _count(self, split: str, logits: Tensor, y: Tensor, loss: Tensor) -> None:
        if split not in self._tally:
            self._tally[split] = Tally(logits.shape[1], logits.device)
        self._tally[split].add(logits, y, loss)

    def _report(self, split: str) -> None:
        """Closes a pass: sums over devices, remembers the result, and logs one row."""
        tally = self._tally.pop(split, None)
        if tally is None:  # a pass of no batches
            return
        result = self.results[split] = tally.result(self.trainer.strategy)
        # summed over devices already: every device logs the same value
        self.log_dict({f"{split}/loss": result.loss, f"{split}/accuracy": result.accuracy}, rank_zero_only=False)

    def on_fit_start(self) -> None:
        for layer in self.net.modules():
            if isinstance(layer, SeesImages) and not layer.fitted:
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
        # where the epoch stood: Lightning 2.6 forgets to tell the batches if the schedule has asked for the number of
        # steps (its issue 20550)
        self.trainer.fit_loop._load_combined_loader_states()
        if self._counted is not None:
            self._tally["train"] = Tally.from_rows(self._counted, self.global_rank, self.device)
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
        self._tally.pop("train", None)

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
            raise ValueError(
                f"optimiser in --model.optimizer: expected one for these parameters, found another ({error})"
            ) from error

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer()
        # a fused optimiser offers to undo the loss scaling of float16 itself, and then Lightning refuses to clip
        # gradients, even in bfloat16 where nothing is scaled; without the offer both work
        optimizer._step_supports_amp_scaling = False
        self._settings = [
            {name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups
        ]
        if self.schedule is None:
            return optimizer
        total = self._total_steps = self.trainer.estimated_stepping_batches
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
        held = checkpoint.get(self.CHECKPOINT_HYPER_PARAMS_KEY, {})
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_KEY] = {name: value for name, value in held.items() if is_plain(value)}
        checkpoint["results"] = {
            split: {"accuracy": result.accuracy, "loss": result.loss, "n": result.n}
            for split, result in self.results.items()
        }
        if "train" in self._tally:  # saved in mid-epoch
            checkpoint["tally"] = self._tally["train"].rows()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._counted = checkpoint.get("tally")
        held = checkpoint.get(self.CHECKPOINT_HYPER_PARAMS_KEY, {}).get("optimizer")
        self._settings_differ = held is not None and held != self.hparams.get("optimizer")


def uncompiled(error: RuntimeError) -> str | None:
    """What to say of an error if it is one of the compiler's; None if it is not."""
    if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return None
    reason = next(line for line in reversed(str(error).split("\n\n")[0].splitlines()) if line.strip())
    return (
        "network in --model.compile: expected one that torch.compile can compile here, found one that it cannot"
        f" ({reason.strip()[:160]}). Try: --model.compile false"
    )


def is_plain(value: Any) -> bool:
    """Whether a value is made of numbers, strings, lists and dicts only."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(is_plain(item) for item in value)
    return value is None or type(value) in (bool, int, float, str)

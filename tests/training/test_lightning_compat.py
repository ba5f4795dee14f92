"""Protects what the zoo asks of Lightning, torch and jsonargparse beyond what they promise: what each name does."""

import inspect
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, OnExceptionCheckpoint
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.strategies import DDPStrategy
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from zoo import Classifier
from zoo.config.parser import Parser, PlainHelp
from zoo.errors import TESTED, UsageError
from zoo.resume.snapshot import content_of
from zoo.training.boundaries import accumulates, is_last_batch, may_stop, validates_next
from zoo.training.callbacks.first_average import average_of
from zoo.training.callbacks.named_callbacks import OPTIONS, with_options
from zoo.training.lightning_compat import adapt, ask_for_no_signal, leave_scaling, logged_now

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}
LINES: dict[str, Any] = {**QUIET, "log_every_n_steps": 1}


class Four(nn.Module):
    """Four numbers to three scores."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def loader(images: int = 20) -> Any:
    data = TensorDataset(torch.randn(images, 4), torch.arange(images) % 3)
    return DataLoader(data, batch_size=2)


def fit(trainer: Trainer, model: LightningModule | None = None, **words: Any) -> LightningModule:
    model = model or Classifier(Four(), optimizer=lambda params: torch.optim.SGD(params, lr=0.1))
    trainer.fit(model, loader(), loader(6), **words)
    return model


@pytest.fixture
def adapted() -> Any:
    trainer = Trainer(**QUIET, max_steps=2)
    adapt(trainer, 60.0)
    return trainer


@pytest.mark.parametrize("with_it", [True, False])
def test_signals_stay_with_the_command(with_it: bool):
    seen = []

    class Look(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            seen.append(signal.getsignal(signal.SIGTERM))

    mine = signal.signal(signal.SIGTERM, handler := lambda *_: None)
    try:
        trainer = Trainer(**QUIET, max_steps=1, callbacks=[Look()])
        if with_it:
            adapt(trainer, 60.0)
        fit(trainer)
    finally:
        signal.signal(signal.SIGTERM, mine)
    assert (seen == [handler]) is with_it


@pytest.mark.parametrize("with_it", [True, False])
def test_a_run_that_begins_anew_takes_up_no_checkpoint_that_lies_there(tmp_path: Path, with_it: bool):
    keep = OnExceptionCheckpoint(tmp_path)
    words = {**QUIET, "enable_checkpointing": True}
    first = Trainer(**QUIET, max_steps=3)
    fit(first)
    first.save_checkpoint(keep.ckpt_path)
    trainer = Trainer(**words, max_steps=5, callbacks=[keep], default_root_dir=tmp_path)
    begun: list[int] = []

    class Look(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            begun.append(trainer.global_step)

    trainer.callbacks.append(Look())  # type: ignore[attr-defined]
    if with_it:
        adapt(trainer, 60.0)
    fit(trainer)
    assert begun == [0 if with_it else 3]


def test_devices_are_not_asked_for_a_signal_before_each_batch(adapted: Any, monkeypatch: pytest.MonkeyPatch):
    assert "_broadcast_sigterm_tensor" in _TrainingEpochLoop.advance.__code__.co_names
    asked: list[object] = []
    monkeypatch.setattr(torch.distributed, "broadcast", lambda *args, **words: asked.append(args))
    adapted.fit_loop.epoch_loop._broadcast_sigterm_tensor()
    assert len(asked) == 1
    ask_for_no_signal(adapted)
    adapted.fit_loop.epoch_loop._broadcast_sigterm_tensor()
    assert len(asked) == 1


def test_processes_wait_as_long_as_was_asked_for():
    trainer: Any = Trainer(**QUIET, strategy="ddp", devices=2)
    adapt(trainer, 7.0)
    assert trainer.strategy._timeout.total_seconds() == 7
    assert "_timeout" in DDPStrategy.setup_distributed.__code__.co_names


def test_what_the_loggers_will_get_is_known_before(tmp_path: Path):
    """In every second epoch there is a validation, which the others' rows know nothing of."""
    rows: list[dict[str, float]] = []
    known: list[dict[str, float]] = []

    class Kept(Logger):
        name, version = "kept", 0

        def log_hyperparams(self, *args: Any, **words: Any) -> None: ...

        def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
            rows.append({name: value for name, value in metrics.items() if name != "epoch"})

    class Look(ModelCheckpoint):
        """Of those that are asked last, as ours."""

        def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            known.append({name: float(value) for name, value in logged_now(trainer).items()})

        on_train_epoch_end = on_validation_end

    words = {**LINES, "enable_checkpointing": True, "logger": Kept(), "log_every_n_steps": 1000}
    fit(Trainer(**words, callbacks=[Look(tmp_path)], max_epochs=2, check_val_every_n_epoch=2))
    assert known == rows
    assert [sorted(row) for row in rows] == [
        ["lr", "train/accuracy", "train/loss"],
        ["val/accuracy", "val/balanced_accuracy", "val/loss"],
        ["lr", "train/accuracy", "train/loss"],
    ]


def test_hooks_that_are_none_are_not_called(adapted: Any):
    adapted.callbacks.append(callback := Callback())
    adapt(adapted, 60.0)
    assert vars(callback)["on_train_batch_start"] is None
    fit(adapted)
    assert adapted.global_step == 2


@pytest.mark.parametrize("with_it", [True, False])
def test_gradients_of_a_fused_optimiser_can_be_clipped(with_it: bool):
    class Fused(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = Four()

        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            return self.net(batch[0]).square().sum()

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.Adam(self.parameters(), fused=True)
            if with_it:
                leave_scaling(optimizer)
            return optimizer

    trainer = Trainer(**QUIET, max_steps=1, precision="bf16-mixed", gradient_clip_val=1.0)
    if with_it:
        trainer.fit(Fused(), loader())
        return
    with pytest.raises(RuntimeError, match="gradient clipping"):
        trainer.fit(Fused(), loader())


def test_a_parser_knows_its_options_and_their_types():
    parser = Parser(formatter_class=PlainHelp)
    parser.add_argument("--width", type=int, default=3, help="Units.")
    assert next(action for action in parser.known() if action.dest == "width").hint is int  # type: ignore[attr-defined]
    assert "(type: int" not in parser.format_help()
    assert "Units." in parser.format_help()


NAMES = ["_signal_connector", "_checkpoint_connector", "_logger_connector"]


@pytest.mark.parametrize("name", NAMES)
def test_a_trainer_without_such_a_name_is_refused_at_the_start(name: str):
    trainer = Trainer(**QUIET)
    delattr(trainer, name)
    with pytest.raises(UsageError, match=rf"^Trainer\.{name} in lightning [\d.]+: expected .* {TESTED['lightning']} "):
        adapt(trainer, 60.0)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("trainer.connectors.signal_connector._SignalConnector", "register_signal_handlers"),
        ("trainer.connectors.checkpoint_connector._CheckpointConnector", "_select_ckpt_path"),
        ("loops.training_epoch_loop._TrainingEpochLoop", "_broadcast_sigterm_tensor"),
    ],
)
def test_so_is_one_whose_parts_lack_one(place: str, name: str, monkeypatch: pytest.MonkeyPatch):
    trainer = Trainer(**QUIET)
    monkeypatch.delattr(f"lightning.pytorch.{place}.{name}")
    with pytest.raises(UsageError, match=rf"{name} in lightning"):
        adapt(trainer, 60.0)


def test_so_is_a_strategy_an_optimiser_and_a_parser():
    trainer: Any = Trainer(**QUIET, strategy="ddp", devices=2)
    del trainer.strategy._timeout
    with pytest.raises(UsageError, match="_timeout in lightning"):
        adapt(trainer, 60.0)
    optimizer: Any = torch.optim.Adam(Four().parameters(), fused=True)
    del optimizer._step_supports_amp_scaling
    with pytest.raises(UsageError, match="_step_supports_amp_scaling in torch"):
        leave_scaling(optimizer)
    parser = Parser()
    for number in range(12):
        parser.add_argument(f"--n{number}", type=int)
    for action in parser._actions:
        vars(action).pop("_typehint", None)
    with pytest.raises(UsageError, match="_typehint in jsonargparse"):
        parser.known()


@pytest.mark.parametrize(
    "settings",
    [
        {"max_epochs": 2},
        {"max_epochs": 2, "accumulate_grad_batches": 4},
        {"max_epochs": 2, "val_check_interval": 0.3, "accumulate_grad_batches": 3},
        {"max_epochs": 3, "check_val_every_n_epoch": 2, "min_steps": 12},
        {"max_epochs": 2, "check_val_every_n_epoch": None, "val_check_interval": 7},
        {"max_epochs": 2, "limit_val_batches": 0},
        {"max_epochs": 2, "limit_train_batches": 5, "min_epochs": 2},
        {"max_steps": 14},
    ],
    ids=str,
)
def test_where_a_training_stands_is_what_lightning_says(settings: dict[str, Any]):
    """Also where it has been told to stop."""
    seen: list[tuple[bool, ...]] = []

    class Look(Callback):
        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher
            for stop in (False, True):
                before, trainer.should_stop = trainer.should_stop, stop
                ours = is_last_batch(trainer), accumulates(trainer), may_stop(trainer), validates_next(trainer)
                theirs = (
                    loop._num_ready_batches_reached(),
                    loop._should_accumulate(),
                    trainer.fit_loop._can_stop_early,
                    loop._should_check_val_fx(fetcher),
                )
                assert ours == theirs, (trainer.global_step, stop)
                seen.append(ours)
                trainer.should_stop = before

    fit(Trainer(**QUIET, **settings, callbacks=[Look()]))
    assert len(set(seen)) > 1


def test_what_would_be_saved_is_what_is_saved(tmp_path: Path):
    taken = []

    class Look(Callback):
        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            if trainer.global_step == 3:
                taken.append({key: repr(value) for key, value in content_of(trainer).items()})
                trainer.save_checkpoint(tmp_path / "saved.ckpt")

    fit(Trainer(**QUIET, max_steps=4, callbacks=[Look()]))
    saved = torch.load(tmp_path / "saved.ckpt", weights_only=False)
    assert taken == [{key: repr(value) for key, value in saved.items()}]


def test_the_average_of_weights_is_found():
    callback = EMAWeightAveraging(decay=0.5)
    assert average_of(callback) is None
    found = []

    class Look(Callback):
        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            found.append(average_of(callback))

    fit(Trainer(**QUIET, max_steps=1, callbacks=[callback, Look()]))
    assert found[0] is not None
    assert found[0] is callback._average_model


@pytest.mark.parametrize(("named", "stand_in"), OPTIONS.items(), ids=lambda each: each.__name__)
def test_options_of_lightnings_callbacks_are_those_that_they_take(named: type, stand_in: type):
    theirs, ours = (inspect.signature(each).parameters for each in (named, stand_in))
    for name, parameter in ours.items():
        if name == "kwargs":
            continue
        assert name in theirs
        default = theirs[name].default
        assert parameter.default == default or (default is inspect.Parameter.empty and name == "batch_size_fn")
    if "kwargs" not in ours:
        assert list(ours) == list(theirs)


def test_a_callback_remembers_its_options():
    from lightning.pytorch.callbacks import LearningRateFinder, Timer

    options = {"duration": "00:00:01:00", "interval": "epoch", "verbose": False}
    timer: Any = with_options(Timer, **options)
    assert timer.options == options
    assert timer.time_remaining() == 60
    finder: Any = with_options(LearningRateFinder, min_lr=1e-5)
    assert finder.options == {"min_lr": 1e-5}


def test_versions_are_those_of_the_lock():
    lock = (ROOT / "requirements.lock").read_text()
    assert {name: re.search(rf"^{name}==(\S+)", lock, re.MULTILINE)[1] for name in TESTED} == TESTED  # type: ignore[index]

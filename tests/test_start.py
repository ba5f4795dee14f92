"""Protects the start of the command: what needs no torch does not import it, and tells the truth about what does."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from lightning import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.profilers import SimpleProfiler

import datamodules
from cli import VERBS, main
from zoo.runs.command import ZooCLI
from zoo.runs.empty_hooks import EACH_STEP, Unprofiled, pass_over_empty

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "lightning", "numpy", "yaml", "jsonargparse")


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"], ["fit", "--version"]], ids=" ".join)
def test_overview_and_version_import_nothing_heavy(words):
    code = f"import sys, cli; cli.main({words!r}); print(sorted(sys.modules.keys() & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *page, imported = done.stdout.splitlines()
    assert page
    assert imported == "[]"


def test_the_overview_has_the_verbs_that_there_are(capsys: pytest.CaptureFixture[str]):
    cli = ZooCLI(datamodules.ImageDataModule, ["--data", "Digits", "--model", "MLP"], run=False)
    assert list(VERBS) == [*cli.subcommands(), "describe", "download", "completion"]
    main(["--help"])
    page = capsys.readouterr().out
    assert all(f"\n  {verb} " in page for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_the_help_that_the_overview_promises(verb: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert not stop.value.code
    assert "usage:" in capsys.readouterr().out


def test_freed_memory_is_kept_for_the_next_step():
    if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
        pytest.skip("the C library is not glibc")
    code = """
import resource, torch
from zoo.runs.process import keep_memory
keep_memory()
faults = []
for _ in range(10):
    activations = torch.ones(2**24)  # 64 MiB
    del activations
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[-1] - faults[0])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 3 * 16_384  # pages of nine blocks of 16,384: the heap grows at first, then no more


@pytest.mark.parametrize(("flags", "kind"), [([], Unprofiled), (["--trainer.profiler", "simple"], SimpleProfiler)])
def test_a_profiler_is_there_only_if_it_is_asked_for(flags: list[str], kind: Any):
    words = ["--data", "Digits", "--model", "MLP", *flags]
    trainer: Any = ZooCLI(datamodules.ImageDataModule, words, run=False).trainer
    profiler = trainer.profiler
    assert type(profiler) is kind
    with profiler.profile("an action"), profiler.profile("another within it"):
        pass


def test_hooks_of_a_step_that_do_nothing_are_passed_over():
    class Own(Callback):
        """Does something at one hook of its own, and at one of its instance."""

        def on_after_backward(self, trainer, pl_module):
            pass

    class Heir(Own):
        """Has it from another."""

    callbacks = [Own(), Heir(), ModelCheckpoint()]
    vars(callbacks[0])["on_before_backward"] = print
    pass_over_empty(callbacks)
    kept = [{hook for hook in EACH_STEP if getattr(callback, hook) is not None} for callback in callbacks]
    assert kept == [
        {"on_after_backward", "on_before_backward"},
        {"on_after_backward"},
        {hook for hook in EACH_STEP if hook in vars(ModelCheckpoint)},
    ]


def test_the_hooks_of_a_training_step_are_known(tmp_path: Path):
    """What Lightning calls in each step and is not known here would go on costing."""
    calls: Counter[str] = Counter()

    class Counting(Callback):
        """Counts the calls of all hooks."""

    for hook in (name for name in vars(Callback) if name.startswith("on_")):
        setattr(Counting, hook, lambda self, *args, hook=hook, **kwargs: calls.update([hook]))
    words = ["--data", "Digits", "--data.batch_size", "100", "--model", "MLP", "--trainer.max_epochs", "1"]
    words += ["--trainer.default_root_dir", str(tmp_path)]  # where Lightning leaves logs and a checkpoint
    command: Any = ZooCLI(datamodules.ImageDataModule, words, run=False)
    command.trainer.callbacks.append(Counting())
    command.trainer.fit(command.model, datamodule=command.datamodule)
    steps = calls["on_train_batch_end"]
    assert steps == 12
    assert {hook for hook, count in calls.items() if count >= steps} == set(EACH_STEP[:6])

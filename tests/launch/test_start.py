"""Protects the start of the command: what needs no torch does not import it, and tells the truth about what does."""

import logging
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from lightning import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.profilers import SimpleProfiler

import datamodules
import zoo
from cli import main
from zoo.commands.cli.command import ZooCLI
from zoo.commands.verbs import verbs
from zoo.training.lightning_compat import EACH_STEP, Unprofiled, skip_empty_hooks

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "lightning", "numpy", "yaml", "jsonargparse")


PAGES = [[verb, "--help"] for verb in verbs()]


def test_what_needs_no_torch_imports_nothing_heavy():
    """In one process, one after the other: bare, help, version, and a verb that there is not."""
    code = f"""
import sys, cli
for words in {[["--help"], ["-h"], ["--version"], ["fit", "--version"], *PAGES, [], ["fitt"]]!r}:
    try:
        cli.main(words)
    except SystemExit:
        pass
print(sorted(sys.modules.keys() & set({HEAVY!r})))"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *page, imported = done.stdout.splitlines()
    assert page
    assert imported == "[]"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], "found none. Try: python cli.py --help"),
        (["fitt"], "found 'fitt'. Try: python cli.py fit"),
        (["FIT"], "found 'FIT'. Try: python cli.py fit"),
        (["quark"], "found 'quark'. Try: python cli.py --help"),
        (["--debug", "quark"], "found 'quark'. Try: python cli.py --help"),
        (["--data", "Digits"], "before all flags, found '--data'. Try: python cli.py --help"),
        (["-c", "a b", "fit", "-c", "c"], "before all flags, found '-c'. Try: python cli.py fit -c 'a b' -c c"),
    ],
)
def test_a_wrong_verb_is_told_at_once(words, found, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cli.py"])
    with pytest.raises(SystemExit) as stop:
        main(words)
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert err == f"error: verb in python cli.py: expected one of {', '.join(verbs())}, {found}\n"


def test_the_overview_has_the_verbs_that_there_are(capsys: pytest.CaptureFixture[str]):
    zoo.list_architectures()
    cli = ZooCLI(datamodules.ImageDataModule, ["--data", "Digits", "--model", "MLP"], run=False)
    of_lightning, *others = len(cli.subcommands()), *verbs()
    assert others[:of_lightning] == [*cli.subcommands()]
    assert sorted(others[of_lightning:]) == [
        "completion",
        "data",
        "describe",
        "download",
        "export",
        "recipe",
        "report",
        "study",
        "suggest",
        "weights",
    ]
    main(["--help"])
    page = capsys.readouterr().out
    assert all(f"\n  {verb} " in page for verb in verbs())


@pytest.mark.parametrize("verb", [verb for verb in verbs() if verb != "completion"])
def test_the_help_of_a_verb_is_a_screen_of_flags_that_there_are(verb: str, capsys: pytest.CaptureFixture[str]):
    """Flags, data sets and models are those that shells complete, and those are the parsers'."""
    main([verb, "--help"])
    page = capsys.readouterr().out
    lines = page.splitlines()
    assert lines[0].startswith(f"usage: python cli.py {verb} ")
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 120
    words = set(re.findall(r"[\w.-]+", (ROOT / "zoo/commands/completion.bash").read_text()))
    flags = {flag for flag in re.findall(r"--[a-z0-9_.-]+", page) if not flag.endswith(".help")}
    assert flags <= words
    assert {"Arrays", "CIFAR10"} & set(page.split()) <= words
    for key, shown in re.findall(r"^  (--data|--model) NAME +([^\n]+)", page, re.MULTILINE):
        names = set(re.findall(r"\b[A-Z][A-Za-z0-9]+\b", shown.split(" with ")[0].replace("FILE", "")))
        there = {"--data": datamodules.__all__, "--model": zoo.__all__}[key]
        assert names == set(there) - {"ImageDataModule", "Classifier"} or verb == "download"


def test_all_flags_are_shown_on_request(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--help_all"])
    assert not stop.value.code
    assert "--trainer.reload_dataloaders_every_n_epochs" in capsys.readouterr().out


def test_a_command_leaves_its_process_as_it_found_it(monkeypatch: pytest.MonkeyPatch):
    """A notebook, say, that goes on after `main`."""
    logger = logging.getLogger("lightning.pytorch")
    for devices, level in ((None, logging.INFO), ("0", logging.DEBUG)):
        if devices is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
        monkeypatch.setattr(logger, "level", level)
        filters = list(warnings.filters)
        main(["describe", "--data", "Digits", "--model", "SoftmaxRegression", "--json"])
        with pytest.raises(SystemExit):
            main(["fit", "--data", "Digits", "--model", "MLPP"])
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == devices
        assert (logger.level, warnings.filters) == (level, filters)


def test_freed_memory_is_kept_for_the_next_step():
    if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
        pytest.skip("the C library is not glibc")
    code = """
import resource, torch
from zoo.launch.process import keep_memory
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
    skip_empty_hooks(callbacks)
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


def test_a_new_verb_is_one_file_and_nothing_else(tmp_path: Path):
    """In a copy of the command: overview, help, errors and completion know it."""
    for name in ("cli.py", "zoo", "datamodules"):
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, tmp_path / name)
    (tmp_path / "zoo/commands/verbs/greet.py").write_text(
        'SUMMARY, ORDER, HELP = "say hello", 5, "usage: zoo greet NAME"\n\n\n'
        'def run(args, data_class):\n    print("hello", *args)\n'
    )
    code = f"""
import sys, cli
for words in {[["greet", "you"], ["greet", "--help"], ["--help"], ["completion", "bash"], ["greett"]]!r}:
    cli.main(words)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("hello you\nusage: zoo greet NAME\n")
    assert "\n  greet       say hello\n  fit " in done.stdout
    assert "compgen -W 'greet fit " in done.stdout
    assert done.returncode == 2
    assert done.stderr.startswith("error: verb in ")
    assert ": expected one of greet, fit, " in done.stderr
    assert done.stderr.endswith(" greet\n")

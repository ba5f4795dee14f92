"""Protects the verbs `study` and `recipe`: what a name means, where rows go, what is said; and their old names."""

import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cli import main
from forked import Forked, until
from studies import write_study
from zoo.commands.verbs import verbs
from zoo.launch.jobs import Jobs
from zoo.studies.recipes import recipe_names
from zoo.studies.rows import read_table

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def installed(package: Path) -> Path:
    """A zoo that is installed, with a small study, a recipe and claims."""
    write_study(package / "configs/studies/small", seeds=1)
    write_study(package / "configs/studies/other", question="Another\x1b[31m one?")
    (package / "configs/studies/claims.yaml").write_text("C8: GELU is the best.\n")
    (package / "configs/recipes").mkdir()
    shutil.copy(ROOT / "configs/recipes/quickstart.yaml", package / "configs/recipes")
    return package / "configs"


def said(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error.removeprefix("error: ").rstrip()


def test_an_installed_study_is_run_in_a_copy_and_reported(installed, elsewhere, capsys):
    """And what came with the zoo stays as it is."""
    before = {path: path.read_bytes() for path in installed.rglob("*") if path.is_file()}
    main(["study", "run", "small", "--threads", "1"])
    rows = read_table(elsewhere / "studies/small/results.csv")
    assert [row["arm"] for row in rows] == ["relu", "tanh"]
    assert all(row["processor"] and not row["error"] for row in rows)
    assert "Next: python cli.py study report studies/small" in capsys.readouterr().out
    main(["study", "run", "small"])
    assert "2 rows in studies/small/results.csv, 0 of failed runs" in capsys.readouterr().out
    main(["study", "report", "studies/small"])
    assert "GELU is the best" in (elsewhere / "studies/small/README.md").read_text()
    assert not (elsewhere / "studies/README.md").exists()
    main(["study", "report"])
    assert "small" in (elsewhere / "studies/index.html").read_text()
    assert "page: studies/index.html" in capsys.readouterr().out
    linked = re.findall(r"\]\(([^)]+)\)", (elsewhere / "studies/README.md").read_text())
    assert "index.html" in linked
    assert all((elsewhere / "studies" / each).exists() for each in linked)
    main(["study", "list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [["other", "0"], ["small", "0"], ["studies/small", "2"]]
    assert "\x1b" not in lines[0]
    assert before == {path: path.read_bytes() for path in installed.rglob("*") if path.is_file()}


def test_a_study_that_was_changed_is_another(installed, elsewhere, capsys):
    write_study(elsewhere / "studies/small", seeds=2)
    write_study(elsewhere / "mine", seeds=3)
    assert said(["study", "run", "other", "--out", "mine"], capsys) == (
        "study in mine/study.yaml: expected that of site/zoo/configs/studies/other or none, found another."
        " Try: python cli.py study run mine, or --out DIR"
    )
    assert not (elsewhere / "mine/results.csv").exists()


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        ("run activation", "study in STUDY: expected a name, or a folder with study.yaml, found none at activation."
         " Try: activations"),
        ("run", "word in python cli.py study run: expected STUDY, found none. Try: python cli.py study run --help"),
        ("run activations --job 2", "word in python cli.py study run: expected one of --allow_import, --cifar10,"
         " --data-root, --data.root, --executor, --jobs, --out, --seeds, --slurm, --threads, --work, found '--job'."
         " Try: --jobs"),
        ("run activations --jobs 0", "value in --jobs: expected 1 or more, found 0"),
        ("run activations --jobs two", "value in --jobs: expected a whole number from 1, found 'two'"),
        ("run activations --jobs", "value in --jobs: expected one, found none"),
        ("run activations --seeds 0", "seeds in --seeds: expected a number from 1 or a list of seeds, found 0. Try: 5"),
        ("run activations --executor slrm", "value in --executor: expected one of local, slurm, found 'slrm'."
         " Try: --executor slurm"),
        ("report nowhere", "study in STUDY: expected a name, or a folder with study.yaml, found none at nowhere."
         " Try: python cli.py study list"),
        ("repotr", "action in python cli.py study: expected one of run, report, list, found repotr."
         " Try: python cli.py study report"),
        ("", "action in python cli.py study: expected one of run, report, list, found none."
         " Try: python cli.py study list"),
        ("list all", "word in python cli.py study list: expected nothing more, found 'all'."
         " Try: python cli.py study list --help"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(argv, line, capsys):
    assert said(["study", *argv.split()], capsys) == line


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        ("run mnist_mpl", "recipe in NAME: expected one of `python cli.py recipe list`, found 'mnist_mpl'."
         " Try: mnist_mlp"),
        ("table --rows nowhere.csv", "rows in nowhere.csv: expected a file with some, found none."
         " Try: python cli.py recipe run NAME"),
        ("table --write --rows nowhere.csv", "place in --write: expected a checkout and its own rows, found another."
         " Try: python cli.py recipe table, without --write"),
    ],
)  # fmt: skip
def test_so_are_those_about_recipes(argv, line, capsys):
    assert said(["recipe", *argv.split()], capsys) == line


def test_a_study_without_rows_has_no_report(installed, capsys):
    line = (
        "rows in site/zoo/configs/studies/small: expected results.csv, found none. Try: python cli.py study run small"
    )
    assert said(["study", "report", "small"], capsys) == line
    line = "rows in studies: expected results.csv, found none. Try: python cli.py study run NAME"
    assert said(["study", "report"], capsys) == line


def test_recipes_are_run_over_seeds(installed, elsewhere, capsys):
    """In an installed zoo the rows go to the present folder; the same call again does nothing."""
    for _ in range(2):
        main(["recipe", "run", "quickstart", "--seeds", "2"])
    out = capsys.readouterr().out
    assert out.count("quickstart, seed") == 2
    assert out.count("of 2 seeds\nrows: recipes.csv, 0 runs have failed") == 2
    rows = read_table(elsewhere / "recipes.csv")
    assert [(row["recipe"], row["seed"], row["val_n"], row["test_n"]) for row in rows] == [
        ("quickstart", "0", "143", "359"),
        ("quickstart", "1", "143", "359"),
    ]
    (folder,) = (elsewhere / "runs/recipes").glob("quickstart-*")
    assert (folder / "s1/result.json").exists()
    main(["recipe", "table"])
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["recipe", "data", "model", "parameters", "seeds", "test", "accuracy", "time"]
    assert line.startswith("quickstart  Digits  LeNet  ")


def test_lists_have_all_there_is(capsys):
    main(["recipe", "list"])
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-2]] == recipe_names()
    assert ["mnist_lenet", "MNIST", "LeNet", "99.28 ± 0.06 %", "4 min"] in [re.split("  +", line) for line in lines]
    main(["study", "list"])
    lines = capsys.readouterr().out.splitlines()
    files = [path for kind in ("studies", "sweeps") for path in (ROOT / "configs" / kind).glob("*/study.yaml")]
    assert {line.split()[0] for line in lines[:-2]} == {path.parent.name for path in files}


def test_lists_and_help_need_no_torch():
    code = "import sys, cli\nfor words in (['study', 'list'], ['recipe', 'list'], ['study', 'run', '--help']):\n"
    code += "    cli.main(words); assert 'torch' not in sys.modules, words"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("verb", ["study", "recipe"])
def test_the_help_has_every_flag(verb):
    found = verbs()[verb]
    for make in found.ACTIONS.values():  # type: ignore[attr-defined]
        for action in make()._actions:
            flags = {flag for flag in action.option_strings if flag not in ("-h", "--help", "--data.root")}
            assert all(f"{flag} " in found.HELP for flag in flags), flags


@pytest.mark.parametrize(
    ("argv", "verb"),
    [
        (["study.py", "configs/studies/activations", "--jobs", "2"], "study run configs/studies/activations --jobs 2"),
        (["report.py"], "study report"),
        (["recipes.py", "--data-root", "DIR", "mnist_mlp"], "recipe run --data-root DIR mnist_mlp"),
        (["recipes.py", "--tables"], "recipe table --write"),
    ],
)
def test_the_scripts_are_the_verbs(argv, verb, monkeypatch):
    called: list[list[str]] = []
    monkeypatch.setattr("sys.argv", [f"scripts/{argv[0]}", *argv[1:]])
    monkeypatch.setattr("entry.begin", lambda: None)
    monkeypatch.setattr("cli.main", called.append)
    runpy.run_path(str(ROOT / "scripts" / argv[0]), run_name="__main__")
    assert called == [verb.split()]


def test_processes_are_told_to_stop_and_the_next_call_goes_on(elsewhere):
    folder = write_study(elsewhere / "s", seeds=2, base={**BASE, "trainer.max_epochs": 400})
    argv = ["study", "run", str(folder), "--threads", "1"]
    first = Forked(elsewhere / "log", [*argv, "--jobs", "2"])
    until(lambda: len(list((elsewhere / "runs/studies/s").glob("*-s*/checkpoints/last.ckpt"))) == 2, 120)
    os.kill(first.pid, signal.SIGTERM)
    assert first.code() == 143
    assert not first.errors
    lines = first.log.read_text().splitlines()
    assert lines == [f"4 of 4 runs to do, rows: {folder}/results.csv", lines[1]]
    assert lines[1].startswith("stopped: what ran has saved")
    assert read_table(folder / "results.csv") == []
    assert len(list((elsewhere / "runs/studies/s").glob("*-s*/checkpoints/last.ckpt"))) == 2


BASE = {"data": "Digits", "data.batch_size": 64, "model": "MLP", "model.hidden": [8], "trainer.accelerator": "cpu"}


def a_queue(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Programs of a cluster that takes every job, as number 7, and has it in its queue while there is a file for it."""
    programs = folder / "bin"
    programs.mkdir()
    tells = {
        "srun": "",
        "sbatch": f"echo x >> {folder}/sent; echo Submitted batch job 7",
        "squeue": f"[ -e {folder}/queue ] && echo RUNNING && touch {folder}/asked",
        "sacct": "",
    }
    for name, line in tells.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)


def test_a_signal_that_another_thread_took_is_heard_by_who_waits_for_jobs(elsewhere, monkeypatch):
    """The thread that starts programs is given it at times, and the first thread, which answers, is not woken."""
    a_queue(monkeypatch, elsewhere)

    def takes_it(self: Jobs, args: Sequence[str]) -> None:
        time.sleep(0.5)  # the first thread waits by then
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        time.sleep(60)

    argv = ["study", "run", str(write_study(elsewhere / "s", seeds=1)), "--executor", "slurm"]
    process = Forked(elsewhere / "log", argv, lambda: setattr(Jobs, "start", takes_it))
    assert process.code(40) == 143
    assert "told to stop (SIGTERM): no job is in the queue" in process.log.read_text()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_who_waits_for_jobs_leaves_at_once_and_says_what_becomes_of_them(sent, code, elsewhere, monkeypatch):
    """The next call waits for the job that is there; once it is gone another one is sent."""
    folder = write_study(elsewhere / "s", seeds=1)
    a_queue(monkeypatch, elsewhere)
    argv = ["study", "run", str(folder), "--executor", "slurm"]

    def stopped(log: str, sign: Callable[[], object]) -> list[str]:
        process = Forked(elsewhere / log, argv)
        until(sign, 120)
        os.kill(process.pid, sent)
        assert process.code(20) == code
        return process.log.read_text().splitlines()

    line = f"told to stop ({sent.name}): jobs in the queue go on. Try: the same command, which waits for them,"
    line += " or to end them, scancel 7"
    notes = elsewhere / "runs/studies/s/jobs"
    assert line in stopped("first", lambda: [path for path in notes.glob("*.job") if path.read_text()])
    (elsewhere / "queue").touch()
    assert line in stopped("second", (elsewhere / "asked").exists)
    assert (elsewhere / "sent").read_text() == "x\n"
    (elsewhere / "queue").unlink()
    assert line in stopped("third", lambda: (elsewhere / "sent").read_text() == "x\nx\n")

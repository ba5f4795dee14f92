"""Protects what docs/reliability.md promises of runs that end early: a short round of scripts/reliability.py, all rows
of the long ones, and the page, which has to say what these say."""

import csv
import os
from importlib import import_module
from pathlib import Path

import pytest

from forked import Forked

ROOT = Path(__file__).parents[2]


def script(argv: list[str]) -> None:
    os.chdir(ROOT)
    import_module("reliability").main(argv)


def reliability(log: Path, *argv: str) -> str:
    done = Forked(log, argv, command=script)
    code, said = done.code(3000), log.read_text()
    assert code == 0, said
    return said


@pytest.mark.slow
def test_runs_go_on_as_if_nothing_had_happened_however_they_ended(tmp_path):
    endings = ("max_steps", "SIGKILL in a save")
    said = reliability(tmp_path / "log", "cells", "--quick", *[word for name in endings for word in ("--ending", name)])
    assert "12 of 12 cells right" in said


@pytest.mark.slow
def test_all_endings_and_all_ways_of_going_on(tmp_path):
    assert "cells right" in reliability(tmp_path / "log", "cells")


@pytest.mark.slow
def test_a_run_folder_has_one_owner(tmp_path):
    said = reliability(tmp_path / "log", "owners", "--rounds", "12", "--place", "disk", "--place", "tmpfs")
    assert "12 of 12 owners right" in said


@pytest.mark.parametrize(("name", "least"), [("reliability_cells.csv", 12 * 6 * 3), ("reliability_owners.csv", 30)])
def test_all_rows_of_the_long_rounds_are_right(name, least):
    with (ROOT / "results" / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= least
    assert all(row["right"] == "True" for row in rows)


def test_the_page_says_what_rows_tests_and_code_say(tmp_path):
    reliability(tmp_path / "log", "page", "--check")

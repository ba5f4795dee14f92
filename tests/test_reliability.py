"""Protects what docs/reliability.md promises of runs that end early: a short round of scripts/reliability.py, all rows
of the long ones, and the page, which has to say what these say."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def reliability(*words: str) -> str:
    command = [sys.executable, "scripts/reliability.py", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_runs_go_on_as_if_nothing_had_happened_however_they_ended():
    endings = ("max_steps", "SIGKILL in a save")
    said = reliability("cells", "--quick", *[word for name in endings for word in ("--ending", name)])
    assert "12 of 12 cells right" in said


@pytest.mark.slow
def test_all_endings_and_all_ways_of_going_on():
    assert "cells right" in reliability("cells")


@pytest.mark.slow
def test_a_run_folder_has_one_owner():
    said = reliability("owners", "--rounds", "12", "--place", "disk", "--place", "tmpfs")
    assert "12 of 12 owners right" in said


@pytest.mark.parametrize(("name", "least"), [("reliability_cells.csv", 12 * 6 * 3), ("reliability_owners.csv", 30)])
def test_all_rows_of_the_long_rounds_are_right(name, least):
    with (ROOT / "results" / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= least
    assert all(row["right"] == "True" for row in rows)


def test_the_page_says_what_rows_tests_and_code_say():
    reliability("page", "--check")

"""Protects the promise that a killed run ends as if nothing had happened: a short round of scripts/chaos.py."""

import csv
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from forked import Forked

ROOT = Path(__file__).parents[2]
ROWS = ROOT / "results" / "chaos.csv"


def chaos(argv: list[str]) -> None:
    sys.argv = ["scripts/chaos.py", *argv]
    kills: Any = import_module("faults.kills")
    kills.CASES = {name: f"{flags} --data.train_size 256" for name, flags in kills.CASES.items()}
    import_module("chaos").main()


@pytest.mark.parametrize("case", ["convnet", pytest.param("ddp", marks=pytest.mark.slow)])
def test_killed_and_stopped_runs_end_like_the_undisturbed_one(case, tmp_path):
    argv = f"--kills 1 --stops 1 --case {case} --data Digits --out {tmp_path / 'rows.csv'}".split()
    done = Forked(tmp_path / "log", argv, command=chaos)
    code, said = done.code(600), done.log.read_text()
    assert code == 0, said
    assert said.count("1/1 equal to the undisturbed run") == 2
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["fingerprint"] for row in rows}) == 1
    assert all(int(row["kills"]) + int(row["stops"]) for row in rows)


def test_the_long_round_is_what_the_documents_say():
    with ROWS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    killed, stopped = ([row for row in rows if int(row[kind])] for kind in ("kills", "stops"))
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert len(killed) >= 300
    assert all(row["equal"] == "True" for row in rows)
    assert {row["case"] for row in killed} == {"mlp", "convnet", "ddp"}
    assert f"{len(killed)} of {len(killed)} killed runs" in page
    assert f"{len(stopped)} of {len(stopped)} stopped runs" in page

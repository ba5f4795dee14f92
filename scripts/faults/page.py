"""The parts of docs/reliability.md that are made from rows, from the code and from the tests' tables.

Between `<!-- made: NAME -->` and `<!-- end -->` stands what the function of that name in MADE gives; all other words of
the page are written by hand. `python scripts/reliability.py page` writes them anew, and a test says when it is due.
"""

import csv
import json
import re
import runpy
import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.resume.identity.rules import rules_table

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
RESULTS = ROOT / "results"
PART = re.compile(r"(<!-- made: (\w+) -->\n).*?(\n<!-- end -->)", re.DOTALL)

Rows = list[dict[str, str]]


def rows_of(name: str) -> Rows:
    """The rows of a file in results/."""
    with (RESULTS / name).open(newline="") as file:
        return list(csv.DictReader(file))


def table(head: list[str], lines: list[list[str]], numbers: int = 0) -> str:
    """A table in Markdown.

    Args:
        head: names of the columns.
        lines: cells.
        numbers: how many of the last columns hold numbers.
    """
    marks = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, marks, *lines]).replace("| --- ", "|---")


def cells() -> str:
    """Ways of ending times ways of going on: what came of how many, and why that is right."""
    rows = rows_of("reliability_cells.csv")
    endings, goings = (list(dict.fromkeys(row[key] for row in rows)) for key in ("ending", "going"))

    def cell(ending: str, going: str) -> str:
        those = [row for row in rows if (row["ending"], row["going"]) == (ending, going)]
        found = Counter(row["expected"] if row["right"] == "True" else "**wrong**" for row in those)
        return ", ".join(f"{name} {count}" for name, count in found.items())

    lines = [[ending, *[cell(ending, going) for going in goings]] for ending in endings]
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        seen = reasons.setdefault((row["expected"], row["why"]), [])
        seen += [row["going"]] * (row["going"] not in seen)
    right = sum(row["right"] == "True" for row in rows)
    said = [f"- **{outcome}** ({', '.join(names)}): {why}." for (outcome, why), names in sorted(reasons.items())]
    first = f"{right:,} of {len(rows):,} are right, in {len({row['setting'] for row in rows})} settings."
    return "\n".join([first, "", table(["ended by", *goings], lines), "", *said])


def owners() -> str:
    """Rounds of several processes on one folder."""
    rows = rows_of("reliability_owners.csv")
    names = {"processes": "processes", "killed": "killed", "trained": "trained", "told": "left with one line"}
    names |= {"shown": "showed the result", "scored": "scored", "too_early": "found no weights yet"}
    lines = []
    for place in dict.fromkeys(row["place"] for row in rows):
        those = [{**row, "processes": str(len(row["commands"].split()))} for row in rows if row["place"] == place]
        sums = [str(sum(int(row[key]) for row in those)) for key in names]
        most = str(max(int(row["at_once"]) for row in those))
        right = sum(row["right"] == "True" for row in those)
        lines.append([place, str(len(those)), *sums, most, f"{right} of {len(those)}"])
    return table(["on", "rounds", *names.values(), "trained at one time, most", "right"], lines, len(names) + 3)


def kills() -> str:
    """Killed and stopped runs of chaos.py."""
    rows = rows_of("chaos.csv")
    killed, stopped = ([row for row in rows if int(row[kind])] for kind in ("kills", "stops"))
    lines = []
    for case in dict.fromkeys(row["case"] for row in rows):
        those = [row for row in killed if row["case"] == case]
        lost = [int(row["lost_steps"]) for row in those]
        told_ = [row["equal"] == "True" for row in stopped if row["case"] == case]
        lines.append(
            [
                f"`{case}`",
                str(len(those)),
                str(sum(int(row["kills"]) for row in those)),
                str(sum(row["equal"] == "True" for row in those)),
                f"{sum(lost) / len(lost):.1f} / {max(lost)}",
                f"{max(float(row['lost_seconds']) for row in those):.2f}",
                f"{sum(told_)} of {len(told_)}",
            ]
        )
    head = ["run", "killed runs", "kills", "equal", "lost steps, mean / most", "lost seconds, most"]
    equal = [sum(row["equal"] == "True" for row in some) for some in (killed, stopped)]
    first = (
        f"{equal[0]} of {len(killed)} killed runs ended as the undisturbed run did, bit for bit, and {equal[1]} of"
        f" {len(stopped)} stopped runs:"
    )
    return "\n".join([first, "", table([*head, "stopped runs, equal"], lines, 6)])


def of_test(file: str, name: str) -> Any:
    """What stands under a name in a file of tests."""
    return runpy.run_path(str(next((ROOT / "tests").rglob(f"{file}.py"))))[name]


def flags() -> str:
    """What a change of each key means: the rules that a run is compared by, and what the test changes."""
    other_values = of_test("test_identity", "OTHER_VALUES")
    kinds: dict[str, list[str]] = {}
    for key, (value, kind) in other_values.items():
        shown = value.get("class_path", value) if isinstance(value, dict) else value
        kinds.setdefault(kind, []).append(f"`--{key}` {json.dumps(shown) if isinstance(shown, list) else shown}")
    tried = [f"- {kind} ({len(keys)}): {', '.join(keys)}." for kind, keys in sorted(kinds.items())]
    first = f"Each of {len(other_values)} flags, changed once to the value behind it, is told apart as:"
    rules = re.sub(r"`([\w.]+)` `\1\.\*`", r"`\1`", rules_table())  # an option's own options go with it
    return "\n".join([rules, "", first, "", *tried])


def matrix() -> str:
    """How many rows the matrix of Lightning's parts has."""
    counts = of_test("test_trainer_matrix", "counts")
    return f"The matrix of Lightning's parts, `tests/training/test_trainer_matrix.py`, has {counts()}."


def cost() -> str:
    """What lock and record take of a start and of a save."""
    record = json.loads((RESULTS / "reliability_cost.json").read_text())
    first, *others = (sum(start.values()) for start in record["starts"])
    save = 1000 * (record["save"]["with"] - record["save"]["without"])
    plain = 1000 * record["save"]["without"]
    return (
        f"On {record['machine']}, one thread, in seconds of the processor: {first:.3f} s of a process's first start,"
        f" which asks git and reads the code, {statistics.median(others):.3f} s of later ones in it; a save of the"
        f" MLP's checkpoint takes {save:+.2f} ms more with the record than without ({plain:.1f} ms)."
    )


def before() -> str:
    """Whole starts and epochs against the version before."""
    from benchmarks.suites.before import summary

    record = json.loads((RESULTS / "benchmark_before.json").read_text())
    setting = record["setting"]
    lines = "".join(f"\n- {line}." for line in summary(record))
    return f"Against commit {setting['before'][:7]}, on {setting['machine']}, one thread:\n{lines}"


MADE: dict[str, Callable[[], str]] = {
    "cells": cells,
    "owners": owners,
    "kills": kills,
    "flags": flags,
    "matrix": matrix,
    "cost": cost,
    "before": before,
}


def update(*, check: bool = False) -> str | None:
    """Writes the page anew; with `check`, names the parts that are not current instead, if there are any."""
    old: list[str] = []

    def current(part: re.Match[str]) -> str:
        text = part[1] + MADE[part[2]]() + part[3]
        if text != part[0]:
            old.append(part[2])
        return text

    page = PART.sub(current, PAGE.read_text())
    if check:
        return f"not current in {PAGE}: {', '.join(old)}. Try: python scripts/reliability.py page" if old else None
    PAGE.write_text(page)
    return None

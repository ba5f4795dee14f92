"""Is what is promised about runs that end early true? All that docs/reliability.md has figures of but the kills.

    cells    12 ways of ending x 6 ways of going on: equal to the straight run, or refused by name where that is right
    owners   two to four processes on one run folder
    cost     what a run's lock and its record take of a start and of a save
    page     the tables of docs/reliability.md that are made from rows, from the code and from the tests' tables

    python scripts/reliability.py cells --quick          one setting, each way of ending at one moment
    python scripts/reliability.py cells --out results/reliability_cells.csv
    python scripts/reliability.py owners --rounds 200 --out results/reliability_owners.csv
    python scripts/reliability.py cost DIR               DIR holds MNIST/raw
    python scripts/reliability.py page

For runs killed at random moments see `scripts/chaos.py`.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from entry import check_installed

MAIN = "dropout"  # the setting of a quick round, and of all moments at which a run can end: it has most to lose
Part = Callable[[int], list[Any]]  # a share of the work, by its number -> its rows
parts: list[Part] = []


def run_cells(options: argparse.Namespace) -> Iterator[Any]:
    """Fills the table of ways of ending and of going on."""
    from faults.cells import cells
    from faults.endings import ENDINGS
    from faults.settings import SETTINGS
    from faults.straight import Round

    endings = options.ending or list(ENDINGS)
    tasks = []
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        for name in options.setting or ([MAIN] if options.quick else list(SETTINGS)):
            round_ = Round(name, options.keep or Path(folder))
            round_.prepare([ENDINGS[ending] for ending in endings])
            for ending in endings:
                moments = ENDINGS[ending].moments[: None if name == MAIN and not options.quick else 1]
                tasks += [(ending, moment, round_) for moment in moments]
        yield from shared_out(len(tasks), lambda i: list(cells(*tasks[i])), options.jobs)


def run_owners(options: argparse.Namespace) -> Iterator[Any]:
    """Lets processes loose on one folder, in equal shares on each file system."""
    from faults.owners import PLACES, contest, place_of, straight

    places = options.place or list(PLACES)
    for k, place in enumerate(places):
        rounds = options.rounds // len(places) + (k < options.rounds % len(places))
        with place_of(place) as work:

            def part(i: int, where: tuple[str, Path, dict[str, str]] = (place, work, straight(work))) -> list[Any]:
                return [contest(i, *where)]

            yield from shared_out(rounds, part, options.jobs)


def shared_out(count: int, part: Part, jobs: int) -> Iterator[Any]:
    """The rows of all parts, made in processes that are forked from this one, as they come."""
    parts.append(part)  # a process that is forked has it already; it could not be sent there
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for rows in pool.imap_unordered(_do, range(count)):
            yield from rows


def _do(i: int) -> list[Any]:
    return parts[-1](i)


def measure(options: argparse.Namespace) -> int:
    """Makes the rows of cells or owners; how many of them are wrong."""
    from faults.rows import write_rows
    from zoo.runs.result import git_commit

    began = time.monotonic()
    git_commit()  # asked for once, here, and not by each run
    rows: list[Any] = []
    for row in {"cells": run_cells, "owners": run_owners}[options.part](options):
        rows.append(row)
        if not row.right:
            print(f"WRONG: {asdict(row)}", flush=True)
        if len(rows) % 24 == 0:
            print(f"{len(rows)} done, {sum(row.right for row in rows)} right", flush=True)
        if options.out:
            write_rows(options.out, rows)
    right = sum(row.right for row in rows)
    print(f"{right} of {len(rows)} {options.part} right, {time.monotonic() - began:.0f} s")
    return len(rows) - right


def parsed(args: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    from faults.endings import ENDINGS
    from faults.owners import PLACES
    from faults.settings import SETTINGS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="part", required=True)
    of_cells, of_owners = verbs.add_parser("cells"), verbs.add_parser("owners")
    of_cells.add_argument("--quick", action="store_true", help="one setting, each way of ending at one moment")
    of_cells.add_argument("--setting", action="append", choices=SETTINGS)
    of_cells.add_argument("--ending", action="append", choices=ENDINGS)
    of_cells.add_argument("--keep", type=Path, help="a new folder that the runs are left in")
    of_owners.add_argument("--rounds", type=int, default=200)
    of_owners.add_argument("--place", action="append", choices=PLACES)
    for part in (of_cells, of_owners):
        part.add_argument("--out", type=Path, help="CSV file, one row per cell or round")
        part.add_argument("--jobs", type=int, default=2, help="how many at a time")
    verbs.add_parser("cost").add_argument("root", type=Path, metavar="DIR", help="folder that holds MNIST/raw")
    verbs.add_parser("page").add_argument("--check", action="store_true", help="report what is not current, exit 1")
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> None:
    """Does what the first argument asks for; exits 1 if anything is wrong."""
    options = parsed(args)
    if options.part == "page":
        from faults.page import update

        sys.exit(update(check=options.check))
    if options.part == "cost":
        from faults.cost import print_cost

        print_cost(options.root)
        return
    sys.exit(measure(options) > 0)


if __name__ == "__main__":
    check_installed()
    main()

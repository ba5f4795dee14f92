"""The search: every candidate for a short time, the better ones for longer, each from the start (successive halving).

    candidates -> rung 1, all, a twentieth of their training -> rung 2, the best few -> rung 3, two -> the best

Jamieson and Talwalkar 2016, arXiv 1502.07943, with time as what is spent: how long the rungs are follows from what the
first has taken, so that all together take about a sixth of what training every candidate in full would. A rate falls to
0 within each training, however short, so no training is the beginning of a longer one. Test images are not used.
"""

import shlex
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.commands.plain_parser import program
from zoo.commands.suggest.candidates import Candidate, all_candidates
from zoo.commands.suggest.facts import given_flags, models_of, read_facts
from zoo.commands.suggest.trials import Search, search_of, trial
from zoo.errors import UsageError, warn
from zoo.launch.jobs import STOPPED, Start
from zoo.studies.rows import Row
from zoo.studies.running import claim
from zoo.studies.settings import to_argv

FIRST = 1 / 20  # share of a full training that the first rung is
SPENT = 1 / 6  # of the time of all full trainings, all rungs together
SECOND = 0.45  # share of what is left that the second rung gets
KEPT = (4, 2)  # candidates of the second and the third rung, at most
LONGER = 1.5  # a rung is at least so many times as long as the one before
Trials = dict[str, list[Row]]  # rows of each candidate, rung by rung


def suggest(options: Namespace, rest: Sequence[str], data_class: type[Any]) -> None:
    """Does the search, and says what came out."""
    from zoo.commands.studies.many_runs import starting
    from zoo.commands.suggest.report import print_result
    from zoo.resume.signals import StopSignals

    given, models = given_flags(rest), models_of(options.models)
    with starting(data_class) as start, stop_said(), StopSignals().handled():
        facts = read_facts(start, rest, data_class)
        work = options.work or Path("runs/suggest") / facts.name
        chosen = all_candidates(facts.train, facts.side, models, given, options.epochs)
        with only_search(work):
            search = search_of(options, rest, facts, given, work)
            trials = climb(search, chosen, start)
    print_result(search, rest, chosen, trials)


@contextmanager
def stop_said() -> Iterator[None]:
    """Says how the search goes on where it was stopped."""
    try:
        yield
    except SystemExit as leave:
        if leave.code in STOPPED:
            print("stopped: the trials that are done are kept. Next: the same command, which goes on", file=sys.stderr)
        raise


@contextmanager
def only_search(work: Path) -> Iterator[None]:
    """Raises UsageError if another search is at work in this folder."""
    with claim(work / "search.lock") as mine:
        if not mine:
            raise UsageError(
                f"search in {work}: expected none under way, found another process at it. Try: --work DIR, another one"
            )
        yield


def climb(search: Search, chosen: Sequence[Candidate], start: Start) -> Trials:
    """Does the trials that have no rows yet; returns those of each candidate.

    Raises:
        ValueError: no candidate could be trained.
        SystemExit: told to stop.
    """
    trials: Trials = {candidate.name: [] for candidate in chosen}
    level, share, left = list(chosen), FIRST, 0.0
    print(f"{len(chosen)} candidates on {search.images:,} images, rows: {search.rows}", flush=True)
    for rung in range(1, len(KEPT) + 2):
        for candidate in level:
            row = trial(search, candidate, rung, share, start)
            trials[candidate.name].append(row)
        done = ranked([candidate for candidate in level if not trials[candidate.name][-1]["error"]], trials)
        if rung == 1:
            check_some(trials)
            left = SPENT * sum(search.seconds(trials[each.name][0], each) for each in done)
        left -= sum(float(trials[each.name][-1]["seconds"]) for each in done)
        if rung > len(KEPT):
            break
        level, longer = next_rung(search, done, trials, left * (SECOND if rung == 1 else 1.0), share, KEPT[rung - 1])
        if not level:
            break
        share = longer
    return trials


def next_rung(
    search: Search, done: Sequence[Candidate], trials: Trials, left: float, share: float, most: int
) -> tuple[list[Candidate], float]:
    """Who goes on, and for what share of a full training; nobody where there is no time for more than one."""
    for number in range(min(most, len(done)), 1, -1):
        level = list(done[:number])
        longer = min(1.0, left / sum(search.seconds(trials[each.name][-1], each) for each in level))
        if longer >= LONGER * share:
            return level, longer
    return [], share


def ranked(done: Sequence[Candidate], trials: Trials) -> list[Candidate]:
    """The best first: by accuracy on the validation images, then by loss."""
    return sorted(done, key=lambda each: rung_score(trials[each.name][-1]), reverse=True)


def rung_score(row: Mapping[str, str]) -> tuple[float, float]:
    """What candidates of one rung are compared by."""
    return float(row["val_accuracy"]), -float(row["val_loss"])


def check_some(trials: Trials) -> None:
    """Raises ValueError if every candidate failed; says which did otherwise."""
    failed = {name: rows[0]["error"] for name, rows in trials.items() if rows[0]["error"]}
    if len(failed) == len(trials):
        raise ValueError(next(iter(failed.values())))
    for name, error in failed.items():
        warn(f"{name} is left out: {error}")


def fit_command(rest: Sequence[str], candidate: Candidate) -> str:
    """What to type for the full training."""
    return f"{program()} fit {shlex.join([*rest, *to_argv(candidate.flags(candidate.epochs))])}"

"""What a search says at its end: a table of what was tried, the best first, and the command of the full training."""

from collections.abc import Sequence

from zoo.commands.studies.recipe import show_columns
from zoo.commands.suggest.candidates import Candidate
from zoo.commands.suggest.search import Trials, fit_command, rung_score
from zoo.commands.suggest.trials import Search
from zoo.runs.result import interval
from zoo.studies.rows import Row

CHEAPER = 1 / 3  # of the time: worth a word


def print_result(search: Search, rest: Sequence[str], chosen: Sequence[Candidate], trials: Trials) -> None:
    """Prints both."""
    order = by_rank([each for each in chosen if not trials[each.name][0]["error"]], trials)
    best = order[0]
    print()
    show_columns(
        [
            ("candidate", "parameters", "val accuracy, rung by rung", "full training"),
            *candidate_lines(search, order, trials),
        ]
    )
    row = trials[best.name][-1]
    n = int(row["val_images"])
    spent = sum(float(row["seconds"]) for rows in trials.values() for row in rows if row["seconds"])
    whole = sum(search.seconds(trials[each.name][0], each) for each in order)
    print(
        f"\nChosen on {n:,} validation images, whose 95 % interval is {span(row)}. The search has trained for"
        f" {in_words(spent)}; all in full would take {in_words(whole)}. Test images were not used."
    )
    if cheap := cheaper(search, order, trials):
        time = in_words(search.seconds(trials[cheap.name][-1], cheap))
        print(f"as good, as far as one can tell, in {time}: {cheap.name}")
        print(f"    {fit_command(rest, cheap)}")
    print(
        f"suggested: {best.name}, batch {best.batch}, {best.epochs} epochs, about {in_words(search.seconds(row, best))}"
    )
    print(f"    {fit_command(rest, best)}")


def cheaper(search: Search, order: Sequence[Candidate], trials: Trials) -> Candidate | None:
    """The fastest that came, in its last rung, to what the best is not told from, if it takes a third of the time."""
    best = order[0]
    last = trials[best.name][-1]
    least = interval(float(last["val_accuracy"]), int(last["val_images"]))[0]
    found: list[tuple[float, Candidate]] = []
    for each in order[1:]:
        row = trials[each.name][-1]
        time = search.seconds(row, each)
        if float(row["val_accuracy"]) >= least and time <= CHEAPER * search.seconds(last, best):
            found.append((time, each))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def span(row: Row) -> str:
    """The 95 % interval of the accuracy on the validation images."""
    low, high = interval(float(row["val_accuracy"]), int(row["val_images"]))
    return f"{100 * low:.1f} – {100 * high:.1f} %"


def by_rank(done: Sequence[Candidate], trials: Trials) -> list[Candidate]:
    """The best first: who came further, and of those who came as far, by what the last rung says."""
    return sorted(done, key=lambda each: (len(trials[each.name]), *rung_score(trials[each.name][-1])), reverse=True)


def candidate_lines(search: Search, order: Sequence[Candidate], trials: Trials) -> list[tuple[str, ...]]:
    """A line for each candidate."""
    found: list[tuple[str, ...]] = []
    for each in order:
        rows = trials[each.name]
        rungs = "  ".join(f"{100 * float(row['val_accuracy']):5.1f} % ({row['epochs']} ep)" for row in rows)
        found.append((each.name, f"{int(rows[0]['parameters']):,}", rungs, in_words(search.seconds(rows[-1], each))))
    return found


def in_words(seconds: float) -> str:
    """As people say it."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"

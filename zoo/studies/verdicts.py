"""From rows to verdicts: the values of each cell, their differences, and what these say of the claims.

rows -> {cell: {seed: value}} -> contrasts of the expectations -> one word each, and one for each claim
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from zoo.studies.expectations import Expectation
from zoo.studies.outcomes import Outcome
from zoo.studies.rows import Row, keys_of
from zoo.studies.spec import ARM, Cell, Study
from zoo.studies.statistics import Mean, Verdict, distance, holm, judge, mean_of, p_value, paired, together
from zoo.studies.tuning import Choice, choose

Values = Mapping[Cell, Mapping[int, float]]  # of one outcome, by cell and seed


class Measured(NamedTuple):
    """The rows that a report is made of: those of the study as it is, with what was tuned.

    Attributes:
        choices: what was tuned for each cell.
        rows: of each cell, one for each seed that came to an end.
        failed: rows of each cell that did not.
        others: number of rows that belong to no present configuration.
    """

    choices: dict[Cell, Choice]
    rows: dict[Cell, list[Row]]
    failed: dict[Cell, list[Row]]
    others: int

    def values(self, outcome: Outcome) -> Values:
        """Values of an outcome, as they are compared and shown."""
        return {
            cell: {int(row["seed"]): outcome.scaled(float(row[outcome.name])) for row in rows if row[outcome.name]}
            for cell, rows in self.rows.items()
        }


def measured(study: Study, rows: Sequence[Row]) -> Measured:
    """The rows that count."""
    there = keys_of(rows)
    choices = {cell: choose(study, cell, there) for cell in study.cells}
    found: dict[Cell, list[Row]] = {}
    for cell, choice in choices.items():
        configs = {study.config(cell, choice.values)} if choice.values is not None else set()
        found[cell] = [row for row in rows if row["config"] in configs and int(row["seed"]) in study.seeds]
    tried = [choice.values for choice in choices.values() if choice.values is not None]
    known = {study.config(cell, values) for cell in study.cells for values in tried} | tuning_configs(study)
    return Measured(
        choices,
        {cell: [row for row in group if not row["error"]] for cell, group in found.items()},
        {cell: [row for row in group if row["error"]] for cell, group in found.items()},
        sum(row["config"] not in known for row in rows),
    )


def tuning_configs(study: Study) -> set[str]:
    """Fingerprints of the runs that tune, and of cells with any of what they tried."""
    from zoo.studies.tuning import candidates

    return {
        study.config(cell, tried, tuning=tuning)
        for cell in study.cells
        for tried in candidates(study)
        for tuning in (True, False)
    }


@dataclass(frozen=True)
class Contrast:
    """A difference that an expectation speaks of.

    Attributes:
        words: what it is a difference of.
        mean: over seeds, with its interval; None if there are no seeds that all its cells have.
        p: of the expectation's border, corrected over all contrasts of the study.
        verdict: on it.
    """

    words: str
    mean: Mean | None
    p: float
    verdict: Verdict


class Judged(NamedTuple):
    """An expectation with its contrasts and the word for all of them."""

    expectation: Expectation
    outcome: Outcome
    contrasts: list[Contrast]
    verdict: Verdict


def judged(study: Study, found: Measured) -> list[Judged]:
    """What became of the expectations."""
    parts: list[tuple[Expectation, str, list[float], float, float]] = []
    for expectation in study.expect:
        values = found.values(study.outcome(expectation.outcome))
        for words, signed in contrasts(study, expectation):
            differences = difference(values, signed)
            far = distance(expectation.kind, expectation.margin, mean_of(differences).value) if differences else 0.0
            parts.append((expectation, words, differences, far, p_value(differences, far)))
    corrected = holm([p for *_, p in parts])
    all_: list[Judged] = []
    for expectation in study.expect:
        own = [
            Contrast(words, mean_of(d) if d else None, p, judge(far, p) if d else "not measured")
            for (e, words, d, far, _), p in zip(parts, corrected, strict=True)
            if e is expectation
        ]
        verdict = together([each.verdict for each in own], somewhere=expectation.somewhere)
        all_.append(Judged(expectation, study.outcome(expectation.outcome), own, verdict))
    return all_


def contrasts(study: Study, expectation: Expectation) -> list[tuple[str, list[tuple[int, Cell]]]]:
    """The differences that an expectation speaks of, in words, and as cells with their signs."""
    e = expectation
    fixed = {e.factor, *e.where, *([e.between[0]] if e.between else [])}
    free = [factor for factor in study.factors if factor not in fixed]
    found = []
    for choice in product(*(study.factors[factor] for factor in free)):
        place = e.where | dict(zip(free, choice, strict=True))
        for second in e.seconds:
            ends = [(1, {e.factor: e.first}), (-1, {e.factor: second})]
            words = f"{e.first} − {second}"
            if e.between:
                name, one, other = e.between
                ends = [(s * t, end | {name: level}) for t, level in ((1, one), (-1, other)) for s, end in ends]
                words = f"({words}) at {one} − at {other}"
            said = [level for factor, level in place.items() if len(study.factors[factor]) > 1]
            signed = [(sign, study.find(place | end)[0]) for sign, end in ends]
            found.append((", ".join([words, *said]), signed))
    return found


def difference(values: Values, signed: Sequence[tuple[int, Cell]]) -> list[float]:
    """The sum of cells with their signs, for each seed that all of them have."""
    seeds = set.intersection(*(set(values[cell]) for _, cell in signed))
    return [sum(sign * values[cell][seed] for sign, cell in signed) for seed in sorted(seeds)]


def by_claim(study: Study, parts: Sequence[Judged]) -> dict[str, Verdict]:
    """The word for each claim of a study."""
    words: dict[str, Verdict] = {}
    for claim in study.claims:
        own = [part.verdict for part in parts if part.expectation.claim in (None, claim)]
        words[claim] = together(own)
    return words


class Against(NamedTuple):
    """An arm against the baseline, the other factors alike.

    Attributes:
        cell: the arm's.
        mean: of the differences.
        p: that there is none, corrected over all arms of the study.
    """

    cell: Cell
    mean: Mean
    p: float


def against_baseline(study: Study, values: Values) -> list[Against]:
    """The difference of each cell from the one with the baseline in it."""
    found: list[tuple[Cell, list[float]]] = []
    for cell in study.cells:
        base = (study.baseline, *cell[1:])
        if study.level(cell, ARM) != study.baseline and (d := paired(values[cell], values[base])):
            found.append((cell, d))
    corrected = holm([p_value(d, mean_of(d).value) for _, d in found])
    return [Against(cell, mean_of(d), p) for (cell, d), p in zip(found, corrected, strict=True)]

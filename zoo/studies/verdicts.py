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
from zoo.studies.statistics import Mean, Verdict, distance, holm, judge, mean_of, of_claim, p_value, paired, verdict_of
from zoo.studies.tuning import Choice, candidates, choose

Values = Mapping[Cell, Mapping[int, float]]  # of one outcome, by cell and seed


class ValidRows(NamedTuple):
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
        """Values of an outcome, as they are compared and printed."""
        return {
            cell: {int(row["seed"]): outcome.scaled(float(row[outcome.name])) for row in rows if row[outcome.name]}
            for cell, rows in self.rows.items()
        }


def valid_rows(study: Study, rows: Sequence[Row]) -> ValidRows:
    """The rows that count."""
    there = keys_of(rows)
    choices = {cell: choose(study, cell, there) for cell in study.cells}
    found: dict[Cell, list[Row]] = {}
    for cell, choice in choices.items():
        configs = {study.config(cell, choice.values)} if choice.values is not None else set()
        found[cell] = [row for row in rows if row["config"] in configs and int(row["seed"]) in study.seeds]
    known = configs_of(study)
    return ValidRows(
        choices,
        {cell: [row for row in group if not row["error"]] for cell, group in found.items()},
        {cell: [row for row in group if row["error"]] for cell, group in found.items()},
        sum(row["config"] not in known for row in rows),
    )


def configs_of(study: Study) -> set[str]:
    """Fingerprints of all runs that the study may have: each cell with each candidate, in tuning and after it."""
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
        cells: those compared.
        mean: over seeds, with its interval; None if there are no seeds that all its cells have.
        p: of the expectation's border, corrected over all contrasts of the study.
        verdict: on it.
    """

    words: str
    cells: tuple[Cell, ...]
    mean: Mean | None
    p: float
    verdict: Verdict


class Assessment(NamedTuple):
    """An expectation with its contrasts and the word for all of them."""

    expectation: Expectation
    outcome: Outcome
    contrasts: list[Contrast]
    verdict: Verdict


def assess(study: Study, found: ValidRows) -> list[Assessment]:
    """What became of the expectations."""
    parts: list[tuple[Expectation, str, tuple[Cell, ...], list[float], float, float]] = []
    for expectation in study.expect:
        values = found.values(study.outcome(expectation.outcome))
        for words, signed in contrasts(study, expectation):
            differences = contrast_per_seed(values, signed)
            far = distance(expectation.kind, expectation.margin, mean_of(differences).value) if differences else 0.0
            cells = tuple(cell for _, cell in signed)
            parts.append((expectation, words, cells, differences, far, p_value(differences, far)))
    corrected = holm([p for *_, p in parts])
    all_: list[Assessment] = []
    for expectation in study.expect:
        own = [
            Contrast(words, cells, mean_of(d) if d else None, p, judge(far, p) if d else "not measured")
            for (e, words, cells, d, far, _), p in zip(parts, corrected, strict=True)
            if e is expectation
        ]
        verdict = verdict_of([each.verdict for each in own], somewhere=expectation.somewhere)
        all_.append(Assessment(expectation, study.outcome(expectation.outcome), own, verdict))
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


def contrast_per_seed(values: Values, signed: Sequence[tuple[int, Cell]]) -> list[float]:
    """The sum of cells with their signs, for each seed that all of them have."""
    seeds = set.intersection(*(set(values[cell]) for _, cell in signed))
    return [sum(sign * values[cell][seed] for sign, cell in signed) for seed in sorted(seeds)]


def verdict_per_claim(study: Study, parts: Sequence[Assessment]) -> dict[str, Verdict]:
    """The word for each claim of a study."""
    return {claim: of_claim([part.verdict for part in assessments_of(claim, parts)]) for claim in study.claims}


def assessments_of(claim: str, parts: Sequence[Assessment]) -> list[Assessment]:
    """The expectations that a claim rests on."""
    return [part for part in parts if part.expectation.claim in (None, claim)]


class Decided(NamedTuple):
    """What a verdict on a claim rests on.

    Attributes:
        part: the expectation that decided.
        contrast: the comparison that decided on it.
        cells: all that are compared where the verdict would be another if they came out otherwise.
        edges: those of them that were tuned to the first or the last of their candidates.
    """

    part: Assessment
    contrast: Contrast
    cells: list[Cell]
    edges: list[Cell]


def deciding_contrast(study: Study, found: ValidRows, parts: Sequence[Assessment], verdict: Verdict) -> Decided | None:
    """What decided on a claim: of what was refuted the surest, of what was left open or shown the least sure.

    Args:
        study: the study.
        found: its rows, for what was tuned.
        parts: those of the claim.
        verdict: on it.
    """
    words = {each.verdict for each in parts}
    word = next((w for w in ("refuted", "not distinguishable", "supported") if w in words), None)
    if word is None or verdict == "not measured":
        return None
    own = [(part, each) for part in parts if part.verdict == word for each in part.contrasts if each.verdict == word]
    sign = -1 if word == "refuted" else 1
    part, contrast = max(own, key=lambda pair: sign * pair[1].p)
    resting = {cell for part in parts for each in part.contrasts for cell in each.cells}
    if verdict in ("refuted", "not distinguishable"):
        resting = {cell for _, each in own for cell in each.cells}
    cells = [cell for cell in study.cells if cell in resting and found.choices[cell].values]
    return Decided(part, contrast, cells, [cell for cell in cells if found.choices[cell].edges])


class BaselineContrast(NamedTuple):
    """An arm against the baseline, the other factors alike.

    Attributes:
        cell: the arm's.
        mean: of the differences.
        p: that there is none, corrected over all arms of the study.
    """

    cell: Cell
    mean: Mean
    p: float


def against_baseline(study: Study, values: Values) -> list[BaselineContrast]:
    """The difference of each cell from the one with the baseline in it."""
    found: list[tuple[Cell, list[float]]] = []
    for cell in study.cells:
        base = (study.baseline, *cell[1:])
        if study.level(cell, ARM) != study.baseline and (d := paired(values[cell], values[base])):
            found.append((cell, d))
    corrected = holm([p_value(d, mean_of(d).value) for _, d in found])
    return [BaselineContrast(cell, mean_of(d), p) for (cell, d), p in zip(found, corrected, strict=True)]

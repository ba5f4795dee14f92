"""How numbers, settings and expectations of studies are formatted: in tables, in figures, and on pages."""

import math
from typing import Any

from zoo.studies.expectations import Expectation
from zoo.studies.outcomes import Outcome
from zoo.studies.rows import Row
from zoo.studies.settings import FILES, RETEST, short_label
from zoo.studies.statistics import Mean
from zoo.studies.verdicts import Assessment, Decided

USUAL_DEVICE = "cpu, 1 threads"  # of most rows


def with_interval(mean: Mean | None, outcome: Outcome, *, plus: bool = False) -> str:
    """A mean with its interval and unit."""
    if mean is None:
        return ""
    unit = " %" if outcome.unit == "points" and not plus else ""
    value = signed(mean.value, outcome.digits) if plus else f"{mean.value:.{outcome.digits}f}"
    return f"{value} ± {mean.half:.{outcome.digits}f}{unit}" if math.isfinite(mean.half) else f"{value}{unit}"


def format_device(name: str) -> str:
    """What runs computed on, as people say it; rows say `cpu, 1 threads`."""
    return "cpu, 1 thread" if name == USUAL_DEVICE else name


def signed(value: float, digits: int) -> str:
    """A difference with its sign; zero has no minus."""
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")


def p_words(value: float) -> str:
    """A p-value, not more exactly than it is known."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def cost(rows: list[Row]) -> dict[str, str]:
    """What a cell's runs cost: parameters, multiply-adds of one image, and the seconds of the quickest."""
    if not rows:
        return {"parameters": "", "multiply_adds": "", "seconds": ""}
    seconds = min(float(row["seconds"]) for row in rows)
    return {
        "parameters": f"{int(rows[0]['parameters']):,}",
        "multiply_adds": f"{int(rows[0]['multiply_adds']) / 1e6:.3g} M",
        "seconds": f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s",
    }


def flags(settings: dict[str, Any]) -> list[str]:
    """Settings but files, as they would be typed."""
    found = [f"--{key} {short_label(value)}" for key, value in settings.items() if key not in (FILES, RETEST)]
    return [*found, *(f"tested with {flag}" for flag in flags(settings[RETEST]))] if RETEST in settings else found


def written_level(settings: dict[str, Any]) -> str:
    """What a level sets."""
    return " ".join([*(f"-c {file}" for file in settings.get(FILES, [])), *flags(settings)]) or "nothing"


def unit_of(outcome: Outcome) -> str:
    """What a difference of an outcome is counted in."""
    kind = {"points": "points of "}.get(outcome.unit, "orders of magnitude of " if outcome.log else "in ")
    return kind + outcome.label


def decision(what: Decided) -> str:
    """The comparison that decided, in words: what was found, in which unit, where, and what had been expected."""
    e, outcome = what.part.expectation, what.part.outcome
    found = f"{with_interval(what.contrast.mean, outcome, plus=True)} {unit_of(outcome)}"
    return f"{found} ({what.contrast.words}), {format_threshold(e, outcome)} expected"


def at_edges(what: Decided) -> str:
    """How many of the cells that a verdict rests on were tuned to the edge of their grid, and which."""
    if not what.edges:
        return ""
    arms: dict[str, list[str]] = {}
    for arm, *places in what.edges:
        arms.setdefault(arm, []).append(", ".join(places))
    named = "; ".join(arm + (f" ({'; '.join(places)})" if any(places) else "") for arm, places in arms.items())
    number = f"{len(what.edges)} of the {len(what.cells)} tuned cells" if len(what.cells) > 1 else "the tuned cell"
    lie = "lie" if len(what.edges) > 1 else "lies"
    return f"{number} that this rests on {lie} at the edge of the grid, beyond which the best may be: {named}"


def format_threshold(e: Expectation, outcome: Outcome) -> str:
    """The border of an expectation: `≥ 0.50`."""
    margin = f"{e.margin:.{outcome.digits}f}".replace("-", "−")
    sign = {"more": "≥ ", "less": "≤ −", "same": "within ±"}[e.kind]
    return f"{sign}{margin}".replace("−−", "")


def format_expectation(part: Assessment) -> str:
    """What was expected, as a formula."""
    e = part.expectation
    unit = {"points": " points"}.get(part.outcome.unit, "")
    where = ", in at least one place" if e.somewhere else ""
    return f"difference in {part.outcome.axis.removesuffix(', %')} {format_threshold(e, part.outcome)}{unit}{where}"

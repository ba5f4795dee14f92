"""What a study came to, as its README.md and as a part of the page of all studies. The same rows make the same bytes.

study.yaml, results.csv  ->  Report  ->  README.md, *.svg  and, with those of the others, index.html
"""

import base64
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import yaml
from matplotlib.figure import Figure

from zoo.config import config_files
from zoo.runs.report import TEMPLATES as PAGES
from zoo.studies import figures
from zoo.studies.drawing import style, to_svg
from zoo.studies.formatting import (
    at_edges,
    cost,
    decision,
    flags,
    format_device,
    format_expectation,
    p_words,
    signed,
    with_interval,
    written_level,
)
from zoo.studies.generated_files import write_generated, write_one
from zoo.studies.plain_text import link, markdown
from zoo.studies.rows import Row, Rows
from zoo.studies.settings import FILES, label, short_label
from zoo.studies.spec import ARM, Study
from zoo.studies.statistics import Verdict, mean_of
from zoo.studies.text_numbers import Numbers
from zoo.studies.tuning import format_choice
from zoo.studies.verdicts import (
    Assessment,
    BaselineContrast,
    Decided,
    ValidRows,
    against_baseline,
    assess,
    assessments_of,
    deciding_contrast,
    valid_rows,
    verdict_per_claim,
)  # fmt: skip

TEMPLATES = Path(__file__).parent / "templates"
MARKS = {"supported": "✓", "partly": "◐", "refuted": "✗", "not distinguishable": "≈", "not measured": "…"}


@dataclass(frozen=True)
class Picture:
    """A figure of a study.

    Attributes:
        name: of its file, without the ending.
        title: what it shows.
        alt: the same for those who do not see it.
        svg: the figure.
    """

    name: str
    title: str
    alt: str
    svg: str


@dataclass(frozen=True)
class Report:
    """All that is reported of a study.

    Attributes:
        study: the study.
        found: its rows.
        parts: what became of its expectations.
        verdicts: the word for each claim.
        decided: what it rests on.
        against: differences from the baseline, by outcome.
        pictures: its figures.
        comment: what to think of it, with the numbers of the rows.
        threats: why it may be wrong, likewise.
        broken: what the comment says and the rows do not.
    """

    study: Study
    found: ValidRows
    parts: list[Assessment]
    verdicts: dict[str, Verdict]
    decided: dict[str, Decided | None]
    against: dict[str, list[BaselineContrast]]
    pictures: list[Picture]
    comment: str
    threats: list[str]
    broken: list[str]

    @property
    def rows(self) -> list[Row]:
        """All rows that count."""
        return [row for rows in self.found.rows.values() for row in rows]


def make_report(study: Study) -> Report:
    """The report of the rows that are there."""
    found = valid_rows(study, Rows(study, Path("unused")).read())
    parts = assess(study, found)
    against = {outcome.name: against_baseline(study, found.values(outcome)) for outcome in study.report}
    verdicts = verdict_per_claim(study, parts)
    reasons = {
        claim: deciding_contrast(study, found, assessments_of(claim, parts), word) for claim, word in verdicts.items()
    }
    numbers, file = Numbers(study, found, parts), str(study.file)
    return Report(
        study,
        found,
        parts,
        verdicts,
        reasons,
        against,
        draw_pictures(study, found, against),
        numbers.filled(study.comment, f"comment of {file}"),
        [numbers.filled(threat, f"threats of {file}") for threat in study.threats],
        [check for check in study.checks if numbers.holds(check, f"checks of {file}") is False],
    )


def draw_pictures(study: Study, found: ValidRows, against: dict[str, list[BaselineContrast]]) -> list[Picture]:
    """The figures that the rows allow."""
    made: list[Picture] = []
    if not any(found.rows.values()):
        return made
    others = [factor for factor in study.factors if factor != ARM]
    for outcome in study.report:
        values = found.values(outcome)
        if others and len(study.factors[others[-1]]) > 1:
            title = f"{outcome.axis} by {' and '.join(others)}, means with 95 % intervals"
            made.append(
                draw_picture(study, f"levels-{outcome.name}", title, partial(figures.by_levels, study, outcome, values))
            )
        if against[outcome.name]:
            title = f"Difference in {outcome.label} from {study.baseline}, same seeds, 95 % intervals"
            title += "; grey: none that can be told from zero"
            draw = partial(figures.forest, study, outcome, against[outcome.name])
            made.append(draw_picture(study, f"forest-{outcome.name}", title, draw))
    if any(row["val_curve"] for rows in found.rows.values() for row in rows):
        title = "Validation accuracy after each epoch, mean and 95 % interval over seeds"
        made.append(draw_picture(study, "curves", title, partial(figures.curves, study, found)))
    for quantity in study.maps:
        title = f"{quantity.replace('_', ' ').capitalize()} in each layer, input above, through training"
        made.append(draw_picture(study, f"map-{quantity}", title, partial(figures.layer_map, study, quantity, found)))
    return made


def draw_picture(study: Study, name: str, title: str, draw: Any) -> Picture:
    """A picture, drawn in the common style."""
    with style(f"{study.name}/{name}"):
        figure: Figure = draw()
        svg = to_svg(figure)
    return Picture(name, title, f"{title}. The table below has the numbers.", svg)


def read_claims(path: Path) -> dict[str, str]:
    """What the lectures say, by id."""
    return {
        str(key): " ".join(str(text).split()) for key, text in yaml.safe_load(path.read_text(encoding="utf-8")).items()
    }


def write_report(report: Report, claims: dict[str, str]) -> list[Path]:
    """Writes README.md and figures of a study.

    Returns:
        Files under these names that are no reports and were left as they are.
    """
    pictures = {f"{picture.name}.svg": picture.svg for picture in report.pictures}
    return write_generated(report.study.folder, {"README.md": render_readme(report, claims), **pictures})


def write_all(reports: list[Report], claims: dict[str, str], page: Path) -> list[Path]:
    """Writes README.md of the folder of all studies, and their page.

    Returns:
        Files under these names that are no reports and were left as they are.
    """
    left: list[Path] = []
    repository = config_files.repository()
    for folder in sorted({report.study.folder.parent for report in reports}):
        here = folder.resolve()
        guide = repository / "docs/studies.md" if repository and here.is_relative_to(repository) else None
        places = {
            "page": os.path.relpath(page.resolve(), here),
            "guide": os.path.relpath(guide, here) if guide else "",  # a wheel has no documents
        }
        left += write_one(folder / "README.md", render_page(reports, claims, "overview.md", markdown, **places))
    page.parent.mkdir(parents=True, exist_ok=True)
    return left + write_one(page, render_page(reports, claims, "index.html", None))


def render_readme(report: Report, claims: dict[str, str]) -> str:
    """README.md of a study."""
    return (
        template_environment(markdown)
        .get_template("README.md")
        .render(report=report, study=report.study, claims=claims)
    )


def render_page(reports: list[Report], claims: dict[str, str], template: str, finalize: Any, **places: str) -> str:
    """A page of all studies, with the places that it links to."""
    order = {claim: place for place, claim in enumerate(claims)}
    reports = sorted(reports, key=lambda report: min((order[c] for c in report.study.claims if c in order), default=99))
    lines = [(claim, [report for report in reports if claim in report.study.claims]) for claim in claims]
    return (
        template_environment(finalize)
        .get_template(template)
        .render(reports=reports, claims=claims, lines=lines, **places)
    )


def template_environment(finalize: Any) -> jinja2.Environment:
    """Templates with what they need of this package; without `finalize` they are HTML, and all text is escaped."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([TEMPLATES, PAGES]),
        autoescape=finalize is None,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals["mark"] = MARKS
    for function in (
        *(format_choice, label, short_label, written_level, cost, signed, p_words, decision, at_edges, with_interval),
        *(summarise_claim, design, mean_of, data_uri, format_expectation, link),
    ):
        made.globals[function.__name__] = function
    return made


def data_uri(svg: str) -> str:
    """A picture as the address of itself, for a page that needs no other file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def summarise_claim(report: Report, claim: str) -> str:
    """How many of the parts of a claim hold, and how many do not."""
    parts = [part.verdict for part in assessments_of(claim, report.parts)]
    if len(parts) < 2 or "not measured" in parts:
        return ""
    words: list[Verdict] = ["supported", "refuted", "not distinguishable"]
    if len(set(parts)) == 1:
        return f"{len(parts)} of {len(parts)} parts {parts[0]}"
    return f"of {len(parts)} parts " + ", ".join(f"{parts.count(w)} {w}" for w in words if w in parts)


def design(report: Report) -> list[str]:
    """How the study was made, as sentences."""
    study, rows = report.study, report.rows
    files = [f"-c {file}" for file in study.base.get(FILES, [])]
    lines = [f"All runs: {', '.join([*files, *flags(study.base)])}."]
    lines.append(
        f"Seeds {', '.join(map(str, study.seeds))}, the same in every arm; differences are taken seed by seed."
    )
    if study.tune:
        tried = "; ".join(f"{key} from {', '.join(map(short_label, v))}" for key, v in study.tune.values.items())
        by = f"seed{'s' * (len(study.tune.seeds) > 1)} {', '.join(map(str, study.tune.seeds))}"
        lines.append(
            f"Tuned on the validation images for {' and '.join(study.tune.per)}, by {by}: {tried}."
            + (f" In these runs {label(study.tune.settings)}." * bool(study.tune.settings))
        )
    lines.append(
        "The weights are those of the best epoch on validation; the test images are used once for each run, and not by"
        " those that tune."
    )
    if rows:
        images = sorted({row["data"] for row in rows})
        made = sorted({machine(row) for row in rows})
        commits = sorted({row["git_commit"][:10] + row["git_commit"][40:] for row in rows})
        lines.append(f"Data: {', '.join(images)}. {len(rows)} runs on {'; '.join(made)}; code of {', '.join(commits)}.")
        equal: dict[str, int] = {}
        for row in filter(has_ties, rows):
            equal[row["chosen_by"]] = equal.get(row["chosen_by"], 0) + 1
        if equal:
            rules = "; ".join(f"{number} by {rule or 'a rule that is not recorded'}" for rule, number in equal.items())
            lines.append(f"Runs in which several epochs were equally good on validation, and what chose: {rules}.")
    return lines


def machine(row: Row) -> str:
    """What a run computed on and with."""
    processor = row["processor"] or "of a processor that is not recorded"
    return f"{format_device(row['device'])}, {processor}, torch {row['torch']}, Lightning {row['lightning']}"


def has_ties(row: Row) -> bool:
    """Whether more than one epoch of a run had the highest accuracy on validation."""
    curve = row["val_curve"].split()
    return curve.count(max(curve, default="")) > 1

"""What a study came to, as its README.md and as a part of the page of all studies. The same rows make the same bytes.

study.yaml, results.csv  ->  Report  ->  README.md, *.svg  and, with those of the others, index.html
"""

import base64
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import yaml
from matplotlib.figure import Figure

from zoo.studies import figures
from zoo.studies.drawing import style, to_svg
from zoo.studies.rows import Row, Rows
from zoo.studies.settings import FILES, label, short
from zoo.studies.spec import ARM, Study
from zoo.studies.statistics import Verdict, mean_of
from zoo.studies.tuning import shown
from zoo.studies.verdicts import Against, Judged, Measured, against_baseline, by_claim, judged, measured
from zoo.studies.words import border, cost, flags, p_words, signed, with_interval, written_level

TEMPLATES = Path(__file__).parent / "templates"
MARKS = {"supported": "✓", "refuted": "✗", "not distinguishable": "≈", "not measured": "…"}


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
    """All that is told of a study."""

    study: Study
    found: Measured
    parts: list[Judged]
    verdicts: dict[str, Verdict]
    against: dict[str, list[Against]]
    pictures: list[Picture]

    @property
    def rows(self) -> list[Row]:
        """All rows that count."""
        return [row for rows in self.found.rows.values() for row in rows]


def make_report(study: Study) -> Report:
    """The report of the rows that are there."""
    found = measured(study, Rows(study, Path("unused")).read())
    parts = judged(study, found)
    against = {outcome.name: against_baseline(study, found.values(outcome)) for outcome in study.report}
    return Report(study, found, parts, by_claim(study, parts), against, pictures(study, found, against))


def pictures(study: Study, found: Measured, against: dict[str, list[Against]]) -> list[Picture]:
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
                drawn(study, f"levels-{outcome.name}", title, partial(figures.by_levels, study, outcome, values))
            )
        if against[outcome.name]:
            title = f"Difference in {outcome.label} from {study.baseline}, same seeds, 95 % intervals"
            title += "; grey: none that can be told from zero"
            draw = partial(figures.forest, study, outcome, against[outcome.name])
            made.append(drawn(study, f"forest-{outcome.name}", title, draw))
    if any(row["val_curve"] for rows in found.rows.values() for row in rows):
        title = "Validation accuracy after each epoch, mean and 95 % interval over seeds"
        made.append(drawn(study, "curves", title, partial(figures.curves, study, found)))
    for quantity in study.maps:
        title = f"{quantity.replace('_', ' ').capitalize()} in each layer, input above, through training"
        made.append(drawn(study, f"map-{quantity}", title, partial(figures.layer_map, study, quantity, found)))
    return made


def drawn(study: Study, name: str, title: str, draw: Any) -> Picture:
    """A picture, drawn in the common style."""
    with style(f"{study.name}/{name}"):
        figure: Figure = draw()
        svg = to_svg(figure)
    return Picture(name, title, f"{title}. The table below has the numbers.", svg)


def read_claims(path: Path) -> dict[str, str]:
    """What the lectures say, by id."""
    return {str(key): " ".join(str(text).split()) for key, text in yaml.safe_load(path.read_text()).items()}


def write_reports(reports: list[Report], claims: dict[str, str], page: Path) -> None:
    """Writes README.md and figures of each study, README.md of their folder, and the page of all."""
    for report in reports:
        (report.study.folder / "README.md").write_text(readme(report, claims))
        for old in report.study.folder.glob("*.svg"):
            old.unlink()
        for picture in report.pictures:
            (report.study.folder / f"{picture.name}.svg").write_text(picture.svg)
    for folder in {report.study.folder.parent for report in reports}:
        (folder / "README.md").write_text(all_of(reports, claims, "overview.md", markdown))
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(all_of(reports, claims, "index.html", None))


def readme(report: Report, claims: dict[str, str]) -> str:
    """README.md of a study."""
    return environment(markdown).get_template("README.md").render(report=report, study=report.study, claims=claims)


def all_of(reports: list[Report], claims: dict[str, str], template: str, finalize: Any) -> str:
    """A page of all studies."""
    lines = [(claim, [report for report in reports if claim in report.study.claims]) for claim in claims]
    return environment(finalize).get_template(template).render(reports=reports, claims=claims, lines=lines)


def first_part(report: Report, claim: str) -> Judged | None:
    """What was expected first of those expectations that a claim rests on."""
    return next((part for part in report.parts if part.expectation.claim in (None, claim)), None)


def environment(finalize: Any) -> jinja2.Environment:
    """Templates with what they need of this package; without `finalize` they are HTML, and all text is escaped."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=finalize is None,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(
        mark=MARKS, shown=shown, label=label, short=short, level=written_level, cost=cost, number=signed, p=p_words,
        first_part=first_part, with_interval=with_interval, summary=summary, design=design, mean_of=mean_of,
        data_uri=data_uri, border=border,
    )  # fmt: skip
    return made


def markdown(value: Any) -> Any:
    """Text that Markdown and its HTML would take for their own, made harmless."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|") if isinstance(value, str) else value


def data_uri(svg: str) -> str:
    """A picture as the address of itself, for a page that needs no other file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def summary(report: Report, claim: str) -> str:
    """How many of the parts of a claim hold."""
    parts = [part.verdict for part in report.parts if part.expectation.claim in (None, claim)]
    if not parts or "not measured" in parts:
        return ""
    return f"{parts.count('supported')} of {len(parts)} parts supported" if len(parts) > 1 else ""


def design(report: Report) -> list[str]:
    """How the study was made, as sentences."""
    study, rows = report.study, report.rows
    files = [f"-c {file}" for file in study.base.get(FILES, [])]
    lines = [f"All runs: {', '.join([*files, *flags(study.base)])}."]
    lines.append(
        f"Seeds {', '.join(map(str, study.seeds))}, the same in every arm; differences are taken seed by seed."
    )
    if study.tune:
        tried = "; ".join(f"{key} from {', '.join(map(short, v))}" for key, v in study.tune.values.items())
        by = f"seed{'s' * (len(study.tune.seeds) > 1)} {', '.join(map(str, study.tune.seeds))}"
        lines.append(
            f"Tuned on the validation images for {' and '.join(study.tune.per)}, by {by}: {tried}."
            + (f" In these runs {label(study.tune.settings)}." * bool(study.tune.settings))
        )
    lines.append("The weights are those of the best epoch on validation; the test images are used once for each run.")
    if rows:
        images = sorted({row["data"] for row in rows})
        made = sorted({f"{row['device']}, torch {row['torch']}, Lightning {row['lightning']}" for row in rows})
        commits = sorted({row["git_commit"][:10] + row["git_commit"][40:] for row in rows})
        lines.append(f"Data: {', '.join(images)}. {len(rows)} runs on {'; '.join(made)}; code of {', '.join(commits)}.")
    return lines

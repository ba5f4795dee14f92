"""The verb `study`: which folder is meant, where its rows go, what is said.

activations              ->  configs/studies/activations, in a checkout
activations, installed   ->  studies/activations, with a copy of the study.yaml that came with the zoo
"""

import csv
import sys
from argparse import Namespace
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from zoo.commands.plain_parser import program
from zoo.config import config_files
from zoo.errors import UsageError, one_line

FILE = "study.yaml"
OWN = Path("studies")  # where those that came with the zoo are copied to


def shipped() -> dict[str, Path]:
    """The folders of the studies that came with the zoo."""
    parents = [config_files.folder() / kind for kind in config_files.STUDIES]
    found = {path.parent.name: path.parent for each in parents for path in sorted(each.glob(f"*/{FILE}"))}
    return {name: Path(config_files.short(path)) for name, path in found.items()}


def folder_of(given: str) -> Path:
    """The folder of a study.

    Raises:
        UsageError: there is none of this name.
    """
    for path in (Path(given), OWN / given, Path(given).parent if Path(given).name == FILE else OWN / given):
        if (path / FILE).is_file():
            return path
    known, path = shipped(), Path(given)
    if path.name in known and (given == path.name or path.parts[0] == "configs"):
        return known[path.name]
    beside = {each.parent.as_posix(): each.parent for each in sorted(path.parent.glob(f"*/{FILE}"))}
    near = get_close_matches(given, beside, 1) or get_close_matches(path.name, known, 1) or [*beside][:1]
    advice = near[0] if near else f"{program()} study list"
    raise UsageError(f"study in STUDY: expected a name, or a folder with {FILE}, found none at {given}. Try: {advice}")


def with_rows(folder: Path, out: Path | None) -> Path:
    """The folder that takes the rows, with its study.yaml: the study's own, or a copy of it.

    Raises:
        UsageError: another study is there.
    """
    if out is None and not folder.resolve().is_relative_to(config_files.PACKAGE):
        return folder
    out = out or OWN / folder.name
    text, copy = (folder / FILE).read_text(encoding="utf-8"), out / FILE
    if not copy.exists():
        out.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, encoding="utf-8")
    elif copy.read_text(encoding="utf-8") != text:
        raise UsageError(
            f"study in {copy}: expected that of {folder} or none, found another."
            f" Try: {program()} study run {out}, or --out DIR"
        )
    return out


def run_study(options: Namespace, data_class: type[Any]) -> None:
    """Does the runs that have no row yet; exit code 1 if some have failed."""
    given = folder_of(options.study)
    from zoo.commands.studies.many_runs import do, place_of
    from zoo.launch.jobs import processors
    from zoo.studies.reading import parse_seeds, read_study
    from zoo.studies.running import check_arms
    from zoo.studies.workers import Task

    read_study(given)  # says what is wrong in it before it is copied
    folder = with_rows(given, options.out)
    chosen = parse_seeds(options.seeds, "--seeds") if options.seeds is not None else None
    # a job has a processor of its own, on a machine that is not this one
    threads = options.threads or (1 if options.executor == "slurm" else max(1, processors() // options.jobs))
    place = place_of(options, options.work or Path("runs/studies") / folder.resolve().name)
    trusted = [word for module in options.allow_import for word in ("--allow_import", module)]
    rows, path = do(Task(folder, place, chosen, threads), options, data_class, check_arms, trusted)
    failed = sum(bool(row["error"]) for row in rows)
    one_of_ours = folder.resolve().parent == config_files.folder() / "studies"
    report = f"{program()} study report{'' if one_of_ours else f' {folder}'}"
    print(f"{len(rows)} rows in {path}, {failed} of failed runs. Next: {report}")
    if failed:
        raise SystemExit(1)


def report_studies(options: Namespace) -> None:
    """Writes the reports; exit code 1 if what a study says is not what its rows say."""
    repository = config_files.repository()
    studies = options.studies or (config_files.folder() / "studies" if repository else OWN)
    folders = [folder_of(name) for name in options.names] or sorted(path.parent for path in studies.glob(f"*/{FILE}"))
    for folder in folders or [studies]:
        if not (folder / "results.csv").exists() and (options.names or not folders):
            raise UsageError(
                f"rows in {folder}: expected results.csv, found none. Try: {program()} study run"
                f" {options.names[0] if options.names else 'NAME'}"
            )
    page = options.page or (
        repository / "docs/studies/index.html" if repository and not options.studies else studies / "index.html"
    )
    from zoo.studies.reading import read_study
    from zoo.studies.report import make_report, read_claims, write_all, write_report

    claims = studies / "claims.yaml"
    known = read_claims(claims if claims.exists() else config_files.folder() / "studies/claims.yaml")
    reports = [make_report(read_study(folder)) for folder in folders]
    left = [path for report in reports for path in write_report(report, known)]
    left += [] if options.names else write_all(reports, known, page)
    for report in reports:
        verdicts = ", ".join(f"{claim} {verdict}" for claim, verdict in report.verdicts.items())
        others = f"; {report.found.others} rows of other configurations do not count" if report.found.others else ""
        print(f"{report.study.name}: {len(report.rows)} rows{', ' * bool(verdicts)}{verdicts}{others}")
        for check in report.broken:
            print(f"words in checks of {report.study.file}: expected true, found false: {check}", file=sys.stderr)
    print(f"report: {folders[0] / 'README.md'}" if options.names else f"page: {page}")
    for path in left:
        print(
            f"file in {path}: expected a report of this program or none, found another; left as it is."
            f" Try: mv '{path}' '{path}.mine', and this again",
            file=sys.stderr,
        )
    if any(report.broken for report in reports):
        raise SystemExit(1)


def list_studies() -> None:
    """A line for each study: its name, its rows, its question; without torch."""
    folders = {**shipped(), **{path.parent.as_posix(): path.parent for path in sorted(OWN.glob(f"*/{FILE}"))}}
    width = max(map(len, folders), default=0)
    for name, folder in folders.items():
        print(f"{name:{width}}  {rows_in(folder):>4} rows  {next(questions(folder), '')}")
    print(f"\n{program()} study run NAME --data-root DIR does the runs that have no row yet")


def rows_in(folder: Path) -> int:
    """How many rows a study has."""
    path = folder / "results.csv"
    if not path.is_file():
        return 0
    with path.open(newline="", encoding="utf-8") as file:
        return max(0, sum(1 for _ in csv.reader(file)) - 1)


def questions(folder: Path) -> Iterator[str]:
    """The question of a study, if it can be read."""
    import yaml

    from zoo.config.yaml_limits import load_yaml

    try:
        content = load_yaml((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return
    if isinstance(content, dict) and content.get("question"):
        yield one_line(str(content["question"]))

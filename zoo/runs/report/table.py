"""A report at the end of a command: the classes that it is worst at, and what else is worth a line."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zoo.errors import shorten
from zoo.runs.report.numbers import Report

WORST = 5  # classes that are printed
MISTAKES = 3  # most frequent ones that are named
MOST_LETTERS = 30  # of a name
RIGHT_ALL = "every image is right"


def worst_classes(report: Report, most: int = WORST) -> list[dict[str, Any]]:
    """The classes of lowest F1, the lowest first; of equals the one with more images."""
    rows = [row for row in report["classes"] if row["f1"] is not None]
    return sorted(rows, key=lambda row: (row["f1"], -row["support"]))[:most]


def show_report(report: Report) -> None:
    """Prints it."""
    console = Console(highlight=False, soft_wrap=True)
    rows = worst_classes(report)
    if report["accuracy"] < 1:
        console.print(class_table(rows, report["num_classes"]))
    for line in table_lines(report):
        console.print(line, markup=False)


def class_table(rows: list[dict[str, Any]], k: int) -> Table:
    """Precision, recall and F1 of some of K classes."""
    title = f"the {len(rows)} of {k:,} classes with the lowest F1" if len(rows) < k else "class by class"
    table = Table(title=f"test images: {title}", title_justify="left", title_style="bold")
    for heading in ("class", "precision", "recall", "F1", "images"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for row in rows:
        shares = [in_percent(row[name]) for name in ("precision", "recall", "f1")]
        table.add_row(Text(short_name(row["class"])), *shares, f"{row['support']:,}")
    return table


def table_lines(report: Report) -> list[str]:
    """The averages, the most frequent mistakes, and whether confidence is to be trusted."""
    macro, calibration = report["macro"], report["calibration"]
    means = (
        f"test images: balanced accuracy {in_percent(report['balanced_accuracy'])}, macro F1 {in_percent(macro['f1'])}"
    )
    sure = f"it is {in_percent(calibration['mean_confidence'])} sure and {in_percent(report['accuracy'])} right"
    mistakes = [
        f"{short_name(each['label'])} for {short_name(each['predicted'])} ({each['count']:,})"
        for each in report["confusions"][:MISTAKES]
    ]
    said = f"most often it takes {', '.join(mistakes)}" if mistakes else RIGHT_ALL
    return [
        f"{means}; {said}",
        f"calibration: {sure} on average, expected calibration error {100 * calibration['expected_error']:.2f} points",
    ]


def in_percent(share: float | None) -> str:
    """A share as people write it; a dash where it is undefined."""
    return "–" if share is None else f"{100 * share:.2f} %"


def short_name(name: str) -> str:
    """A name of a class, as there is room for it."""
    return shorten(name, MOST_LETTERS)

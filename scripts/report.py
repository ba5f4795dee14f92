"""Writes what the studies came to: README.md and figures beside the rows of each, and one page for all.

    python scripts/report.py

configs/studies/*/{study.yaml,results.csv} -> configs/studies/*/{README.md,*.svg}, docs/studies/index.html

The page opens without a network. The same rows make the same bytes; a test compares them with what is committed.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STUDIES, PAGE = ROOT / "configs/studies", ROOT / "docs/studies/index.html"
sys.path.insert(0, str(ROOT))


def main() -> None:
    """Reads all studies and writes all reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=Path, default=STUDIES, help="folder of the studies and claims.yaml")
    parser.add_argument("--page", type=Path, default=PAGE, help="file of the page of all studies")
    options = parser.parse_args()
    from zoo.commands.report_errors import reported
    from zoo.studies.reading import read_study
    from zoo.studies.report import make_report, read_claims, write_reports

    with reported(debug=False):
        claims = read_claims(options.studies / "claims.yaml")
        folders = sorted(path.parent for path in options.studies.glob("*/study.yaml"))
        reports = [make_report(read_study(folder)) for folder in folders]
        left = write_reports(reports, claims, options.page)
    for report in reports:
        verdicts = ", ".join(f"{claim} {verdict}" for claim, verdict in report.verdicts.items())
        others = f"; {report.found.others} rows of other configurations do not count" if report.found.others else ""
        print(f"{report.study.name}: {len(report.rows)} rows, {verdicts}{others}")
        for check in report.broken:
            print(f"words in checks of {report.study.file}: expected true, found false: {check}", file=sys.stderr)
    print(f"page: {options.page}")
    for path in left:
        print(
            f"file in {path}: expected a report of this program or none, found another; left as it is."
            f" Try: mv '{path}' '{path}.mine', and this again",
            file=sys.stderr,
        )
    sys.exit(1 if any(report.broken for report in reports) else 0)


if __name__ == "__main__":
    from zoo.launch.start import begin

    begin()
    main()

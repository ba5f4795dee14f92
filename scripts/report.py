"""Writes the reports of all studies: `zoo study report` under the name it had before there was that verb.

    python scripts/report.py

configs/studies/*/{study.yaml,results.csv} -> configs/studies/*/{README.md,*.svg}, docs/studies/index.html
"""

import sys

from entry import begin

if __name__ == "__main__":
    begin()
    from cli import main

    main(["study", "report", *sys.argv[1:]])

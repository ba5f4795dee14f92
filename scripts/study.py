"""Runs a study: `zoo study run` under the name it had before there was that verb.

python scripts/study.py configs/studies/activations --data-root DIR [--jobs 2]     kill it, run it again: it goes on
python scripts/study.py configs/studies/activations --executor slurm --jobs 50 --slurm partition=cpu
"""

import sys

from entry import begin

if __name__ == "__main__":
    begin()
    from cli import main

    main(["study", "run", *sys.argv[1:]])

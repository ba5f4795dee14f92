"""Does a run that was killed end as if nothing had happened? Kills real runs, resumes, and compares (faults/kills.py).

python scripts/chaos.py --kills 20 --data Digits
python scripts/chaos.py --kills 300 --stops 60 --data Digits --out results/chaos.csv
"""

import argparse
import sys
import tempfile
from pathlib import Path

from entry import begin


def main() -> None:
    """Runs trials until there are as many killed and stopped runs as were asked for."""
    from faults.kills import CASES, Case, Trial, summary, trials
    from faults.rows import write_rows

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="runs that are killed, over all cases")
    parser.add_argument("--stops", type=int, default=0, help="runs that get a signal to stop, over all cases")
    parser.add_argument("--case", choices=[*CASES, "all"], default="all")
    parser.add_argument("--data", default="Digits")
    parser.add_argument("--data-root", help="folder of the data, for sets that have one")
    parser.add_argument("--checkpoint_every", type=float, default=0.2, help="seconds, given to the command")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, help="CSV file, one row per run")
    options = parser.parse_args()
    data = ["--data", options.data, *(["--data.root", options.data_root] if options.data_root else [])]
    names = list(CASES) if options.case == "all" else [options.case]
    found: list[Trial] = []
    with tempfile.TemporaryDirectory(prefix="chaos-") as work:
        cases = [Case(name, data, Path(work), options.checkpoint_every) for name in names]
        for case in cases:
            case.measure()
            print(f"{case.name}: {case.steps} steps, {case.seconds:.1f} s undisturbed", flush=True)
        for trial in trials(cases, options.kills, options.stops, options.seed):
            found.append(trial)
            mark = "equal" if trial.equal else f"NOT EQUAL: {trial.differs}"
            of = f"{len(found)}/{options.kills + options.stops}"
            print(f"{of} {trial.case}, {trial.moment}: {mark}", flush=True)
            if options.out:
                write_rows(options.out, found)
    print("\n".join(summary(found, options.checkpoint_every)))
    sys.exit(any(not trial.equal for trial in found))


if __name__ == "__main__":  # before what takes seconds to import
    begin()
    main()

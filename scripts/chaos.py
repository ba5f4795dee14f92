"""Does a run that was killed end as if nothing had happened? See faults/kills.py.

python scripts/chaos.py --kills 20 --data Digits
python scripts/chaos.py --kills 300 --stops 60 --data Digits --out results/chaos.csv
"""

from entry import begin

if __name__ == "__main__":  # before what takes seconds to import
    begin()
    from faults.kills import main

    main()

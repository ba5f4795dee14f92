"""Runs recipes over seeds: `zoo recipe run` and `zoo recipe table --write` under the name they had before.

python scripts/recipes.py --data-root DIR mnist_mlp --seeds 10 --jobs 2
python scripts/recipes.py --tables                            only what is generated from the rows
"""

import sys

from entry import begin

if __name__ == "__main__":
    begin()
    from cli import main

    main(["recipe", "table", "--write"] if "--tables" in sys.argv else ["recipe", "run", *sys.argv[1:]])

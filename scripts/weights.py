"""Makes the zoo's own weights: seed 0 of each recipe, from the folders that `zoo recipe run` leaves.

python cli.py recipe run --seeds 1 --rows runs/seed0.csv --data-root DIR --cifar10 OUT.npz     trains them
python scripts/weights.py --data-root DIR --cifar10 OUT.npz                                    writes them

runs/recipes/NAME-FINGERPRINT/s0/  ->  zoo/weights/files/NAME.{safetensors,json,onnx}, results/weights.csv

The seed was fixed before: it is 0, whatever the others came to. A run that falls out of the interval for one more run
of its recipe is an error; that it differs from the older run of seed 0, on another processor, is only said.
"""

import csv
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import torch

from entry import begin

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "results/weights.csv"
SEED = 0
MOST_BYTES = 4_000_000  # of a file that comes along
EXTRA = ("earlier", "mean", "margin", "float32_accuracy", "dtype", "differ", "bytes")


def make(name: str, run: Path, folder: Path, flags: list[str], rows: list[dict[str, str]]) -> dict[str, Any]:
    """Writes weights and card of one recipe.

    Args:
        name: of the recipe.
        run: folder of its run.
        folder: where the files go.
        flags: where the data lie.
        rows: of the recipe, over seeds.

    Returns:
        Its row of results/weights.csv.
    """
    from datamodules import ImageDataModule
    from zoo.commands.weights.weights import images_of_run
    from zoo.studies.recipes import COLUMNS, current, recipes
    from zoo.studies.rows import COPIES, results
    from zoo.studies.statistics import mean_of, one_more
    from zoo.weights.card import read_card
    from zoo.weights.making import save_run
    from zoo.weights.store import weights_of

    row = results(recipes([name], [SEED]), run, "CIFAR10" if name.startswith("cifar10") else "")
    accuracies = [float(each["test_accuracy"]) for each in rows]
    mean, wide = mean_of(accuracies), one_more(accuracies)
    notes: dict[str, Any] = {"recipe": name, "fingerprint": current(name), "data": row["data"]}
    notes["recipe_accuracy"] = {"mean": round(mean.value, 6), "half_width": round(mean.half, 6), "seeds": mean.n}
    if row["data"] in COPIES.values():
        notes["data_note"] = "quality 75, not the original"
    path = save_run(run, folder, name, images_of_run(str(run), flags, ImageDataModule)[1], notes, graph=True)
    card, size = read_card(path), weights_of(path).stat().st_size
    if size > MOST_BYTES:
        for each in folder.glob(f"{name}.*"):
            each.unlink()
    row |= {"recipe": name, "config": current(name), "seed": str(SEED)}
    earlier = [each["test_accuracy"] for each in rows if each["seed"] == str(SEED)]
    extra = [*(earlier or [""]), f"{mean.value:.6f}", f"{wide.half:.6f}", f"{card['test_accuracy']:.6f}"]
    extra += [card["dtype"], str(card.get("differ_from_float32", "")), str(size)]
    print(
        f"{name}: test {row['test_accuracy']} (float32 of these files {card['test_accuracy']:.4f}), recipe"
        f" {mean.value:.4f} ± {wide.half:.4f} for one more run, seed {SEED} before {extra[0]}; {size:,} bytes"
        f"{', too large to come along' * (size > MOST_BYTES)}",
        flush=True,
    )
    return {column: row.get(column, "") for column in COLUMNS} | dict(zip(EXTRA, extra, strict=True))


def main() -> None:
    """Does what is asked for on the command line; exit code 1 if a run is out of its interval."""
    from zoo.studies.recipes import current, recipe_names
    from zoo.studies.rows import read_table
    from zoo.weights.store import OWN

    parser = ArgumentParser(description="Makes the zoo's own weights from runs of seed 0.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="recipes; all that have a run by default")
    parser.add_argument("--runs", type=Path, default=Path("runs/recipes"), metavar="DIR", help="what recipe run left")
    parser.add_argument("--data-root", type=Path, default=Path("data"), metavar="DIR", help="where data lie")
    parser.add_argument("--cifar10", type=Path, metavar="OUT.npz", help="the copy of CIFAR-10 it was trained on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    of_recipes = read_table(ROOT / "results/recipes.csv")
    made = {row["recipe"]: row for row in read_table(TABLE)}
    for name in options.names or recipe_names():
        run = options.runs / f"{name}-{current(name)}" / f"s{SEED}"
        if not (run / "result.json").exists():
            print(f"{name}: no finished run in {run}", file=sys.stderr)
            continue
        flags = ["--data.root", str(options.data_root.resolve())]
        if name.startswith("cifar10"):
            flags = ["--data.path", str(options.cifar10.resolve())]
        made[name] = make(name, run, OWN, flags, [row for row in of_recipes if row["recipe"] == name])
        with TABLE.open("w", newline="") as file:
            table = csv.DictWriter(file, fieldnames=list(made[name]), lineterminator="\n")
            table.writeheader()
            table.writerows(made[each] for each in sorted(made))
    outside = [n for n, r in made.items() if abs(float(r["test_accuracy"]) - float(r["mean"])) > float(r["margin"])]
    if outside:
        sys.exit(f"error: outside of the interval for one more run of their recipe: {', '.join(sorted(outside))}")


if __name__ == "__main__":
    begin()
    main()

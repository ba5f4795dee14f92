"""Short trainings of candidates: each leaves a row in trials.csv, and is not done twice.

fit …, untested, in WORK/trials/CONFIG  ->  a row; a training that was stopped goes on there
"""

import json
import shutil
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.commands.suggest.candidates import Candidate
from zoo.commands.suggest.facts import Facts
from zoo.launch.jobs import STOPPED, Start, last_words
from zoo.studies.rows import Row, read_table, write_table
from zoo.studies.running import UNDRAWN, UNTESTED
from zoo.studies.settings import fingerprint, to_argv

COLUMNS = (
    "candidate", "rung", "epochs", "steps", "batch", "images", "val_images", "val_accuracy", "val_loss", "seconds",
    "parameters", "config", "processor", "error",
)  # fmt: skip
FEW = 10_000  # images; of so few a fifth validates the search, as a tenth would tell too little


@dataclass(frozen=True)
class Search:
    """A search, which is what its folder is for.

    Attributes:
        work: its folder.
        words: flags of `fit` that hold for all candidates.
        images: that train in the search.
        full: that train in a full training.
        digest: of the data.
    """

    work: Path
    words: Sequence[str]
    images: int
    full: int
    digest: str

    @property
    def rows(self) -> Path:
        """The file of the rows."""
        return self.work / "trials.csv"

    def steps(self, candidate: Candidate) -> int:
        """Of its full training."""
        return max(1, self.full // candidate.batch) * candidate.epochs

    def epochs(self, candidate: Candidate, share: float) -> int:
        """Passes over the images of the search that are this share of its full training."""
        return max(1, round(share * self.steps(candidate) / max(1, self.images // candidate.batch)))

    def config(self, candidate: Candidate, epochs: int) -> str:
        """What tells a trial from others: what is typed, and the data."""
        return fingerprint([list(self.words), candidate.flags(epochs), self.digest])

    def seconds(self, row: Mapping[str, str], candidate: Candidate) -> float:
        """How long the full training takes, by what a trial has taken."""
        return float(row["seconds"]) / max(1, int(row["steps"])) * self.steps(candidate)


def search_of(options: Namespace, rest: Sequence[str], facts: Facts, given: frozenset[str], work: Path) -> Search:
    """What is searched on, from what there is."""
    words, train = list(rest), facts.train
    if facts.total <= FEW and not facts.own_validation and "data.val_size" not in given:
        train = facts.total - facts.total // 5
        words += ["--data.val_size", str(facts.total // 5)]
    images = min(train, options.images)
    if images < train and "data.train_size" not in given:
        words += ["--data.train_size", str(images)]
    return Search(work, words, images, facts.train, facts.digest)


def trial(search: Search, candidate: Candidate, rung: int, share: float, start: Start) -> Row:
    """The row of one training, which is done if there is none yet."""
    epochs = search.epochs(candidate, share)
    config = search.config(candidate, epochs)
    rows = read_table(search.rows)
    row = next((row for row in rows if row.get("config") == config and not row.get("error")), None)
    if row is None:
        row = train(search, candidate, rung, epochs, config, start)
        others = [dict.fromkeys(COLUMNS, "") | each for each in rows if each.get("config") != config]
        write_table(search.rows, [{name: each[name] for name in COLUMNS} for each in [*others, row]], COLUMNS)
    said = f"val {100 * float(row['val_accuracy']):.1f} %, {row['seconds']} s" if not row["error"] else row["error"]
    print(f"rung {rung}: {candidate.name}, {epochs} epoch{'s' * (epochs > 1)}: {said}", flush=True)
    return row


def train(search: Search, candidate: Candidate, rung: int, epochs: int, config: str, start: Start) -> Row:
    """One training, or the rest of one that was stopped; a failure is a row too.

    Raises:
        SystemExit: told to stop; the folder stays, and the training goes on in it.
    """
    folder = search.work / "trials" / config
    row = dict.fromkeys(COLUMNS, "") | {
        "candidate": candidate.name,
        "rung": str(rung),
        "epochs": str(epochs),
        "steps": str(max(1, search.images // candidate.batch) * epochs),
        "batch": str(candidate.batch),
        "images": str(search.images),
        "config": config,
    }
    flags = [*to_argv(candidate.flags(epochs)), "--run_dir", str(folder), "--resume", "auto", *UNTESTED, *UNDRAWN]
    ended = start(["fit", *search.words, *flags])
    if ended.code in STOPPED:
        raise SystemExit(ended.code)
    try:
        if ended.code:
            raise ValueError(last_words(ended).removeprefix("error: "))
        record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        row |= {
            "val_images": str(record["val"]["n"]),
            "val_accuracy": f"{record['val']['accuracy']:.6g}",
            "val_loss": f"{record['val']['loss']:.6g}",
            "seconds": f"{record['seconds']:.2f}",
            "parameters": str(record["parameters"]),
            "processor": record.get("processor") or "",
        }
    except (ValueError, OSError, KeyError, TypeError) as error:
        row["error"] = " ".join(str(error).split())[:300] or type(error).__name__
    shutil.rmtree(folder, ignore_errors=True)
    return row

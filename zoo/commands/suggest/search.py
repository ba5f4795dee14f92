"""The search: every candidate for a short time, the better ones for longer, each from the start (successive halving).

    candidates -> rung 1, all, a twentieth of their training -> rung 2, the best few -> rung 3, two -> the best

Jamieson and Talwalkar 2016, arXiv 1502.07943, with time as what is spent: how long the rungs are follows from what the
first has taken, so that all together take about a sixth of what training every candidate in full would. A rate falls to
0 within each training, however short, so no training is the beginning of a longer one. Test images are not used.
"""

import json
import shlex
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.commands.plain_parser import program
from zoo.commands.suggest.candidates import NETWORKS, Candidate, candidates
from zoo.errors import UsageError, check_name, warn
from zoo.launch.jobs import STOPPED, Start, last_words
from zoo.studies.rows import Row, read_table, write_table
from zoo.studies.running import UNDRAWN, UNTESTED, claim
from zoo.studies.settings import fingerprint, to_argv

if TYPE_CHECKING:
    pass

COLUMNS = (
    "candidate", "rung", "epochs", "steps", "batch", "images", "val_images", "val_accuracy", "val_loss", "seconds",
    "parameters", "config", "processor", "error",
)  # fmt: skip
FIRST = 1 / 20  # share of a full training that the first rung is
SPENT = 1 / 6  # of the time of all full trainings, all rungs together
SECOND = 0.45  # share of what is left that the second rung gets
KEPT = (4, 2)  # candidates of the second and the third rung, at most
LONGER = 1.5  # a rung is at least so many times as long as the one before
FEW = 10_000  # images; of so few a fifth validates the search, as a tenth would tell too little
OF_DATA = ("--data", "-c", "--config", "--allow_import")
TAKEN = ("model", "trainer.max_epochs", "run_dir", "resume", "figures")  # flags that the search sets


@dataclass(frozen=True)
class Facts:
    """What the search knows of the data.

    Attributes:
        name: of the data set, and of its file or folder.
        train: images of a full training.
        total: these, and those of the validation.
        own_validation: whether the data set has one of its own.
        side: the shorter side of an image, in pixels.
        digest: of training images, validation images and their labels.
    """

    name: str
    train: int
    total: int
    own_validation: bool
    side: int
    digest: str


@dataclass(frozen=True)
class Search:
    """A search, which is what its folder is for.

    Attributes:
        work: its folder.
        words: flags of `fit` that hold for all candidates.
        images: that train in the search.
        full: that train in a full training.
        seed: of every training.
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


def suggest(options: Namespace, rest: Sequence[str], data_class: type[Any]) -> None:
    """Does the search, and says what came out."""
    from zoo.commands.studies.many_runs import starting
    from zoo.commands.suggest.report import report
    from zoo.resume.signals import StopSignals

    given, models = given_flags(rest), models_of(options.models)
    with starting(data_class) as start, stop_said(), StopSignals().handled():
        facts = facts_of(start, rest, data_class)
        work = options.work or Path("runs/suggest") / facts.name
        chosen = candidates(facts.train, facts.side, models, given, options.epochs)
        with alone(work):
            search = search_of(options, rest, facts, given, work)
            trials = climb(search, chosen, start)
    report(search, rest, chosen, trials)


def given_flags(rest: Sequence[str]) -> frozenset[str]:
    """The keys of the flags that are given; raises UsageError for one that the search sets."""
    keys = {word[2:].partition("=")[0] for word in rest if word.startswith("--")}
    for key in TAKEN:
        if key in keys:
            advice = {"model": "--models NAME", "trainer.max_epochs": "--epochs N", "run_dir": "--work DIR"}
            raise UsageError(
                f"flag in {program()} suggest: expected those of the data and for all networks, found --{key}, which"
                f" the search sets. Try: {advice.get(key, f'leave out --{key}')}"
            )
    if not any(key == "data" for key in keys) and not {"-c", "--config"} & set(rest):
        raise UsageError(
            f"data in {program()} suggest: expected --data NAME, found none. Try: --data Digits, or --data Folder"
            " --data.path PHOTOS/"
        )
    return frozenset(keys)


def models_of(text: str) -> tuple[str, ...]:
    """The names of models in a list; raises ValueError for one that is no candidate."""
    names = tuple(filter(None, (name.strip() for name in text.strip("[]").split(","))))
    for name in names:
        check_name("--models", name, [network.model for network in NETWORKS])
    return names


@contextmanager
def stop_said() -> Iterator[None]:
    """Says how the search goes on where it was stopped."""
    try:
        yield
    except SystemExit as leave:
        if leave.code in STOPPED:
            print("stopped: the trials that are done are kept. Next: the same command, which goes on", file=sys.stderr)
        raise


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Raises UsageError if another search is at work in this folder."""
    with claim(work / "search.lock") as mine:
        if not mine:
            raise UsageError(
                f"search in {work}: expected none under way, found another process at it. Try: --work DIR, another one"
            )
        yield


def facts_of(start: Start, rest: Sequence[str], data_class: type[Any]) -> Facts:
    """Reads the data and what is to be known of them.

    Raises:
        UsageError: the flags cannot be.
        SystemExit: told to stop.
    """
    first = NETWORKS[0]
    ended = start(["fit", *rest, "--model", first.model, "--print_config"])
    if ended.code:
        if ended.code in STOPPED:
            raise SystemExit(ended.code)
        raise UsageError(last_words(ended).removeprefix("error: "))
    from zoo.commands.cli.flags import prepared
    from zoo.commands.network.describe import make_parser
    from zoo.launch.process import quieten

    quieten()
    parser = make_parser(data_class)
    data = parser.instantiate(parser.parse_args([*prepared(words_of_data(rest)), "--model", first.model]))["data"]
    data.prepare_data()
    data.setup("fit")
    where = Path(str(getattr(data, "path", "") or "")).name
    train, validation = (len(data.splits[split]) for split in ("train", "val"))
    if not validation:
        raise UsageError(
            "number of images in --data.val_size: expected some to choose by, found 0. Try: leave out --data.val_size"
        )
    return Facts(
        name="-".join(filter(None, (type(data).__name__, where))).lower(),
        train=train,
        total=train + validation,
        own_validation=bool(data.official_validation),
        side=min(data.in_shape[1:]),
        digest=fingerprint(data.identity(("train", "val"))),
    )


def words_of_data(rest: Sequence[str]) -> list[str]:
    """The flags that say which data it is, with their values."""
    words: list[str] = []
    taking = False
    for word in rest:
        if word.startswith("--") or word == "-c":
            taking = word.partition("=")[0].partition(".")[0] in OF_DATA
        words += [word] * taking
    return words


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


Trials = dict[str, list[Row]]  # rows of each candidate, rung by rung


def climb(search: Search, chosen: Sequence[Candidate], start: Start) -> Trials:
    """Does the trials that have no rows yet; returns those of each candidate.

    Raises:
        ValueError: no candidate could be trained.
        SystemExit: told to stop.
    """
    trials: Trials = {candidate.name: [] for candidate in chosen}
    level, share, left = list(chosen), FIRST, 0.0
    print(f"{len(chosen)} candidates on {search.images:,} images, rows: {search.rows}", flush=True)
    for rung in range(1, len(KEPT) + 2):
        for candidate in level:
            row = trial(search, candidate, rung, share, start)
            trials[candidate.name].append(row)
        done = ranked([candidate for candidate in level if not trials[candidate.name][-1]["error"]], trials)
        if rung == 1:
            check_some(trials)
            left = SPENT * sum(search.seconds(trials[each.name][0], each) for each in done)
        left -= sum(float(trials[each.name][-1]["seconds"]) for each in done)
        if rung > len(KEPT):
            break
        level, longer = next_rung(search, done, trials, left * (SECOND if rung == 1 else 1.0), share, KEPT[rung - 1])
        if not level:
            break
        share = longer
    return trials


def next_rung(
    search: Search, done: Sequence[Candidate], trials: Trials, left: float, share: float, most: int
) -> tuple[list[Candidate], float]:
    """Who goes on, and for what share of a full training; nobody where there is no time for more than one."""
    for number in range(min(most, len(done)), 1, -1):
        level = list(done[:number])
        longer = min(1.0, left / sum(search.seconds(trials[each.name][-1], each) for each in level))
        if longer >= LONGER * share:
            return level, longer
    return [], share


def ranked(done: Sequence[Candidate], trials: Trials) -> list[Candidate]:
    """The best first: by accuracy on the validation images, then by loss."""
    return sorted(done, key=lambda each: score(trials[each.name][-1]), reverse=True)


def score(row: Mapping[str, str]) -> tuple[float, float]:
    """What candidates of one rung are compared by."""
    return float(row["val_accuracy"]), -float(row["val_loss"])


def check_some(trials: Trials) -> None:
    """Raises ValueError if every candidate failed; says which did otherwise."""
    failed = {name: rows[0]["error"] for name, rows in trials.items() if rows[0]["error"]}
    if len(failed) == len(trials):
        raise ValueError(next(iter(failed.values())))
    for name, error in failed.items():
        warn(f"{name} is left out: {error}")


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


def command(rest: Sequence[str], candidate: Candidate) -> str:
    """What to type for the full training."""
    return f"{program()} fit {shlex.join([*rest, *to_argv(candidate.flags(candidate.epochs))])}"

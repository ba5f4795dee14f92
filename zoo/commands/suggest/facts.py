"""What the search knows before it begins: the flags that hold for all candidates, and the data.

["--data", "Digits", …]  ->  Facts(images of a full training, side of an image, digest, …)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.commands.plain_parser import program
from zoo.commands.suggest.candidates import NETWORKS
from zoo.errors import UsageError, check_name
from zoo.launch.jobs import STOPPED, Start, last_words
from zoo.studies.settings import fingerprint

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


def read_facts(start: Start, rest: Sequence[str], data_class: type[Any]) -> Facts:
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

"""The verb `weights`: what its parts do."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.commands.plain_parser import program
from zoo.errors import UsageError
from zoo.weights.card import Card, card_text, read_card
from zoo.weights.fields import NAME
from zoo.weights.report import percent, text
from zoo.weights.store import list_weights, own


def list_all(options: Namespace) -> None:
    """Prints the names of the zoo's own weights, with what they reach."""
    names = list_weights(options.pattern)
    if not names:
        known = ", ".join(list_weights()) or "none yet"
        raise UsageError(
            f"pattern in {program()} weights list: expected one that fits weights of the zoo ({known}), found"
            f" {options.pattern!r}. Try: {program()} weights list"
        )
    for name in names:
        card = read_card(own(name))
        print(f"{name:24} {percent(card.get('test_accuracy')):>8}  {card.get('data', '')}")


def show(options: Namespace) -> None:
    """Prints a card."""
    card = card_of(options.where)
    print(card_text(card) if options.json else text(card), end="" if options.json else "\n")


def card_of(where: str) -> Card:
    """The card of a name, a run or a folder."""
    from zoo.weights.from_run import read_run
    from zoo.weights.loading import card_in

    found = card_in(where)
    return read_card(found) if found.suffix == ".json" else read_run(found)[0]


def save(options: Namespace, rest: Sequence[str], data_class: type[Any]) -> None:
    """Writes the weights of a run, and shows their card."""
    from zoo.weights.making import save_run

    if options.name is not None and not NAME.fullmatch(options.name):
        raise UsageError(f"name in --name: expected letters, digits, . _ -, found {options.name!r}")
    data, parts = images_of(options.run, rest, data_class)
    name = options.name or f"{data}-{Path(options.run).name}".lower()
    path = save_run(Path(options.run), Path(options.out), name, parts)
    print(text(read_card(path)))
    print(f"weights: {path.with_suffix('.safetensors')}   card: {path}")


def images_of(run: str, rest: Sequence[str], data_class: type[Any]) -> tuple[str, dict[str, tuple[Any, Any]]]:
    """The images that a run was validated and tested on.

    Args:
        run: its folder.
        rest: flags of the data, if they lie elsewhere now.
        data_class: the base class of data sets.

    Returns:
        The class of the data, and images (N, C, H, W) uint8 with labels (N,) for `val` and `test`.
    """
    from zoo import list_architectures
    from zoo.commands.cli.flags import prepared
    from zoo.commands.describe import make_parser, with_run
    from zoo.launch.process import left_as_found, quieten

    with left_as_found():
        quieten()
        list_architectures()
        parser = make_parser(data_class)
        # the network reorders the pixels itself
        argv = with_run([*prepared(rest), "--run_dir", run, "--data.shuffle_pixels", "null"])
        data = parser.instantiate(parser.parse_args(argv))["data"]
        data.prepare_data()
        data.setup("test")
        parts = {}
        for split in ("val", "test"):
            images, labels = data.part(split)
            parts[split] = images[data.splits[split]], labels[data.splits[split]]
    return type(data).__name__, parts

"""The verb `weights`: what its parts do."""

import re
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from zoo.commands.plain_parser import program
from zoo.errors import UsageError, shorten
from zoo.weights.card import Card, card_text, read_card
from zoo.weights.fields import NAME
from zoo.weights.pages.report import percent, text
from zoo.weights.store import cards_in, list_weights, own


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


def show_card(options: Namespace) -> None:
    """Prints a card."""
    card = card_of(options.where)
    print(card_text(card) if options.json else text(card), end="" if options.json else "\n")


def card_of(where: str) -> Card:
    """The card of a name, a run or a folder."""
    from zoo.weights.from_run import read_run
    from zoo.weights.loading import card_in

    found = card_in(where)
    return read_card(found) if found.suffix == ".json" else read_run(found)[0]


def push_folder(options: Namespace) -> None:
    """Uploads weights to the Hub."""
    from zoo.weights.hub.push import push

    place = push(options.where, options.repository, options.private)
    print(f"pushed: zoo.load({place!r})   {program()} predict {place} PICTURE")


def save(options: Namespace, rest: Sequence[str], data_class: type[Any]) -> None:
    """Writes the weights of a run with their card and its page, and shows the card."""
    from zoo.weights.making import save_run
    from zoo.weights.pages.readme import NAME as README
    from zoo.weights.pages.readme import write_readme

    run, folder = run_of(options.run), Path(options.out)
    if options.name is not None:
        check_target(folder, options.name)
    data, parts = images_of_run(options.run, rest, data_class)
    name = options.name or re.sub(r"[^\w.-]+", "-", f"{data}-{run.resolve().name}".lower())[:80]
    path = check_target(folder, name)
    before = card_before(path)
    save_run(run, folder, name, parts)
    card = read_card(path)
    written = write_readme(folder, card, before)
    print(text(card))
    page = f"page: {folder / README}" if written else f"page: {folder / README} is kept, as it is not of this command"
    print(f"weights: {path.with_suffix('.safetensors')}   card: {path}   {page}")


def run_of(where: str) -> Path:
    """The folder of a run; raises UsageError where a word names other weights."""
    from zoo.weights.hub.address import is_address
    from zoo.weights.loading import card_in

    if is_address(where) or (found := card_in(where)).suffix == ".json":
        raise UsageError(
            f"run in {program()} weights save: expected the folder of a run, found {shorten(where, 60)}, which has its"
            f" card already. Try: {program()} export {quote(where)} --out {quote(Path(where).stem)}.safetensors"
        )
    return found


def check_target(folder: Path, name: str) -> Path:
    """The card that weights of this name get; raises UsageError for no name, or where weights of another name lie."""
    if not NAME.fullmatch(name):
        raise UsageError(f"name in --name: expected letters, digits, . _ -, found {name[:60]!r}. Try: --name mine")
    others = [card for card in cards_in(folder) if card.stem != name]
    if others:
        raise UsageError(
            f"folder in --out: expected one for {name} alone, found {others[0].name} in {folder}."
            f" Try: --out {folder / name}, or --name {others[0].stem} to replace it"
        )
    return folder / f"{name}.json"


def card_before(path: Path) -> Card | None:
    """The card that is to be replaced, if one lies there that can be read."""
    try:
        return read_card(path)
    except (ValueError, OSError):
        return None


def check_data(run: str, data: Any) -> None:
    """Raises UsageError for validation or test images that are not those of a run, as far as it knows them."""
    from zoo.resume.identity.comparison import other_data
    from zoo.resume.identity.records import read_identity

    record, now = read_identity(Path(run) / "identity.json"), {"data": data.identity(("val", "test"))}
    for split in ("val", "test"):
        if note := other_data(record, now, split):
            raise UsageError(
                f"images in --data: expected those of {run}, found {note}. Try: {program()} test --run_dir {quote(run)}"
                " with these flags, which scores other images"
            )


def images_of_run(run: str, rest: Sequence[str], data_class: type[Any]) -> tuple[str, dict[str, tuple[Any, Any]]]:
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
    from zoo.commands.network.describe import make_parser, with_run
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
        check_data(run, data)
        parts = {}
        for split in ("val", "test"):
            images, labels = data.part(split)
            parts[split] = images[data.splits[split]], labels[data.splits[split]]
    return type(data).__name__, parts

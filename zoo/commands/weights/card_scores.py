"""`test`, `validate` and `predict` for weights with a card: on the data that the card names, or that `--data` does.

    card, flags of the data  ->  images (N, C, H, W) uint8 and labels  ->  probabilities  ->  table, or predictions.csv

Computed by `zoo.load`, in float32: the number is the card's, not that of its run, which may have tested in bfloat16.
"""

import hashlib
from argparse import ArgumentError, ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from lightning import LightningDataModule

from zoo.commands.arguments import ARRAYS, FOLDER, add_allow_import, own_data
from zoo.commands.class_help import show_class_help
from zoo.commands.cli.flags import prepared
from zoo.config.parser import Parser
from zoo.config.type_names import choices
from zoo.errors import UsageError, shorten, warn
from zoo.launch.process import left_as_found, quieten
from zoo.prepare import other_brightness
from zoo.resume.signals import StopSignals
from zoo.runs.predictions import Predictions, predictions_path, requested_path, source_of, write_predictions
from zoo.runs.report.numbers import Report, class_report
from zoo.runs.report.table import show_report
from zoo.runs.result import show_table
from zoo.weights.card import Card, read_card
from zoo.weights.loading import load
from zoo.weights.pages.readme import ORIGINALS
from zoo.weights.pages.report import percent

SPLITS = {"validate": "val", "test": "test", "predict": "test"}
WORDS = {"val": "validation images", "test": "test images"}
IDLE: dict[str, Any] = {
    **dict.fromkeys(("batch_size", "train_size", "val_size", "augment")),
    **{"normalize": "standard", "balance": False},
}
TINY = np.finfo(np.float32).tiny  # least probability whose logarithm is taken


class Scored(NamedTuple):
    """What has come of it.

    Attributes:
        card: of the weights.
        data: class of the data.
        source: which data, see `source_of`.
        report: of the test images; None of others.
    """

    card: Card
    data: str
    source: str
    report: Report | None


def score_card(verb: str, path: Path, args: Sequence[str], data_class: type[LightningDataModule]) -> Scored:
    """Runs one of the verbs.

    Args:
        verb: its name.
        path: the file of the card.
        args: the words behind the weights.
        data_class: what `--data` names subclasses of.

    Raises:
        UsageError: the data do not fit the network.
    """
    card, split = read_card(path), SPLITS[verb]
    with left_as_found(), StopSignals().handled():
        quieten()
        parser = card_data_parser(verb, data_class)
        check_flags(args, card, verb)
        argv = with_data(prepared(args), card, split, choices(data_class))
        show_class_help(argv, parser)
        config = parser.parse_args(argv)
        check_idle(config.data.as_dict(), card, verb)
        data = parser.instantiate(config)["data"]
        source = source_of(config.data.as_dict())
        out = out_path(config.out, source) if verb == "predict" else None
        images, labels = images_for_card(data, card, verb)
        probabilities = load(path)(images)
        found = Predictions([*range(len(labels))], labels.tolist(), probabilities)
        if out:
            digest = hashlib.sha256(images.tobytes()).hexdigest()
            note = {"source": source, "data": type(data).__name__, "sha256": digest, "checkpoint": str(path)}
            write_predictions(out, found, card["classes"], note)
            print(f"predictions of {len(labels):,} images of {source} ({digest[:12]}…): {out}")
            return Scored(card, type(data).__name__, source, None)
        right = probabilities.argmax(1) == labels
        loss = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], TINY)).mean()
        row = {"accuracy": float(right.mean()), "loss": float(loss), "n": len(labels)}
        model = card["model"]["class_path"].rpartition(".")[2]
        notes = [f"weights: {path}", compared(card, split, type(data).__name__, int(right.sum()), len(labels))]
        show_table(f"{model} on {type(data).__name__}", {split: row}, notes)
        report = class_report(labels, probabilities.argmax(1), probabilities.max(1), card["classes"])
        if split == "test":
            show_report(report)
        return Scored(card, type(data).__name__, source, report if split == "test" else None)


def card_data_parser(verb: str, data_class: type[LightningDataModule]) -> Parser:
    """The flags of the data, and of `predict` where the predictions go."""
    parser = Parser(prog=f"python cli.py {verb}", description="Score weights with a card.", allow_abbrev=False)
    parser.add_lightning_class_args(data_class, "data", subclass_mode=True)
    if verb == "predict":
        parser.add_argument("--out", type=str | None, default=None, metavar="FILE.csv", help="Where predictions go.")
    add_allow_import(parser)
    return parser


def check_flags(args: Sequence[str], card: Card, verb: str) -> None:
    """Raises UsageError for a flag that only a run takes."""
    for word in args:
        if (
            word.startswith(("--trainer", "--model", "--ckpt_path", "--run_dir", "--otherwise", "--config"))
            or word == "-c"
        ):
            flag = word.partition("=")[0]
            known = "--data and --out" if verb == "predict" else "--data"
            raise UsageError(
                f"option in {flag}: expected none but {known}, as {card['name']} is no run, found {flag}."
                f" Try: the same command without it, or {verb} --run_dir RUN"
            )


def check_idle(data: Mapping[str, Any], card: Card, verb: str) -> None:
    """Raises UsageError for an option of the data, however it was given, that changes nothing here.

    Args:
        data: `class_path` and `init_args`.
        card: of the weights.
        verb: its name.
    """
    for name, usual in IDLE.items():
        found = (data.get("init_args") or {}).get(name, usual)
        if found != usual and not (name == "val_size" and verb == "validate"):
            raise UsageError(
                f"option in --data.{name}: expected none, as {verb} gives the same for {card['name']} with any, found"
                f" {shorten(found, 60)}. Try: the same command without it"
            )


def with_data(args: Sequence[str], card: Card, split: str, known: Sequence[str]) -> list[str]:
    """The words with the data that a card names, where they name none, and with as many validation images.

    Args:
        args: flags of the data.
        card: of the weights.
        split: which images are scored.
        known: names of data sets.
    """
    look = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for flag in ("--data", "--data.path", "--data.val_size"):
        look.add_argument(flag, dest=flag)
    try:
        given = vars(look.parse_known_args(args)[0])
    except ArgumentError:  # the full parser has the better message
        return list(args)
    name = given["--data"] or (own_data(given["--data.path"]) if given["--data.path"] else card.get("data"))
    if not given["--data"] and name not in known:  # it may be a stranger's card
        expected, found = ", ".join(known), shorten(name or "none")
        raise UsageError(
            f"data in the card of {card['name']}: expected one of {expected}, found {found}."
            f" Try: {where_data_lie(card)}"
        )
    words = [] if given["--data"] else ["--data", str(name)]
    same = name == card.get("data") and name not in (ARRAYS, FOLDER)
    if split == "val" and same and not given["--data.val_size"] and card.get("val_n"):
        words += ["--data.val_size", str(card["val_n"])]
    return [*words, *args]


def where_data_lie(card: Card) -> str:
    """Flags for the data of a card, as advice."""
    name = card.get("data")
    if name in ORIGINALS:
        return f"--data.path FILE.npz for this copy, or --data {ORIGINALS[name]} --data.root DIR for the original"
    if name == "Arrays" or name not in choices(LightningDataModule):
        return "--data.path FILE.npz"
    return "--data.root DIR"


def data_flag(card: Card) -> str:
    """The flag that names the data of a card, as advice."""
    name = ORIGINALS.get(card.get("data", ""), card.get("data"))
    return f"--data {name}" if name != "Arrays" and name in choices(LightningDataModule) else "--data.path FILE.npz"


def out_path(out: str | None, source: str) -> Path:
    """Where predictions go: to the present folder, if nothing else is said."""
    return requested_path(out, source) if out else predictions_path(Path(), "predictions", source)


def images_for_card(data: Any, card: Card, verb: str, download: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, C, H, W) uint8 and labels (N,), below 0 where they are not known, in the order of the card's classes.

    Args:
        data: of the class that the card or the command names.
        card: of the weights.
        verb: its name.
        download: images that are not there.

    Raises:
        UsageError: they are none that the network could know.
    """
    split = SPLITS[verb]
    if hasattr(data, "take_form"):  # pictures
        data.take_form(card["in_shape"])
    if hasattr(data, "known_classes"):  # the user's own: labels with names are brought to the network's
        data.known_classes = data.known_classes or len(card["classes"])
        data.call_classes(card["classes"])
    if download:
        data.prepare_data()
    data.setup(verb)
    check_same(data, card)
    images, labels = data.part(split)
    places = data.splits[split]
    if not len(places):
        raise UsageError(f"{WORDS[split]} in --data.val_size: expected some, found none. Try: --data.val_size 100")
    images, labels = images[places].numpy(), labels[places].numpy()
    if verb != "predict" and (labels < 0).any():
        raise UsageError(f"labels in --data.path: expected some to {verb}, found none. Try: predict instead of {verb}")
    if card["normalize"] == "standard":
        warn(other_brightness(float(images.mean()), sum(card["shift"]) / len(card["shift"])))
    return images, labels


def check_same(data: Any, card: Card) -> None:
    """Raises UsageError for images of another shape, of other classes, or in another order, than the network knows."""
    known, found = (" × ".join(map(str, shape)) for shape in (card["in_shape"], data.in_shape))
    own = hasattr(data, "shaped_for")
    if known != found:
        where = f"images in {data.path}" if own else "images in --data"
        advice = data.shaped_for(tuple(card["in_shape"])) if own else data_flag(card)
        raise UsageError(f"{where}: expected {known} as {card['name']} takes them, found {found}. Try: {advice}")
    if card["pixels"] is not None and getattr(data, "shuffle_pixels", None) is not None:
        raise UsageError(
            f"order of pixels in --data.shuffle_pixels: expected null, as {card['name']} brings them into its own,"
            f" found {data.shuffle_pixels}. Try: --data.shuffle_pixels null"
        )
    if [*data.classes] != card["classes"]:
        expected, there = (shorten(", ".join(map(str, names)), 60) for names in (card["classes"], data.classes))
        raise UsageError(
            f"classes in --data: expected those of {card['name']}, {expected}, found {there}. Try: {data_flag(card)}"
        )


def compared(card: Card, split: str, data: str, right: int, n: int) -> str:
    """Whether an accuracy is the card's, in words."""
    value, of = card.get(f"{split}_accuracy"), card.get(f"{split}_n")
    if value is None or not of:
        return f"the card has no accuracy of {WORDS[split]}"
    own, says = card.get("data", "other data"), round(value * of)
    # which archive it was a card cannot say; that as many are right of as many, only this one
    told = says == right and (own == "Arrays" or own in ORIGINALS) if data == "Arrays" else data == own
    if n != of or not told:
        return f"the card's {percent(value)} is of {of:,} {WORDS[split]} of {own}"
    if says == right:
        return f"the same as on the card: {right:,} of {n:,} right"
    return f"not the same as on the card: {right:,} of {n:,} right, where it says {says:,}"

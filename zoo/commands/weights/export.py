"""The verb `export`: what it does."""

from argparse import Namespace
from difflib import get_close_matches
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.commands.arguments import own_data
from zoo.commands.plain_parser import program
from zoo.errors import UsageError, shorten, warn
from zoo.resume.signals import StopSignals
from zoo.weights.card import Card, read_card
from zoo.weights.loading import card_in, load

if TYPE_CHECKING:
    from zoo.commands.verbs import DataClass
    from zoo.weights.export.writing import Exported

MOST = 10_000  # images that a file is asked
FLOAT32 = "32-true"  # precision of a run whose own accuracies are those of its weights


class Sample(NamedTuple):
    """Images (N, C, H, W) uint8, their labels (N,) if there are, what they are called, whether the card names them."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    name: str
    of_card: bool = False


def run_export(options: Namespace, data_class: "DataClass") -> None:
    """Does it, and says how the file compares with the network.

    Args:
        options: `weights`, `out`, `format`; and `data`, `data_root`, `data_path`, which may be None.
        data_class: gives the base class of data sets.

    Raises:
        UsageError: the command cannot be done.
        ValueError: a file is damaged, or what was written answers otherwise; it is not kept.
    """
    out, found = Path(options.out), card_in(options.weights)
    form = form_asked_for(options.format, out)
    from zoo.weights.export.forms import FORMS
    from zoo.weights.export.writing import export

    check_out(out, form, FORMS[form].ending)
    if form in ("onnx", "bundle"):
        from zoo.weights.export.graph import check_exporter

        check_exporter()
    model = load(options.weights, runtime="torch")
    if found.suffix != ".json" and model.card.get("precision") != FLOAT32:
        for key in ("val_accuracy", "val_n", "test_accuracy", "test_n"):  # of another precision than the file's
            model.card.pop(key, None)
    sample = images_for(options, found, model.card, data_class)
    with StopSignals().handled():  # an export that is told to stop takes away what it has begun
        exported = export(model, form, out, sample.images, sample.labels, on_card=sample.of_card)
    print_agreement(out, form, exported, sample)


def form_asked_for(given: str | None, out: Path) -> str:
    """The form that was asked for, or that the ending of the file says.

    Raises:
        UsageError: neither says it.
    """
    endings = {".onnx": "onnx", ".pt2": "pt2", ".safetensors": "safetensors"}
    if given is None and out.suffix not in endings:
        raise UsageError(
            f"form in --format: expected it, or --out with one of {', '.join(endings)}, found neither."
            " Try: --format bundle, which makes a folder"
        )
    return given or endings[out.suffix]


def check_out(out: Path, form: str, ending: str) -> None:
    """Raises UsageError for a place that cannot be written, or where something else lies, before anything is done."""
    if not out.parent.is_dir():
        raise UsageError(
            f"folder in --out: expected one that is there, found none at {out.parent}. Try: --out {out.name}"
        )
    there = [out] if out.exists() else []
    if form == "bundle":
        if out.is_dir() and not any(out.iterdir()):
            there = []
        advice = f"--out {out}-2" if out.name not in ("", "..") else f"--out {out / 'bundle'}"
        there = there if out.name else [out]  # the working folder cannot be replaced
        expected = "a folder that is not there yet"
    else:
        if out.suffix != ending:
            raise UsageError(
                f"file in --out: expected one that ends in {ending} for --format {form}, found {out.name}."
                f" Try: --out {out.with_suffix(ending)}"
            )
        there = [] if out.is_file() else there
        expected, advice = "a file", f"--out {out / f'model{ending}'}"
        card = out.with_suffix(".json")
        if form == "safetensors" and card.exists() and not is_card(card):
            there, expected, advice = [card], f"no other file where the card of {out.name} goes", "another name"
    if there:
        kind = "a folder" if there[0].is_dir() else "a file"
        raise UsageError(f"name in --out: expected {expected}, found {kind} at {there[0]}. Try: {advice}")


def is_card(path: Path) -> bool:
    """Whether a file is a card, and no file of something else."""
    try:
        read_card(path)
    except ValueError:
        return False
    return True


def images_for(options: Namespace, found: Path, card: Card, data_class: "DataClass") -> Sample:
    """The test images of a card or a run, if they are there; made ones if not. Nothing is downloaded.

    Args:
        options: those of the data.
        found: the file of the card, or the folder of the run.
        card: its card.
        data_class: gives the base class of data sets.

    Raises:
        OSError, ValueError: they are not there, or others, although a flag says where they are.
    """
    from zoo.commands.weights.card_scores import images_for_card, where_data_lie
    from zoo.weights.export.writing import made_images

    given = {key: getattr(options, f"data_{key}") for key in ("root", "path") if getattr(options, f"data_{key}")}
    name = options.data or (own_data(given["path"]) if "path" in given else card.get("data", ""))
    run = None if found.suffix == ".json" or options.data else found
    try:
        data = data_of(name, given, run, data_class(), card)
        images, labels = images_for_card(data, card, "predict", download=False)
    except (OSError, ValueError) as error:
        if given or options.data:
            raise
        reason = shorten(str(error).partition(". Try:")[0], 200)
        warn(
            f"test images of {name or 'the card'}: {reason}. Made ones are asked, and no accuracy is counted. Try:"
            f" {where_data_lie(card)}"
        )
        return Sample(made_images(card), None, "made images")
    known = labels[:MOST] if (labels >= 0).all() else None
    said = f"test images of {shorten(given.get('path', name))}"
    return Sample(images[:MOST], known, said, is_of_card(data, run, card))


def is_of_card(data: Any, run: Path | None, card: Card) -> bool:
    """Whether test images are those that a card names, as far as can be told: a run knows their sum."""
    from zoo.resume.identity.comparison import other_data
    from zoo.resume.identity.records import read_identity

    record = read_identity(run / "identity.json") if run else {}
    if record.get("data", {}).get("arrays", {}).get("test"):
        return other_data(record, {"data": data.identity(("test",))}, "test") is None
    name = type(data).__name__
    return name == card.get("data") and (name != "Arrays" or run is not None)


def data_of(name: str, given: dict[str, str], run: Path | None, data_class: type[Any], card: Card) -> Any:
    """A data set with nothing loaded yet.

    Args:
        name: of its class.
        given: where it lies.
        run: the run whose configuration says more of it, if any.
        data_class: the base class of data sets.
        card: of the weights.

    Raises:
        UsageError: there is no such set.
    """
    from zoo import list_architectures
    from zoo.commands.cli.flags import prepared
    from zoo.commands.network import describe
    from zoo.commands.weights import card_scores
    from zoo.config.type_names import choices
    from zoo.launch.process import left_as_found, quieten

    flags = [f"--data.{key}={value}" for key, value in given.items()]
    with left_as_found():
        quieten()
        if run:
            list_architectures()
            parser = describe.make_parser(data_class)
            # the network reorders the pixels itself
            words = describe.with_run(["--run_dir", str(run), *prepared(flags), "--data.shuffle_pixels", "null"])
        else:
            if name not in (known := choices(data_class)):  # it may stand in a stranger's card
                near = get_close_matches(name, known, 1)
                advice = f"--data {near[0]}" if near else card_scores.where_data_lie(card)
                raise UsageError(
                    f"data in --data: expected one of {', '.join(known)}, found {shorten(name, 60)!r}. Try: {advice}"
                )
            parser, words = card_scores.card_data_parser("export", data_class), prepared(["--data", name, *flags])
        return parser.instantiate(parser.parse_args(words))["data"]


def print_agreement(out: Path, form: str, exported: "Exported", sample: Sample) -> None:
    """Prints how the file compares, and what it holds."""
    agreement, card, accuracy = exported
    print(
        f"{out}: {agreement.agree:,} of {agreement.images:,} predictions are those of torch, on {sample.name};"
        f" largest difference of a probability {agreement.largest:.1e}"
    )
    if accuracy is not None:
        same = (accuracy, len(sample.images)) == (card.get("test_accuracy"), card.get("test_n"))
        own = shorten(card.get("data", "other data"), 60)
        other = "" if sample.of_card else ", as on the card" if same else f"; not on the card, which is of {own}"
        print(f"accuracy in float32: {100 * accuracy:.2f} % of {len(sample.images):,} test images{other}")
    elif "test_accuracy" not in card:
        print("accuracy in float32: not counted")
    if form == "bundle":
        print(f"try it: python {quote(str(out))}/predict.py PICTURE")
    elif form == "safetensors":
        path = out.with_suffix(".json")
        print(f"card: {path}   try it: {program()} predict {quote(str(path))} PICTURE")

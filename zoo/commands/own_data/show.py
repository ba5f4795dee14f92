"""`data show PATH`: what a file or folder was taken for, counted; `data convert PATH OUT.npz`: the same as an archive.

    Survey (datamodules/survey.py)  ->  a table, what is odd, whether `fit` takes it; --out: a sheet of examples

Needs no torch.
"""

import shlex
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.commands.plain_parser import program
from zoo.errors import DataError, UsageError, one_line, shorten, warn

if TYPE_CHECKING:
    from zoo.commands.verbs import DataClass

MOST_ROWS = 40  # classes that are listed; of more, the largest and the smallest
ENDS = 10  # of these, so many each
WORDS = {"train": "training", "val": "validation", "test": "test"}
COLOURED = 1  # of 255: three channels that differ by more somewhere are no grey


def show(options: Namespace, data: "DataClass") -> None:
    """Prints what lies at a path, and draws some of it.

    Args:
        options: `path`, `labels` and `out`.
        data: reads it.

    Raises:
        OSError, ValueError: it is nothing that can be read, or the sheet cannot be written.
    """
    path = Path(options.path)
    if options.out:
        check_picture(Path(options.out))
    with as_here():
        found = data.survey(path, options.labels)
    print(one_line(f"{path}: {found.kind}"))
    print("\n".join(survey_lines(found)))
    for note in found.notes:
        warn(note)
    if options.out:
        from zoo.commands.own_data.sheet import draw_sheet

        draw_sheet(found, Path(options.out), shorten(path, 60))
        print(f"sheet: {options.out}")
    if found.refusal:
        print(one_line(f"fit refuses it: {found.refusal}"))
        return
    where, labels = shlex.quote(str(path)), options.labels
    flag = f" --data.labels {labels}" if labels else ""
    print(f"{program()} fit --data Arrays --data.path {where}{flag} --model ConvNet")
    if not options.out:
        print(f"{program()} data show {where}{flag.replace('data.', '')} --out sheet.png, to see some")


@contextmanager
def as_here() -> Iterator[None]:
    """Lets advice for the flags of `fit` name those of this verb."""
    try:
        yield
    except (OSError, ValueError) as error:
        text = str(error).replace("--data.labels", "--labels").replace(" in --data.path:", " in PATH:")
        text = (
            text.replace("--labels null", "without --labels")
            .replace("Try: --data.path ", f"Try: {program()} data show ")
            .replace(", then --data.path", ", then PATH")
        )
        if text == str(error):
            raise
        raise (UsageError if isinstance(error, UsageError) else DataError)(text) from error


def check_picture(out: Path) -> None:
    """Raises UsageError for a picture that cannot be written, before anything is read."""
    if out.suffix.lower() != ".png":
        raise UsageError(f"name in --out: expected one that ends with .png, found {shorten(out)}. Try: {out.stem}.png")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"folder in --out: expected one that is there, found none at {out.parent}. Try: {out.name}")


def survey_lines(found: Any) -> Iterator[str]:
    """The facts and the table."""
    first = next(iter(found.images.values()))
    height, width, channels = first.shape[1:]
    yield f"images   {height} × {width}, {colour(found.images, channels)}"
    for split, images in found.images.items():
        low, high = int(images.min()), int(images.max())
        yield f"         {WORDS[split]:10} {len(images):>7,}, pixels {low} to {high}, mean {images.mean():.1f}"
    yield f"classes  {len(found.classes)}"
    yield ""
    yield from counts_table(found.labels, found.classes)
    yield ""


def colour(images: Mapping[str, Any], channels: int) -> str:
    """Whether images show colours."""
    if channels == 1:
        return "grey"
    grey = all(
        int(np.ptp(each[start : start + 1000].astype(np.int16), axis=3).max(initial=0)) <= COLOURED
        for each in images.values()
        for start in range(0, len(each), 1000)
    )
    return "three channels that are equal: grey, stored as colour" if grey else "colour"


def counts_table(labels: Mapping[str, Any], classes: Sequence[str]) -> Iterator[str]:
    """How many images of each class each split has."""
    counts = {split: np.bincount(each[each >= 0], minlength=len(classes)) for split, each in labels.items()}
    names = [shorten(name, 30) for name in classes]
    width = max(map(len, [*names, "class", "no label"])) + 2
    yield "class".ljust(width) + "".join(f"{WORDS[split]:>12}" for split in counts)
    total = sum(counts.values(), np.zeros(len(classes), int))
    listed = range(len(classes))
    rest = ""
    if len(classes) > MOST_ROWS:
        order = np.argsort(-total, kind="stable")
        listed = [*order[:ENDS], *order[-ENDS:]]  # type: ignore[assignment]
        rest = f"… and {len(classes) - 2 * ENDS} classes between the largest and the smallest"
    for place, k in enumerate(listed):
        if rest and place == ENDS:
            yield rest
        yield names[k].ljust(width) + "".join(f"{each[k]:>12,}" for each in counts.values())
    yield "all".ljust(width) + "".join(f"{each.sum():>12,}" for each in counts.values())
    if any((each < 0).any() for each in labels.values()):
        yield "no label".ljust(width) + "".join(f"{(each < 0).sum():>12,}" for each in labels.values())


def convert_data(options: Namespace, data: "DataClass") -> None:
    """Writes what lies at a path as an archive of this project.

    Args:
        options: `path`, `out`, `labels`, `unchecked`, `split_test` and `replace`.
        data: reads and writes it.
    """
    with as_here():
        notes = data.convert(options)
    for note in notes:
        warn(note)
    print(f"{shorten(options.path)} -> {shorten(options.out)}")
    if not options.unchecked:
        print(f"{program()} fit --data Arrays --data.path {shlex.quote(options.out)} --model ConvNet")

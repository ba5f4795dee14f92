"""The verb `predict NAME | RUN | DIR PICTURE …`: what a trained network takes pictures for.

    pictures, folders or one FILE.npz  ->  a table of the three likeliest classes; --out: a row for each, all classes

Imports neither Lightning nor jsonargparse, and of torch no more than the weights need.
"""

import hashlib
import os
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo.commands.plain_parser import program
from zoo.commands.weights.answers import accuracy_line, table
from zoo.commands.weights.pictures import CHUNK, Batch, Pictures, find_pictures, has_pictures
from zoo.errors import UsageError, shorten, warn
from zoo.prepare import ENDINGS, Pixels, other_brightness, prepare
from zoo.runs.predictions import Predictions, requested_path, write_predictions
from zoo.weights.loading import load

if TYPE_CHECKING:
    from zoo.commands.verbs import DataClass
    from zoo.weights.card import Card
    from zoo.weights.classifier import ImageClassifier


def predict(options: Namespace, data: "DataClass") -> None:
    """Does it.

    Args:
        options: `weights`, `pictures`, `out` and `prepare`.
        data: reads archives.

    Raises:
        UsageError: the command names what is not there.
        ValueError: a file holds something else; the other pictures are done.
    """
    words = options.pictures
    if not words:
        command = f"{program()} predict {options.weights}"
        raise UsageError(
            f"pictures in {command}: expected files, folders or an .npz archive, found none. Try: {command} FOLDER, or"
            f" --data.root DIR for the test images"
        )
    archives = [word for word in words if of_arrays(Path(word), data)]
    if archives and len(words) > 1:
        raise UsageError(
            f"words in {program()} predict: expected pictures and folders, or one file of arrays alone, found"
            f" {archives[0]} among {len(words)}. Try: {program()} predict {options.weights} {archives[0]}"
        )
    source = source_of_words(words)
    if options.out:
        check_predictions_file(options.out, source)
    if archives:
        predict_archive(options, data, Path(archives[0]), source)
    else:
        predict_pictures(options, source)


def of_arrays(path: Path, data: "DataClass") -> bool:
    """Whether a path has images in arrays, tables or the like, and not pictures."""
    if path.suffix.lower() in ENDINGS or not path.exists() or (path.is_dir() and has_pictures(path)):
        return False
    return data.reads(path)


def source_of_words(words: Sequence[str]) -> str:
    """Which pictures these are, as the note beside the predictions has it."""
    paths = [os.path.realpath(word) for word in words]
    return paths[0] if len(paths) == 1 else f"{len(paths)} paths in {os.path.commonpath(paths)}"


def check_predictions_file(out: str, source: str) -> None:
    """Raises UsageError for a file that cannot be written, before anything is done."""
    path = requested_path(out, source)
    if not path.parent.is_dir():
        raise UsageError(
            f"folder in --out: expected one that is there, found none at {path.parent}. Try: --out {path.name}"
        )


def predict_pictures(options: Namespace, source: str) -> None:
    """Of files of pictures."""
    files, notes = find_pictures(options.pictures)
    model = load(options.weights)
    how = options.prepare or model.card["prepare"]
    pictures = Pictures(files, model.card, how)
    found, digest = ask(model, pictures.batches())
    for text in (*notes, pictures.note):
        warn(text)
    if found.places:
        found = found._replace(files=[str(files[i]) for i in found.places])
        note = {"source": source, "data": "pictures", "sha256": digest, "prepare": how}
        print_answers(options, model, found, f"prepared as {how}", note)
    if pictures.complaint:
        raise ValueError(pictures.complaint)


def predict_archive(options: Namespace, data: "DataClass", path: Path, source: str) -> None:
    """Of the test images of an archive."""
    model, how = load(options.weights), options.prepare
    try:
        new = data.new_images(path, model.classes)
    except ValueError as error:  # its advice is for `--data.path`
        kind = UsageError if isinstance(error, UsageError) else ValueError
        raise kind(str(error).replace(", then --data.path ", ", then in its place ")) from error
    for text in new.notes:
        warn(text)
    batches = as_pictures(new, path, model.card, how) if how else as_they_are(new, path, model.card)
    found, digest = ask(model, batches)
    found = found._replace(label=new.labels.tolist())
    note = {"source": source, "data": "Arrays", "sha256": digest, "prepare": how}
    print_answers(options, model, found, f"{new.name} of {shorten(path)}{f' prepared as {how}' if how else ''}", note)


def as_they_are(new: Any, path: Path, card: "Card") -> Iterator[Batch]:
    """The images of an archive.

    Raises:
        UsageError: they have another shape than the network takes.
    """
    channels, height, width = card["in_shape"]
    images: Pixels = new.images
    if images.shape[1:] != (height, width, channels):
        expected, found = (" × ".join(map(str, each)) for each in ((height, width, channels), images.shape[1:]))
        raise UsageError(
            f"shape of {new.name} in {path}: expected {expected} for each image, as {card['name']} takes them, found"
            f" {found}."
            f" Try: --prepare {card['prepare']}, which brings them there"
        )
    if card["normalize"] == "standard":
        warn(other_brightness(float(images.mean()), sum(card["shift"]) / len(card["shift"])))
    for start in range(0, len(images), CHUNK):
        some = images[start : start + CHUNK].transpose(0, 3, 1, 2)
        yield Batch(np.ascontiguousarray(some), [*range(start, start + len(some))])


def as_pictures(new: Any, path: Path, card: "Card", how: str) -> Iterator[Batch]:
    """The images of an archive, each prepared as if it were a picture of its own."""
    shape = tuple(card["in_shape"])
    if shape[0] == 1 and new.images.shape[3] == 3:
        warn(f"{new.name} is in colour: converted to grey, as {card['name']} was trained")
    for i, image in enumerate(new.images):
        picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        yield Batch(prepare(picture, shape, how, f"{new.name}[{i}] of {path}")[None], [i])


def ask(model: "ImageClassifier", batches: Iterable[Batch]) -> tuple[Predictions, str]:
    """What the network says, and the SHA-256 of what it has seen."""
    digest, seen = hashlib.sha256(), []
    parts: list[NDArray[np.floating]] = [np.zeros((0, len(model.classes)), np.float32)]
    for pixels, places in batches:
        digest.update(pixels.tobytes())
        seen += places
        parts.append(model(pixels))
    return Predictions(seen, [-1] * len(seen), np.concatenate(parts)), digest.hexdigest()


def print_answers(
    options: Namespace, model: "ImageClassifier", found: Predictions, how: str, note: Mapping[str, Any]
) -> None:
    """Prints a table; writes the file that was asked for."""
    print(f"{model.card['name']}: {how}")
    print("\n".join(table(found, model.classes)))
    if line := accuracy_line(found):
        print(line)
    if options.out:
        path = Path(options.out)
        write_predictions(path, found, model.classes, {**note, "checkpoint": options.weights})
        print(f"predictions: {path}")

"""Writes a network in a form for others, and asks the file itself before it gets its name.

    network in torch, images  ->  file in a temporary folder  ->  its own answers, compared  ->  OUT

What was called OUT before is there until the new one has been found good.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.files import folder_beside
from zoo.weights.card import Card
from zoo.weights.classifier import ImageClassifier
from zoo.weights.export.agreement import Agreement, check_agreement
from zoo.weights.export.forms import FORMS

FIRST = 200  # images that are asked again, once the card is complete
MADE = 1000  # images, where there are none of the data
COARSE = 5  # side of a made image's blobs, in pixels


class Exported(NamedTuple):
    """What came of it: how the file's answers compare with torch's, the card in it, and the accuracy, if labels are."""

    agreement: Agreement
    card: Card
    accuracy: float | None


def export(
    model: ImageClassifier,
    form: str,
    out: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    on_card: bool = True,
) -> Exported:
    """Writes a network.

    Args:
        model: in torch, on the CPU; its card goes into the file.
        form: one of `FORMS`.
        out: the file, or the folder of a bundle; it is replaced.
        images: (N, C, H, W) of which it is asked.
        labels: (N,) of test images, for the accuracy; None for others.
        on_card: whether they are the images that the card names, so that the accuracy goes there.

    Raises:
        UsageError: packages are missing.
        ValueError: a prediction differs from that of torch; nothing is written.
    """
    expected = model(images)
    card = {key: value for key, value in model.card.items() if key != "onnx_sha256"}
    made = FORMS[form](model)
    with folder_beside(out) as folder:
        draft = folder / out.name
        made.write(draft, card)
        found = made.ask(draft, images)
        agreement = check_agreement(expected, found, str(out))
        accuracy = None if labels is None else float((found.argmax(1) == labels).mean())
        if labels is not None and on_card:
            card |= {"test_accuracy": accuracy, "test_n": len(labels)}
            made.write(draft, card)
            check_agreement(expected[:FIRST], made.ask(draft, images[:FIRST]), str(out))
        for path in sorted(folder.iterdir()):
            path.replace(out.with_name(path.name))
    return Exported(agreement, card, accuracy)


def made_images(card: Card) -> NDArray[np.uint8]:
    """Images (N, C, H, W) for a network whose data are not there: one half blobs, the other noise."""
    draw = np.random.default_rng(0)
    channels, height, width = card["in_shape"]
    noise = draw.integers(0, 256, (MADE // 2, channels, height, width), np.uint8)
    coarse = (MADE // 2, channels, -(-height // COARSE), -(-width // COARSE))
    blobs = draw.integers(0, 256, coarse, np.uint8).repeat(COARSE, 2).repeat(COARSE, 3)[:, :, :height, :width]
    return np.concatenate([noise, blobs])

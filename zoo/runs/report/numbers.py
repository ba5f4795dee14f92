"""The numbers of a report: each class, averages over them, confusions, calibration, and accuracy against confidence.

    label, predicted (N,) int, confidence (N,) in (0, 1]  ->  {"classes": […], "macro": {…}, "calibration": {…}, …}

Precision, recall and F1 as scikit-learn has them, which tests compare; a count of N and K takes no matrix of K × K.

- Calibration: Guo et al. 2017 (arXiv 1706.04599), equation 3: bins of equal width ((m - 1) / M, m / M] over the
  probability of the predicted class; the expected calibration error is the mean over images of |accuracy - confidence|.
- Accuracy against confidence (risk-coverage, Geifman and El-Yaniv 2017, arXiv 1705.08500): accuracy on the share of the
  images of which the network is surest. Images of equal confidence count with their mean, whatever their order.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import shorten

MOST_CLASSES = 1000  # that result.json lists; of more, those with the lowest F1
MOST_CONFUSIONS = 20
MOST_LETTERS = 100  # of the name of a class
BINS = 15  # as Guo et al. have
COVERAGES = (*(i / 20 for i in range(1, 20)), 0.96, 0.97, 0.98, 0.99, 0.995, 1.0)
DIGITS = 6  # after the point

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]
Report = dict[str, Any]


def class_report(label: Ints, predicted: Ints, confidence: Floats, classes: Sequence[str]) -> Report:
    """All of it, as plain values.

    Args:
        label: class of each image, (N,), N at least 1.
        predicted: what it was taken for, (N,).
        confidence: probability of that, (N,).
        classes: names of the K classes.
    """
    right = label == predicted
    names = [shorten(name, MOST_LETTERS) for name in classes]
    counts = class_counts(label, predicted, len(names))
    scores = class_scores(*counts)
    worst = np.argsort(np.nan_to_num(scores[2], nan=np.inf), kind="stable")[:MOST_CLASSES]
    accuracy = rounded_share(right.mean())
    return {
        "n": len(label),
        "num_classes": len(names),
        "accuracy": accuracy,
        "balanced_accuracy": rounded_share(np.nanmean(scores[1])),
        # each image has one class and gets one: the micro averages are the accuracy
        "micro": dict.fromkeys(("precision", "recall", "f1"), accuracy),
        "macro": macro(*scores),
        "classes": [class_row(names[k], *(column[k] for column in (*scores, *counts))) for k in sorted(worst)],
        "confusions": confusions(label, predicted, names),
        "calibration": calibration(confidence, right),
        "confidence": risk_coverage(confidence, right),
    }


def class_counts(label: Ints, predicted: Ints, k: int) -> tuple[Ints, Ints, Ints]:
    """Images of each class, predictions of it, and those that are right, (K,) each."""
    return tuple(np.bincount(each, minlength=k) for each in (label, predicted, label[label == predicted]))  # type: ignore[return-value]


def class_scores(images: Ints, predictions: Ints, right: Ints) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of each class, (K,) each; nan where nothing was predicted or there are no images."""
    with np.errstate(invalid="ignore"):
        return right / predictions, right / images, 2 * right / (images + predictions)


def macro(precision: Floats, recall: Floats, f1: Floats) -> dict[str, float | None]:
    """Means over the classes that have images or predictions; what is undefined there counts as 0."""
    there = ~np.isnan(f1)
    columns = {"precision": precision, "recall": recall, "f1": f1}
    return {name: rounded_share(np.nan_to_num(column[there]).mean()) for name, column in columns.items()}


def class_row(name: str, *numbers: Any) -> dict[str, Any]:
    """What is said of one class: shares are null where they are undefined; support is the number of its images."""
    precision, recall, f1, images, predictions, right = numbers
    shares = {"precision": rounded_share(precision), "recall": rounded_share(recall), "f1": rounded_share(f1)}
    return {"class": name, **shares, "support": int(images), "predicted": int(predictions), "right": int(right)}


def confusions(label: Ints, predicted: Ints, names: Sequence[str]) -> list[dict[str, Any]]:
    """The most frequent mistakes, the most frequent first."""
    wrong = label != predicted
    pairs, counts = np.unique(label[wrong] * len(names) + predicted[wrong], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_CONFUSIONS]
    found = [(*divmod(int(pairs[i]), len(names)), int(counts[i])) for i in order]
    return [{"label": names[i], "predicted": names[j], "count": count} for i, j, count in found]


def calibration(confidence: Floats, right: NDArray[np.bool_]) -> dict[str, Any]:
    """The reliability curve, and its mean distance from the diagonal; null for bins without images."""
    place = np.searchsorted(np.linspace(0, 1, BINS + 1), confidence, side="left").clip(1, BINS) - 1
    images = np.bincount(place, minlength=BINS)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(place, each, BINS) / images for each in (confidence, right)]
    distance = np.abs(means[1] - means[0])
    return {
        "bins": BINS,
        "expected_error": rounded_share(np.nansum(distance * images) / len(right)),
        "mean_confidence": rounded_share(np.mean(confidence, dtype=np.float64)),
        "images": images.tolist(),
        "confidence": [rounded_share(value) for value in means[0]],
        "accuracy": [rounded_share(value) for value in means[1]],
    }


def risk_coverage(confidence: Floats, right: NDArray[np.bool_]) -> dict[str, Any]:
    """Accuracy on the surest images, for some shares of all, and the confidence from which on they are taken."""
    order = np.argsort(-confidence, kind="stable")
    _, first, count = np.unique(-confidence[order], return_index=True, return_counts=True)
    means = np.add.reduceat(right[order].astype(np.float64), first) / count  # of the images of equal confidence
    correct = np.cumsum(np.repeat(means, count))
    taken = [max(1, round(coverage * len(right))) for coverage in COVERAGES]
    return {
        "coverage": list(COVERAGES),
        "accuracy": [rounded_share(correct[k - 1] / k) for k in taken],
        "least": [rounded_share(confidence[order[k - 1]]) for k in taken],
        "area_under_risk": rounded_share(1 - np.mean(correct / np.arange(1, len(right) + 1))),
    }


def rounded_share(value: Any) -> float | None:
    """A number for the record; null for nan."""
    return None if np.isnan(value) else round(float(value), DIGITS)

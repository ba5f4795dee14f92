"""Protects the report of a test: its numbers are those of scikit-learn, torchmetrics and the definitions, whatever the
answers, and few enough however many classes there are."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning import Trainer
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, precision_recall_fscore_support
from torchmetrics.functional.classification import binary_calibration_error

from zoo.runs.report.numbers import BINS, COVERAGES, MOST_CLASSES, MOST_CONFUSIONS, class_report
from zoo.training.callbacks.collect_answers import Answers, CollectAnswers

Said = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def answers(draw: Any, k: int = 5) -> Said:
    n = draw(st.integers(1, 60))
    pairs = draw(st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=n, max_size=n))
    confidence = np.random.default_rng(draw(st.integers(0, 999))).uniform(1 / k, 1, n)
    if draw(st.booleans()):
        confidence = np.round(confidence, 1)  # many are equal
    label, predicted = np.array(pairs).T
    return label, predicted, confidence.astype(np.float32)


def report(said: Said, k: int = 5) -> dict[str, Any]:
    return class_report(*said, [f"class {i}" for i in range(k)])


@given(answers())
@pytest.mark.filterwarnings("ignore:y_pred contains classes")
def test_scores_are_those_of_scikit_learn(said: Said) -> None:
    label, predicted, _ = said
    found = report(said)
    expected = precision_recall_fscore_support(label, predicted, labels=range(5), zero_division=0)
    for name, column in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [row[name] or 0 for row in found["classes"]] == pytest.approx(column, abs=1e-6)
    for average in ("macro", "micro"):
        expected = precision_recall_fscore_support(label, predicted, average=average, zero_division=0)
        assert [*found[average].values()] == pytest.approx(expected[:3], abs=1e-6)
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(label, predicted), abs=1e-6)
    assert found["accuracy"] == pytest.approx(accuracy_score(label, predicted), abs=1e-6)


@given(answers())
def test_confusions_are_the_cells_beside_the_diagonal(said: Said) -> None:
    matrix = confusion_matrix(*said[:2], labels=range(5))
    np.fill_diagonal(matrix, 0)
    found = report(said)["confusions"]
    assert [each["count"] for each in found] == sorted(matrix[matrix > 0], reverse=True)[:MOST_CONFUSIONS]
    for each in found:
        i, j = (int(each[key].removeprefix("class ")) for key in ("label", "predicted"))
        assert matrix[i, j] == each["count"]


@given(answers())
def test_calibration_is_as_guo_et_al_have_it(said: Said) -> None:
    """Against the definition, and torchmetrics, which takes an upper edge for the bin above."""
    label, predicted, confidence = said
    right, edges = label == predicted, np.linspace(0, 1, BINS + 1)
    error = 0.0
    found = report(said)["calibration"]
    for m in range(BINS):
        inside = (confidence > edges[m]) & (confidence <= edges[m + 1])
        assert found["images"][m] == inside.sum()
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
            assert found["accuracy"][m] == pytest.approx(right[inside].mean(), abs=1e-6)
        else:
            assert found["accuracy"][m] is found["confidence"][m] is None
    assert found["expected_error"] == pytest.approx(error, abs=1e-5)
    if not np.isin(np.float32(confidence), np.float32(edges)).any():
        # of a binary task the share of ones is compared with the probability of a one: the same sum
        other = binary_calibration_error(torch.tensor(confidence), torch.tensor(right).int(), BINS, "l1")
        assert found["expected_error"] == pytest.approx(float(other), abs=1e-5)


@given(answers())
def test_accuracy_against_confidence_is_that_of_the_surest_images(said: Said) -> None:
    """Of images of equal confidence any may be taken: the mean over all ways to."""
    label, predicted, confidence = said
    right = label == predicted
    found = report(said)["confidence"]
    for coverage, accuracy, least in zip(COVERAGES, found["accuracy"], found["least"], strict=True):
        k = max(1, round(coverage * len(label)))
        above, among = confidence > sorted(confidence)[-k], confidence == sorted(confidence)[-k]
        expected = (right[above].sum() + (k - above.sum()) * right[among].mean()) / k
        assert accuracy == pytest.approx(expected, abs=1e-6)
        assert least == pytest.approx(sorted(confidence)[-k], abs=1e-6)
    assert found["accuracy"][-1] == pytest.approx(right.mean(), abs=1e-6)


@given(answers(), st.randoms(use_true_random=False))
def test_the_order_of_the_images_is_none_of_its_affair(said: Said, random: Any) -> None:
    order = list(range(len(said[0])))
    random.shuffle(order)
    assert report(said) == report(tuple(column[order] for column in said))  # type: ignore[arg-type]


def test_one_who_is_always_right_and_one_who_guesses() -> None:
    k = np.arange(1000) % 4
    sure = report((k, k, np.ones(1000, np.float32)), 4)
    assert sure["calibration"]["expected_error"] == sure["confidence"]["area_under_risk"] == 0
    assert sure["macro"] == sure["micro"] == {"precision": 1, "recall": 1, "f1": 1}
    assert not sure["confusions"]
    guess = report((k, np.zeros(1000, int), np.full(1000, 0.25, np.float32)), 4)
    assert (guess["accuracy"], guess["balanced_accuracy"]) == (0.25, 0.25)
    assert guess["calibration"]["expected_error"] == 0  # it knows that it guesses
    assert set(guess["confidence"]["accuracy"]) == {0.25}
    assert guess["classes"][1] == {
        **dict.fromkeys(("precision",)),
        **{"class": "class 1", "recall": 0.0, "f1": 0.0, "support": 250, "predicted": 0, "right": 0},
    }


def test_ten_thousand_classes_fit_into_a_record() -> None:
    """The worst are kept, in the order of the classes; no matrix of all by all is made."""
    draw = np.random.default_rng(0)
    label = np.arange(30_000) % 10_000
    predicted = np.where(draw.uniform(size=30_000) < label / 10_000, label, draw.integers(0, 10_000, 30_000))
    found = class_report(label, predicted, draw.uniform(size=30_000), ["name " * 100] * 10_000)
    assert found["num_classes"] == 10_000
    assert len(found["classes"]) == MOST_CLASSES
    assert len(found["confusions"]) == MOST_CONFUSIONS
    assert len(json.dumps(found, indent=2)) < 500_000
    assert max(row["f1"] for row in found["classes"]) < found["macro"]["f1"]


def collect(outputs: torch.Tensor, y: torch.Tensor, index: torch.Tensor, batch_size: int) -> Answers:
    collector, trainer = CollectAnswers(), Trainer(logger=False, barebones=True)
    collector.on_test_start(trainer, None)  # type: ignore[arg-type]
    for batch in zip(*(each.split(batch_size) for each in (outputs, y, index)), strict=True):
        collector.on_test_batch_end(trainer, None, batch[0], (None, *batch[1:]), 0)  # type: ignore[arg-type]
    collector.on_test_epoch_end(trainer, None)  # type: ignore[arg-type]
    assert collector.answers is not None
    return collector.answers


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_answers_are_collected_in_the_order_of_the_images(dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(0)
    logits, y = torch.randn(23, 4, generator=draw).to(dtype), torch.randint(4, (23,), generator=draw)
    order = torch.randperm(23, generator=draw)
    found = collect(logits[order], y[order], order, 5)
    assert found.image.equal(torch.arange(23)) and found.label.equal(y)
    assert found.predicted.equal(logits.argmax(1))
    assert found.confidence.equal(logits.float().softmax(1).amax(1))


def test_the_surest_mistakes_come_first() -> None:
    confidence = torch.tensor([0.9, 0.5, 0.8, 0.8, 0.99])
    found = Answers(torch.tensor([7, 3, 9, 2, 1]), torch.tensor([0, 0, 0, 0, 1]), torch.ones(5).long(), confidence)
    assert found.mistakes(3).image.tolist() == [7, 2, 9]
    assert found.mistakes(9).confidence.tolist() == pytest.approx([0.9, 0.8, 0.8, 0.5])

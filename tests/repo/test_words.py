"""Protects the sentences of README and docs from parting with the rows they speak of: each number is computed here."""

import csv
import json
import re
from itertools import combinations
from pathlib import Path
from statistics import fmean, median

import pytest
from scipy.stats import ttest_ind

ROOT = Path(__file__).parents[2]
NUMBERS = {2: "two", 3: "three", 5: "five", 6: "six", 7: "seven", 18: "eighteen"}


def plain(text: str) -> str:
    """A text without its line breaks."""
    return " ".join(text.split())


def said(path: str) -> str:
    return plain((ROOT / path).read_text())


def record(name: str) -> dict:
    return json.loads((ROOT / "results" / name).read_text())


@pytest.fixture(scope="module")
def groups() -> dict[str, list[dict[str, str]]]:
    with (ROOT / "results/recipes.csv").open(newline="") as file:
        found: dict[str, list[dict[str, str]]] = {}
        for row in csv.DictReader(file):
            found.setdefault(row["recipe"], []).append(row)
    return found


def test_what_to_think_of_the_table(groups):
    """Change the rows, and this says which sentence of the documents is no longer true."""

    def test(name: str) -> float:
        return 100 * fmean(float(row["test_accuracy"]) for row in groups[name])

    def gap(name: str) -> float:
        return 100 * fmean(float(row["val_accuracy"]) - float(row["test_accuracy"]) for row in groups[name])

    def size(name: str) -> int:
        return int(groups[name][0]["parameters"])

    def seconds(name: str) -> int:
        return min(int(row["seconds"]) for row in groups[name])

    def minutes(name: str) -> str:
        return f"{seconds(name) / 60:.0f}"

    def misclassified(name: str) -> str:
        return f"{100 * (100 - test(name)):.0f}"

    text = f"{said('docs/results.md')} {said('README.md')}"
    for sentence in (
        f"One hidden layer of 256 units takes MNIST from {test('mnist_softmax'):.1f} to {test('mnist_mlp'):.1f} %.",
        f"One hidden layer of 256 units takes Fashion-MNIST from {test('fashion_softmax'):.1f} to"
        f" {test('fashion_mlp'):.1f} %.",
        f"an MLP is as good as LeNet, {test('mnist_mlp_best'):.2f} and {test('mnist_lenet'):.2f} %, but takes thirty",
        f"A Transformer as small as LeNet gets {test('mnist_vit'):.2f} %.",
        f"{misclassified('mnist_convnet')} of 10,000 digits are misclassified. A LeNet with strides instead of pooling"
        f" has {misclassified('mnist_99_fast')} misclassified after ten seconds on one core",
        f"With four times ConvNet's parameters FastNet has {misclassified('mnist_fastnet')} after the same four"
        f" minutes. A residual network of eight layers has {misclassified('mnist_resnet')} after eleven.",
        f"{test('fashion_mlp_best'):.1f} % for the best MLP, {test('fashion_lenet'):.1f} for LeNet,"
        f" {test('fashion_convnet'):.1f} for ConvNet, {test('fashion_fastnet'):.1f} for FastNet and"
        f" {test('fashion_resnet'):.1f} for the residual network",
        f"A Transformer gets {test('fashion_vit'):.1f} %, hardly more than LeNet, in three times the time.",
        f"{test('cifar10_softmax'):.0f} % for the linear classifier, {test('cifar10_mlp_best'):.0f} % for an MLP with"
        " four million parameters,",
        f"{test('cifar10_lenet'):.0f} % for LeNet with its sixty thousand, {test('cifar10_convnet'):.0f} % for a"
        f" ConvNet with a million after {minutes('cifar10_convnet')} minutes and for a residual network of ten layers"
        f" after {minutes('cifar10_resnet')}, {test('cifar10_fastnet'):.0f} % for FastNet with two million after"
        f" {minutes('cifar10_fastnet')}.",
        f"# {test('mnist_99_fast'):.1f} % after ten seconds on one core",
    ):
        assert sentence in text
    # what is said in words
    best = {name: test(name) for name in groups}
    assert round(gap("fashion_softmax")) == 2
    assert 0.8 < max(gap(name) for name in groups if name.startswith("fashion") and "softmax" not in name) < 1.1
    assert round(size("mnist_mlp_best") / size("mnist_lenet")) == 30
    assert size("mnist_vit") <= size("mnist_lenet") < size("mnist_convnet") < 1.3 * size("mnist_lenet")
    assert seconds("mnist_99_fast") == 10
    assert round(size("mnist_fastnet") / size("mnist_convnet")) == 4
    assert minutes("mnist_convnet") == minutes("mnist_fastnet") == "4"
    assert minutes("mnist_resnet") == "11"
    last = [
        [float(row["test_accuracy"]) for row in groups[f"fashion_{each}"]] for each in ("convnet", "fastnet", "resnet")
    ]
    assert min(ttest_ind(one, other, equal_var=False).pvalue for one, other in combinations(last, 2)) > 0.05
    assert 1.8 < seconds("fashion_resnet") / seconds("fashion_fastnet") < 2.5
    assert best["fashion_vit"] - best["fashion_lenet"] < 0.3
    assert 2.5 < seconds("fashion_vit") / seconds("fashion_lenet") < 3.5
    assert f"{best['cifar10_resnet']:.0f}" == f"{best['cifar10_convnet']:.0f}"
    assert best["mnist_resnet"] < best["mnist_fastnet"]
    assert 4e6 < size("cifar10_mlp_best") < 4.5e6
    assert 0.9e6 < size("cifar10_convnet") < 1.1e6
    assert 1.8e6 < size("cifar10_fastnet") < 2.2e6


def test_what_the_intervals_do_not_cover(groups):
    text = said("docs/results.md")
    for name in ("mnist_fastnet", "cifar10_fastnet"):
        share = fmean(float(row["test_accuracy"]) for row in groups[name])
        moved = 196 * (share * (1 - share) / 10_000) ** 0.5
        assert re.search(rf"{100 * share:.2f} % by (about )?{moved:.2f}( points)?[,.]", text)


def test_the_number_of_verdicts_of_each_kind():
    lines = [line for line in (ROOT / "configs/studies/README.md").read_text().splitlines() if line.startswith("| C")]
    words = [re.split(r"[,|]", line.split("|")[3].strip())[0].partition(" ")[2].strip() for line in lines]
    kinds = {kind: words.count(kind) for kind in ("supported", "partly", "refuted", "not distinguishable")}
    assert sum(kinds.values()) == len(lines) == 18
    counted = ", ".join(f"{NUMBERS[number]} {kind}" for kind, number in kinds.items())
    counted = counted.replace(" supported", " are supported", 1)
    assert f"Of the eighteen {counted}." in said("README.md")


def test_steps_of_an_epoch():
    """45,000 images, what is left over is dropped."""
    steps = [45_000 // batch for batch in (128, 1_024, 8_192, 65_536)]
    text = said("docs/cluster.md")
    assert steps[-1] == 0
    assert f"45,000 images: {steps[0]} steps at 128, {steps[1]} at 1,024, {steps[2]} at 8,192" in text


def test_what_a_second_process_is_worth():
    found, text = record("benchmark_scaling.json"), (ROOT / "docs/cluster.md").read_text()
    for name, step in found["steps"].items():
        line = next(line for line in text.splitlines() if line.startswith(f"| {name}") and "×" in line)
        cells = [cell.strip().replace(",", "") for cell in line.split("|")[2:-1]] if "," not in name else []
        assert cells or name
        shown = line.replace(",", "")
        assert str(step["parameters"]) in shown
        digits = 0 if step["step"] > 100 else 1 if step["step"] > 5 else 2
        for value in (step["step"], step["half"]):
            assert f"{value:.{digits}f} ms" in shown
        assert f"{step['expected']:.2f} ×" in shown
    ratios = [each["one"] / each["two"] for each in found["rounds"]]
    assert f"**{median(ratios):.2f} ×**" in text
    assert f"{min(ratios):.2f} to {max(ratios):.2f}" in plain(text)


def test_what_a_dashboard_costs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from benchmarks.suites.wandb import summary

    found, text = record("benchmark_wandb.json"), said("docs/wandb.md")
    used = [1000 * fmean(row["wandb_cpu"] for row in found["epochs"] if row["with"] == on) for on in (True, False)]
    assert f"{used[0]:.1f} ms with it and {used[1]:.1f} ms in those" in text
    assert f"The start of the run takes {found['start']:.1f} s longer" in text
    cost = re.search(r"\+?(\S+ %) with .+ 95 % interval (.+? %)\)", summary(found))
    assert cost
    assert f"take {cost[1]} longer with it (median of 15 pairs, 95 % interval {cost[2].replace('-', '−')})" in text
    assert len(found["epochs"]) == 2 * 15


def test_what_sharing_a_process_is_worth():
    found, text = record("benchmark_studies.json"), (ROOT / "docs/studies.md").read_text()
    for key, words in (("", "seconds by the clock"), ("_processor", "seconds of the processor")):
        study, separate = (median(row[f"{kind}{key}"] for row in found["rounds"]) for kind in ("study", "separate"))
        ratio = median(row[f"separate{key}"] / row[f"study{key}"] for row in found["rounds"])
        assert f"| {words} | {study:.0f} | {separate:.0f}, {ratio:.1f} × the study's |" in text


def test_what_eight_sigmoids_do():
    with (ROOT / "results/sigmoid_gradients.csv").open(newline="") as file:
        plainly, adam = csv.DictReader(file)
    text = said("docs/diagnostics.md")
    times = round(float(plainly["first_layer_times_shorter"]), -3)
    assert f"is {times:,.0f} times shorter than that of the last" in text
    assert plainly["first_layer_times_shorter"] == adam["first_layer_times_shorter"]
    assert f"the network guesses ({100 * float(plainly['val_accuracy']):.0f} %)" in text
    assert f"after four {100 * float(adam['val_accuracy']):.2f} % of the validation images are read" in text

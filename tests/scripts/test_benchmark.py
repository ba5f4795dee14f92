"""Protects the numbers about speed: intervals, valid rounds, rooflines, and pages that are those of the rounds."""

import json
import re
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import benchmark
import zoo
from benchmarks.baselines import airbench
from benchmarks.baselines.loops import fit_argv, sample
from benchmarks.baselines.projects import named, place, pytorch_examples, reached, template_argv
from benchmarks.measure import noise_probe, process
from benchmarks.measure.case import MODELS, Case, cost_of, read_case, sized
from benchmarks.measure.environment import anonymous, tidy
from benchmarks.measure.epoch_timer import durations
from benchmarks.measure.intervals import interval
from benchmarks.measure.roofline import Cost, cost, roofline
from benchmarks.measure.rounds import Failed, counted, ratios, run_interleaved, valid
from benchmarks.measure.targets import Target, pairs
from benchmarks.report import curves, page
from benchmarks.suites import before, gpu, predict, scaling, target
from zoo.errors import UsageError
from zoo.studies.statistics import mean_of

ROOT = Path(__file__).parents[2]
STEADY = {"gemm": 100.0, "copy": 10.0}


def one_round(*noise: dict[str, float], **seconds: float) -> dict:
    samples = {name: {"seconds": value, "training": value / 2} for name, value in seconds.items()}
    return {"samples": samples, "canary": list(noise or (STEADY, STEADY))}


# the statistics


def test_interval_is_that_of_the_order_statistics():
    """The interval of a median needs no bootstrap: it lies between two order statistics of a binomial."""
    draw = np.random.default_rng(0)
    numbers = sorted(draw.lognormal(0, 0.3, 41))
    found = interval(numbers)
    assert found.median == np.median(numbers)
    assert found.n == 41
    # P(B <= 13) = 0.014 and P(B <= 14) = 0.030 for B ~ Binomial(41, 1/2): the 15th and the 27th of 41, or neighbours
    assert numbers[12] <= found.low <= numbers[15]
    assert numbers[25] <= found.high <= numbers[28]


def test_interval_of_the_same_numbers_is_the_same():
    assert interval([1.0, 2.0, 4.0, 3.0]) == interval([1.0, 2.0, 4.0, 3.0])
    assert interval([2.0]) == (2.0, 2.0, 2.0, 1)


def test_ratios_are_taken_within_a_round():
    """A round twice as slow as the others changes nothing if it is so for both."""
    rounds = [one_round(zoo=1.2, plain=1.0), one_round(zoo=2.4, plain=2.0), one_round(zoo=9.0)]
    assert ratios(rounds, "zoo", "plain") == pytest.approx([1.2, 1.2])


@pytest.mark.parametrize(("kind", "speed", "kept"), [("gemm", 91.0, 5), ("gemm", 89.0, 4), ("copy", 8.9, 4)])
def test_noisy_rounds_are_dropped(kind, speed, kept):
    rounds = [one_round(zoo=1.0) for _ in range(4)] + [one_round(STEADY, {**STEADY, kind: speed}, zoo=5.0)]
    assert len(valid(rounds)) == kept
    assert counted(rounds) == (rounds[:kept], f"{kept} of 5 rounds")


def test_one_lucky_sample_makes_no_other_noisy():
    rounds = [one_round(zoo=1.0) for _ in range(4)] + [one_round(STEADY, {**STEADY, "copy": 20.0}, zoo=1.0)]
    assert len(valid(rounds)) == 5


def test_too_few_valid_rounds_are_reported():
    slow = {"gemm": 50.0, "copy": 10.0}
    rounds = [one_round(zoo=1.0), one_round(slow, zoo=1.0), one_round(slow, zoo=1.0)]
    assert counted(rounds) == (rounds, "all 3 rounds, as only one is valid")
    assert counted(rounds, {"gemm": 200.0})[1] == "all 3 rounds, as none is valid"


def test_each_runs_once_a_round_and_who_fails_is_reported_once(capsys):
    calls: list[str] = []
    skipped: list[str] = []

    def program(name):
        def run():
            calls.append(name)
            if name == "broken":
                raise Failed("peer in --peer: expected one that runs, found none")
            return {"seconds": 1.0}

        return run

    rounds = run_interleaved({name: program(name) for name in ("a", "b", "broken")}, 3, lambda: STEADY, skipped)
    assert [sorted(one["samples"]) for one in rounds] == [["a", "b"]] * 3
    assert [len(one["canary"]) for one in rounds] == [4, 3, 3]
    assert calls.count("broken") == 1
    assert skipped == ["peer in --peer: expected one that runs, found none"]
    assert capsys.readouterr().err.count("\n") == 1


def stopped_at(call):
    """A program that Ctrl-C falls into when it is called the so manieth time, and in all later calls."""
    calls: list[int] = []

    def once():
        calls.append(1)
        if len(calls) >= call:
            raise KeyboardInterrupt
        return {"seconds": 1.0}

    return once


def test_stopped_rounds_keep_those_that_are_over(capsys):
    skipped: list[str] = []
    assert len(run_interleaved({"zoo": stopped_at(3)}, 5, lambda: STEADY, skipped)) == 2
    assert skipped == ["rounds: expected 5, found 2 when it was stopped"]
    with pytest.raises(KeyboardInterrupt):
        run_interleaved({"zoo": stopped_at(1)}, 5, lambda: STEADY, skipped)


@pytest.mark.parametrize(("call", "kept"), [(2, 1), (3, 2), (4, 3)])
def test_stopped_seeds_are_kept_with_and_without_others(call, kept):
    programs = {"zoo": stopped_at(call), "peer": lambda: {"seconds": 2.0}}
    rounds = target.rounds_of(programs, Namespace(seeds=6, peer_rounds=2), [], lambda: STEADY)
    assert len(rounds) == kept


def test_stopped_cases_leave_those_that_are_over(monkeypatch, tmp_path, capsys):
    once = stopped_at(3)
    monkeypatch.setattr("benchmarks.suites.epoch.programs", lambda *args: {"zoo": once})
    monkeypatch.setattr("benchmarks.suites.epoch.peaks", lambda clock, device: {**PEAKS, "copy": 10.0})
    monkeypatch.setattr("benchmarks.suites.epoch.probe", lambda options: lambda: STEADY)
    argv = f"epoch --model MLP SoftmaxRegression --rounds 2 --data-root {tmp_path} --out {tmp_path}/out.json"
    (tmp_path / "MNIST/raw").mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *argv.split()])
    benchmark.main()
    record = json.loads((tmp_path / "out.json").read_text())
    assert [len(case["rounds"]) for case in record["cases"]] == [2]
    assert record["skipped"] == ["cases: expected more, found 1 when it was stopped"]


def test_warm_epochs_count_by_the_clock_that_was_asked_for():
    epochs = [
        durations((0, 0), (8, 4), (9, 5)),
        durations((9, 5), (10, 5.5), (12, 6)),
        durations((12, 6), (14, 8), (18, 9)),
    ]
    assert sample(epochs, "wall") == {"seconds": 4.5, "training": 1.5, "processor": 2.0, "training_processor": 1.25}
    assert sample(epochs, "processor") == {"seconds": 2.0, "training": 1.25, "wall": 4.5}


def test_target_is_tested_one_sided():
    accuracies = [0.991, 0.992, 0.99, 0.993, 0.9915]
    mean = mean_of(accuracies)
    assert target.chance(accuracies, mean.value) == pytest.approx(0.5)
    assert target.chance(accuracies, mean.low) == pytest.approx(0.025)  # the border of the two-sided 95 % interval
    assert target.chance(accuracies, mean.high) == pytest.approx(0.975)
    assert target.chance([0.99, 0.99], 0.98) == 0
    assert target.chance([0.995], 0.99) == 1


# rooflines


@pytest.mark.parametrize("name", MODELS)
def test_flops_are_those_that_torch_counts(name):
    import zoo

    shape = (1, 28, 28) if name in MODELS[:3] else (3, 32, 32)
    net = getattr(zoo, name)(shape, 10).net
    found = cost(net, shape)
    # attention in products that can be counted; fused, it computes some of them twice
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        loss = F.cross_entropy(net(torch.rand(2, *shape)), torch.tensor([0, 1]))
        forward = counter.get_total_flops()
        loss.backward()
    assert 2 * found.forward == forward
    assert 2 * found.training == counter.get_total_flops()


def test_the_roofline_is_arithmetic_or_bytes():
    peaks = {"32-true": 100.0, "copy": 10.0}
    assert roofline(Cost(10**9, 10**8, 1000), 90, 10, "32-true", peaks) == pytest.approx(0.91)
    assert roofline(Cost(10, 10, 10**9), 90, 10, "32-true", peaks) == pytest.approx(10.0)


def test_cases_have_as_many_images_as_are_worth_it():
    small, large = Case("MLP", "MNIST"), Case("ConvNet", "CIFAR10")
    whole, part = sized(small, cost_of(small)), sized(large, cost_of(large))
    assert whole
    assert part
    assert (whole.images, whole.validation, whole.what) == (54_000, 6_000, "seconds")
    assert (part.images % 128, part.what) == (0, "training")
    assert sized(replace(large, model="ResNet", batch=1024), Cost(3 * 10**9, 10**9, 1)) is None
    assert read_case(json.loads(json.dumps(part.plain()))) == part


def test_axes_are_places_of_networks_that_exist():
    for models in scaling.series().values():
        for points in models.values():
            costs = [cost_of(case).training for case in points.values()]
            assert costs == sorted(costs)


@pytest.mark.parametrize(
    ("case", "slow", "text", "met"),
    [
        (Case("MLP", "MNIST"), "zoo", "≤ 1.25", 1.25),
        (Case("LeNet", "MNIST"), "zoo", "≤ 1.1", 1.1),
        (Case("MLP", "MNIST"), "tutorial", "≥ 12", 12.0),
        (Case("ConvNet", "CIFAR10", precision="bf16-mixed"), "nchw", "≥ 1.8", 1.8),
    ],
)
def test_targets(case, slow, text, met):
    [aimed] = [aimed for first, _, aimed in pairs(case, ["plain", "tutorial", "nchw"]) if first == slow]
    assert aimed
    assert str(aimed) == text
    assert aimed.met(met)
    assert not aimed.met(met * (0.9 if slow != "zoo" else 1.1))


def test_small_batches_have_no_target():
    assert pairs(Case("MLP", "MNIST", batch=32), ["plain"]) == [("zoo", "plain", None)]
    assert isinstance(pairs(Case("MLP", "MNIST"), ["plain"])[0][2], Target)


# commands


def test_memory_is_that_of_the_command_alone():
    """Whoever starts it is larger by far: it has torch in memory."""
    ended = process.run([sys.executable, "-S", "-c", "print(len(bytearray(30_000_000)))"], 1)
    assert ended.printed == "30000000\n"
    assert 30e6 < ended.peak < 100e6
    assert 0 < ended.processor < 5
    with pytest.raises(Failed, match=r"^what is wrong$"):
        process.run([sys.executable, "-S", "-c", "raise SystemExit('error: what is wrong')"], 1)
    with pytest.raises(Failed, match="exit code -9"):
        process.run([sys.executable, "-S", "-c", "import os; os.kill(os.getpid(), 9)"], 1)


def test_answers_are_compared_as_they_were_measured():
    def rounds(**samples: tuple[float, float]) -> list[dict]:
        one = {name: {"seconds": seconds, "peak": peak} for name, (seconds, peak) in samples.items()}
        return [{"samples": one, "canary": [STEADY]}] * 3

    answers = [
        {"network": "n", "batch": batch, "images": 1000, "rounds": rounds(eager=(ratio, 0), zoo=(1.0, 0))}
        for batch, ratio in ((1, 1.4), (200, 1.1))
    ]
    record = {
        "setting": {"threads": 1, "installed": True},
        "skipped": [],
        "commands": rounds(before=(9.0, 800e6), picture=(0.5, 100e6)),
        "loads": rounds(torch=(2.0, 0), load=(2.2, 0), any=(0.4, 0)),
        "answers": answers,
    }
    found = predict.targets(record)
    assert [float(row.found.split()[0]) for row in found] == pytest.approx([18, 0.125, 1.1, 1.4, 1.1], abs=0.01)
    assert [row.met for row in found] == [True, True, True, False, True]
    text = "\n".join(predict.section(record))
    assert "now is an installed wheel" in text
    assert "18.00 (18.00 to 18.00) of the time, 8.00 (8.00 to 8.00) of the memory" in text
    assert "| n | 1 | 1,400 | 1,000 |" in text


def test_torch_and_the_zoo_are_asked_the_same(monkeypatch):
    """In turns, in one process, and their answers are compared before."""
    images = np.random.default_rng(0).integers(0, 256, (7, 1, 28, 28), np.uint8)
    monkeypatch.setattr(predict, "probe", lambda options: lambda: STEADY)
    options = Namespace(rounds=2, clock="wall", device="cpu", skipped=[])
    one = predict.answers("mnist_lenet", 1, images, options)
    assert one["images"] == 7
    assert [set(each["samples"]) for each in one["rounds"]] == [{"eager", "zoo"}] * 2
    monkeypatch.setattr(predict, "eager", lambda net, normalise, batch: -zoo.load("mnist_lenet")(batch))
    with pytest.raises(AssertionError):
        predict.answers("mnist_lenet", 1, images, options)


# pages


def test_the_page_is_that_of_the_rounds():
    assert page.page() == page.PAGE.read_text()


def test_the_curves_are_those_of_the_rounds():
    drawn = page.pictures()
    assert drawn.keys() == {path.stem for path in page.PICTURES.glob("*.svg")}
    for axis, svg in drawn.items():
        # names of clipping paths are made of a layout's last digits, which processors round differently
        there, now = (
            re.sub(r"\bp[0-9a-f]{10}\b", "clip", text) for text in ((page.PICTURES / f"{axis}.svg").read_text(), svg)
        )
        assert there == now


def test_records_name_no_place_on_a_machine():
    for path in (ROOT / "results").glob("benchmark_*.json"):
        assert not re.search(r"(?<![\w.])/\w", path.read_text()), path  # no place from the root on


def test_places_are_left_out_of_a_record():
    argv = [
        "epoch",
        "--data-root=/my/data",
        "--peer",
        "pytorch-examples=/my/p",
        "--rounds",
        "3",
        "--out",
        "/my/o.json",
    ]
    assert anonymous(argv) == ["epoch", "--data-root", "DIR", "--peer", "pytorch-examples=DIR", "--rounds", "3"]
    assert anonymous(["predict", "--zoo", "/my/zoo"]) == ["predict", "--zoo", "FILE"]
    assert tidy({"a": [1.23456789, True, "x", 3]}) == {"a": [1.23457, True, "x", 3]}


def test_a_record_of_one_round_has_a_page(tmp_path):
    case = Case("MLP", "MNIST", images=54_000)
    rounds = [one_round(zoo=1.2, plain=1.0, tutorial=12.0)]
    one = {"case": case.plain(), "flop": 1, "floor": 0.3, "rounds": rounds}
    record = {"setting": {"threads": 1}, "skipped": ["error: x in y: expected z, found w"], "cases": [one]}
    (tmp_path / "benchmark_epoch_peers.json").write_text(json.dumps(record))
    text = page.page(tmp_path)
    assert "| zoo / plain ≤ 1.25 | MLP, MNIST, batch 128, 32-true, 1 thread | 1.20 | reached | a single round |" in text
    assert (
        "| tutorial / zoo ≥ 12 | MLP, MNIST, batch 128, 32-true, 1 thread | 10.00 | **missed** | a single round |"
        in text
    )
    assert "- not measured: x in y: expected z, found w" in text
    assert "| 1.20 | 1.20 × the bare loop |" in page.table(tmp_path)
    assert "| zoo / plain **1.20** (1.20 to 1.20) | ≤ 1.25: reached |" in text


def test_a_curve_is_the_same_bytes_again():
    points = [{"place": n, "case": Case("MLP", "MNIST", images=1000).plain(), "floor": 0.01 * n} for n in (1, 2, 4)]
    rounds = [one_round(**{"1": 1.0, "2": 1.9, "4": 4.2})]
    record = {"axes": {"width": {"MLP": {"points": points, "rounds": rounds}}}}
    assert curves.draw(record) == curves.draw(record)
    assert scaling.per_image(record["axes"]["width"]["MLP"], STEADY)[0] == pytest.approx((1, 500.0, 10.0))
    assert scaling.deviation([(1, 9.0, 1.0), (2, 11.0, 1.0), (4, 10.0, 1.0)]) == pytest.approx(0.1)


# arguments, and what is wrong with them


@pytest.mark.parametrize(
    ("args", "what"), [([], "epoch"), (["--rounds", "7"], "epoch"), (["scaling", "--rounds", "5"], "scaling")]
)
def test_without_a_name_it_is_an_epoch(args, what):
    assert benchmark.parsed(args).what == what


def test_scaling_alone_is_that_of_devices():
    assert benchmark.parsed(["scaling"]).axes == ["devices"]
    assert benchmark.parsed(["scaling", "width", "data"]).axes == ["width", "data"]


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--peer", "pytorch-exampels=D"], "found pytorch-exampels. Try: pytorch-examples=D"),
        (
            ["--peer", "pytorch-examples"],
            "expected NAME=PATH, found pytorch-examples. Try: --peer pytorch-examples=DIR",
        ),
        (["--clock", "processor", "--threads", "2"], "expected 1 with --clock processor, found 2"),
        (["--rounds", "0"], "expected at least 1, found 0"),
        ([], "expected MNIST/raw in it, found none. Try: --data-root DIR"),
        (["scaling", "widht"], "expected one of devices, width, depth, data, batch, found widht. Try: width"),
    ],
)
def test_bad_arguments_are_reported_in_one_line(argv, part, tmp_path):
    with pytest.raises(UsageError) as error:
        benchmark.check(benchmark.parsed([*argv, "--data-root", str(tmp_path)]))
    assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_recipe_is_reported_in_one_line_with_exit_code_2(monkeypatch, capsys):
    argv = ["target", "--recipe", "configs/recipes/mnist_lenett.yaml", "--accuracy", "0.99"]
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *argv])
    with pytest.raises(SystemExit) as stop:
        benchmark.main()
    assert stop.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: recipe in --recipe: expected a file, found ")
    assert line.endswith("Try: configs/recipes/mnist_lenet.yaml")


def test_a_project_without_its_program_is_reported(tmp_path):
    with pytest.raises(Failed, match=r"expected mnist/main\.py in its folder, found none"):
        place("pytorch-examples", named([f"pytorch-examples={tmp_path}"], "--peer"))


def test_a_project_is_timed_to_the_first_epoch_that_reaches_the_target():
    curve = [(10.0, 0.98), (20.0, 0.991), (30.0, 0.989)]
    assert reached(curve, 0.99) == {"seconds": 20.0, "accuracy": 0.991, "epochs": 2.0}
    assert reached(curve, 0.995) == {"seconds": 30.0, "accuracy": 0.989, "epochs": 3.0}


def test_a_project_may_sit_out_later_rounds():
    programs = {name: lambda: {"seconds": 1.0, "accuracy": 0.9} for name in ("zoo", "peer")}
    rounds = run_interleaved(programs, 3, lambda: STEADY, [], only={"peer": 1})
    assert [sorted(one["samples"]) for one in rounds] == [["peer", "zoo"], ["zoo"], ["zoo"]]


def test_a_project_is_stopped_where_it_has_reached_the_target(tmp_path):
    program = "import time\ntime.sleep(0.5)\nprint('Train Epoch: 1 [0/60000]')\nfor right in (97, 99, 98):\n"
    program += "    print(f'Accuracy: {right}/100', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist/main.py").write_text(program)
    options = Namespace(data_root=tmp_path, peer_flags="", threads=1, accuracy=0.99)
    sample = pytorch_examples(tmp_path, sys.executable, options)()
    assert (sample["accuracy"], sample["epochs"]) == (0.99, 2.0)
    assert sample["training"] + 0.5 <= sample["seconds"] < 30


def test_programs_get_the_same_images_and_batches():
    case = Case("MLP", "MNIST", images=54_000)
    options = Namespace(data_root=Path("D"), cifar10=None, workers=0, device="cpu")
    ours, theirs = fit_argv(case, options, "R"), template_argv(case, options, "O", Path("M"))
    assert {"--data.batch_size=128", "--data.train_size=54000", "--data.val_size=6000"} <= set(ours)
    assert {"data.batch_size=128", "data.train_val_test_split=[54000,6000,10000]"} <= set(theirs)


def test_the_targets_of_a_recipe_are_reported_with_what_came_of_them():
    """Another project's rounds count for it, even if all valid ones came after it had left."""
    slow = {"gemm": 80.0, "copy": 10.0}
    sample = {"seconds": 10.0, "training": 5.0, "accuracy": 0.991}
    rounds = [{"samples": {"zoo": {**sample, "accuracy": 0.991 + 0.0001 * i}}, "canary": [STEADY]} for i in range(5)]
    peer = {"seconds": 190.0, "training": 150.0, "accuracy": 0.991}
    first = {"samples": {"zoo": sample, "pytorch-examples": peer}, "canary": [slow]}
    record = {"recipe": "mnist_99_fast", "accuracy": 0.99, "rounds": [first, *rounds]}
    assert target.targets(record) == [
        ("test accuracy ≥ 99 %", "mnist_99_fast", "99.12 ± 0.02 %", True, "6 seeds"),
        ("training ≤ 6 s", "mnist_99_fast", "5.00 ± 0.00 s", True, "5 of 6 rounds"),
        (
            "pytorch-examples / zoo, seconds ≥ 20",
            "mnist_99_fast",
            "19.00, to 99.12 ± 0.02 % against 99.10 %",
            False,
            "a single round, not a valid one",
        ),
    ]
    assert "| pytorch-examples | 99.10 % | 190.00 | 150.00 |" in "\n".join(
        target.section({**record, "setting": {"threads": 1}})
    )
    better = {"seconds": 300.0, "training": 125.0, "accuracy": 0.992}
    record = {**record, "rounds": [{"samples": {"zoo": sample, "pytorch-examples": better}, "canary": [slow]}, *rounds]}
    text = "25.00, to 99.12 ± 0.02 % against 99.20 %"  # faster, but to something worse
    assert target.targets(record)[2][:4] == ("pytorch-examples / zoo, training ≥ 20", "mnist_99_fast", text, False)


def test_a_version_trains_an_epoch_when_it_is_asked_to(tmp_path):
    """And what the command prints is not taken for the time that it took."""
    (tmp_path / "torch.py").write_text("def set_num_threads(count): pass\n")
    (tmp_path / "zoo.py").write_text("class Classifier:\n    def on_train_epoch_start(self): pass\n")
    program = (
        "def main(argv):\n    model = Classifier()\n    for i in range(9):\n        model.on_train_epoch_start()\n"
    )
    program += "        print('epoch  1/1000  train loss 0.3120, 91.14 %', flush=True)\n"
    (tmp_path / "cli.py").write_text(f"from zoo import Classifier\n{program}")
    trainer = before.Trainer(tmp_path, ["fit"], 1, "wall", tmp_path / "errors")
    try:
        assert 0 < trainer.epoch() < 60
        assert 0 < trainer.epoch() < 60
    finally:
        trainer.end()


# a GPU, as far as a CPU can tell

PEER = """
import os, sys
with open(sys.argv[0]) as f:
    code = f.read()
import torch
from math import ceil

@torch.compile
def double(x):
    return 2 * x

class CifarNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(3, 10)
        for mod in self.modules():
            mod.half()
    def forward(self, x):
        return double(self.net(x))

def print_training_details(variables, is_final_entry):
    raise SystemExit("it was not asked to print")

def main(run, model):
    data = torch.load(os.path.join("cifar10", "train.pt"), map_location=torch.device("cuda"))
    self = type("Loader", (), data)
    images = self.images.half() / 255
    train_loader = range(4)
    starter = torch.cuda.Event(enable_timing=True)
    ender = torch.cuda.Event(enable_timing=True)
    starter.record()
    outputs = model(images.flatten(1, 2).mean(1))
    assert model.net.weight.dtype == torch.float32 and outputs.dtype == torch.bfloat16
    ender.record()
    torch.cuda.synchronize()
    time_seconds = 1e-3 * starter.elapsed_time(ender)
    val_acc = ceil(8 * len(train_loader)) / 100
    print_training_details(locals(), is_final_entry=False)
    tta_val_acc = len(images) / 1000
    print_training_details(locals(), is_final_entry=True)

if __name__ == "__main__":
    raise SystemExit("it was to run once, not 200 times")
"""


@pytest.fixture
def colour_images(tmp_path):
    """An archive in the shape of CIFAR-10."""
    draw = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        f"{split}_images": draw.integers(0, 256, (600, 32, 32, 3), np.uint8) for split in ("train", "test")
    }
    arrays |= {f"{split}_labels": np.arange(600) % 10 for split in ("train", "test")}
    np.savez(tmp_path / "images.npz", **arrays)
    return tmp_path / "images.npz"


@pytest.mark.parametrize(
    "peer",
    [
        pytest.param(PEER, id="known", marks=pytest.mark.slow),  # trains for real, in four processes
        pytest.param(PEER.replace("8 *", "9 *"), id="changed"),
    ],
)
def test_a_gpu_is_measured_in_one_call_even_where_there_is_none(peer, colour_images, tmp_path, monkeypatch, capsys):
    (tmp_path / "airbench94_muon.py").write_text(peer)
    argv = f"gpu --quick --cifar10 {colour_images} --data-root {tmp_path} --seeds 1 --rounds 1 --threads 1"
    argv += f" --model SoftmaxRegression --peer cifar10-airbench={tmp_path} --out {tmp_path}/gpu.json"
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *argv.split()])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(
        "benchmarks.suites.gpu.peaks", lambda clock, device: {**PEAKS, "copy": 10.0}
    )  # they take seconds
    if "9 *" in peer:  # what it is to be told is not the rest, which was measured with the other one
        monkeypatch.setattr(
            "benchmarks.suites.target.recipe", lambda options: lambda: {"seconds": 1.0, "accuracy": 0.1}
        )
        monkeypatch.setattr("benchmarks.suites.gpu.epochs", lambda *args: [])
    benchmark.main()
    said = capsys.readouterr()
    assert "expected a CUDA device, found none: measured on the CPU instead" in said.err
    assert "MNIST in --data-root: expected MNIST/raw in it" in said.err
    record = json.loads((tmp_path / "gpu.json").read_text())
    [one] = record["target"]["rounds"]
    assert "zoo" in one["samples"]
    if "9 *" in peer:
        assert any("expected ceil(8 * len(train_loader)), found none" in text for text in record["skipped"])
        return
    assert one["samples"]["cifar10-airbench"]["accuracy"] == 0.04  # one epoch of four steps
    assert one["samples"]["cifar10-airbench"]["tta"] == 0.6  # it found the images
    [case] = record["epochs"]
    assert case["rounds"][0]["samples"].keys() == {"zoo", "plain"}
    page = "\n".join(gpu.section(record))
    assert "| cifar10-airbench | 4.00 % |" in page
    assert "| SoftmaxRegression, CIFAR10, batch 128, bf16-mixed, 256 images |" in page


PEAKS = {"32-true": 100.0, "bf16-mixed": 200.0}


def test_a_project_ships_as_it_is_on_a_gpu():
    assert airbench.adapted(PEER, "cuda", None) == PEER
    assert "ceil(4.5 * len(train_loader))" in airbench.adapted(PEER, "cuda", 4.5)


def test_ceilings_are_of_the_size_that_they_are():
    assert 1e-8 < noise_probe.launch() < 1e-3
    assert gpu.in_a_line({**PEAKS, "copy": 10.0, "launch": 2.0}) == (
        "ceilings: float32 0.1 TFLOP/s, bfloat16 0.2 TFLOP/s, copy 10 GB/s, a tiny operation 2.0 µs"
    )


def test_a_recipe_knows_its_target():
    assert target.accuracy_of(Path("mnist_99_fast.yaml")) == 0.99
    assert target.accuracy_of(Path("cifar10_fastnet_94.yaml")) == 0.94
    assert target.accuracy_of(Path("cifar10_fastnet.yaml")) == 0.9

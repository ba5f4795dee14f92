"""Protects the verb `describe`: its numbers and its page, and that it downloads, loads, trains and writes nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from cli import main
from datamodules import CIFAR10, MNIST
from zoo.commands.network.layer_table import cells, rounded
from zoo.commands.network.network_numbers import row
from zoo.commands.network.precision_advice import Machine, advise, this_machine
from zoo.geometry import walk

ROOT = Path(__file__).parents[3]
MODELS = sorted(path.stem for path in (ROOT / "configs/model").glob("*.yaml"))
KEYS = ["name", "kind", "kernel", "stride", "padding", "output", "receptive_field", "parameters", "multiply_adds"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs in an empty folder, and no data can be had."""

    def used(*args: Any) -> None:
        raise AssertionError("the data was asked for")

    monkeypatch.chdir(tmp_path)
    for data in (CIFAR10, MNIST):
        for name in ("prepare_data", "load", "setup"):
            monkeypatch.setattr(data, name, used)


@pytest.fixture
def described(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def describe(*argv: str) -> str:
        main(["describe", *argv])
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return describe


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def describe(*argv: str, code: int = 2) -> str:
        with pytest.raises(SystemExit) as stop:
            main(list(argv))
        out, err = capsys.readouterr()
        assert (stop.value.code, out, err.count("\n")) == (code, "", 1)
        return err

    return describe


def test_json_is_one_object_with_the_numbers(described: Callable[..., str], tmp_path: Path) -> None:
    record = json.loads(described("--data", "CIFAR10", "--model", "LeNet", "--json"))
    names = ["data", "model", "in_shape", "num_classes", "layers", "parameters", "multiply_adds", "precision"]
    assert list(record) == names
    assert record["precision"] == advise(651_720, this_machine())._asdict()
    assert [record[key] for key in ("data", "model", "in_shape", "num_classes")] == [
        "CIFAR10",
        "LeNet",
        [3, 32, 32],
        10,
    ]
    assert (record["parameters"], record["multiply_adds"]) == (62_006, 651_720)
    assert all(list(layer) == [*KEYS, "share"] for layer in record["layers"])
    convolution, activation, *_ = record["layers"]
    expected = ["net.0", "Conv2d", [5, 5], [1, 1], [0, 0], [6, 28, 28], [5, 5], 456, 352_800]
    assert [convolution[key] for key in KEYS] == expected
    assert convolution["share"] == pytest.approx(352_800 / 651_720)
    assert [activation[key] for key in KEYS] == ["net.1", "ReLU", None, None, None, [6, 28, 28], [5, 5], 0, 0]
    assert sum(layer["share"] for layer in record["layers"]) == pytest.approx(1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("machine", "multiply_adds", "expected", "because"),
    [
        (Machine("", bfloat16=True), 651_720, "bf16-mixed", "products of bfloat16 are fast on this processor"),
        (Machine("", bfloat16=True), 7_840, "32-true", "in so small a network casting costs more than it saves"),
        (Machine("", bfloat16=False), 651_720, "32-true", "this processor has no fast products of bfloat16"),
        (Machine("NVIDIA H200", bfloat16=True), 651_720, "bf16-mixed", "products of bfloat16 are fast on NVIDIA H200"),
        (Machine("Tesla T4", bfloat16=False), 651_720, "32-true", "Tesla T4 has no fast products of bfloat16"),
    ],
)
def test_the_precision_that_is_recommended(machine: Machine, multiply_adds: int, expected: str, because: str) -> None:
    assert advise(multiply_adds, machine) == (expected, because)


def test_the_page(described: Callable[..., str], tmp_path: Path) -> None:
    lines = [line.rstrip() for line in described("--data", "CIFAR10", "--model", "LeNet").splitlines()]
    assert lines[0] == "LeNet on CIFAR10: images of 3 × 32 × 32, 10 classes"
    rows = [line.split() for line in lines if line[:1].isdigit()]
    assert rows[0] == ["0", "Conv2d", "5×5", "1", "0", "6×28×28", "5×5", "456", "352,800", "54.1"]
    assert rows[7] == ["7", "Linear", "120", "whole", "image", "48,120", "48,000", "7.4"]
    assert "62,006 parameters, 651,720 multiply-adds (0.65 M) for one image" in lines
    assert "fastest here: --trainer.precision {}: {}".format(*advise(651_720, this_machine())) in lines
    assert "  map side         (32 − 5)/1 + 1 = 28" in lines
    assert list(tmp_path.iterdir()) == []


def test_the_example_in_the_documents_is_what_comes_out(described: Callable[..., str]) -> None:
    text = (ROOT / "docs/command-line.md").read_text().partition("$ python cli.py describe ")[2]
    command, *example = text.partition("\n```")[0].splitlines()
    lines = [line.rstrip() for line in described(*command.split()).splitlines()]
    assert len(example) > 20
    example = [line for line in example if not line.startswith("fastest here: ")]  # each processor has its own advice
    assert [line for line in example if line != "…" and line not in lines] == []


@pytest.mark.parametrize("model", MODELS)
def test_a_page_is_no_wider_than_100_and_cuts_nothing(model: str, described: Callable[..., str]) -> None:
    page = described("--data", "CIFAR10", "-c", f"{ROOT}/configs/model/{model}.yaml")
    assert max(len(line.rstrip()) for line in page.splitlines()) <= 100
    assert "…" not in page


@pytest.mark.parametrize("columns", ["40", "200"])
def test_numbers_are_whole_on_a_page_of_any_width(
    columns: str, described: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert "6×28×28   5×5                 456    352,800   54.1" in described("--data", "CIFAR10", "--model", "LeNet")


def test_large_numbers_are_rounded_beside_the_exact_ones() -> None:
    assert [rounded(number) for number in (99_999, 651_720, 555_422_720)] == ["", " (0.65 M)", " (0.56 G)"]


def test_windows_of_two_sides_and_fields_that_are_not_known() -> None:
    layer = walk(nn.Conv2d(1, 2, (3, 5), (2, 1), (1, 0)), (1, 9, 9))[0]
    values = {**row(layer), "share": 1.0}
    assert cells(values, layer, (1, 9, 9))[2:7] == ["3×5", "2×1", "1×0", "2×5×5", "3×5"]
    layer.field = None
    assert cells(values, layer, (1, 9, 9))[6] == "?"


def test_it_takes_the_configuration_of_a_run(described: Callable[..., str]) -> None:
    files = ["-c", f"{ROOT}/configs/recipes/fashion_convnet.yaml", "-c", f"{ROOT}/configs/trainer/gpu.yaml"]
    record = json.loads(described(*files, "--model.depth", "1", "--trainer.max_epochs", "3", "--json"))
    assert [layer["kind"] for layer in record["layers"]].count("Conv2d") == 3


def test_images_of_the_users_own(described: Callable[..., str], npz: Callable[..., str]) -> None:
    record = json.loads(described("--data", "Arrays", "--data.path", npz(), "--model", "MLP", "--json"))
    assert (record["in_shape"], record["num_classes"]) == ([1, 8, 6], 3)
    assert record["parameters"] == 48 * 256 + 256 + 256 * 3 + 3


def test_mistakes_are_said_as_for_fit(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["cli.py"])  # the messages repeat what was typed
    assert "--model.hidden" in refused("describe", "--data", "MNIST", "--model", "LeNet", "--model.hiden", "[3]")
    assert "expected --data and --model, found neither" in refused("describe")
    assert "found 'descrbe'. Try: python" in (line := refused("descrbe"))
    assert line.endswith(" describe\n")
    kernel = refused("describe", "--data", "MNIST", "--model", "LeNet", "--model.kernel_size", "0")
    assert "kernel size in --model.kernel_size: expected at least 1, found 0" in kernel
    missing = ("describe", "--data", "Arrays", "--data.path", "no.npz", "--model", "MLP")
    assert "data in --data.path" in refused(*missing)


@pytest.mark.parametrize("verb", ["describe", "fit"])
def test_geometry_that_cannot_be_is_one_line_before_anything_is_loaded(
    verb: str, refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = [verb, "--data", "CIFAR10", "--model"]
    line = refused(*argv, "LeNet", "--model.channels", "[6,16,32]")
    assert "geometry in pooling 3 of 3, net.8: expected a map of at least 2 × 2" in line
    assert "found 32 × 1 × 1 (C × H × W)" in line
    (tmp_path / "grey_only.py").write_text(
        "from torch import nn\nfrom zoo import Classifier\n\n\nclass Grey(Classifier):\n"
        "    def __init__(self, in_shape, num_classes, **training):\n"
        "        super().__init__(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten()), **training)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    line = refused(*argv, "grey_only.Grey", "--allow_import", "grey_only")
    assert "geometry in net.0 (Conv2d): expected maps of 1 channel for its 1 × 3 × 3 kernels, found 3 × 32 × 32" in line
    assert not (tmp_path / "runs").exists()


def test_help_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    main(["describe", "--help"])
    page = capsys.readouterr().out
    assert page.startswith("usage: python cli.py describe --data NAME --model NAME")
    assert all(name in page for name in ("CIFAR10", "LeNet", "--json", "--config"))
    with pytest.raises(SystemExit):
        main(["describe", "--help_all"])
    page += capsys.readouterr().out
    assert not [
        noise for noise in ("<function", "Optional[", "CLASS_PATH_OR_NAME |", "-->", "--trainer") if noise in page
    ]


def test_resnet_18_costs_what_is_known_of_it(described: Callable[..., str]) -> None:
    assert "555,422,720 multiply-adds (0.56 G)" in described("--data", "CIFAR10", "--model", "ResNet")


def test_the_network_of_a_run(described: Callable[..., str], refused: Callable[..., str], tmp_path: Path) -> None:
    given = ["--data", "CIFAR10", "--model", "LeNet", "--model.channels", "[3, 4]", "--json"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.yaml").write_text(
        "seed_everything: 3\ntrainer: {max_epochs: 3}\ndata: {class_path: datamodules.CIFAR10}\n"
        "model: {class_path: zoo.LeNet, init_args: {channels: [3, 4]}}\n"
    )
    assert described("--run_dir", "run", "--json") == described(*given)
    assert json.loads(described("--run_dir=run", "--model.hidden", "[7]", "--json"))["parameters"] < 10_000
    assert "in --run_dir: expected one that holds a run (config.yaml), found none in nowhere" in refused(
        "describe", "--run_dir", "nowhere"
    )

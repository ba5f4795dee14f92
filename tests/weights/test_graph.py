"""Protects the graphs of the zoo's own weights: they say what torch says, without torch, and no others are run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zoo.errors import UsageError
from zoo.weights import store
from zoo.weights.card import Card, read_card
from zoo.weights.classifier import make_network
from zoo.weights.export.agreement import compare_answers
from zoo.weights.export.beside import add_graph
from zoo.weights.loading import load
from zoo.weights.runtime import GraphNet, threads

IMAGES: dict[str, Any] = {"in_shape": [1, 28, 28], "colours": "grey", "shift": [100.0], "scale": [0.015]}
COLOURS: dict[str, Any] = {"in_shape": [3, 12, 10], "colours": "RGB", "shift": [90.0, 95.5, 99.0], "scale": [0.01] * 3}
NETWORKS: dict[str, tuple[dict[str, Any], Card]] = {
    "softmax.SoftmaxRegression": ({}, {"pixels": [*range(784)][::-1]}),
    "mlp.MLP": ({"hidden": [8, 6], "activation": "prelu", "norm": "batch", "dropout": 0.5}, {}),
    "lenet.LeNet": (
        {"channels": [2, 3], "kernel_size": 5, "hidden": [9], "activation": "tanh", "norm": "none", "pool": "avg"}
        | {"dropout": 0.1},
        {},
    ),
    "convnet.ConvNet": (
        {"channels": [4, 6], "depth": 1, "kernel_size": 3, "activation": "relu", "norm": "layer", "pool": "stride"}
        | {"dropout": 0.0},
        {"pixels": [*range(120)][::-1], **COLOURS},
    ),
    "resnet.ResNet": (
        {"depth": 8, "channels": [4, 6, 8], "kernel_size": 3, "activation": "relu", "norm": "batch", "dropout": 0.0},
        {"dtype": "float16"},
    ),
    "vit.ViT": (
        {"patch_size": 7, "width": 16, "depth": 1, "heads": 2, "mlp_ratio": 2.0, "activation": "gelu"}
        | {"positions": "sincos", "dropout": 0.0},
        {"dtype": "float16"},
    ),
    "fastnet.FastNet": (
        {"channels": [4, 6], "depth": 2, "whiten_kernel": 2, "activation": "gelu", "head_scale": 0.2},
        COLOURS,
    ),
}


def write(folder: Path, of: str = "lenet.LeNet") -> Path:
    """The card of a network with weights drawn at random, with a graph, as if it were one of the zoo's."""
    arguments, given = NETWORKS[of]
    card = {
        **{"schema": 1, "name": "drawn", "model": {"class_path": f"zoo.{of}", "init_args": arguments}},
        **{"classes": ["a", "b", "c"], "normalize": "standard", "pixels": None, "prepare": "photo", "dtype": "float32"},
        **IMAGES,
        **given,
    }
    draw = torch.Generator().manual_seed(0)
    tensors = {}
    for name, tensor in make_network(card).state_dict().items():
        numbers = torch.rand(tensor.shape, generator=draw) - (0.0 if "var" in name else 0.5)
        dtype = getattr(torch, card["dtype"]) if tensor.is_floating_point() else tensor.dtype
        tensors[name] = numbers.to(dtype)
    path = store.write(folder, "drawn", tensors, card)
    add_graph(path, [noise(card["in_shape"])])
    return path


def noise(shape: Any, count: int = 30) -> np.ndarray:
    """Images (N, C, H, W)."""
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights with a graph."""
    return write(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def own(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The card of weights that count as the zoo's."""
    monkeypatch.setattr(store, "OWN", tmp_path / "own")
    return Path(shutil.copytree(drawn.parent, tmp_path / "own")) / drawn.name


@pytest.mark.parametrize("of", NETWORKS)
def test_every_network_answers_alike_with_and_without_torch(
    of: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "OWN", tmp_path)
    shape = read_card(write(tmp_path, of))["in_shape"]
    fast, slow = load("drawn"), load("drawn", runtime="torch")
    assert (fast.graph is not None, slow.graph is None) == (True, True)
    for count in (0, 1, 7):
        images = noise(shape, count)
        assert fast(images).shape == (count, 3)
        assert fast(images).dtype == np.float32
        assert np.abs(fast(images) - slow(images)).max(initial=0) < 1e-5
    assert (fast.features(images) == slow.features(images)).all()


def test_the_same_weights_give_the_same_graph_which_says_nothing_of_this_machine(drawn: Path, tmp_path: Path) -> None:
    content = drawn.with_suffix(".onnx").read_bytes()
    assert write(tmp_path).with_suffix(".onnx").read_bytes() == content
    assert len(content) < 4000  # the weights are elsewhere
    for word in (b"/w", b"/t", b"\\", b".py", b"torch", b"zoo."):
        assert word not in content


def test_a_graph_of_others_is_not_run(drawn: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(drawn.parent, tmp_path / "theirs")) / drawn.name
    path.with_suffix(".onnx").write_bytes(b"no graph at all")
    assert load(path).graph is None
    with pytest.raises(UsageError, match=r"runtime in zoo.load: expected torch for .*, found onnx"):
        load(path, runtime="onnx")
    assert load(path, runtime="torch")(noise((1, 28, 28))).shape == (30, 3)


def test_a_changed_byte_of_a_graph_is_found(own: Path) -> None:
    graph = own.with_suffix(".onnx")
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=r"graph in .*drawn\.onnx: expected SHA-256"):
        load("drawn")
    graph.unlink()
    with pytest.raises(ValueError, match=r"graph in .*drawn\.onnx: expected SHA-256 .*, found no file"):
        load("drawn")


def test_weights_without_a_graph_are_run_by_torch(own: Path) -> None:
    card = json.loads(own.read_text())
    del card["onnx_sha256"]
    own.write_text(json.dumps(card))
    assert load("drawn").graph is None
    with pytest.raises(UsageError, match=r"runtime in zoo.load: expected torch"):
        load("drawn", runtime="onnx")


def test_an_unknown_runtime_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"runtime in zoo.load: expected one of auto, onnx, torch, found 'jax'. Try: auto"
    ):
        load("mnist_lenet", runtime="jax")


def test_a_graph_that_answers_otherwise_leaves_nothing(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.with_suffix(".onnx").unlink()
    before = own.read_bytes()
    monkeypatch.setattr(GraphNet, "__call__", lambda net, batch: np.eye(3, dtype=np.float32)[[2] * len(batch)])
    with pytest.raises(ValueError, match="expected those of torch for 30 images"):
        add_graph(own, [noise((1, 28, 28))])
    assert sorted(each.name for each in own.parent.iterdir()) == ["drawn.json", "drawn.safetensors"]
    assert own.read_bytes() == before


def test_predictions_agree_where_two_classes_are_equally_likely() -> None:
    expected = np.array([[0.5, 0.5 - 5e-6, 0], [0.6, 0.4, 0], [0.1, 0.2, 0.7]], np.float32)
    found = expected[:, [1, 0, 2]]
    assert compare_answers(expected, found)[:2] == (3, 2)
    assert compare_answers(expected, found).largest == pytest.approx(0.2)
    assert compare_answers(expected, expected * np.float32(np.nan)).agree == 0


@pytest.mark.parametrize(("given", "number"), [("3", 3), ("2,4", 2)])
def test_threads_are_those_that_the_environment_says(given: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads() == number
    for none in ("", "0", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", none)
        assert threads() >= 1


def test_the_zoos_own_weights_answer_without_torch() -> None:
    code = (
        "import sys, zoo, numpy\n"
        "for name in zoo.list_models():\n"
        "    model = zoo.load(name)\n"
        "    model(numpy.zeros((1, *model.card['in_shape']), 'uint8'))\n"
        "print([name for name in ('torch', 'lightning', 'jsonargparse', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", store.list_weights())
def test_the_zoos_own_graphs_say_what_torch_says(name: str) -> None:
    images = noise(read_card(store.own(name))["in_shape"], 100)
    found = compare_answers(load(name, runtime="torch")(images), load(name, runtime="onnx")(images))
    assert (found.images, found.agree) == (100, 100)
    assert found.largest < 1e-5

"""Protects exports: a file says what the network says, its own reader says so, and nothing else is ever left behind."""

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from cli import main
from small_runs import digits_mlp, digits_test
from zoo.nn.layers import ACTIVATIONS
from zoo.weights.classifier import ImageClassifier
from zoo.weights.export.forms import FORMS, OnnxFile
from zoo.weights.export.graph import graph_of
from zoo.weights.loading import load

ENDINGS = {"onnx": ".onnx", "pt2": ".pt2", "safetensors": ".safetensors", "bundle": ""}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_mlp(tmp_path_factory.mktemp("runs") / "run", "--data.shuffle_pixels 1")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Test images as they are: (N, 1, 28, 28) uint8."""
    return digits_test()[0]


def names_in(folder: Path) -> list[str]:
    """All that is in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


def test_onnx_is_one_file_with_all_that_is_needed(
    run: Path, images: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["export", str(run), "--out", str(tmp_path / "model.onnx")])
    said = capsys.readouterr().out
    assert "359 of 359 predictions are those of torch, on test images of Digits; largest difference" in said
    assert names_in(tmp_path) == ["model.onnx"]
    content = (tmp_path / "model.onnx").read_bytes()
    onnx.checker.check_model(content)
    model = onnx.load_from_string(content)
    assert (model.ir_version, [each.version for each in model.opset_import]) == (10, [20])
    session = onnxruntime.InferenceSession(content)
    [given] = session.get_inputs()
    assert (given.name, given.type, given.shape) == ("images", "tensor(uint8)", ["batch", 28, 28, 1])
    assert [each.name for each in session.get_outputs()] == ["probabilities", "logits"]
    expected = load(run)(images)
    probabilities, logits = session.run(None, {"images": images.transpose(0, 2, 3, 1)})
    assert np.abs(probabilities - expected).max() < 1e-5
    shares = np.exp(logits - logits.max(1, keepdims=True))
    assert np.abs(shares / shares.sum(1, keepdims=True) - probabilities).max() < 1e-6
    metadata = session.get_modelmeta().custom_metadata_map
    card = json.loads(metadata["card"])
    assert json.loads(metadata["classes"]) == card["classes"] == [str(i) for i in range(10)]
    right = probabilities.argmax(1) == digits_test()[1]
    assert (card["test_accuracy"], card["test_n"]) == (right.mean(), 359)
    assert f"accuracy in float32: {100 * right.mean():.2f} % of 359 test images" in said


@pytest.mark.parametrize("form", ["pt2", "safetensors"])
def test_other_forms_answer_the_same(form: str, run: Path, images: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / f"model.{form}"
    main(["export", str(run), "--out", str(path)])
    expected = load(run)(images)
    if form == "pt2":
        held = {"card.json": ""}
        net = torch.export.load(path, extra_files=held).module()
        for count in (1, 7):
            found = net(torch.from_numpy(images[:count]).permute(0, 2, 3, 1).contiguous())[0]
            assert np.abs(found.detach().numpy() - expected[:count]).max() < 1e-6
        assert json.loads(held["card.json"])["test_n"] == 359
    else:
        assert (load(path.with_suffix(".json"))(images) == expected).all()
        assert names_in(tmp_path) == ["model.json", "model.safetensors"]


@pytest.mark.parametrize("form", ["onnx", "pt2", "safetensors"])
def test_no_file_names_this_machine(form: str, run: Path, tmp_path: Path) -> None:
    path = tmp_path / f"model.{form}"
    path.write_bytes(b"an older one, which is replaced")
    main(["export", str(run), "--out", str(path)])
    places = {str(tmp_path), str(run), str(Path.home()), str(Path(torch.__file__).parent), str(Path.cwd())} - {"/"}
    for each in tmp_path.iterdir():
        content = each.read_bytes()
        assert not [place for place in places if place.encode() in content]
        assert b".py" not in content
        assert b"zoo/" not in content


def test_a_file_that_answers_otherwise_is_not_kept(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.onnx"
    out.write_bytes(b"what was good before")
    ask = OnnxFile.ask
    monkeypatch.setattr(OnnxFile, "ask", lambda self, path, images: np.roll(ask(self, path, images), 1, axis=1))
    with pytest.raises(SystemExit) as stop:
        main(["export", str(run), "--out", str(out)])
    assert stop.value.code == 1
    assert f"predictions in {out}: expected those of torch for 359 images, found 359 others" in capsys.readouterr().err
    assert (names_in(tmp_path), out.read_bytes()) == (["model.onnx"], b"what was good before")


@pytest.mark.parametrize("form", ["pt2", "safetensors", "bundle"])
def test_an_export_that_breaks_off_leaves_nothing(
    form: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FORMS[form], "ask", stop)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        main(["export", str(run), "--format", form, "--out", str(tmp_path / f"x{ENDINGS[form]}")])
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_disk_that_is_full_is_told_and_what_was_there_stays(
    form: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Torch would end the process where it writes a file of its own."""
    out = tmp_path / f"x{ENDINGS[form]}"
    if form != "bundle":
        out.write_bytes(b"what was good before")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, usual[1]))
    try:
        with pytest.raises(SystemExit) as stop:
            main(["export", str(run), "--format", form, "--out", str(out)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert stop.value.code == 1
    assert f"error: access in {out}: expected a place to read and write, found " in capsys.readouterr().err
    assert names_in(tmp_path) == ([] if form == "bundle" else [out.name])
    assert form == "bundle" or out.read_bytes() == b"what was good before"


def test_made_images_do_where_there_are_none(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["export", str(run), "--out", str(tmp_path / "digits.safetensors")])
    path = tmp_path / "digits.json"
    card = json.loads(path.read_text())
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    for name in ("MNIST", f"--config={run / 'config.yaml'}", str(run / "config.yaml"), None):
        path.write_text(json.dumps(card | {"data": name} if name else {k: v for k, v in card.items() if k != "data"}))
        capsys.readouterr()
        main(["export", str(path), "--out", str(tmp_path / "made.pt2")])
        said = capsys.readouterr()
        assert "1,000 of 1,000 predictions are those of torch, on made images" in said.out
        assert "warning: test images of" in said.err
        advice = "--data.root DIR" if name == "MNIST" else "--data.path FILE.npz"
        assert f"no accuracy is counted. Try: {advice}\n" in said.err
    assert sorted(names_in(tmp_path)) == ["digits.json", "digits.safetensors", "made.pt2"]


def test_the_accuracy_of_another_precision_is_not_taken_over(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    result = json.loads((copy / "result.json").read_text())
    (copy / "result.json").write_text(json.dumps(result | {"precision": "bf16-mixed"}))
    monkeypatch.setattr("zoo.commands.weights.card_scores.images_for_card", none_there)
    main(["export", str(copy), "--out", str(tmp_path / "made.safetensors")])
    assert "accuracy in float32: not counted" in capsys.readouterr().out
    assert not {"test_accuracy", "val_accuracy"} & json.loads((tmp_path / "made.json").read_text()).keys()


def test_the_accuracy_of_other_images_is_not_on_the_card(
    run: Path, images: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["export", str(run), "--out", str(tmp_path / "digits.safetensors")])
    before = json.loads((tmp_path / "digits.json").read_text())
    np.savez(tmp_path / "other.npz", test_images=images[:50, 0], test_labels=np.zeros(50, np.int64))
    capsys.readouterr()
    words = ["--out", str(tmp_path / "again.safetensors"), "--data.path", str(tmp_path / "other.npz")]
    main(["export", str(tmp_path / "digits.json"), *words])
    assert "% of 50 test images; not on the card, which is of Digits" in capsys.readouterr().out
    assert json.loads((tmp_path / "again.json").read_text()) == before


def none_there(*args: Any, **settings: Any) -> Any:
    raise OSError("none")


REFUSED = {
    "no form": ("RUN --out x", "form in --format: expected it, or --out with one of .onnx, .pt2, .safetensors"),
    "another form": ("RUN --out x.tf --format tflite", "expected one of onnx, pt2, safetensors, bundle"),
    "another ending": ("RUN --out x.pb --format onnx", "expected one that ends in .onnx for --format onnx"),
    "no name": ("RUN", "expected --out, found none"),
    "no folder": ("RUN --out no/x.onnx", "folder in --out: expected one that is there, found none at no. Try: --out x"),
    "a folder": ("RUN --out folder.onnx", "expected a file, found a folder at folder.onnx. Try: --out"),
    "a full folder": ("RUN --out full --format bundle", "expected a folder that is not there yet"),
    "this folder": ("RUN --out . --format bundle", "found a folder at .. Try: --out bundle"),
    "somebody's file": ("RUN --out own.safetensors", "found a file at own.json. Try: another name"),
    "no weights": ("nobody --out x.onnx", "name in weights: expected one of"),
    "no run": ("./nobody --out x.onnx", "expected"),
    "no data": ("RUN --out x.pt2 --data MNIST --data.root no", "expected a readable file"),
    "other data": ("RUN --out x.pt2 --data CIFAR", "data in --data: expected one of Arrays, CIFAR10"),
    "an unknown flag": ("RUN --out x.pt2 --data.rot no", "found '--data.rot'. Try: --data.root"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_one_line(
    name: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("folder.onnx", "full"):
        (tmp_path / folder).mkdir()
    for file in ("full/x", "own.json"):
        (tmp_path / file).write_text("mine")
    words, said = REFUSED[name]
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["export", *words.replace("RUN", str(run)).split()])
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert stop.value.code == (1 if name == "no data" else 2)
    assert names_in(tmp_path) == ["folder.onnx", "full", "own.json"]
    assert (tmp_path / "own.json").read_text() == "mine"


def test_packages_that_are_missing_are_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(SystemExit) as stop:
        main(["export", str(run), "--out", str(tmp_path / "x.onnx")])
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        "error: package in --format onnx: expected onnxscript, found none. Try: pip install 'small-image-zoo[export]'\n"
    )


class Side(nn.Module):
    """Activations beside each other: (B, …) -> (B, activations × numbers)."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([layer(x.flatten(1)) for layer in self.layers], dim=1)


def test_every_activation_is_exported_as_it_is() -> None:
    others = [nn.Mish, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.ReLU6, nn.CELU, nn.Softplus, nn.Softsign]
    tanh = nn.GELU("tanh")
    layers = [*(make() for make in ACTIVATIONS.values()), *(make() for make in others), tanh, nn.Tanhshrink()]
    card = {"in_shape": [1, 16, 16], "shift": [127.5], "scale": [40 / 127.5], "pixels": None, "classes": ["a", "b"]}
    model = ImageClassifier(card, Side(layers))
    images = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).repeat(2, 1, 1, 1)
    session = onnxruntime.InferenceSession(graph_of(model).SerializeToString())
    found = session.run(["logits"], {"images": images.numpy()})[0].reshape(2, len(layers), 256)
    with torch.no_grad():
        expected = model.net(model.normalise(images.permute(0, 3, 1, 2))).view(2, len(layers), 256).numpy()
    for layer, here, there in zip(layers, found[0], expected[0], strict=True):
        assert np.abs(here - there).max() < 1e-5, layer

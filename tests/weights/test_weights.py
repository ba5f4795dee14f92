"""Protects weights that leave: the answers of the run, whatever they are asked with, and nothing but data."""

import inspect
import json
import shutil
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from cli import main
from small_runs import digits_mlp, digits_test
from tiny_weights import tiny_weights
from zoo.runs.folder import RunFolder
from zoo.runs.report.numbers import confusions
from zoo.weights.card import check_card
from zoo.weights.classifier import CHUNK
from zoo.weights.fields import NETWORKS
from zoo.weights.guard import at_once
from zoo.weights.loading import load


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_mlp(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def saved(run: Path) -> Path:
    """The card of the run's weights."""
    main(["weights", "save", str(run), "--out", str(run.parent / "out"), "--name", "digits_mlp"])
    return run.parent / "out/digits_mlp.json"


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Test images as they are: (N, 1, 28, 28) uint8."""
    return digits_test()[0][:40]


@pytest.mark.parametrize("path", NETWORKS)
def test_a_class_and_its_network_take_the_same_arguments(path: str) -> None:
    file, function = NETWORKS[path]
    of_class = inspect.signature(getattr(zoo, path.rpartition(".")[2])).parameters
    of_network = inspect.signature(getattr(import_module(f"zoo.nn.{file}"), function)).parameters
    assert [*of_network] == [name for name in of_class if name != "training"]


def test_saved_weights_answer_as_the_run_does(run: Path, saved: Path, images: np.ndarray) -> None:
    model = load(saved.parent)
    assert (model(images) == load(run)(images)).all()
    assert model.classes == [str(i) for i in range(10)]
    assert model.predict(images[:3]) == [model.classes[i] for i in model(images[:3]).argmax(1)]
    assert model.features(images).shape == (40, 8)
    result = json.loads(RunFolder(run).result.read_text())
    assert model.card["test_accuracy"] == pytest.approx(result["test"]["accuracy"])
    assert (model.card["val_n"], model.card["test_n"]) == (143, 359)
    assert "digits_mlp" in repr(model)


def test_two_saves_give_the_same_bytes(run: Path, saved: Path) -> None:
    main(["weights", "save", str(run), "--out", str(run.parent / "again"), "--name", "digits_mlp"])
    for ending in (".json", ".safetensors"):
        assert (run.parent / f"again/digits_mlp{ending}").read_bytes() == saved.with_suffix(ending).read_bytes()


def test_images_may_have_any_form(saved: Path, images: np.ndarray, tmp_path: Path) -> None:
    model = load(saved)
    expected = model(images[:2])
    Image.fromarray(images[0, 0]).save(tmp_path / "a.png")
    Image.fromarray(images[1, 0]).convert("RGB").save(tmp_path / "b.png")
    for form in (
        images[:2, 0],
        images[:2].transpose(0, 2, 3, 1),
        torch.from_numpy(images[:2]),
        [images[0, 0], images[1]],
        [Image.fromarray(image[0]) for image in images[:2]],
        [tmp_path / "a.png", str(tmp_path / "b.png")],
    ):
        assert (model(form) == expected).all()
    assert model([]).shape == (0, 10)
    large = Image.fromarray(images[0, 0]).resize((280, 280), Image.Resampling.NEAREST)
    assert model(large).argmax() == expected[0].argmax()


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (np.full((2, 28, 28), 0.5), r"expected uint8, 0 to 255, found float64 from 0.5 to 0.5. Try: \(images \* 255\)"),
        (np.zeros((2, 5, 28, 28), np.uint8), r"found \(2, 5, 28, 28\)"),
        (np.zeros((2, 30, 30), np.uint8), r"found \(2, 30, 30\)"),
        ("nowhere.png", "picture in nowhere.png: expected a file, found none"),
        (np.zeros((2, 784), np.uint8), r"rows of 784 pixels\? Try: images.reshape\(-1, 28, 28\)"),
        (None, "expected uint8 arrays or tensors, Pillow pictures, paths, or a list of them, found object"),
        (Image.new("L", (0, 5)), "expected some pixels, found 0 × 5"),
        (np.full((2, 28, 28), -40.0), "found float64 from -40 to -40. Try: the images as they were before norm"),
    ],
)
def test_what_is_no_image_is_refused(form: Any, said: str, saved: Path) -> None:
    with pytest.raises((ValueError, OSError), match=said):
        load(saved)(form)


@pytest.mark.parametrize("form", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
@pytest.mark.parametrize("kind", ["unit", "symmetric", "whole", "16 bits", "bits", "bfloat16"])
def test_the_advice_for_other_numbers_gives_the_images(kind: str, form: Any, saved: Path, images: np.ndarray) -> None:
    images = images[:2] // 255 * 255 if kind == "bits" else images[:2]
    made = {
        "unit": lambda: form(images / 255),
        "symmetric": lambda: form(images / 127.5 - 1),
        "whole": lambda: form(images.astype(np.int64)),
        "16 bits": lambda: form(images.astype(np.uint16) * 257),
        "bits": lambda: form(images > 0),
        "bfloat16": lambda: torch.from_numpy(images).bfloat16(),
    }
    given = made[kind]()
    with pytest.raises(ValueError, match="expected uint8, 0 to 255, found") as error:
        load(saved)(given)
    advice = str(error.value).partition(". Try: ")[2].rpartition(", if ")[0]
    expected = images > 0 if kind == "bits" else images
    found = eval(advice, {"images": given})
    assert found.dtype == np.uint8
    assert (found == (expected * 255 if kind == "bits" else images)).all()


def test_images_that_cannot_be_written_are_read_quietly(saved: Path, images: np.ndarray) -> None:
    fixed = images[:2].copy()
    fixed.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (load(saved)(fixed) == load(saved)(images[:2])).all()


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:99", "cpu:x"])
def test_a_device_that_is_not_there_is_told_at_once(device: str, saved: Path) -> None:
    with pytest.raises(ValueError, match=rf"device in zoo.load: expected .*, found '{device}' .* Try: cpu"):
        load(saved, device=device)


def test_a_device_may_be_one_of_torch(saved: Path, images: np.ndarray) -> None:
    assert (load(saved, torch.device("cpu"))(images[:2]) == load(saved)(images[:2])).all()  # type: ignore[arg-type]


def test_another_way_is_refused_whatever_it_is_for(saved: Path, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected one of photo, digits, found 'digit'"):
        load(saved)(images, "digit")


def test_a_file_beside_what_was_meant_is_told(run: Path, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "seven.png").touch()
    for given, advice in (
        (saved.with_suffix(".safetensors"), f". Try: {saved}"),
        (run / "checkpoints/best.ckpt", f". Try: {run}"),
        (tmp_path / "seven.png", ". Try: mnist_lenet "),
        (run / "config.yaml", "found a file"),
    ):
        with pytest.raises(ValueError, match="expected a name, a run, or a folder with a card, found a file") as error:
            load(given)
        assert advice in str(error.value)


def spoilt(saved: Path, folder: Path, change: Any, ending: str = ".json") -> Path:
    """A copy of card and weights in which something was changed."""
    folder.mkdir()
    for each in (".json", ".safetensors"):
        shutil.copy(saved.with_suffix(each), folder)
    path = folder / saved.with_suffix(ending).name
    if ending == ".json":
        card = json.loads(path.read_text())
        change(card)
        path.write_text(json.dumps(card))
    else:
        path.write_bytes(change(path.read_bytes()))
    return folder


CHANGES: dict[str, tuple[Any, str]] = {
    "another key": (lambda card: card.update(hook="x"), "found 'hook'"),
    "a key less": (lambda card: card.pop("classes"), "classes in .*: expected .*, found none"),
    "code": (lambda card: card["model"].update(class_path="os.system"), "model in .*: expected a network of zoo"),
    "an argument": (lambda card: card["model"]["init_args"].update(widths=3), "expected its arguments"),
    "an object": (
        lambda card: card["model"]["init_args"].update(activation={"class_path": "os.system", "init_args": {}}),
        "of the model in .*: expected a word, .*os.system",
    ),
    "another network": (lambda card: card["model"]["init_args"].update(hidden=[9]), r"expected 1.bias of shape \[9\]"),
    "another sum": (lambda card: card.update(sha256="0" * 64), "expected SHA-256 000000000000"),
    "a newer schema": (lambda card: card.update(schema=2), "schema in .*: expected 1, found '2'"),
    "no scale": (lambda card: card.update(scale=[0.0]), "scale in .*: expected a number above 0"),
    "a name twice": (lambda card: card.update(classes=["0"] * 10), "classes in"),
    "half an order": (lambda card: card.update(pixels=[1, 0]), "expected a permutation of 784"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_card_that_does_not_fit_is_refused(name: str, saved: Path, tmp_path: Path) -> None:
    change, said = CHANGES[name]
    with pytest.raises(ValueError, match=said):
        load(spoilt(saved, tmp_path / "x", change))


def test_a_changed_byte_is_found(saved: Path, tmp_path: Path) -> None:
    folder = spoilt(saved, tmp_path / "x", lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), ".safetensors")
    with pytest.raises(ValueError, match="expected SHA-256"):
        load(folder)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("mnist_lenett", "name in weights: expected"),
        ("no/such/folder", "weights in no/such/folder: expected a folder or a card, found none"),
        (".", "expected a run or a folder with one card, found neither"),
    ],
)
def test_what_is_not_there_is_named(where: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=said):
        load(where)


def test_the_most_frequent_mistakes_come_first() -> None:
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 0, 2, 1, 2])
    assert confusions(labels, predicted, ["a", "b", "c"]) == [
        {"label": "a", "predicted": "b", "count": 2},
        {"label": "b", "predicted": "c", "count": 1},
    ]


def test_a_card_is_shown_for_people(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["weights", "show", str(saved.parent)])
    shown = capsys.readouterr().out
    assert "6,370 parameters" in shown
    assert f"SHA-256            {json.loads(saved.read_text())['sha256']}" in shown
    main(["weights", "show", str(saved), "--json"])
    assert check_card(json.loads(capsys.readouterr().out), "stdout")["name"] == "digits_mlp"


def test_few_images_are_taken_at_a_time_where_layers_make_much_of_each() -> None:
    for name in zoo.list_models():
        model = load(name, runtime="torch")
        assert at_once(model.net.state_dict().values(), model.card, CHUNK) == CHUNK
    card = {"in_shape": [3, 1024, 1024], "model": {"init_args": {}}}
    assert at_once([torch.empty(64, 3, 3, 3)], card, CHUNK) == 2
    assert at_once([torch.empty(256, 64, 3, 3)], card, CHUNK) == 1


def test_a_file_longer_than_any_weights_is_not_read(tmp_path: Path) -> None:
    folder = tiny_weights(tmp_path)
    with (folder / "tiny.safetensors").open("r+b") as file:
        file.truncate(500_000_001)
    with pytest.raises(ValueError, match=r"expected at most 500,000,000 bytes, found 500,000,001"):
        load(folder)

"""Protects starting from trained weights: which, of what network, seen how; and what a run, its result and card say."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Trainer

import zoo
from cli import main
from datamodules import Digits
from datamodules.normalisation import Normalisation
from small_runs import fit, record
from zoo import LeNet
from zoo.checkpoints.storage import read_checkpoint
from zoo.resume.identity.records import read_identity
from zoo.runs.folder import RunFolder
from zoo.training.pretrained import statistics
from zoo.weights.from_run import read_run
from zoo.weights.store import list_weights, own, read_card

DIGITS = "fit --data Digits --data.train_size 320 --trainer.max_epochs 1 --trainer.accelerator cpu --figures false"


def run(folder: Path, words: str) -> RunFolder:
    main([*DIGITS.split(), "--run_dir", str(folder), *words.split()])
    return RunFolder(folder)


def refused(capsys: pytest.CaptureFixture[str], folder: Path, words: str) -> str:
    with pytest.raises(SystemExit) as end:
        run(folder, words)
    assert end.value.code == 2
    assert not folder.exists()
    [line] = capsys.readouterr().err.splitlines()
    return line


class Seen:
    """What a normalisation asks of data."""

    normalize = "weights"


@pytest.mark.parametrize("name", list_weights())
def test_images_come_to_a_network_bit_for_bit_as_its_card_says(name):
    card = read_card(own(name))
    channels = card["in_shape"][0]
    normalisation = Normalisation(Seen())  # type: ignore[arg-type]
    known = statistics(card, channels)
    normalisation.trained_with((known["mean"], known["std"]))
    images = torch.arange(256, dtype=torch.uint8).expand(channels, 256).reshape(1, channels, 16, 16)
    expected = zoo.load(name, runtime="torch").normalise(images)
    assert torch.equal(normalisation(images), expected)


def test_grey_images_come_as_the_mean_of_three_colours():
    known = statistics({"shift": [100.0, 110.0, 120.0], "scale": [0.01, 0.02, 0.03]}, 1)
    assert known["mean"] == pytest.approx([110 / 255])
    assert known["std"] == pytest.approx([1 / (255 * 0.02)])


@pytest.mark.parametrize(
    ("model", "weights"), [("LeNet", "mnist_lenet"), ("ConvNet", "mnist_convnet"), ("FastNet", "mnist_fastnet")]
)
def test_a_step_of_nothing_leaves_the_weights_as_they_were(model, weights, tmp_path, capsys):
    """Of the same classes: all layers, also what is computed from images before the first step."""
    words = f"--model {model} --model.weights {weights} --model.optimizer torch.optim.SGD --model.optimizer.lr 0"
    folder = run(tmp_path / "a", f"{words} --model.freeze body --model.compile false")
    trained = zoo.load(weights, runtime="torch").net.state_dict()
    found = read_checkpoint(folder.last)["state_dict"]
    assert len(found) == len(trained)
    for name, value in trained.items():
        assert torch.equal(found[f"net.{name}"], value.to(found[f"net.{name}"].dtype)), name
    assert "the last layer stays" in capsys.readouterr().out


def test_what_a_run_started_from_stands_in_its_result_its_record_and_its_card(tmp_path, capsys):
    folder = run(tmp_path / "a", "--model LeNet --model.weights mnist_lenet --model.freeze body")
    card = read_card(own("mnist_lenet"))
    expected = {"name": "mnist_lenet", "sha256": card["sha256"]}
    assert record(folder)["started_from"] == expected
    assert read_identity(folder.identity)["weights"] == {"given": "mnist_lenet", **expected}
    assert read_checkpoint(folder.best)["identity"]["weights"]["sha256"] == card["sha256"]
    mine, _ = read_run(folder.path)
    assert mine["started_from"] == expected
    assert (mine["shift"], mine["scale"]) == (card["shift"], card["scale"])  # it goes on seeing images as they did
    main(["weights", "save", str(folder.path), "--out", str(tmp_path / "w"), "--name", "mine"])
    assert "started from" in capsys.readouterr().out
    assert read_card(tmp_path / "w/mine.json")["started_from"] == expected
    # and that is what the network is asked with
    digits = Digits()
    digits.setup()
    images = digits.part("test").images.numpy()
    right = (zoo.load(tmp_path / "w")(images).argmax(1) == digits.part("test").labels.numpy()).mean()
    assert right == pytest.approx(record(folder)["test"]["accuracy"])
    main(["test", "--run_dir", str(folder.path)])
    assert f"{100 * right:.2f} %" in capsys.readouterr().out
    assert "started_from" not in record(fit(tmp_path / "plain"))


def test_arguments_are_those_of_the_weights_unless_given(tmp_path, capsys):
    before = run(tmp_path / "a", "--model ConvNet --model.channels [3,5] --model.depth 1 --model.norm layer")
    after = run(tmp_path / "b", f"--model ConvNet --model.weights {before.path} --model.dropout 0.2")
    made = read_checkpoint(after.last)["hyper_parameters"]
    assert (made["channels"], made["depth"], made["norm"], made["dropout"]) == ([3, 5], 1, "layer", 0.2)
    assert read_identity(after.identity)["weights"]["name"] == "digits-convnet"  # and no path of this machine
    # config.yaml makes the same run again
    main(["fit", "-c", str(after.config), "--run_dir", str(tmp_path / "c"), "--figures", "false"])
    assert record(RunFolder(tmp_path / "c"))["test"] == record(after)["test"]
    capsys.readouterr()
    line = refused(capsys, tmp_path / "d", f"--model ConvNet --model.weights {before.path} --model.channels [3,6]")
    assert "in --model.channels: expected [3, 5], as in the weights digits-convnet, found [3, 6]" in line
    assert line.endswith("Try: without it, or --model.channels '[3, 5]'")
    line = refused(capsys, tmp_path / "d", f"--model ConvNet --model.weights {before.path} --model.depth 2")
    assert "in --model.depth: expected 1" in line  # though it is the default


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("--model MLP --model.weights mnist_lenet", "network in --model: expected LeNet, "),
        ("--model LeNet --model.weights mnist_lenett", "Try: mnist_lenet"),
        ("--model LeNet --model.weights mnist_lenet --model.activation torch.nn.Tanh", "in --model.activation: expec"),
        ("--model SoftmaxRegression --model.weights cifar10_softmax", "expected 3 × 32 × 32 as cifar10_softmax takes"),
        ("--model SoftmaxRegression --model.freeze body", "body in --model.freeze: expected a network of several lay"),
        ("--model LeNet --model.unfreeze_at 2", "Try: --model.freeze body --model.unfreeze_at 2"),
        ("--model LeNet --model.freeze body --model.unfreeze_at 1", "expected a whole number from 2, found 1"),
        ("--model LeNet --model.freeze head", "expected one of 'none', 'body', found 'head'"),
        ("--model LeNet --data.normalize weights", "Try: --data.normalize standard"),
    ],
)
def test_what_does_not_fit_is_one_line(words, found, tmp_path, capsys):
    assert found in refused(capsys, tmp_path / "a", words)


def test_a_layer_given_as_activation_is_the_one_of_its_name(tmp_path):
    folder = run(tmp_path / "a", "--model LeNet --model.weights mnist_lenet --model.activation torch.nn.ReLU")
    assert folder.result.exists()


def test_normalisation_that_is_given_beats_that_of_the_weights(tmp_path, capsys):
    folder = run(tmp_path / "a", "--model LeNet --model.weights mnist_lenet --data.normalize standard")
    assert "--data.normalize standard in the place of theirs" in capsys.readouterr().out
    assert read_run(folder.path)[0]["shift"] != read_card(own("mnist_lenet"))["shift"]


def test_a_run_that_goes_on_asks_for_no_weights_and_refuses_others(tmp_path, capsys):
    words = "--model LeNet --model.weights"
    folder = run(tmp_path / "a", f"{words} mnist_lenet")
    more = "--resume must --trainer.max_epochs 2"
    for other in ("fashion_lenet", "null"):
        with pytest.raises(SystemExit):
            run(folder.path, f"{words} {other} {more}")
        assert "which the run started from" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(folder.path, f"{words} mnist_lenet --model.freeze body {more}")
    assert "--model.freeze" in capsys.readouterr().err
    card = own("mnist_lenet")
    run(folder.path, f"{words} {card} {more}")  # the same by another name
    assert record(folder)["epochs"] == 2
    plain = run(tmp_path / "b", "--model LeNet")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        run(plain.path, f"{words} mnist_lenet {more}")
    assert "expected none, which the run started from" in capsys.readouterr().err


def test_no_file_names_weights_on_the_hub(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("model: {class_path: zoo.LeNet, init_args: {weights: 'hf://me/net'}}\n")
    line = refused(capsys, tmp_path / "a", f"-c {tmp_path / 'mine.yaml'}")
    assert "hf://me/net" in line


def test_weights_of_shuffled_pixels_are_for_pixels_in_that_order(tmp_path, capsys):
    folder = run(tmp_path / "a", "--model MLP --data.shuffle_pixels 3")
    run(tmp_path / "b", f"--model MLP --model.weights {folder.path} --data.shuffle_pixels 3")
    capsys.readouterr()
    for other in ("", "--data.shuffle_pixels 4"):
        words = f"--model MLP --model.weights {folder.path} {other}"
        assert "order of pixels in --data.shuffle_pixels" in refused(capsys, tmp_path / "c", words)


def test_images_in_colours_and_other_classes_from_grey_digits(tmp_path, capsys):
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = generator.integers(0, 256, (60, 32, 32, 3)).astype(np.uint8)
    parts: dict[str, Any] = {"train_images": images, "train_labels": labels}
    parts |= {"test_images": images[:12], "test_labels": labels[:12]}
    np.savez(tmp_path / "own.npz", **parts)
    words = f"fit --data Arrays --data.path {tmp_path / 'own.npz'} --trainer.max_epochs 1 --figures false"
    main(f"{words} --model ConvNet --model.weights mnist_convnet --run_dir {tmp_path / 'a'}".split())
    line = next(each for each in capsys.readouterr().out.splitlines() if each.startswith("starts from"))
    assert line.endswith(
        "images are 3 × 32 × 32, and were 1 × 28 × 28; each colour has a third of the first layer's weights;"
        " new last layer, for 3 classes"
    )
    with pytest.raises(SystemExit):
        main(f"{words} --model FastNet --model.weights mnist_fastnet --run_dir {tmp_path / 'b'}".split())
    assert "a FastNet whitens patches" in capsys.readouterr().err


class Pretrained:
    """What zoo.load gives, of a network of any shape."""

    def __init__(self, model: Any, shape: tuple[int, int, int], classes: int) -> None:
        made = {name: model.hparams[name] for name in ("channels", "kernel_size", "hidden", "activation", "norm")}
        self.net = model.net
        self.card = {
            "name": "own",
            "model": {"class_path": "zoo.lenet.LeNet", "init_args": made},
            "in_shape": [*shape],
            "classes": [*map(str, range(classes))],
            "shift": [0.0],
            "scale": [1.0],
        }


def test_a_body_that_would_be_half_new_is_not_frozen():
    small = Pretrained(LeNet((1, 20, 20), 4), (1, 20, 20), 4)
    LeNet((1, 28, 28), 4, weights=small)
    with pytest.raises(ValueError, match=r"expected weights of own for all of it, found none for net\.7, net\.9"):
        LeNet((1, 28, 28), 4, weights=small, freeze="body")


def test_in_python_a_model_takes_what_zoo_load_gives(tmp_path):
    trained = zoo.load("mnist_lenet")
    model = LeNet((1, 28, 28), 26, weights=trained, freeze="body", optimizer=partial(torch.optim.SGD, lr=0.1))
    assert [name for name, each in model.net.named_parameters() if each.requires_grad] == ["11.weight", "11.bias"]
    data = Digits(normalize="weights", train_size=320)
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tmp_path
    )
    trainer.fit(model, datamodule=data)
    assert torch.equal(model.net.state_dict()["0.weight"], trained.net.state_dict()["0.weight"])
    assert data.prepare_images(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)).item() > 2.5  # as MNIST's white
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = LeNet.load_from_checkpoint(tmp_path / "a.ckpt")
    assert torch.equal(again.net.state_dict()["11.weight"], model.net.state_dict()["11.weight"])
    assert again.frozen
    with pytest.raises(ValueError, match=r'Try: weights=zoo\.load\("mnist_lenet"\)'):
        LeNet((1, 28, 28), 26, weights="mnist_lenet")


def test_norms_of_a_frozen_body_keep_their_averages_whatever_mode_is_asked_for():
    model = zoo.ConvNet((1, 16, 16), 3, channels=[4, 5], depth=1, freeze="body", dropout=0.5)
    norms = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    before = [{name: value.clone() for name, value in norm.state_dict().items()} for norm in norms]
    for _ in range(2):
        model.eval().train()(torch.randn(4, 1, 16, 16))
        assert not any(norm.training for norm in norms)
        assert next(layer for layer in model.modules() if isinstance(layer, torch.nn.Dropout)).training
    for norm, old in zip(norms, before, strict=True):
        assert all(torch.equal(value, old[name]) for name, value in norm.state_dict().items())
    model.free_body()
    assert all(norm.training for norm in norms)

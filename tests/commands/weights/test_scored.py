"""Protects `NAME | RUN | DIR` behind verbs: a run is `--run_dir`, weights with a card are scored on the data that it
names and give its number, and images that the network cannot know are refused."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo.weights.store as store
from cli import main
from small_runs import digits_mlp, digits_test


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_mlp(tmp_path_factory.mktemp("runs") / "run", "--data.shuffle_pixels 3")


@pytest.fixture(scope="module")
def saved(run: Path) -> Path:
    """A folder with the card of its weights."""
    main(["weights", "save", str(run), "--out", str(run.parent / "out"), "--name", "digits_mlp"])
    return run.parent / "out"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store, "OWN", saved)
    return tmp_path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command prints."""

    def of(*words: Any) -> str:
        capsys.readouterr()
        main([*map(str, words)])
        return capsys.readouterr().out

    return of


def table(text: str) -> list[str]:
    """The rows of the table of accuracies."""
    return [line for line in text.splitlines() if "│" in line]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("verb", ["test", "validate", "describe"])
def test_a_run_may_stand_without_its_flag(verb: str, run: Path, said: Any) -> None:
    assert said(verb, run) == said(verb, "--run_dir", run) != ""


@pytest.mark.parametrize("verb", ["test", "validate"])
def test_weights_have_the_accuracy_of_their_card(verb: str, run: Path, saved: Path, said: Any) -> None:
    text = said(verb, "digits_mlp")
    assert table(text) == table(said(verb, "--run_dir", run))
    split = {"test": "test", "validate": "val"}[verb]
    n = json.loads((saved / "digits_mlp.json").read_text())[f"{split}_n"]
    assert "\nthe same as on the card: " in text
    assert f" of {n} right" in text
    assert said(verb, saved) == text
    assert not [*Path().iterdir()]  # nothing is written


def test_another_number_than_the_card_s_is_told(saved: Path, tmp_path: Path, said: Any) -> None:
    shutil.copytree(saved, tmp_path / "other")
    card = tmp_path / "other/digits_mlp.json"
    content = json.loads(card.read_text())
    right = round(content["test_accuracy"] * 359)
    card.write_text(json.dumps({**content, "test_accuracy": (right + 1) / 359}))
    assert f"not the same as on the card: {right} of 359 right, where it says {right + 1}" in said("test", "other")
    fewer = said("validate", "other", "--data.val_size", "100")
    assert f"the card's {100 * content['val_accuracy']:.2f} % is of 143 validation images" in fewer


def test_predictions_of_test_images(run: Path, said: Any) -> None:
    said("predict", run)
    of_run = rows(run / "predictions.csv")
    said("predict", "digits_mlp", "--data", "Digits", "--out", "out.csv")
    said("predict", "digits_mlp", "--data.root", "data")
    for path in ("out.csv", "predictions.csv"):
        found = rows(Path(path))
        assert [*found[0]] == [*of_run[0]]
        for key in ("index", "label", "predicted"):
            assert [row[key] for row in found] == [row[key] for row in of_run]
    said("predict", "--out", "again.csv", run)
    assert rows(Path("again.csv")) == of_run


def test_the_network_of_a_card_is_described(run: Path, said: Any) -> None:
    ours, of_run = (json.loads(said("describe", where, "--json")) for where in ("digits_mlp", run))
    assert ours == of_run
    assert said("describe", "digits_mlp") == said("describe", run)


def test_own_images_with_named_labels(said: Any) -> None:
    images, labels = digits_test()
    names = [str(k) for k in range(10)]
    np.savez("text.npz", test_images=images[:, 0], test_labels=labels.astype(str))
    np.savez("named.npz", test_images=images[:, 0], test_labels=9 - labels, classes=names[::-1])
    found = [said("test", "digits_mlp", *words) for words in ((), ("--data.path", "text.npz"))]
    assert [line.split("│")[1:] for line in table(found[0])] == [line.split("│")[1:] for line in table(found[1])]
    assert "% is of 359 test images of Digits" in found[1]
    named = said("test", "digits_mlp", "--data", "Arrays", "--data.path", "named.npz")
    assert table(named) == table(found[1])


def test_a_copy_of_the_data_is_known_by_its_numbers(saved: Path, said: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A card that names the JPEG copy of CIFAR-10: there is no such data set, and the advice leads to the archive."""
    images, labels = digits_test()
    np.savez("copy.npz", test_images=images[:, 0], test_labels=labels)
    np.savez("other.npz", test_images=images[::-1, 0], test_labels=labels)
    shutil.copytree(saved, "copied")
    card = json.loads(Path("copied/digits_mlp.json").read_text())
    Path("copied/digits_mlp.json").write_text(json.dumps({**card, "data": "CIFAR-10, JPEG copy"}))
    advice = "Try: --data.path FILE.npz for this copy, or --data CIFAR10 --data.root DIR for the original"
    for words in ("test copied", "export copied --out x.safetensors --data.root data", "export copied --out x.pt2"):
        capsys.readouterr()
        if words.endswith("pt2"):
            main(words.split())
        else:
            with pytest.raises(SystemExit):
                main(words.split())
        assert advice in capsys.readouterr().err
    assert "\nthe same as on the card: " in said("test", "copied", "--data.path", "copy.npz")
    assert "test images of CIFAR-10, JPEG copy\n" in said("test", "copied", "--data.path", "other.npz")
    for name, says in (
        ("copy", ", as on the card\n"),
        ("other", "; not on the card, which is of CIFAR-10, JPEG copy\n"),
    ):
        assert says in said("export", "copied", "--out", "x.safetensors", "--data.path", f"{name}.npz")
        assert json.loads(Path("x.json").read_text())["test_accuracy"] == card["test_accuracy"]


def test_a_run_knows_its_images_wherever_they_lie(
    tmp_path: Path, said: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(0)
    images, labels = draw.integers(0, 256, (60, 8, 8), np.uint8), np.arange(60) % 3
    arrays: dict[str, Any] = {"train_images": images[:40], "train_labels": labels[:40], "test_labels": labels[40:]}
    np.savez("own.npz", **arrays, test_images=images[40:])
    np.savez("other.npz", **arrays, test_images=255 - images[40:])
    words = (
        "--data Arrays --data.path own.npz --data.batch_size 10 --model MLP --model.hidden [4] --trainer.max_epochs 1"
    )
    said("fit", *words.split(), "--run_dir", "run", "--figures", "false", "--trainer.precision", "bf16-mixed")
    Path("own.npz").rename("moved.npz")
    for name, on_card in (("moved", True), ("other", False)):
        text = said("export", "run", "--out", f"{name}.safetensors", "--data.path", f"{name}.npz")
        assert ("; not on the card, which is of Arrays" in text) is not on_card
        assert ("test_accuracy" in json.loads(Path(f"{name}.json").read_text())) is on_card
    said("weights", "save", "run", "--out", "taken", "--data.path", "moved.npz")
    with pytest.raises(SystemExit):
        main(["weights", "save", "run", "--out", "wrong", "--data.path", "other.npz"])
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: images in --data: expected those of run, found other test images")
    assert not Path("wrong").exists()


@pytest.mark.parametrize("where", ["digits_mlp", "hf://somebody/something", "SAVED"])
def test_what_has_a_card_is_not_saved_again(where: str, saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["weights", "save", str(saved) if where == "SAVED" else where, "--out", "x"])
    line = capsys.readouterr().err
    assert "expected the folder of a run, found" in line
    if not where.startswith("hf:"):
        main(line.rpartition("cli.py ")[2].split())
        assert sorted(path.suffix for path in Path().iterdir()) == [".json", ".safetensors"]


BAD: dict[str, tuple[str, str]] = {
    "no such name": ("test digits_mpl", "found 'digits_mpl'. Try: digits_mlp"),
    "another shape": ("test digits_mlp --data.path large.npz", "large.npz: expected 1 × 28 × 28 as digits_mlp takes"),
    "other classes": ("test digits_mlp --data.path other.npz", "expected those of the network"),
    "no labels": ("test digits_mlp --data.path plain.npz", "test_labels missing"),
    "no such data": ("test digits_mlp --data Digit", "Digits"),
    "no such flag": ("test digits_mlp --data.rot x", "--data.root"),
    "flags of a run": ("test digits_mlp --trainer.accelerator cpu", "trainer"),
    "a file of settings": (
        "test digits_mlp -c mine.yaml",
        "expected none but --data, as digits_mlp is no run, found -c",
    ),
    "pixels in order twice": ("test digits_mlp --data.shuffle_pixels 3", "found 3. Try: --data.shuffle_pixels null"),
    "data of a strange card": ("test strange", "data in the card of digits_mlp: expected one of Arrays, CIFAR10"),
    "images of a batch": ("test digits_mlp --data.batch_size 5", "option in --data.batch_size: expected none, as test"),
    "images of a training": ("validate digits_mlp --data.train_size 5", "found 5. Try: the same command without it"),
    "images of validation": ("test digits_mlp --data.val_size 50", "option in --data.val_size: expected none"),
    "another scale": ("predict digits_mlp --data.normalize unit", "option in --data.normalize: expected none"),
    "changed images": ("validate digits_mlp --data.augment [flip]", "option in --data.augment: expected none"),
    "all of it in one word": (
        'test digits_mlp --data {"class_path":"Digits","init_args":{"batch_size":5}}',
        "option in --data.batch_size",
    ),
    "a flag of describe": ("describe digits_mlp --jsn", "Try: --json"),
    "nothing of that kind": ("validate nothing", "weights in nothing: expected a run or a folder with one card"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_told_in_one_line(
    name: str, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, text = BAD[name]
    np.savez("large.npz", test_images=np.zeros((2, 30, 30), np.uint8), test_labels=[0, 1])
    np.savez("other.npz", test_images=np.zeros((2, 28, 28), np.uint8), test_labels=[0, 1], classes=["a", "b"])
    np.savez("plain.npz", test_images=np.zeros((2, 28, 28), np.uint8))
    Path("nothing").mkdir()
    shutil.copytree(saved, "strange")
    card = json.loads((tmp_path / "strange/digits_mlp.json").read_text())
    (tmp_path / "strange/digits_mlp.json").write_text(json.dumps({**card, "data": "large.npz"}))
    with pytest.raises(SystemExit) as stop:
        main(words.split())
    assert stop.value.code in (1, 2)
    [line] = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
    assert line.startswith("error: ")
    assert text in line

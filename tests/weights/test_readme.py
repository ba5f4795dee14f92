"""Protects README.md of weights: the Hub's own client reads it, and what it reads is what the card says."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from cli import main
from zoo.weights.card import Card, read_card
from zoo.weights.pages.readme import DATASETS, metadata, readme, write_readme
from zoo.weights.store import list_weights, own

FIT = (
    "fit --data Digits --data.train_size 64 --data.val_size 32 --data.batch_size 32 --model MLP --model.hidden [8]"
    " --trainer.max_epochs 1 --trainer.accelerator cpu --figures false"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "my run!"
    main([*FIT.split(), "--run_dir", str(folder)])
    return folder


@pytest.fixture(scope="module")
def card(run: Path) -> Card:
    main(["weights", "save", str(run), "--out", str(run.parent / "out")])
    return read_card(run.parent / "out/digits-my-run-.json")


def parsed(page: str) -> Any:
    """The page as the client reads it."""
    return ModelCard(page)


def check(page: str, card: Card) -> Any:
    """What the client reads of a page; compared with the card, since the client compares nothing."""
    found = parsed(page)
    data = found.data.to_dict()
    assert data == metadata(card)
    assert data["pipeline_tag"] == "image-classification"
    (result,) = found.data.eval_results or []
    assert result.metric_type == "accuracy"
    assert result.metric_value == card["test_accuracy"]
    assert result.dataset_split == "test"
    assert result.dataset_name.startswith(card["data"])
    assert found.data.model_name == card["name"]
    assert f"| {100 * card['test_accuracy']:.2f} % |" in found.text
    assert card["sha256"] in found.text
    return found


@pytest.mark.parametrize("name", list_weights())
def test_the_client_reads_what_the_cards_of_the_zoo_say(name: str) -> None:
    card = read_card(own(name))
    found = check(readme(card), card)
    assert found.data.license == "mit"
    assert found.data.datasets == ([DATASETS[card["data"]]] if card["data"] in DATASETS else found.data.datasets)
    recipe = card["recipe_accuracy"]
    assert f"{100 * recipe['mean']:.2f} % ± {100 * recipe['half_width']:.2f}" in found.text
    if "data_note" in card:
        (result,) = found.data.eval_results or []
        assert card["data_note"] in result.dataset_name
        assert result.dataset_type == "other"


def test_a_run_that_is_saved_gets_one(card: Card, run: Path) -> None:
    page = (run.parent / f"out/{'README.md'}").read_text()
    check(page, card)
    assert page == readme(card)
    for place in (run.parent, Path.cwd(), Path.home()):
        assert str(place) not in page + json.dumps(card)
    assert 'zoo.load("hf://me/mine")' in readme(card, "me/mine")


def test_an_accuracy_that_was_not_counted_is_not_told(card: Card) -> None:
    for less in ({**card, "test_accuracy": None}, {key: card[key] for key in card if not key.startswith("test_")}):
        found = parsed(readme(less))
        assert found.data.eval_results is None
        assert "model-index" not in readme(less)
        assert "test images |" not in found.text


def test_a_card_with_nothing_but_what_it_must_have(card: Card) -> None:
    less = {key: card[key] for key in ("name", "model", "in_shape", "colours", "classes", "normalize", "shift")}
    less |= {key: card[key] for key in ("schema", "scale", "pixels", "prepare", "dtype", "sha256")}
    assert parsed(readme(less)).data.license is None
    other = parsed(readme({**less, "licence": "of my own"})).data
    assert (other.license, other.license_name) == ("other", "of my own")


def test_texts_of_a_card_are_shown_and_not_obeyed(card: Card) -> None:
    evil = ["<script>alert(1)</script>", "[a](javascript:alert(1))", "![](http://x.invalid/y.png)", "a|b", "---"]
    page = readme({**card, "classes": evil, "data": "x: {y: [", "data_note": "'\"", "licence": "no: 1"})
    front, text = page.removeprefix("---\n").split("\n---\n", 1)
    assert yaml.safe_load(front)["license_name"] == "no: 1"
    assert "<script" not in text
    assert "](" not in text.replace("\\](", "")
    check(page, {**card, "classes": evil, "data": "x: {y: [", "data_note": "'\"", "licence": "no: 1"})


def test_a_page_that_was_changed_is_kept(card: Card, tmp_path: Path) -> None:
    assert write_readme(tmp_path, card, None)
    newer = {**card, "test_accuracy": 0.5}
    assert write_readme(tmp_path, newer, card)
    (tmp_path / "README.md").write_text("mine")
    for before in (None, card, newer):
        assert not write_readme(tmp_path, card, before)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_page_that_is_a_link_is_kept(card: Card, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text(readme(card))
    (tmp_path / "README.md").symlink_to("mine")
    assert not write_readme(tmp_path, card, card)
    assert (tmp_path / "README.md").is_symlink()


def test_weights_of_another_name_keep_their_folder(card: Card, run: Path, capsys: Any) -> None:
    out = run.parent / "out"
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(SystemExit) as stop:
        main(["weights", "save", str(run), "--out", str(out), "--name", "second"])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "folder in --out: expected one for second alone, found digits-my-run-.json in" in line
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    main(["weights", "save", str(run), "--out", line.partition("Try: --out ")[2].partition(",")[0], "--name", "second"])
    assert (out / "second/second.json").is_file()
    assert "page: " in capsys.readouterr().out
    main(["weights", "save", str(run), "--out", str(out), "--name", card["name"]])
    assert {path: path.read_bytes() for path in before} == before


def test_a_name_that_is_a_path_is_none(run: Path, tmp_path: Path, capsys: Any) -> None:
    for name in ("../x", "a/b", "", ".x"):
        with pytest.raises(SystemExit) as stop:
            main(["weights", "save", str(run), "--out", str(tmp_path / "out"), "--name", name])
        assert stop.value.code == 2
        assert "name in --name: expected letters, digits, . _ -" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

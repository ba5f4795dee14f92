"""Protects what a word stands for: weights of the zoo by their name, else what lies at a path, or one line why not."""

from pathlib import Path

import pytest

from tiny_weights import tiny_weights
from zoo.errors import UsageError
from zoo.weights.loading import card_in, load
from zoo.weights.pages.report import text
from zoo.weights.store import list_weights, own

OWN = list_weights()[0]


@pytest.mark.parametrize("holds", ["weights", "another thing", "two cards"])
def test_nothing_in_the_working_folder_hides_weights_of_the_zoo(
    holds: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / OWN
    folder.mkdir()
    for name in {"weights": ["a"], "two cards": ["a", "b"]}.get(holds, []):
        tiny_weights(folder, name)
    assert card_in(OWN) == own(OWN)
    said = capsys.readouterr().err
    expected = f"warning: weights {OWN}: those of the zoo are taken. Try: ./{OWN} for what lies in this folder\n"
    assert said == (expected if holds == "weights" else "")
    if holds == "weights":
        assert card_in(f"./{OWN}") == card_in(Path(OWN)) == Path(OWN, "a.json")


def test_a_home_is_found_where_the_shell_leaves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    tiny_weights(tmp_path / "mine")
    assert load("~/mine").card["name"] == load(Path("~/mine/tiny.json")).card["name"] == "tiny"
    with pytest.raises(UsageError, match="expected a folder or a card, found none"):
        load("~nobody-of-this-name/mine")


@pytest.mark.parametrize("where", ["x" * 300, "x" * 300 + "/y", "ü" * 200, "a/" * 3000])
def test_a_name_that_no_file_can_have_is_told(where: str) -> None:
    with pytest.raises(
        UsageError, match=r"^weights in .{1,100}: expected a folder or a card, found what cannot be read"
    ):
        load(where)


def test_a_card_says_for_people_that_pixels_are_permuted(tmp_path: Path) -> None:
    left, permuted = (
        load(tiny_weights(tmp_path / name, pixels=pixels)).card
        for name, pixels in (("left", None), ("permuted", [*range(63, -1, -1)]))
    )
    assert "their pixels are put into another order first" in text(permuted)
    assert "order" not in text(left)

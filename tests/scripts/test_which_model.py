"""Protects docs/which-model.md: it says what the cards and the measured times say."""

import which_model

from zoo.weights.store import list_weights


def test_page_and_picture_are_those_of_the_cards() -> None:
    for path, text in which_model.page().items():
        assert path.read_text() == text, f"{path.name}. Try: python scripts/which_model.py"


def test_every_network_is_in_the_table() -> None:
    assert {model.card["name"] for model in which_model.models()} == set(list_weights())

"""Scores a run's weights on the validation images."""

from collections.abc import Sequence

from zoo.commands.verbs import DataClass
from zoo.commands.weights.named_weights import SCORE_HELP, score

SUMMARY = "score a run's weights on the validation images"
ORDER = 20
HELP = SCORE_HELP.format(verb="validate", on="on the validation images")


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Scores weights with a card, or hands the words to LightningCLI."""
    score("validate", args, data_class)

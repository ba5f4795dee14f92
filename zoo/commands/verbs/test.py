"""Scores a run's weights on the test images."""

from collections.abc import Sequence

from zoo.commands.verbs import DataClass
from zoo.commands.weights.named_weights import SCORE_HELP, score

SUMMARY = "score them on the test images"
ORDER = 30
HELP = SCORE_HELP.format(verb="test", on="on the test images, each counted once")


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Scores weights with a card, or hands the words to LightningCLI."""
    score("test", args, data_class)

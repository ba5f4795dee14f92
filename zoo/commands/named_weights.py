"""Trained weights as the first word of a verb: `NAME | RUN | DIR`.

    test runs/first …     ->  test --run_dir runs/first …      of a run LightningCLI knows all
    test mnist_lenet …    ->  the file of a card, here or in a folder

Needs no torch: who only asks about pictures waits for none.
"""

from collections.abc import Sequence
from pathlib import Path


def begins_with_weights(args: Sequence[str], flags: Sequence[str] = ()) -> bool:
    """Whether the first word of a verb is no flag.

    Args:
        args: the words after the verb.
        flags: those that may stand before it, with a value each.
    """
    words = list(args)
    while words and words[0].partition("=")[0] in flags:
        words = words[1 if "=" in words[0] else 2 :]
    return bool(words) and not words[0].startswith("-")


def card_or_words(args: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The file of a card and the words after it; for a run None, and the words that LightningCLI takes.

    Args:
        args: what follows the verb, weights at the beginning.

    Raises:
        UsageError: there are no such weights.
    """
    from zoo.weights.loading import card_in

    found = card_in(args[0])
    if found.suffix == ".json":
        return found, list(args[1:])
    return None, ["--run_dir", args[0], *args[1:]]

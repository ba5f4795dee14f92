"""Trained weights as the first word of a verb: `NAME | RUN | DIR`.

    test runs/first …     ->  test --run_dir runs/first …      of a run LightningCLI knows all
    test mnist_lenet …    ->  the file of a card, here or in a folder

Needs no torch: who only asks about pictures waits for none.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.commands.verbs import DataClass

SCORE_HELP = """\
usage: python cli.py {verb} NAME|RUN|DIR [FLAG VALUE] …      or --ckpt_path FILE --data NAME --model NAME

Score the weights {on}.

  NAME, DIR                 weights of the zoo (`weights list`), or in a folder with a card; on the data that the card
                            names, in float32; it says whether the card has the same accuracy
  RUN, --run_dir DIR        a run: its config.yaml, and the weights that validation chose
  --ckpt_path FILE          other weights; of a run's checkpoints/ its config.yaml is read, too
  --data.path FILE|DIR      other images of your own
  --data.root DIR           where data lies
  --otherwise allow         score images in another form than the network was trained on (refused by default)
  -c, --config FILE         settings from a file; several, the later wins
  --trainer.accelerator NAME, --trainer.devices N, --trainer.precision NAME
  --debug                   show the traceback behind an error

  --help_all                all flags, with those of Lightning's Trainer"""


def card_and_words(args: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The file of the card that the first word names, and the words after it; None if it is a run or a flag.

    Args:
        args: what follows the verb.

    Returns:
        The card; and what is left to be parsed, of a run with `--run_dir`.

    Raises:
        UsageError: the first word is no flag, and there are no such weights.
    """
    if not args or args[0].startswith("-"):
        return None, list(args)
    from zoo.weights.loading import card_in

    found = card_in(args[0])
    if found.suffix == ".json":
        return found, list(args[1:])
    return None, ["--run_dir", args[0], *args[1:]]


def score(verb: str, args: Sequence[str], data_class: "DataClass") -> None:
    """Runs `validate`, `test` or `predict` on data: for weights with a card here, or else by LightningCLI."""
    card, words = card_and_words(args)
    if card:
        from zoo.commands.weights.card_scores import score_card

        score_card(verb, card, words, data_class())
    else:
        from zoo.commands.cli.command import run_lightning

        run_lightning([verb, *words], data_class())

"""Scores a run's weights on the validation images."""

from collections.abc import Sequence

from zoo.commands.verbs import DataClass
from zoo.commands.weights.named_weights import score

SUMMARY = "score a run's weights on the validation images"
ORDER = 20
HELP = """\
usage: python cli.py validate NAME|RUN|DIR [FLAG VALUE] …      or --ckpt_path FILE --data NAME --model NAME

Score the weights on the validation images.

  NAME, DIR                 weights of the zoo (`weights list`), or in a folder with a card; on the data that the card
                            names, in float32; it says whether the card has the same accuracy
  RUN, --run_dir DIR        a run: its config.yaml, and the weights that validation chose
  --ckpt_path FILE          other weights; of a run's checkpoints/ its config.yaml is read, too
  --data.path FILE          other images of your own, for a run on Arrays
  --data.root DIR           where data lies
  --otherwise allow         score images in another form than the network was trained on (refused by default)
  -c, --config FILE         settings from a file; several, the later wins
  --trainer.accelerator NAME, --trainer.devices N, --trainer.precision NAME
  --debug                   show the traceback behind an error

  --help_all                all flags, with those of Lightning's Trainer"""


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Scores weights with a card, or hands the words to LightningCLI."""
    score("validate", args, data_class)

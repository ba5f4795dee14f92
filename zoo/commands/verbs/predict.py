"""Says what a network takes pictures for, or writes down what a run's weights take each test image for."""

from collections.abc import Sequence

from zoo.commands.plain_parser import PlainParser
from zoo.commands.verbs import DataClass
from zoo.commands.weights.named_weights import card_and_words, score

SUMMARY = "what they take pictures for, or each test image"
ORDER = 40
HELP = """\
usage: python cli.py predict NAME|RUN|DIR PICTURE|FOLDER|FILE.npz … [--out FILE.csv] [--prepare photo|digits]
       python cli.py predict --run_dir DIR [FLAG VALUE] …      or --ckpt_path FILE --data NAME --model NAME

Say what a trained network takes pictures for: the three likeliest classes of each.

  NAME|RUN|DIR              weights of the zoo (`weights list`), the folder of a run or of a card, hf://USER/REPO
  PICTURE|FOLDER            pictures of any size; of a folder all that are in it, 2.png before 10.png
  FILE.npz                  its array test_images (x_test) of the network's shape; with test_labels (y_test) the
                            accuracy, too
  --out FILE.csv            write a row for each picture with the probabilities of all classes
  --prepare WAY             how pictures are brought to the network's shape, if not as its card says: photo (whole, its
                            aspect kept) or digits (handwriting in any colours, centred as in MNIST); with FILE.npz it
                            takes images of any shape

A picture that cannot be read is named at the end, with exit code 1; the others are done.

Or write what the weights of a run take each test image for, and the probability of each class.

  --run_dir DIR             the run: its config.yaml, and the weights that validation chose; RUN alone is the same,
                            NAME --data.root DIR takes the data that the card names
  --ckpt_path FILE          other weights; of a run's checkpoints/ its config.yaml is read, too
  --data.path FILE|DIR      other images of your own
  --data.root DIR           where data lies
  --out FILE.csv            where the predictions go (predictions.csv in DIR; of other data, with its name)
  --otherwise allow         take images in another form than the network was trained on (refused by default)
  -c, --config FILE         settings from a file; several, the later wins
  --trainer.accelerator NAME, --trainer.devices N, --trainer.precision NAME
  --debug                   show the traceback behind an error

  --help_all                all flags, with those of Lightning's Trainer"""
FLAGS = ("--out", "--prepare")  # of pictures


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Asks about pictures, or about the test images of data."""
    if not about_pictures(args):
        score("predict", args, data_class)
        return
    options = pictures_parser().parse(args)
    if not options.pictures and card_and_words([options.weights])[0] is None:
        score("predict", [options.weights, *(["--out", options.out] if options.out else [])], data_class)
        return
    from zoo.commands.weights.predict import predict

    predict(options, data_class)


def about_pictures(args: Sequence[str]) -> bool:
    """Whether words begin with weights, and no flag of data or of Lightning follows them."""
    words = list(args)
    while words and words[0].partition("=")[0] in FLAGS:
        words = words[1 if "=" in words[0] else 2 :]
    others = [word for word in words[:2] if word.startswith("-") and word.partition("=")[0] not in FLAGS]
    return bool(words) and not others


def pictures_parser() -> PlainParser:
    """The flags of `predict NAME PICTURE`."""
    parser = PlainParser("predict", "Says what a network takes pictures for.")
    parser.add_argument("weights", metavar="NAME", help="of weights, or the folder of a run or of a card")
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help="or a folder of pictures, or an .npz archive")
    parser.add_argument("--out", metavar="FILE.csv", help="where the predictions go")
    parser.add_argument("--prepare", choices=("photo", "digits"), help="how pictures are brought to the shape")
    return parser

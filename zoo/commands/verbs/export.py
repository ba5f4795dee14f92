"""Writes a trained network in a form that others read, and checks that it answers the same."""

from collections.abc import Sequence

from zoo.commands.plain_parser import PlainParser
from zoo.commands.verbs import DataClass

SUMMARY = "a trained network for others: ONNX, torch.export, safetensors, or a folder that runs alone"
ORDER = 65
HELP = """\
usage: python cli.py export NAME|RUN|DIR --out FILE [--format onnx|pt2|safetensors|bundle] [--data.root DIR]

Write a trained network in a form that others read. What was written is asked about the test images before it gets its
name: if one prediction differs from torch's, nothing is kept, with exit code 1. Where the test images are not there,
made ones do, and that is said.

  NAME|RUN|DIR              weights of the zoo (`weights list`), the folder of a run or of a card, hf://USER/REPO
  --out FILE                where it goes; a file of this form that is there is replaced
  --format onnx             one file: uint8 images (N, H, W, C) as pictures come, any N, normalisation inside ->
                            probabilities, logits; class names and the card as metadata. Opset 20. Needs the packages
                            of pip install 'small-image-zoo[export]'
  --format pt2              the same for torch.export.load
  --format safetensors      the weights alone, with their card beside them
  --format bundle           a folder that runs without this project and without torch: model.onnx, card.json,
                            README.md, predict.py. If no format is given, the ending of FILE says it
  --data.root DIR           where the test images lie; --data.path FILE.npz for a network of own images, or of the copy
                            of CIFAR-10; --data NAME for other images than the card names"""


def parser(data_class: DataClass) -> PlainParser:
    """The flags of `export`."""
    made = PlainParser("export", "Writes a trained network in a form that others read.")
    made.add_argument("weights", metavar="NAME", help="of weights, or the folder of a run or of a card")
    made.add_argument("--out", required=True, metavar="FILE", help="where it goes")
    made.add_argument("--format", choices=("onnx", "pt2", "safetensors", "bundle"), help="which form")
    made.add_argument("--data", metavar="NAME", help="other data than the card names")
    made.add_argument("--data.root", dest="data_root", metavar="DIR", help="where the test images lie")
    made.add_argument(
        "--data.path", dest="data_path", metavar="FILE.npz", help="own test images, or a copy of CIFAR-10"
    )
    return made


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Does it."""
    options = parser(data_class).parse(args)
    from zoo.commands.weights.export import run_export

    run_export(options, data_class)

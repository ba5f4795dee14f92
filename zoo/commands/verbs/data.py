"""Shows data of one's own before anything is trained on it, and brings it into this project's form."""

from collections.abc import Sequence

from zoo.commands.plain_parser import PlainParser, action_of
from zoo.commands.verbs import DataClass

SUMMARY = "data of your own: data show, what it was taken for; data convert, as .npz"
ORDER = 62
HELP = """\
usage: python cli.py data show PATH [--out SHEET.png] [--labels fine|coarse|compact]
       python cli.py data convert PATH OUT.npz [--split_test] [--labels …] [--unchecked] [--replace]

Say what a file or folder of images was taken for, and what is in it: classes, images of each in each split, size,
colours, values, images that are there twice, and what is odd. Nothing is trained. `fit --data Arrays --data.path PATH`
reads the same.

  PATH                      NumPy's .npz (MedMNIST's, Keras', too); IDX files (MNIST, EMNIST, KMNIST, QMNIST), a folder
                            or one of them; tables of text as Kaggle has them; MATLAB's .mat (SVHN, CIFAR); CIFAR's own
                            files; Parquet of Hugging Face (pip install pyarrow); USPS
  show                      print it
    --out SHEET.png         draw examples of each class: transposed and inverted images are seen here only
  convert                   write it as an archive of this project, the same bytes for the same content
    --split_test            keep a stratified fifth of the training images for the test, where there is no test part
    --unchecked             write the arrays as they lie there, to mend them in Python
    --replace               write over an archive that is there
  --labels KIND             fine or coarse, where an image has both, as in CIFAR-100; compact: numbers that leave gaps
                            are names"""
KINDS = ("fine", "coarse", "compact")


def show_parser() -> PlainParser:
    """The flags of `data show`."""
    parser = PlainParser("data show", "Says what lies at a path.")
    parser.add_argument("path", metavar="PATH", help="a file, or a folder of files")
    parser.add_argument("--labels", choices=KINDS, help="which labels are meant")
    parser.add_argument("--out", metavar="SHEET.png", help="where examples are drawn")
    return parser


def convert_parser() -> PlainParser:
    """The flags of `data convert`."""
    parser = PlainParser("data convert", "Writes data as an archive of this project.")
    parser.add_argument("path", metavar="PATH", help="a file, or a folder of files")
    parser.add_argument("out", metavar="OUT.npz", help="the archive")
    parser.add_argument("--labels", choices=KINDS, help="which labels are meant")
    parser.add_argument("--split_test", action="store_true", help="keep a fifth for the test")
    parser.add_argument("--unchecked", action="store_true", help="the arrays as they lie there")
    parser.add_argument("--replace", action="store_true", help="write over an archive that is there")
    return parser


ACTIONS = {"show": show_parser, "convert": convert_parser}


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Does one of them."""
    action = action_of(args, "data", ACTIONS)
    options = ACTIONS[action]().parse(args[1:])
    from zoo.commands.own_data import show

    {"show": show.show, "convert": show.convert_data}[action](options, data_class)

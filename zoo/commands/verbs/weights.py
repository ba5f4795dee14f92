"""Weights that leave the zoo: lists, shows and saves them."""

from collections.abc import Sequence

from zoo.commands.plain_parser import PlainParser, action_of
from zoo.commands.verbs import DataClass

SUMMARY = "trained networks to take along: weights list, show, save, push"
ORDER = 64
HELP = """\
usage: python cli.py weights list [PATTERN]
       python cli.py weights show NAME | RUN | DIR | hf://USER/REPO
       python cli.py weights save RUN --out DIR [--name NAME] [--data.root DIR]
       python cli.py weights push DIR USER/REPO [--private]

Weights with a card that says all that is needed to use and to trust them: NAME.safetensors and NAME.json. In Python,
`zoo.load(NAME | RUN | DIR)` makes a network of them that answers about pictures.

  list                      the zoo's own weights, those that fit a pattern such as 'mnist*'
  show                      a card, for people; of a run, what its card would say
    --json                  print it as it is stored
  save                      write the weights of a run, counted again in float32, a card, and its page README.md
    --out DIR               where they go
    --name NAME             of both (data and model)
    --data.root DIR         and other flags of the data, if they lie elsewhere now
  push                      upload card, weights and page to the Hugging Face Hub: pip install huggingface_hub, and
                            hf auth login, once
    --private               make a new repository for its owners only"""


def list_parser() -> PlainParser:
    """The flags of `weights list`."""
    parser = PlainParser("weights list", "Lists the zoo's own weights.")
    parser.add_argument("pattern", nargs="?", default="*", metavar="PATTERN", help="such as 'mnist*'")
    return parser


def show_parser() -> PlainParser:
    """The flags of `weights show`."""
    parser = PlainParser("weights show", "Shows a card.")
    parser.add_argument("where", metavar="NAME", help="of weights, or the folder of a run or of a card")
    parser.add_argument("--json", action="store_true", help="print it as it is stored")
    return parser


def save_parser() -> PlainParser:
    """The flags of `weights save`; those of the data follow."""
    parser = PlainParser("weights save", "Writes the weights of a run.")
    parser.add_argument("run", metavar="RUN", help="its folder")
    parser.add_argument("--out", required=True, metavar="DIR", help="where they go")
    parser.add_argument("--name", metavar="NAME", help="of both")
    return parser


def push_parser() -> PlainParser:
    """The flags of `weights push`."""
    parser = PlainParser("weights push", "Uploads weights to the Hugging Face Hub.")
    parser.add_argument("where", metavar="DIR", help="with a card, or the name of weights")
    parser.add_argument("repository", metavar="USER/REPO", help="made if there is none")
    parser.add_argument("--private", action="store_true", help="for its owners only")
    return parser


ACTIONS = {"list": list_parser, "show": show_parser, "save": save_parser, "push": push_parser}


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Does one of them."""
    action = action_of(args, "weights", ACTIONS)
    from zoo.commands.weights import weights

    parser = ACTIONS[action]()
    if action == "save":
        options, rest = parser.parse_known_args(args[1:])
        weights.save(options, rest, data_class())
    else:
        options = parser.parse(args[1:])
        {"list": weights.list_all, "show": weights.show_card, "push": weights.push_folder}[action](options)

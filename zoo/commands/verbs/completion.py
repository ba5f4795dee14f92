"""Prints the script with which a shell completes the arguments of the command."""

from collections.abc import Sequence
from pathlib import Path

from zoo.commands.plain_parser import program
from zoo.commands.verbs import DataClass, verbs
from zoo.config.config_files import STUDIES, folder, names
from zoo.errors import UsageError

SUMMARY = "print what lets bash or zsh complete these words: source <(zoo completion bash)"
ORDER = 70
HELP = """\
usage: zoo completion bash|zsh

in ~/.bashrc, to have it always: source <(zoo completion bash)"""
SHELLS = {"bash": "", "zsh": "autoload -U +X bashcompinit && bashcompinit\n"}
SCRIPT = Path(__file__).parents[1] / "completion.bash"


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Prints it; without torch."""
    if len(args) != 1 or args[0] not in SHELLS:
        found = " ".join(args) or "none"
        raise UsageError(
            f"shell in completion: expected one of {', '.join(SHELLS)}, found {found}. Try: {program()} completion bash"
        )
    print(script(args[0]), end="")


def script(shell: str) -> str:
    """The script for a shell, with the verbs and the names of files that there are."""
    from zoo.weights.store import list_weights

    text = SHELLS[shell] + SCRIPT.read_text(encoding="utf-8")
    recipes = sorted(path.stem for path in (folder() / "recipes").glob("*.yaml"))
    studies = sorted(path.parent.name for kind in STUDIES for path in (folder() / kind).glob("*/study.yaml"))
    lists = {"VERBS": verbs(), "CONFIGS": names(), "RECIPES": recipes, "STUDIES": studies, "WEIGHTS": list_weights()}
    for mark, words in lists.items():
        text = text.replace(f"@{mark}@", " ".join(words))
    return text

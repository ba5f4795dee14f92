"""Train any model of the zoo on any data set: `python cli.py fit --data MNIST --model MLP`.

The only place where zoo and datamodules meet.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from zoo.launch.start import begin, forget_launchers

VERBS = {
    "fit": "train, choose the weights on validation, test them once, leave a folder",
    "validate": "score a run's weights on the validation images",
    "test": "score them on the test images",
    "predict": "what they take each test image for",
    "describe": "the layers of a network: shapes, receptive fields, parameters, multiply-adds",
    "download": "fetch a data set, for machines that will have no network",
    "completion": "print what lets bash or zsh complete these words: source <(zoo completion bash)",
}
SHELLS = {"bash": "", "zsh": "autoload -U +X bashcompinit && bashcompinit\n"}


def overview() -> str:
    """What `--help` shows. It needs no torch, whose import takes seconds."""
    verbs = "\n".join(f"  {verb:12}{what}" for verb, what in VERBS.items())
    return f"""usage: python cli.py VERB [FLAG VALUE] …

The model zoo for small images: train, test and use small networks. See README.md.

verbs, each with a --help of its own:
{verbs}

  --version   show the version
  --debug     with any verb: show the traceback behind an error

example: python cli.py fit --data Digits --model MLP"""


def completion(words: Sequence[str]) -> None:
    """Prints the script for a shell; it needs no torch either."""
    if words in (["-h"], ["--help"]):
        print("usage: zoo completion bash|zsh\n\nin ~/.bashrc, to have it always: source <(zoo completion bash)")
        sys.exit()
    if len(words) != 1 or words[0] not in SHELLS:
        found = " ".join(words) or "none"
        sys.exit(usage_error(f"shell in completion: expected one of {', '.join(SHELLS)}, found {found}. Try: bash"))
    script = Path(__file__).with_name("zoo") / "commands/completion.bash"
    print(SHELLS[words[0]] + script.read_text(), end="")


def page(verb: str) -> str:
    """What `VERB --help` shows: what people use; `--help_all` has the rest, and takes seconds."""
    return (Path(__file__).with_name("zoo") / f"commands/help/{verb}.txt").read_text().rstrip()


def check_verb(words: Sequence[str]) -> None:
    """Ends the command if it begins with no verb that there is, before the seconds that torch takes to be imported."""
    words = [word for word in words if word != "--debug"]
    first = words[0] if words else ""
    if first in VERBS or first.startswith(("--help_all", "--print_config")):  # which need no verb
        return
    flags_first = first.startswith("-")
    near = [word for word in words if word in VERBS] if flags_first else get_close_matches(first.lower(), VERBS, 1)
    program = Path(sys.argv[0]).name
    command = f"python {program}" if program.endswith(".py") else program
    advice = near[0] if near else "--help"
    if near and flags_first:
        words.remove(advice)
        advice = shlex.join([advice, *words])
    expected = f"one of {', '.join(VERBS)}{', before all flags' * flags_first}"
    found = repr(first[:60]) if first else "none"
    sys.exit(usage_error(f"verb in {command}: expected {expected}, found {found}. Try: {command} {advice[:500]}"))


def usage_error(line: str) -> int:
    """Says what is wrong, as `reported` does; returns the exit code."""
    print(f"error: {line}", file=sys.stderr)
    return 2


def main(args: Sequence[str] | None = None) -> None:
    """Runs one command.

    Args:
        args: its words; None takes those of the command line.
    """
    words = list(sys.argv[1:] if args is None else args)
    if args is None:
        begin(needed=words[:1] == ["describe"])
    if "--version" in words:
        from importlib.metadata import version

        print(version("small-image-zoo"))
        return
    if words[:1] in (["-h"], ["--help"]):
        print(overview())
        return
    if words[:1] == ["completion"]:
        completion(words[1:])
        return
    if words[:1] and words[0] in VERBS and {"-h", "--help"} & set(words):
        print(page(words[0]))
        return
    check_verb(words)
    words = ["--help" if word == "--help_all" else word for word in words]
    forget_launchers(os.environ)
    from zoo.commands.report_errors import reported

    debug = "--debug" in words
    with reported(debug=debug):
        import datamodules
        import zoo
        from zoo.commands.cli import ZooCLI, download
        from zoo.commands.describe import describe
        from zoo.launch.process import left_as_found
        from zoo.resume.signals import StopSignals

        zoo.list_models()  # imported, the classes are known by their short names
        words = [word for word in words if word != "--debug"]
        with left_as_found():
            if words[:1] == ["download"]:
                with StopSignals().handled():
                    download(datamodules.ImageDataModule, words[1:])
            elif words[:1] == ["describe"]:
                describe(datamodules.ImageDataModule, words[1:])
            else:
                ZooCLI(datamodules.ImageDataModule, words)
        sys.stdout.flush()


if __name__ == "__main__":
    main()

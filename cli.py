"""Train any model of the zoo on any data set: `python cli.py fit --data MNIST --model MLP`.

The only place where zoo and datamodules meet.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

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
    script = Path(__file__).with_name("zoo") / "runs/completion.bash"
    print(SHELLS[words[0]] + script.read_text(), end="")


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
    if "--version" in words:
        from importlib.metadata import version

        print(version("small-image-zoo"))
        return
    if words in (["-h"], ["--help"]):
        print(overview())
        return
    if words[:1] == ["completion"]:
        completion(words[1:])
        return
    from zoo.runs.errors import reported

    debug = "--debug" in words
    with reported(debug=debug):
        import datamodules
        import zoo
        from zoo.runs.command import ZooCLI, download
        from zoo.runs.describe import describe

        assert zoo  # importing the packages makes their classes known by their short names
        words = [word for word in words if word != "--debug"]
        if words[:1] == ["download"]:
            download(datamodules.ImageDataModule, words[1:])
        elif words[:1] == ["describe"]:
            describe(datamodules.ImageDataModule, words[1:])
        else:
            ZooCLI(datamodules.ImageDataModule, words)


if __name__ == "__main__":
    main()

"""Train any model of the zoo on any data set: `python cli.py fit --data MNIST --model MLP`.

The only place where zoo and datamodules meet.
"""

import sys
from collections.abc import Sequence

VERBS = {
    "fit": "train, choose the weights on validation, test them once, leave a folder",
    "validate": "score a run's weights on the validation images",
    "test": "score them on the test images",
    "predict": "what they take each test image for",
    "describe": "the layers of a network: shapes, receptive fields, parameters, multiply-adds",
    "download": "fetch a data set, for machines that will have no network",
}


def overview() -> str:
    """What `--help` shows. It needs no torch, whose import takes seconds."""
    verbs = "\n".join(f"  {verb:10}{what}" for verb, what in VERBS.items())
    return f"""usage: python cli.py VERB [FLAG VALUE] …

The model zoo for small images: train, test and use small networks. See README.md.

verbs, each with a --help of its own:
{verbs}

  --version   show the version
  --debug     with any verb: show the traceback behind an error

example: python cli.py fit --data Digits --model MLP"""


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

"""Train any model of the zoo on any data set: `python cli.py fit --data MNIST --model MLP`.

The only place where zoo and datamodules meet.
"""

import sys
from collections.abc import Sequence


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

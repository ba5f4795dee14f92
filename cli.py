"""Train any model of the zoo on any data set: `python cli.py fit --data MNIST --model MLP`.

The only place where zoo and datamodules meet. A verb is a file in `zoo/commands/verbs/`.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from zoo import __version__
from zoo.commands.plain_parser import program
from zoo.commands.report_errors import reported
from zoo.commands.verbs import verbs, without_debug
from zoo.errors import UsageError
from zoo.launch.start import begin, forget_launchers


def overview() -> str:
    """What `--help` shows. It needs no torch, whose import takes seconds."""
    lines = "\n".join(f"  {name:12}{verb.SUMMARY}" for name, verb in verbs().items())
    return f"""usage: python cli.py VERB [FLAG VALUE] …

The model zoo for small images: train, test and use small networks. See README.md.

verbs, each with a --help of its own:
{lines}

  --version   show the version
  --debug     with any verb: show the traceback behind an error

example: python cli.py fit --data Digits --model MLP"""


def called(page: str) -> str:
    """A page of help with the command as it is called here: `zoo`, where it is installed so."""
    return page.replace("python cli.py", program())


def check_verb(argv: Sequence[str]) -> None:
    """Raises UsageError if a command begins with no verb that there is."""
    argv, known = list(argv), verbs()
    first = argv[0] if argv else ""
    if first in known or first.startswith(("--help_all", "--print_config")):  # which need no verb
        return
    flags_first = first.startswith("-")
    near = [word for word in argv if word in known] if flags_first else get_close_matches(first.lower(), known, 1)
    program = Path(sys.argv[0]).name
    command = f"python {program}" if program.endswith(".py") else program
    advice = near[0] if near else "--help"
    if near and flags_first:
        argv.remove(advice)
        advice = shlex.join([advice, *argv])
    expected = f"one of {', '.join(known)}{', before all flags' * flags_first}"
    found = repr(first[:60]) if first else "none"
    raise UsageError(f"verb in {command}: expected {expected}, found {found}. Try: {command} {advice[:500]}")


class DataSets:
    """What verbs learn of data sets: the other side of `zoo.commands.verbs.DataClass`."""

    def __call__(self) -> type[Any]:
        """The base class of data sets."""
        import datamodules

        return datamodules.ImageDataModule

    def new_images(self, path: Path, classes: Sequence[str]) -> Any:
        """Images of a file that a network is asked about."""
        from datamodules.new_images import new_images

        return new_images(path, classes)

    def reads(self, path: Path) -> bool:
        """Whether a path has images and labels in a format that is read."""
        from datamodules.formats.recognise import reads

        return reads(path)

    def survey(self, path: Path, labels: str | None) -> Any:
        """What lies at a path."""
        from datamodules.survey import survey

        return survey(path, labels)

    def convert(self, options: Any) -> list[str]:
        """Writes what lies at a path as an archive."""
        from datamodules.survey import check_out, convert

        out = Path(options.out)
        check_out(out, replace=options.replace)
        how = {"unchecked": options.unchecked, "split_test": options.split_test}
        return convert(Path(options.path), out, options.labels, **how)


data_class = DataSets()


def main(args: Sequence[str] | None = None) -> None:
    """Runs one command.

    Args:
        args: its arguments; None takes those of the command line.
    """
    argv = list(sys.argv[1:] if args is None else args)
    if args is None:
        begin(needed=argv[:1] == ["describe"] or (argv[:1] == ["predict"] and argv[1:2] != ["--run_dir"]))
    if "--version" in argv:
        print(__version__)
        return
    if argv[:1] in (["-h"], ["--help"]):
        print(called(overview()))
        return
    verb = verbs().get(argv[0]) if argv else None
    if verb and {"-h", "--help"} & set(argv):
        print(called(verb.HELP))
        return
    debug = "--debug" in argv
    argv = without_debug(argv)
    with reported(debug=False):
        check_verb(argv)
    with reported(debug=debug):
        forget_launchers(os.environ)
        if verb := verbs().get(argv[0]):
            verb.run(argv[1:], data_class)
        else:
            from zoo.commands.cli.command import run_lightning

            run_lightning(argv, data_class())
        sys.stdout.flush()


if __name__ == "__main__":
    main()

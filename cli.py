"""Train any model of the zoo on any data set: `python cli.py fit --data MNIST --model MLP`.

The only place where zoo and datamodules meet.
"""

import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

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


class Output(io.FileIO):
    """What a process says, to somebody who may have gone: `| head -1`, a closed terminal.

    Args:
        descriptor: 1 or 2.
        needed: whether a disk that is full is an error; a reader who has what he wanted never is.
    """

    def __init__(self, descriptor: int, needed: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.needed = needed

    def write(self, content: Any) -> int:
        """Writes what can be written."""
        try:
            return super().write(content) or 0
        except OSError as error:
            if self.needed and error.errno != errno.EPIPE:
                self.needed = False  # it is said once
                raise
            return memoryview(content).nbytes


def begin(needed: bool = False) -> None:
    """For the process of a command, before its slow imports: what strikes it from outside ends it well, or not at all.

    A signal ends it at once and without a word, until something listens that has more to lose. A closed terminal, and
    an output that takes nothing more, do not.

    Args:
        needed: whether what is written to a full disk is the very work.
    """
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(
                getattr(signal, name), lambda number, frame: os._exit(130 if number == signal.SIGINT else 143)
            )
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    while (nowhere := os.open(os.devnull, os.O_RDWR)) < 3:  # or the first file that is opened would be the output
        pass
    os.close(nowhere)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        old = getattr(sys, name)
        encoding = {"encoding": old.encoding, "errors": old.errors} if old else {"encoding": "utf-8"}
        buffer = io.BufferedWriter(Output(descriptor, needed))
        tty = buffer.isatty()
        setattr(sys, name, io.TextIOWrapper(buffer, **encoding, line_buffering=tty or descriptor == 2))


def page(verb: str) -> str:
    """What `VERB --help` shows: what people use; `--help_all` has the rest, and takes seconds."""
    return (Path(__file__).with_name("zoo") / f"runs/help/{verb}.txt").read_text().rstrip()


def check_verb(words: Sequence[str]) -> None:
    """Ends the command if it begins with no verb that there is, before the seconds that torch takes to be imported."""
    if words and (words[0] in VERBS or words[0].startswith("-")):
        return
    near = get_close_matches(words[0].lower(), VERBS, 1) if words else []
    program = Path(sys.argv[0]).name
    command = f"python {program}" if program.endswith(".py") else program
    found = repr(words[0][:60]) if words else "none"
    advice = f"{command} {near[0] if near else '--help'}"
    sys.exit(usage_error(f"verb in {command}: expected one of {', '.join(VERBS)}, found {found}. Try: {advice}"))


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
    if words in (["-h"], ["--help"]):
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
    from zoo.runs.errors import reported

    debug = "--debug" in words
    with reported(debug=debug):
        import datamodules
        import zoo
        from zoo.runs.command import ZooCLI, download
        from zoo.runs.describe import describe
        from zoo.runs.process import left_as_found
        from zoo.runs.signals import StopSignals

        assert zoo  # importing the packages makes their classes known by their short names
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

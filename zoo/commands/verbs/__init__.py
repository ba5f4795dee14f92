"""The verbs of the command, one file each. A file that is put here is found: by the overview, errors and completion.

SUMMARY                 what it does, for the overview
ORDER                   its place there
HELP                    what `VERB --help` shows: what people use; `--help_all` has the rest, and takes seconds
run(args, data_class)   does it; `data_class()` gives the base class of data sets, and see DataClass
parser(data_class)      the parser of its flags, which shells complete; only where it is not LightningCLI's

Overview, help and errors come before the seconds that torch takes to be imported: so a file imports what it needs in
its functions.
"""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Protocol, cast


class DataClass(Protocol):
    """What a verb learns of data sets; nothing is imported before it is asked for."""

    def __call__(self) -> type[Any]:
        """The base class of data sets; takes seconds."""

    def new_images(self, path: Path, classes: Sequence[str]) -> Any:
        """Images of a file that a network is asked about; see datamodules/new_images.py."""

    def reads(self, path: Path) -> bool:
        """Whether a path has images and labels in a format that is read; see datamodules/formats/."""

    def survey(self, path: Path, labels: str | None) -> Any:
        """What lies at a path; see datamodules/survey.py."""

    def convert(self, options: Any) -> list[str]:
        """Writes what lies at a path as an archive; see datamodules/survey.py."""


class Verb(Protocol):
    """What a file of this folder offers."""

    SUMMARY: str
    ORDER: int
    HELP: str

    def run(self, args: Sequence[str], data_class: DataClass) -> None:
        """Does it.

        Args:
            args: the words after the verb.
            data_class: gives the base class of data sets.
        """


@cache
def verbs() -> dict[str, Verb]:
    """All verbs by name, in the order of the overview."""
    found = {each.name: cast(Verb, import_module(f"{__name__}.{each.name}")) for each in iter_modules(__path__)}
    return dict(sorted(found.items(), key=lambda item: (item[1].ORDER, item[0])))


def without_debug(args: Sequence[str]) -> list[str]:
    """The words of a command as they are handed on."""
    return ["--help" if word == "--help_all" else str(word) for word in args if word != "--debug"]

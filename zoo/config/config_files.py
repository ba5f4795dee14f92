"""Where the zoo's own configuration files lie, and which of them a name stands for.

    mnist_lenet, recipes/mnist_lenet, mnist_lenet.yaml   ->  configs/recipes/mnist_lenet.yaml
    configs/data/mnist.yaml, where there is no such file ->  the one that came with the zoo

In a checkout they are in its folder `configs/`, where the zoo is installed in `zoo/configs/`. A file that exists is
always meant itself. Needs nothing but Python: completion lists the names.
"""

import re
from collections.abc import Sequence
from os.path import relpath
from pathlib import Path

from zoo.errors import UsageError

PACKAGE = Path(__file__).resolve().parents[1]
KINDS = ("recipes", "data", "model", "trainer", "callbacks", "logger")  # folders of files that `-c` takes
STUDIES = ("studies", "sweeps")  # folders of folders with a study.yaml
NAME = re.compile(r"[\w-]+(/[\w-]+)*(\.yaml)?")


def repository() -> Path | None:
    """The checkout that this code runs from; None where it is installed."""
    return None if (PACKAGE / "configs").is_dir() else PACKAGE.parent


def folder() -> Path:
    """The zoo's own configurations."""
    return (repository() or PACKAGE) / "configs"


def names() -> list[str]:
    """What `-c` takes beside paths: each file by its name alone, or with its folder if there are several."""
    files = [(kind, path.stem) for kind in KINDS for path in sorted((folder() / kind).glob("*.yaml"))]
    stems = [stem for _, stem in files]
    return sorted(f"{kind}/{stem}" if stems.count(stem) > 1 else stem for kind, stem in files)


def find(given: str, where: str = "--config") -> str:
    """The path that a name stands for, as short as it can be written from here; what is no such name, as it is.

    Raises:
        UsageError: the name is that of several files.
    """
    if not NAME.fullmatch(given) or (Path(given).exists() and not Path(given).is_dir()):
        return given
    *kinds, stem = given.removesuffix(".yaml").split("/")
    if kinds[:1] == ["configs"] and len(kinds) > 1:
        found = [folder().joinpath(*kinds[1:], f"{stem}.yaml")]
    elif len(kinds) < 2:
        found = [folder() / kind / f"{stem}.yaml" for kind in KINDS if kinds in ([], [kind])]
    else:
        return given
    found = [path for path in found if path.is_file()]
    if len(found) > 1:
        shown = ", ".join(map(short, found))
        raise UsageError(
            f"name in {where}: expected that of one file, found {given} for several: {shown}."
            f" Try: {found[0].parent.name}/{stem}"
        )
    return short(found[0]) if found else given


def short(path: Path) -> str:
    """A path, from the present folder if it lies in there."""
    try:
        inside = relpath(path)
    except (OSError, ValueError):  # the present folder is gone, or on another drive
        return str(path)
    return str(path) if inside.startswith("..") else inside


def with_files(args: Sequence[str]) -> list[str]:
    """The words of a command with the file in place of each name behind `-c` or `--config`."""
    found: list[str] = []
    before = ""
    for word in args:
        flag, equals, value = word.partition("=")
        if before in ("-c", "--config"):
            word = find(word)
        elif flag in ("-c", "--config") and equals:
            word = f"{flag}={find(value)}"
        found.append(word)
        before = word
    return found

"""What a path is: which format, by the first bytes of a file; and which files beside it belong to the same data set.

FILE    its format by its content; the other parts of its set lie beside it, under the same name
FOLDER  the one set that lies in it; several are refused by name
"""

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Protocol, cast

from datamodules.archive import readable
from datamodules.formats import archives
from datamodules.formats.source import START, Part, Raw, Source, Want, choice
from datamodules.pictures import folder_in_words, kind_of_picture
from zoo.errors import DataError, shorten
from zoo.files import natural

FORMATS = ("archives", "idx", "matlab", "parquet", "usps", "cifar", "tables")  # asked in this order
FINE = ("matlab", "parquet", "cifar")  # formats that say themselves what --data.labels may be
NUMBERED = ("archives", "idx")  # formats whose labels `compact` can take as names
MOST_FILES = 10_000  # of a folder that are looked at
SUBFOLDERS = ("", "data")  # where files of a set lie in its folder
OTHERS = {  # beginnings of files that are not read, and what to do
    b"\x89HDF\r\n\x1a\n": (
        "an HDF5 file",
        "in Python, f = h5py.File(FILE); numpy.savez(OUT, train_images=f[…][()], …)",
    ),
    b"\x93NUMPY": ("one NumPy array", "numpy.savez with images and labels under their names"),
    b"ARROW1": ("an Arrow file", "dataset.to_parquet(FILE), with datasets of Hugging Face"),
    b"7z\xbc\xaf": ("a 7z archive", "7z x FILE, then --data.path the folder"),
    b"\x1f\x8b": ("a file compressed by gzip", "gunzip FILE"),
    b"\xfd7zXZ": ("a file compressed by xz", "unxz FILE"),
}

Files = dict[tuple[str, str], list[Path]]


class Format(Protocol):
    """What each file of this folder offers; see __init__.py."""

    def sniff(self, path: Path, start: bytes) -> bool:
        """Whether a file is of this format."""

    def part(self, name: str) -> Part | None:
        """Which part a file is, by its name."""

    def read(self, source: Source, want: Want) -> Raw:
        """The arrays."""


def read_raw(path: Path, want: Want) -> Raw:
    """The arrays of whatever lies at a path.

    Raises:
        OSError, ValueError: with one message, if it is nothing that can be read.
    """
    source = source_of(path)
    if source.format not in FINE:
        choice(path, want.labels, ("compact",) if source.format in NUMBERED else (), needed=False)
    found = format_of(source.format).read(source, want)
    if want.labels == "compact":
        if "classes" in found.arrays:
            raise DataError(f"names of classes in {path}: expected none with --data.labels compact, found some")
        found = found._replace(numerals=True)
    return found._replace(others=[*found.others, *source.left], names=found.names or names_of(source, found, want))


def names_of(source: Source, found: Raw, want: Want) -> list[str]:
    """The arrays of a set, those that were not asked for too."""
    kinds = {"both": ("images", "labels"), "images": ("images",), "labels": ("labels",)}
    there = [
        f"{split}_{each}"
        for split, kind in source.files
        if (split or want.alone) not in want.splits
        for each in kinds.get(kind, ())
    ]
    return [*found.called, *there]


def reads(path: Path) -> bool:
    """Whether a path is of a format that is read."""
    if path.is_dir():
        return any(sets_in(path / each) for each in SUBFOLDERS if (path / each).is_dir())
    return path.is_file() and sniffed(path) is not None


def format_of(name: str) -> Format:
    """The module of a format."""
    return cast(Format, import_module(f"datamodules.formats.{name}"))


def source_of(path: Path) -> Source:
    """Which files make the data set that a path means.

    Raises:
        FileNotFoundError, ValueError: with what to do.
    """
    with readable(path):
        there, folder = path.is_file(), path.is_dir()
    if folder:
        return set_in(path)
    if not there:
        raise FileNotFoundError(
            f"data in --data.path: expected a file or a folder of files, found nothing at {path}."
            " Try: --data.path FILE.npz"
        )
    name = sniffed(path)
    if name is None:
        raise refused(path)
    part = format_of(name).part(path.name)
    if name == "archives" and (part is None or not archives.is_pair(path)):
        return Source(path, name, "", {("", "both"): [path]})
    if part is None or part.kind == "names":
        return Source(path, name, path.stem, {("", "images" if name == "idx" else "both"): [path]})
    beside = sets_in(path.parent, name) if part.split or part.kind != "both" else {}
    files = beside.get((name, part.of), {})
    place = (part.split, part.kind)
    return Source(path, name, part.of, {**files, place: alone(path, files.get(place, []))})


def alone(path: Path, files: Sequence[Path]) -> Sequence[Path]:
    """A file, and those of the same part that belong to it: batches and shards; not another one of that part."""
    of_one = {shorten_number(each.name) for each in files} == {shorten_number(path.name)}
    return files if of_one and len(files) > 1 else [path]


def shorten_number(name: str) -> str:
    """A name without its numbers."""
    return "".join(letter for letter in name if not letter.isdigit())


def sniffed(path: Path) -> str | None:
    """The format of a file."""
    with readable(path), path.open("rb") as file:
        start = file.read(START)
    return next((name for name in FORMATS if format_of(name).sniff(path, start)), None)


def sets_in(folder: Path, only: str | None = None) -> Mapping[tuple[str, str], Files]:
    """The data sets in a folder: files of each part, under the format and the name of the set.

    Args:
        folder: where they lie.
        only: the format that is looked for; None looks for all.
    """
    found: dict[tuple[str, str], Files] = defaultdict(dict)
    entries = sorted(islice(folder.iterdir(), MOST_FILES), key=lambda path: natural(path.name))
    for path in entries:
        for name in (only,) if only else FORMATS:
            part = format_of(name).part(path.name)
            if part is None or not path.is_file() or sniffed(path) != name:
                continue
            if name == "archives" and not archives.is_pair(path):
                continue
            files = found[name, part.of].setdefault((part.split, part.kind), [])
            if path.with_suffix("") not in files:  # the same file, unpacked
                files.append(path)
            break
    return with_names(found)


def with_names(found: dict[tuple[str, str], Files]) -> dict[tuple[str, str], Files]:
    """Files that hold only the names of classes belong to the set that lies beside them."""
    for (name, of), files in [*found.items()]:
        if all(kind == "names" for _, kind in files):
            del found[name, of]
            others = [key for key in found if key[0] == name]
            if len(others) == 1:
                found[others[0]] |= files
    return found


def set_in(folder: Path) -> Source:
    """The one data set in a folder.

    Raises:
        FileNotFoundError, DataError: there is none, or several.
    """
    for subfolder in SUBFOLDERS:
        place = folder / subfolder
        found = sets_in(place) if place.is_dir() else {}
        split = {key: files for key, files in found.items() if any(split for split, _ in files)}
        rest = {key: files for key, files in found.items() if split and key not in split}
        found = split or found
        if len(found) > 1:
            names = sorted({of or name for name, of in found}, key=natural)
            first = next(iter(found.values()))
            path = shlex.quote(str(next(iter(first.values()))[0]))
            raise DataError(
                f"data sets in {folder}: expected one, found {len(found)}: {shorten(', '.join(names))}."
                f" Try: --data.path {path}, a file of the one that is meant"
            )
        for (name, of), files in found.items():
            left = [path.name for others in rest.values() for paths in others.values() for path in paths]
            return Source(folder, name, of, files, left)
    with readable(folder):
        words = folder_in_words(folder)
    raise FileNotFoundError(f"data in --data.path: expected a file or a folder of files, {words}")


def refused(path: Path) -> ValueError:
    """The error for a file of no format that is read, with what to do where that is known."""
    with readable(path):
        picture = kind_of_picture(path)
        with path.open("rb") as file:
            start = file.read(START)
    if picture:
        return ValueError(
            f"data in {path}: expected images and labels, found a picture ({picture})."
            f" Try: python cli.py predict RUN {shlex.quote(str(path))}, or --data Folder --data.path DIR, which holds a"
            " folder of pictures for each class"
        )
    if start[:2] == b"PK" and b"/data.pkl" in start:
        advice = "numpy.savez(FILE, train_images=images.numpy(), …) in the program that has saved it"
        return DataError(f"data in {path}: expected images and labels, found a file of torch.save. Try: {advice}")
    if start[:2] == b"PK":
        return packed(path, f"unzip {shlex.quote(path.name)} -d {shlex.quote(path.stem)}")
    if start[257:262] == b"ustar" or path.name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2")):
        return packed(path, f"tar -xf {shlex.quote(path.name)}")
    for begin, (kind, advice) in OTHERS.items():
        if start.startswith(begin):
            return DataError(f"data in {path}: expected images and labels, found {kind}. Try: {advice}")
    return DataError(
        f"data in {path}: expected NumPy's .npz, IDX, a table of text, MATLAB's .mat, CIFAR or Parquet, found something"
        " else. Try: save it with numpy.savez"
    )


def packed(path: Path, command: str) -> DataError:
    """The error for an archive that has to be unpacked first."""
    return DataError(
        f"data in {path}: expected images and labels, found an archive of files. Try: {command},"
        " then --data.path the folder that it makes"
    )

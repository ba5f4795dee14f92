"""What stands at a path where an archive of arrays was looked for: a folder of pictures, of a data set, of archives.

The message has the data set that reads it.
"""

import shlex
from itertools import islice
from pathlib import Path

from zoo.errors import shorten
from zoo.prepare import ENDINGS

STARTS = {  # of a picture's file
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"RIFF": "WebP",
}
MOST = 100_000  # entries of a folder that are looked at
SETS = {
    "MNIST": "MNIST/raw/train-images-idx3-ubyte",
    "FashionMNIST": "FashionMNIST/raw/train-images-idx3-ubyte",
    "CIFAR10": "cifar-10-batches-py/data_batch_1",
}


def kind_of_picture(path: Path) -> str | None:
    """The format of a picture's file, by its first bytes."""
    with path.open("rb") as file:
        start = file.read(4)
    return next((kind for begin, kind in STARTS.items() if start.startswith(begin)), None)


def folder_in_words(folder: Path) -> str:
    """What a folder holds and what to do with it, as the end of a message: `found …. Try: …`."""
    for name, file in SETS.items():
        if (folder / file).exists():
            return f"found the folder of {name}, {folder}. Try: --data {name} --data.root {shlex.quote(str(folder))}"
    entries = sorted(islice(folder.rglob("*"), MOST))
    archives = [path for path in entries if path.suffix == ".npz" and path.parent == folder]
    if archives:
        count = f"{len(archives)} archive{'s' * (len(archives) > 1)}"
        return f"found the folder {folder} with {count}. Try: --data.path {shlex.quote(str(archives[0]))}"
    pictures = [path for path in entries if path.suffix.lower() in ENDINGS and path.is_file()]
    if not pictures:
        return f"found the folder {folder} without any. Try: --data.path FILE.npz"
    endings = ", ".join(sorted({path.suffix for path in pictures}))
    count = f"{len(pictures)} picture{'s' * (len(pictures) > 1)} ({endings})"
    where = shlex.quote(str(folder))
    flat = any(path.parent == folder for path in pictures)
    advice = f"--data Folder --data.path {where}" + ", once each lies in a folder, which is its class" * flat
    asks = f"; python cli.py predict RUN {where} asks a network about them as they lie" * flat
    return f"found the folder {shorten(folder)} with {count}. Try: {advice}{asks}"

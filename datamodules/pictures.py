"""What stands at a path where an archive of arrays was looked for: a folder of pictures, of a data set, of archives.

A folder of pictures is not read, but the message has the command that makes an archive of it.
"""

import shlex
from itertools import islice
from pathlib import Path

from zoo.errors import double_quoted, shorten

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
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
    pictures = [path for path in entries if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not pictures:
        return f"found the folder {folder} without any. Try: --data.path FILE.npz"
    endings = ", ".join(sorted({path.suffix for path in pictures}))
    count = f"{len(pictures)} picture{'s' * (len(pictures) > 1)} ({endings})"
    return (
        f"found the folder {shorten(folder)} with {count}, to be made into arrays. Try: {command_for(folder, pictures)}"
    )


def command_for(folder: Path, pictures: list[Path]) -> str:
    """The command that makes an archive of pictures, all as large as the first: the folder of each is its class.

    Folders `train` and `test` at the top are the splits; without them every fifth picture of the order is for the test.
    Pictures in no folder have no class, and can be predicted only.
    """
    mode, size = form_of(pictures[0])
    splits = {split for path in folder.iterdir() for split in ("train", "test") if path.name.lower() == split}
    flat = any(path.parent == folder for path in pictures)
    endings = ", ".join(double_quoted(ending) for ending in SUFFIXES)
    found = (
        f'sorted(p for p in pathlib.Path({double_quoted(str(folder))}).rglob("*") if p.suffix.lower() in ({endings}))'
    )
    if flat:
        files = f'f = {{"test": {found}}}'
    elif len(splits) == 2:
        place = len(folder.parts)
        files = f'f = {found}; f = {{s: [p for p in f if p.parts[{place}].lower() == s] for s in ("train", "test")}}'
    else:
        files = f'f = {found}; f = {{"train": [p for i, p in enumerate(f) if i % 5], "test": f[::5]}}'
    made = f"n.array([n.asarray(P.open(p).convert({double_quoted(mode)}).resize({size})) for p in f[s]])"
    arrays = f'**{{s + "_images": {made} for s in f}}'
    if not flat:
        arrays += ', **{s + "_labels": n.array([p.parent.name for p in f[s]]) for s in f}'
    out = str(folder.with_name(f"{folder.name}.npz"))
    code = f"import pathlib, numpy as n, PIL.Image as P; {files}; n.savez({double_quoted(out)}, {arrays})"
    return f"python -c {shlex.quote(code)}, then --data.path {shlex.quote(out)}"


def form_of(picture: Path) -> tuple[str, tuple[int, int]]:
    """Whether a picture is grey (L) or coloured (RGB), and its width and height."""
    from PIL import Image

    try:
        with Image.open(picture) as image:  # reads no more than its header
            return "L" if image.mode in ("1", "L", "LA", "I", "I;16") else "RGB", image.size
    except Exception:  # whatever a damaged file makes the library raise
        return "RGB", (32, 32)

"""Fetching a public data set by torchvision's own downloader, with one clear message when that cannot be done."""

from pathlib import Path
from typing import Any


def fetch(source: Any, root: str, folder: Path) -> None:
    """Downloads a torchvision data set into its own layout under `root`.

    Args:
        source: torchvision data set class; its archives are checked by MD5 before they are unpacked.
        root: the folder given to torchvision.
        folder: where the files will lie, for the message.

    Raises:
        FileNotFoundError: the data is neither there nor to be had.
    """
    name = source.__name__
    print(f"{name} is not in {folder}: downloading it", flush=True)
    try:
        source(root, download=True)
    except (
        RuntimeError,
        OSError,
    ) as error:  # URLError is an OSError; torchvision raises RuntimeError after its last mirror
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise FileNotFoundError(
            f"data set {name} in {folder}: expected its files, found none, and the download failed ({reason})."
            f" Try: python cli.py download --data {name} --data.root '{root}' where there is a network,"
            f" or --data.root DIR if you have it elsewhere"
        ) from error

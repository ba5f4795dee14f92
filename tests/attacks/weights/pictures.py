"""Attacks by the picture that a network is asked about."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from attacks.weights.corpus import Weights, attack


def pictures(name: str, make: Callable[[Weights, Path], Any]) -> None:
    """Puts something into the place of the picture."""

    def spoil(scene: Weights) -> None:
        if scene.hostile:
            scene.picture.unlink()
            make(scene, scene.picture)

    spoil.__name__ = name
    attack("ask")(spoil)


def png(width: int, height: int) -> bytes:
    """A picture that says it is of this size, and has one row."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def frames(scene: Weights, path: Path) -> None:
    """An animation."""
    images = [Image.new("L", (8, 8), value) for value in (0, 255)]
    images[0].save(path, "GIF", save_all=True, append_images=images[1:])


def sparse(path: Path, size: int) -> None:
    """A file with a hole."""
    with path.open("wb") as file:
        file.truncate(size)


pictures("a_picture_of_gigapixels", lambda scene, path: path.write_bytes(png(100_000, 100_000)))
pictures("a_picture_a_little_too_large", lambda scene, path: path.write_bytes(png(8_001, 8_000)))
pictures("a_picture_of_no_pixels", lambda scene, path: path.write_bytes(png(0, 8)))
pictures("a_picture_that_was_cut_off", lambda scene, path: path.write_bytes(png(800, 800)[:-20]))
pictures("a_picture_that_is_empty", lambda scene, path: path.write_bytes(b""))
pictures("a_picture_that_is_text", lambda scene, path: path.write_text("open('canary', 'w')"))
pictures("a_picture_of_megabytes", lambda scene, path: sparse(path, 100_000_001))
pictures("a_picture_that_moves", frames)
pictures("a_picture_that_is_a_folder", lambda scene, path: path.mkdir())
pictures("a_picture_that_waits", lambda scene, path: os.mkfifo(path))
pictures("a_picture_without_end", lambda scene, path: path.symlink_to("/dev/zero"))
pictures("a_picture_of_fractions", lambda scene, path: Image.fromarray(np.zeros((8, 8), np.float32)).save(path, "TIFF"))

"""Which size and colours the pictures of a folder have to the network, where nobody has said.

size      theirs, if all have one that is not too large, else 32
channels  3 if any picture shows a colour, else 1
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

USUAL = 32  # pixels of a side, where pictures differ
LARGEST = 128  # of their own size: these networks are for small images
Size = tuple[int, int]


class Form(NamedTuple):
    """Channels, height and width of the images; None where it is not settled."""

    channels: int | None
    height: int | None
    width: int | None

    @property
    def whole(self) -> tuple[int, int, int] | None:
        """The shape, once all of it is known."""
        if self.channels is None or self.height is None or self.width is None:
            return None
        return self.channels, self.height, self.width


class Seen(NamedTuple):
    """What is known of pictures.

    Attributes:
        sizes: how many have each (width, height), as they are shown.
        modes: how many are stored in each of Pillow's modes.
        coloured: whether any shows a colour.
    """

    sizes: Mapping[Size, int]
    modes: Mapping[str, int]
    coloured: bool


def settled(asked: Form, seen: Seen) -> tuple[int, int, int]:
    """The form of the images.

    Args:
        asked: what was said.
        seen: of all pictures.
    """
    channels = asked.channels or (3 if seen.coloured else 1)
    height, width = USUAL, USUAL
    if len(seen.sizes) == 1:
        [(own_width, own_height)] = seen.sizes
        if max(own_width, own_height) <= LARGEST:
            height, width = own_height, own_width
    return channels, asked.height or height, asked.width or width


def in_words(asked: Form, form: tuple[int, int, int], seen: Seen) -> str:
    """Size and colours of the images, and why."""
    channels, height, width = form
    size = f"size {height}" if height == width else f"size [{height}, {width}] (height, width)"
    if len(seen.sizes) > 1:
        size += f" (pictures have {len(seen.sizes):,} sizes, {span(seen.sizes)})"
    elif seen.sizes and (width, height) != (own := next(iter(seen.sizes))):
        size += f" (pictures have {own[0]} × {own[1]})"
    if channels == 3:
        return f"{size}, colour{'' if seen.coloured else ' (pictures show none)'}"
    if seen.coloured:
        return f"{size}, grey (pictures are in colour)"
    stored = sum(count for mode, count in seen.modes.items() if mode in ("RGB", "RGBA", "P", "CMYK"))
    return f"{size}, grey{f' ({stored:,} are stored as colour and show none)' * bool(stored)}"


def span(sizes: Mapping[Size, int]) -> str:
    """The smallest and the largest of some sizes, by their pixels."""
    in_order = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    return " to ".join(f"{width} × {height}" for width, height in (in_order[0], in_order[-1]))


def as_plain(seen: Seen) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "sizes": [[*size, count] for size, count in seen.sizes.items()],
        "modes": dict(seen.modes),
        "coloured": seen.coloured,
    }


def from_plain(held: Mapping[str, Any]) -> Seen:
    """Back again; raises KeyError, TypeError or ValueError for something else."""
    sizes = {(int(width), int(height)): int(count) for width, height, count in held["sizes"]}
    return Seen(sizes, {str(mode): int(count) for mode, count in held["modes"].items()}, bool(held["coloured"]))

"""What is known of a layer."""

from dataclasses import dataclass
from dataclasses import field as made_anew
from typing import NamedTuple

from torch import Size

from zoo.geometry.costs import Work
from zoo.geometry.receptive_field import Pair, Window


class Field(NamedTuple):
    """The receptive field of a unit in the middle, the one that sees most: height and width in pixels.

    Args:
        size: by the geometry of the windows alone; may be larger than the image.
        within: of what lies in the image.
    """

    size: Pair
    within: Pair


class Slide(NamedTuple):
    """A window that slides over a map.

    Args:
        window: its geometry.
        sides: height and width of the map.
        counts: of the map that comes out.
        size: receptive field of the units under the window.
        jump: pixels between neighbours of them.
    """

    window: Window
    sides: Pair
    counts: Pair
    size: Pair
    jump: tuple[float, float]


@dataclass
class Layer:
    """A layer, or an operation between two layers.

    Args:
        name: its module, or the module it happens in and torch's name for it.
        kind: class of the module, or torch's name of the operation.
        output: shape of what it makes of one image, without the batch.
        field: what its units see; None if they do not come from the image.
        parameters: shapes of its learned tensors, each counted where it is met first.
        work: its products.
        slide: of a convolution or pooling.
    """

    name: str
    kind: str
    output: tuple[int, ...] = ()
    field: Field | None = None
    parameters: list[tuple[int, ...]] = made_anew(default_factory=list)
    work: list[Work] = made_anew(default_factory=list)
    slide: Slide | None = None

    @property
    def num_parameters(self) -> int:
        """Learned numbers."""
        return sum(Size(shape).numel() for shape in self.parameters)

    @property
    def multiply_adds(self) -> int:
        """For one image."""
        return sum(work.multiply_adds for work in self.work)

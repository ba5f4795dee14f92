"""What the units of a tensor see of the image, followed from each operation's inputs to its output.

A unit sees a rectangle of pixels. Four numbers say which: how far up, down, left and right of pixel (0, 0) it reaches,
(-top, bottom, -left, right), both ends included; for the union of rectangles one takes the largest of each. They lie in
a tensor of the shape of the units, so that what only moves units (reshape, cat, a slice, …) moves their numbers alike.

    x (1, C, H, W)  ->  edges (8, 1, C, H, W): pixel (i, j) has (-i, i, -j, j), twice

The first four are those of the textbook, 1 + Σ (kernel - 1) · jump pixels wide: where padding puts a window over the
rim of a map, the map is thought to go on there, and the rectangle may reach out of the image. The last four are what is
really there: padding shows nothing.
"""

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Pair = tuple[int, int]
EDGES = 8
IN_THE_IMAGE = 4  # the first of those of what is really there


class Seen(NamedTuple):
    """What each unit of a tensor sees.

    Args:
        edges: (8, *shape of the tensor), see above; -inf for units that see nothing, such as a learned token.
        jump: pixels between neighbours down and across, for maps of one unit, which have none.
    """

    edges: Tensor
    jump: tuple[float, float]

    @property
    def size(self) -> Pair:
        """Height and width of the rectangle of the unit that sees most; may be larger than the image."""
        return largest_rectangle(self.edges[:IN_THE_IMAGE])

    @property
    def within(self) -> Pair:
        """The same of what is in the image."""
        return largest_rectangle(self.edges[IN_THE_IMAGE:])


class Window(NamedTuple):
    """A convolution's or pooling's window, each as (down, across)."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair


def largest_rectangle(edges: Tensor) -> Pair:
    """Height and width of the largest rectangle; 0 where none sees anything, or there are no units."""
    if not edges.numel():
        return 0, 0
    sides = [int((edges[i] + edges[i + 1] + 1).amax().clamp(min=0)) for i in (0, 2)]
    return sides[0], sides[1]


def broadcast_edges(edges: Tensor, shape: torch.Size) -> Tensor:
    """Edges of units that are broadcast to a shape."""
    return edges.reshape(EDGES, *[1] * (len(shape) - edges.ndim + 1), *edges.shape[1:]).expand(EDGES, *shape)


def pixels(channels: int, height: int, width: int) -> Seen:
    """What the pixels of an image (1, C, H, W) see: themselves."""
    i = torch.arange(height, dtype=torch.double)[:, None].expand(height, width)
    j = torch.arange(width, dtype=torch.double)[None, :].expand(height, width)
    edges = torch.stack([-i, i, -j, j] * 2)[:, None, None]
    return Seen(edges.expand(EDGES, 1, channels, height, width).contiguous(), (1, 1))


def union(inputs: list[Seen], shape: torch.Size) -> Seen:
    """The union of what the inputs see, unit by unit after broadcasting."""
    edges = torch.stack([broadcast_edges(seen.edges, shape) for seen in inputs]).amax(0)
    return Seen(edges, (max(seen.jump[0] for seen in inputs), max(seen.jump[1] for seen in inputs)))


def union_of_all(inputs: list[Seen], shape: torch.Size) -> Seen:
    """Each unit sees what all units of all inputs see."""
    flat = [seen._replace(edges=seen.edges.reshape(EDGES, seen.edges[0].numel())) for seen in inputs]
    some = [seen._replace(edges=seen.edges.amax(1)) for seen in flat if seen.edges.numel()]
    nothing = Seen(torch.full((EDGES,), -math.inf, dtype=torch.double), (1, 1))
    together = union(some or [nothing], torch.Size())
    return together._replace(
        edges=broadcast_edges(together.edges.reshape(EDGES, *[1] * len(shape)), shape).contiguous()
    )


def reduce_fields(seen: Seen, dims: Any, shape: torch.Size) -> Seen:
    """Each unit sees what all units along some axes see: a sum, a mean, a softmax, a row times a matrix."""
    dims = [dims] if isinstance(dims, int) else list(dims)
    edges = seen.edges.amax([dim + 1 if dim >= 0 else dim for dim in dims], keepdim=True)
    gone = edges[0].numel() == math.prod(shape)  # the axes, or they are of length one
    return seen._replace(edges=edges.reshape(EDGES, *shape) if gone else broadcast_edges(edges, shape).contiguous())


def window_fields(seen: Seen, window: Window, shape: torch.Size, mixes_channels: bool) -> Seen:
    """What a window sees that slides over a map (1, C, H, W).

    Args:
        seen: what the units of the map see.
        window: its geometry.
        shape: of the map that comes out, (1, C', H', W').
        mixes_channels: whether a unit sees all channels under the window, or its own only.
    """
    edges, jump = seen.edges[:, 0], jumps(seen)
    if mixes_channels:
        edges = edges.amax(1, keepdim=True)
    for axis in (0, 1):
        n, k, s, p, d = edges.shape[axis + 2], *(pair[axis] for pair in window)
        after = (shape[axis + 2] - 1) * s + d * (k - 1) + 1 - n - p  # less than p where a remainder is left over
        step = torch.zeros(IN_THE_IMAGE, 1, 1, 1, dtype=torch.double)
        step[2 * axis], step[2 * axis + 1] = -jump[axis], jump[axis]
        edges = pad_edges(edges, axis + 2, p, max(0, after), step)
    edges = F.max_pool2d(edges, window.kernel, window.stride, dilation=window.dilation)
    edges = edges[:, :, : shape[2], : shape[3]].expand(EDGES, *shape[1:])
    return Seen(edges[:, None].contiguous(), (jump[0] * window.stride[0], jump[1] * window.stride[1]))


def jumps(seen: Seen) -> tuple[float, float]:
    """Pixels between neighbours of a map (1, C, H, W), down and across."""
    bottom, right = seen.edges[1, 0, 0], seen.edges[3, 0, 0]
    i, j = bottom.shape[0] // 2, bottom.shape[1] // 2
    down = float(bottom[i, j] - bottom[i - 1, j]) if i else seen.jump[0]
    across = float(right[i, j] - right[i, j - 1]) if j else seen.jump[1]
    return down, across


def pad_edges(edges: Tensor, dim: int, before: int, after: int, step: Tensor) -> Tensor:
    """Edges of a padded map, which goes on over its rim as it does inside; by `step` where it is one unit wide."""
    n, map_edges = edges.shape[dim], edges[:IN_THE_IMAGE]
    first, last = map_edges.narrow(dim, 0, 1), map_edges.narrow(dim, n - 1, 1)
    at_first = map_edges.narrow(dim, 1, 1) - first if n > 1 else step
    at_last = last - map_edges.narrow(dim, n - 2, 1) if n > 1 else step
    rims = [[first - i * at_first for i in range(before, 0, -1)], [last + i * at_last for i in range(1, after + 1)]]
    textbook = torch.cat([*rims[0], map_edges, *rims[1]], dim)
    textbook = textbook.where(~textbook.isnan(), -math.inf)  # beside units that see nothing
    sides = (0, 0, before, after) if dim == 2 else (before, after)
    return torch.cat([textbook, F.pad(edges[IN_THE_IMAGE:], sides, value=-math.inf)])


def adaptive_fields(seen: Seen, shape: torch.Size) -> Seen:
    """What adaptive pooling sees: unit i of m covers the units from i·n/m rounded down to (i+1)·n/m rounded up."""
    edges = seen.edges
    down, across = jumps(seen)
    for dim in (-2, -1):
        n, m = edges.shape[dim], shape[dim]
        parts = [edges.narrow(dim, i * n // m, -(-(i + 1) * n // m) - i * n // m) for i in range(m)]
        edges = torch.cat([part.amax(dim, keepdim=True) for part in parts], dim)
    return Seen(edges, (down * seen.edges.shape[-2] / shape[-2], across * seen.edges.shape[-1] / shape[-1]))

"""The numbers of a layer as sums that one can redo by hand.

map side         (28 + 2·2 − 5)/1 + 1 = 28
receptive field  1 + (5 − 1)·1 = 5
parameters       6·(1·5·5) + 6 = 156
per position     1·5·5 = 25 multiplications
multiply-adds    6·28·28·25 = 117,600
"""

import math
from collections.abc import Sequence

from zoo.geometry.layer import Layer, Slide

Line = tuple[str, str]  # what it is, how it comes out


def arithmetic_of(layer: Layer) -> list[Line]:
    """The sums of a layer, as far as it has any."""
    lines: list[Line] = []
    if layer.slide:
        lines += per_axis("map", "side", [side_formula(layer.slide, axis) for axis in (0, 1)])
        fields = [field_formula(layer.slide, axis) for axis in (0, 1)]
        if layer.field and tuple(size for _, size in fields) == layer.field.size:  # windows that are all alike
            within = layer.field.within
            texts = [
                f"{equation(*each)}{outside_note(each[1], seen)}" for each, seen in zip(fields, within, strict=True)
            ]
            lines += per_axis("receptive", "field", texts)
    if layer.parameters:
        terms = [weights_formula(shape) for shape in layer.parameters]
        lines.append(("parameters", equation(" + ".join(terms), layer.num_parameters)))
    if not layer.work:
        return lines
    for work in layer.work:
        if len(work.each) > 1:
            lines.append(
                ("per position", f"{equation(product_formula(work.each), math.prod(work.each))} multiplications")
            )
    terms = [product_formula([*work.units, math.prod(work.each)]) for work in layer.work]
    return [*lines, ("multiply-adds", equation(" + ".join(terms), layer.multiply_adds))]


def per_axis(what: str, of_both: str, texts: list[str]) -> list[Line]:
    """One line for both axes where they are alike, else one for each."""
    if texts[0] == texts[1]:
        return [(f"{what} {of_both}", texts[0])]
    return [(f"{what} height", texts[0]), (f"{what} width", texts[1])]


def side_formula(slide: Slide, axis: int) -> str:
    """How many places there are for a window: (side + 2 padding - extent) / stride + 1, and how it is rounded."""
    n, m, (k, s, p, d) = slide.sides[axis], slide.counts[axis], (pair[axis] for pair in slide.window)
    padded, extent = n + 2 * p, d * (k - 1) + 1
    kernel = f"{k}" if d == 1 else f"({d}·({k} − 1) + 1)"
    text = f"({n}{f' + 2·{p}' if p else ''} − {kernel})/{s} + 1"
    steps, rest = divmod(padded - extent, s)
    if not rest:
        return equation(text, m)
    exact = f"{(padded - extent) / s + 1:.2f}".rstrip("0")
    return f"{text} = {exact}, rounded {'down' if m == steps + 1 else 'up'}: {m}"


def field_formula(slide: Slide, axis: int) -> tuple[str, int]:
    """What the units under a window see together: as much as one of them, and a jump more for each further one."""
    k, d, before, jump = (pair[axis] for pair in (slide.window.kernel, slide.window.dilation, slide.size, slide.jump))
    text = f"{before} + {'' if d == 1 else f'{d}·'}({k} − 1)·{jump:g}"
    return text, int(before + d * (k - 1) * jump)


def outside_note(size: int, within: int) -> str:
    """What to add where a receptive field does not lie in the image: even in the middle it may reach over one rim."""
    return "" if size == within else f", of which {within} in the image"


def weights_formula(shape: Sequence[int]) -> str:
    """The size of a learned tensor: so many kernels, or rows of a matrix, times the size of one."""
    while 1 < len(shape) < 4 and shape[0] == 1:  # a place for the batch
        shape = shape[1:]
    first, rest = shape[0] if shape else 1, shape[1:]
    return f"{first}·({product_formula(rest)})" if len(rest) > 1 else product_formula([first, *rest])


def product_formula(factors: Sequence[int]) -> str:
    """The factors with points between them."""
    return "·".join(str(factor) for factor in factors)


def equation(text: str, result: int) -> str:
    """A sum and what it comes to; only that if there is nothing to compute."""
    return f"{text} = {result:,}" if not text.isdigit() else f"{result:,}"

"""The layers of a network as a table, and below it how the numbers in it come out."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from zoo.geometry import Layer, arithmetic_of

PAGE = 100  # characters across, for which there is room on most screens
SCALES = ((1e8, 1e9, "G"), (1e5, 1e6, "M"))  # from this number on, in this unit, with this name


def print_layers(record: dict[str, Any], layers: list[Layer]) -> None:
    """Prints the table, the totals and the sums."""
    images = f"images of {' × '.join(map(str, record['in_shape']))}, {record['num_classes']} classes"
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{record['model']} on {record['data']}: {images}\n", style="bold", markup=False)
    table = make_table(record, layers)
    if natural_width(table, console) > PAGE:
        table.padding = 0
    # a column too narrow for its numbers says nothing: rather let a small window break the lines
    console.width = max(console.width, natural_width(table, console))
    console.print(table)
    total = record["multiply_adds"]
    console.print(f"\n{record['parameters']:,} parameters, {total:,} multiply-adds{rounded(total)} for one image")
    precision = record["precision"]
    advice = f"--trainer.precision {precision['recommended']}: {precision['because']}"
    console.print(f"fastest here: {advice}\n", markup=False)
    for layer in layers:
        show_sums(console, layer)


def make_table(record: dict[str, Any], layers: list[Layer]) -> Table:
    """A row for each layer."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for heading in ("layer\nnet.", "\nkind", "\nkernel", "\nstride", "pad-\nding", "\noutput", "receptive\nfield"):
        table.add_column(heading)
    for heading in ("\nparameters", "multiply-\nadds", "share\n%"):
        table.add_column(heading, justify="right")
    for values, layer in zip(record["layers"], layers, strict=True):
        table.add_row(*cells(values, layer, record["in_shape"]))
    return table


def natural_width(table: Table, console: Console) -> int:
    """Characters across, if nothing is cut."""
    return Measurement.get(console, console.options.update(width=1000), table).maximum


def cells(values: dict[str, Any], layer: Layer, in_shape: Sequence[int]) -> list[str]:
    """A row of the table; what a layer does not have stays empty."""
    kernel = compact_shape(values["kernel"]) if values["kernel"] else ""
    steps = [compact_pair(values[key]) if values[key] else "" for key in ("stride", "padding")]
    field = (
        compact_shape(layer.field.within) if layer.field else "" if layer.kind.islower() else "?"
    )  # lost track of it
    if layer.field and layer.field.within == tuple(in_shape[1:]):
        field = "whole image"
    counts = [f"{values[key]:,}" if values[key] else "" for key in ("parameters", "multiply_adds")]
    share = f"{100 * values['share']:.1f}" if values["multiply_adds"] else ""
    name = values["name"].removeprefix("net.")
    return [name, values["kind"], kernel, *steps, compact_shape(values["output"]), field, *counts, share]


def compact_shape(sides: Sequence[int]) -> str:
    """A shape, without room between: 6×28×28."""
    return "×".join(str(side) for side in sides)


def compact_pair(pair: Sequence[int]) -> str:
    """One number for both axes, or two."""
    return str(pair[0]) if pair[0] == pair[1] else compact_shape(pair)


def rounded(number: int) -> str:
    """A large number as one can remember it: (0.56 G)."""
    return next((f" ({number / unit:.2f} {name})" for least, unit, name in SCALES if number >= least), "")


def show_sums(console: Console, layer: Layer) -> None:
    """Prints how the numbers of a layer come out, if it has any."""
    lines = arithmetic_of(layer)
    if lines:
        console.print(f"{layer.name}  {layer.kind}", style="bold", markup=False)
    for what, text in lines:
        console.print(f"  {what:16} {text}", markup=False)

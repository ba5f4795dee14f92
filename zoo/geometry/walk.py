"""A network's layers in the order of the data, found by running it on one image.

    net, (C, H, W)  ->  [Layer(name, kind, output, field, parameters, work, slide), …]

Every operation passes `Follower`, whether a layer, a function or a method asked for it, and whatever Python stands
around it. A layer is a module that torch brings, or one without modules inside. Of what happens between the layers
only that is listed which joins units, costs something or has weights of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from zoo.geometry.costs import work_of
from zoo.geometry.layer import Field, Layer, Slide
from zoo.geometry.nested import leaves
from zoo.geometry.receptive_field import Seen, jumps, pixels
from zoo.geometry.rules import (
    SOFTMAX,
    WINDOWED,
    Operation,
    fields_after,
    has_rule,
    is_rearrangement,
    is_unitwise,
    operator_name,
    window_of,
)
from zoo.geometry.running import blank, forward_hooks

SHORT = {"scaled_dot_product_attention": "attention"}
JOINS = {"cat", "stack"}


def walk(net: nn.Module, in_shape: tuple[int, int, int], name: str = "net") -> list[Layer]:
    """The layers of a network in the order in which an image passes them.

    Args:
        net: maps images (B, C, H, W) to anything; is left as it is.
        in_shape: C, H, W.
        name: of the network, before those of its modules.

    Raises:
        RuntimeError: torch's, if the network does not take such images.
    """
    image, follower = blank(net, in_shape), Follower(net, name)
    follower.learn(image, pixels(*in_shape))
    # with inference_mode operations arrive as they were called, not as autograd takes them apart
    with (
        torch.inference_mode(),
        attention_in_parts(),
        forward_hooks(net, name, follower.enter, follower.leave),
        follower,
    ):
        net(image)
    return follower.layers


@contextmanager
def attention_in_parts() -> Iterator[None]:
    """Keeps torch's attention layers from doing all in one operation, whose work could not be counted."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def is_layer(module: nn.Module) -> bool:
    """Whether a module is a line of its own: torch's, or without modules inside."""
    return not any(module.children()) or (
        type(module).forward.__module__.startswith("torch.nn.") and not isinstance(module, nn.Sequential)
    )


class Follower(TorchDispatchMode):
    """Watches a network run and writes down its layers.

    Args:
        net: the network.
        name: of the network.
    """

    def __init__(self, net: nn.Module, name: str) -> None:
        super().__init__()
        self.layers: list[Layer] = []
        self._seen = WeakTensorKeyDictionary()  # what a tensor's units see, for as long as there is the tensor
        self._unmet = {id(p): (f"{name}.{key}", tuple(p.shape)) for key, p in net.named_parameters()}
        self._inside = [name]  # names of the modules that run, outermost first
        self._layer: Layer | None = None  # the one that runs

    def learn(self, tensor: Tensor, seen: Seen) -> None:
        """Remembers what the units of a tensor see."""
        self._seen[tensor] = seen

    def seen_by(self, value: Any) -> Seen | None:
        """What the units of a tensor see; None if it is none, or does not come from the image."""
        return self._seen.get(value) if isinstance(value, Tensor) else None

    def enter(self, name: str, module: nn.Module, args: Any) -> None:
        """A module begins to run."""
        self._inside.append(name)
        if self._layer is None and is_layer(module):
            self._layer = Layer(name, type(module).__name__, parameters=self._meet(list(module.parameters())))
            self.layers.append(self._layer)

    def leave(self, name: str, module: nn.Module, output: Any) -> None:
        """A module has run."""
        self._inside.pop()
        if self._layer is None or self._layer.name != name:
            return
        first = next((leaf for leaf in leaves(output) if isinstance(leaf, Tensor)), None)
        if first is not None:
            self._layer.output, self._layer.field = tuple(first.shape[1:]), self._field_of(first)
        self._layer = None

    def _meet(self, parameters: list[Any]) -> list[tuple[int, ...]]:
        """The shapes of those that are met for the first time."""
        return [self._unmet.pop(id(p))[1] for p in parameters if id(p) in self._unmet]

    def __torch_dispatch__(self, func: Operation, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not has_rule(func):
            with self:  # perhaps it is made of known ones
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        tensors = [leaf for leaf in leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        inputs = [seen for tensor in tensors if (seen := self.seen_by(tensor))]
        out = func(*args, **kwargs)
        outputs = [leaf for leaf in leaves(out) if isinstance(leaf, Tensor)]
        if not outputs:
            return out
        if inputs and not operator_name(func).endswith("_like"):  # new tensors, of this shape only
            for output, seen in zip(
                outputs, fields_after(func, args, kwargs, outputs, inputs, self.seen_by), strict=True
            ):
                self.learn(output, seen)
        self._note(func, args, kwargs, tensors, outputs[0])
        return out

    def _note(self, func: Operation, args: Any, kwargs: Any, tensors: list[Tensor], out: Tensor) -> None:
        """Adds an operation to the layer that runs, or to the list if it is worth a line there."""
        name = operator_name(func)
        work = work_of(name, tensors, out.shape)
        learned = [self._unmet[id(tensor)][0] for tensor in tensors if id(tensor) in self._unmet]
        if self._layer is None and not (work or learned or self._joins(func, tensors)):
            return
        layer = self._layer
        if layer is None:
            kind = SHORT.get(name, name)
            title = self._new(learned[0] if len(learned) == 1 and not work else f"{self._inside[-1]}.{kind}")
            layer = Layer(title, kind, tuple(out.shape[1:]), self._field_of(out), self._meet(tensors))
            self.layers.append(layer)
        layer.work += work
        source = self.seen_by(tensors[0]) if name in WINDOWED and out.ndim == 4 else None
        window = window_of(func, args, kwargs) if source else None
        if source and window:
            sides, counts = tensors[0].shape[-2:], out.shape[-2:]
            layer.slide = Slide(window, (sides[0], sides[1]), (counts[0], counts[1]), source.size, jumps(source))

    def _new(self, name: str) -> str:
        """A name for an operation: a number behind it from the second one on."""
        again = sum(layer.name == name or layer.name.startswith(f"{name}_") for layer in self.layers)
        return f"{name}_{again + 1}" if again else name

    def _joins(self, func: Operation, tensors: list[Tensor]) -> bool:
        """Whether an operation joins units of the image with others, or several of one tensor."""
        inputs = sum(self.seen_by(tensor) is not None for tensor in tensors)
        name = operator_name(func)
        if is_unitwise(func) or is_rearrangement(func):
            return inputs > 1 or (inputs > 0 and name in JOINS)
        return inputs > 0 and name not in SOFTMAX  # on the way to attention

    def _field_of(self, tensor: Tensor) -> Field | None:
        seen = self.seen_by(tensor)
        return Field(seen.size, seen.within) if seen else None

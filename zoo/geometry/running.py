"""Running a network while watching which of its modules run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

BeforeForward = Callable[[str, nn.Module, Any], None]  # the name of a module, itself, its inputs
AfterForward = Callable[[str, nn.Module, Any], None]  # the same with its output


@contextmanager
def forward_hooks(net: nn.Module, name: str, entering: BeforeForward, leaving: AfterForward) -> Iterator[None]:
    """Calls `entering` before and `leaving` after each module of a network that is run inside, in evaluation mode.

    Args:
        net: is afterwards as it was.
        name: of the network, before those of its modules: `net.0`.
        entering: gets the inputs.
        leaving: gets the output; is not called where a module fails.
    """
    modes = [(module, module.training) for module in net.modules()]
    handles = []
    for key, module in net.named_modules():
        if isinstance(module, torch.jit.ScriptModule):  # takes no hooks: it is a part of the module around it
            continue
        before, after = hooks(f"{name}.{key}".removesuffix("."), entering, leaving)
        handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
    try:
        net.eval()
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode


def hooks(name: str, entering: BeforeForward, leaving: AfterForward) -> tuple[Callable[..., None], Callable[..., None]]:
    """Torch's hooks for a module of this name; they return nothing, which would take the place of its output."""

    def before(module: nn.Module, args: Any) -> None:
        entering(name, module, args)

    def after(module: nn.Module, args: Any, output: Any) -> None:
        leaving(name, module, output)

    return before, after


def blank(net: nn.Module, in_shape: tuple[int, int, int]) -> Tensor:
    """A black image (1, C, H, W) of the type and on the device of a network's weights."""
    weight = next(net.parameters(), torch.zeros(()))
    return torch.zeros(1, *in_shape, dtype=weight.dtype, device=weight.device)

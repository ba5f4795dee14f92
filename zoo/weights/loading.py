"""`zoo.load`: a name, a run folder, a folder with a card or an address of the Hub -> ImageClassifier."""

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import UsageError, shorten, warn
from zoo.prepare import ENDINGS
from zoo.weights.card import Card
from zoo.weights.guard import check_weights
from zoo.weights.hub.address import is_address
from zoo.weights.store import cards_in, is_own, list_weights, own, read_checked, read_graph, weights_of

if TYPE_CHECKING:
    from torch import nn

    from zoo.weights.classifier import ImageClassifier


RUNTIMES = ("auto", "onnx", "torch")


def load(where: str | Path, device: str | None = None, runtime: str = "auto") -> "ImageClassifier":
    """A trained network, ready to be asked about pictures.

    Args:
        where: the name of weights of the zoo, the folder of a run, a folder with one card, a card's file, or a
            repository on the Hugging Face Hub, `hf://USER/REPO` or `hf://USER/REPO@REVISION`.
        device: where it computes, such as `cpu` or `cuda`; None is the CPU.
        runtime: `torch`; or `onnx`, for weights that came with the zoo, on the CPU: torch is not imported. `auto` is
            `onnx` wherever it can be: it was at least as fast for each of the networks, for one image and for many.

    Raises:
        UsageError: there is nothing of this name, or it cannot run so.
        OSError: the Hub is not there, and its weights were not fetched before.
        ValueError: a file is damaged, or card and weights do not fit.
    """
    if runtime not in RUNTIMES:
        raise UsageError(
            f"runtime in zoo.load: expected one of {', '.join(RUNTIMES)}, found {str(runtime)[:60]!r}. Try: auto"
        )
    found, device = card_in(where), str(device or "cpu")
    check_device(device)
    if found.suffix == ".json":
        # a graph is a program: only those that were installed with the zoo are run
        model = from_card(found, device, with_graph=runtime != "torch" and device == "cpu" and is_own(found))
    else:
        from zoo.weights.from_run import from_run

        model = from_run(found, device)
    if runtime == "onnx" and model.graph is None:
        raise UsageError(
            f"runtime in zoo.load: expected torch for {str(where)[:60]!r} on {device}, found onnx. Try: auto"
        )
    return model


def check_device(device: str) -> None:
    """Raises UsageError for a device that torch does not know, or that this machine has not."""
    if device == "cpu":  # torch may not be needed
        return
    import torch

    try:
        if torch.device(device).type == "meta":
            raise RuntimeError("meta computes nothing")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"device in zoo.load: expected one that this machine has, found {shorten(device, 60)!r}"
            f" ({shorten(str(error).splitlines()[0], 100)}). Try: cpu"
        ) from error


def card_in(where: str | Path) -> Path:
    """The file of a card, or the folder of a run, that a name or a path stands for.

    A word that names weights of the zoo stands for them, whatever lies in the working folder; `./NAME` is a folder.

    Raises:
        UsageError: there is nothing of this name.
    """
    if is_address(where):
        from zoo.weights.hub.fetch import fetch_card

        return fetch_card(where)
    path = Path(os.path.expanduser(where))  # noqa: PTH111  with no such user it is a name like any other
    if isinstance(where, str) and where in list_weights():
        with suppress(UsageError, OSError):
            if found_at(path):
                warn(f"weights {where}: those of the zoo are taken. Try: ./{where} for what lies in this folder")
        return own(where)
    try:
        found = found_at(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(
            f"weights in {shorten(path)}: expected a folder or a card, found what cannot be read ({reason})"
        ) from error
    if found is None and len(path.parts) > 1:
        raise UsageError(f"weights in {shorten(path)}: expected a folder or a card, found none")
    return found or own(str(where))


def found_at(path: Path) -> Path | None:
    """The file of a card, or the folder of a run, at a path; None where there is nothing.

    Raises:
        UsageError: there is something else.
        OSError: it cannot be looked at.
    """
    if path.suffix == ".json" and path.is_file():
        return path
    if path.is_dir():
        cards = cards_in(path)
        if len(cards) == 1:
            return cards[0]
        if not cards and ((path / "config.yaml").is_file() or (path / "checkpoints").is_dir()):
            return path
        found = f"{len(cards)} cards. Try: {cards[0]}" if cards else "neither"
        raise UsageError(f"weights in {path}: expected a run or a folder with one card, found {found}")
    if path.is_file():
        raise no_card(path)
    return None


def no_card(path: Path) -> UsageError:
    """The error for a file that is no card, with what was perhaps meant."""
    run = path.parent.parent
    if path.suffix == ".safetensors" and (card := path.with_suffix(".json")).is_file():
        advice = f". Try: {card}"
    elif path.suffix == ".ckpt" and path.parent.name == "checkpoints" and (run / "config.yaml").is_file():
        advice = f". Try: {run}"
    elif path.suffix.lower() in (*ENDINGS, ".npz"):
        advice = f". Try: mnist_lenet {path}, or another name of weights before it"
    else:
        advice = ""
    return UsageError(f"weights in {path}: expected a name, a run, or a folder with a card, found a file{advice}")


def from_card(path: Path, device: str = "cpu", with_graph: bool = False) -> "ImageClassifier":
    """The network of a card and the weights beside it.

    Args:
        path: the card's.
        device: where it computes.
        with_graph: whether the graph beside them, if there is one, answers; torch is needed no more then.
    """
    from zoo.weights.classifier import ImageClassifier

    card, content = read_checked(path)
    if with_graph and "onnx_sha256" in card:
        from zoo.weights.runtime import GraphNet

        graph = GraphNet(card, read_graph(card, path))
        return ImageClassifier(card, partial(verified_network, card, content, path), device, graph)
    return ImageClassifier(card, verified_network(card, content, path), device)


def verified_network(card: Card, content: bytes, path: Path) -> "nn.Module":
    """The network of a card in torch, with the weights of a file's content."""
    from safetensors import SafetensorError
    from safetensors.torch import load as tensors_of

    from zoo.weights.classifier import make_network

    check_weights(content, card, weights_of(path))
    net = make_network(card)
    try:
        tensors: dict[str, Any] = tensors_of(content)
    except SafetensorError as error:
        raise ValueError(f"weights in {weights_of(path)}: expected safetensors, found {shorten(error)}") from error
    fill(net, tensors, str(path))
    return net


def fill(net: Any, tensors: dict[str, Any], where: str) -> None:
    """Puts weights into a network that has shapes alone, in the types that it has.

    Raises:
        ValueError: they are those of another network, or not finite.
    """
    import torch

    expected = net.state_dict()
    for name in sorted({*expected, *tensors}):
        shapes = [list(held[name].shape) if name in held else "none" for held in (expected, tensors)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"weights in {where}: expected {shorten(name, 60)} of shape {shapes[0]}, found {shapes[1]}"
            )
        kinds = [held[name].is_floating_point() for held in (expected, tensors)]
        if kinds[0] != kinds[1]:
            raise ValueError(
                f"weights in {where}: expected {name} of {expected[name].dtype}, found {tensors[name].dtype}"
            )
        if not tensors[name].isfinite().all():
            raise ValueError(f"weights in {where}: expected finite numbers, found others in {name}")
    # in one layout, whichever they had: kernels are chosen by it, and others add up in another order
    plain = {
        name: tensor.to(expected[name].dtype).clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    net.load_state_dict(plain, assign=True)

"""Where weights lie, and how they are written and read: NAME.safetensors and NAME.json, beside each other.

    write(folder, name, tensors, card)   both files, whole; the same weights give the same bytes
    read(folder / "NAME.json")           -> card and tensors, once the sum of the file is the card's

The zoo's own weights are in `zoo/weights/files/`, in a checkout and where it is installed.
"""

import hashlib
from collections.abc import Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UsageError
from zoo.files import folder_beside
from zoo.weights.card import MOST_BYTES as MOST_OF_CARD
from zoo.weights.card import Card, card_text, check_card, read_card

if TYPE_CHECKING:
    from torch import Tensor

OWN = Path(__file__).with_name("files")
TOO_LARGE = ("cifar10_mlp_best",)  # recipes whose weights are over 4 MB: results/weights.csv
MOST_BYTES = 500_000_000  # of a file of weights


def list_weights(pattern: str = "*") -> list[str]:
    """The names of the zoo's own weights that fit a pattern such as `mnist*`."""
    return sorted(path.stem for path in OWN.glob("*.json") if fnmatchcase(path.stem, pattern))


def own(name: str) -> Path:
    """The card of weights of the zoo by their name.

    Raises:
        UsageError: there are none of this name.
    """
    known = list_weights()
    if name in TOO_LARGE and name not in known:
        raise UsageError(
            f"name in weights: expected weights that came with the zoo, found {name!r}, whose are over 4 MB. Try: zoo"
            f" fit -c {name} --run_dir runs/{name}, and that folder in its place"
        )
    if name not in known:
        near = get_close_matches(name, known, 1)
        advice = near[0] if near else "the folder of a run or of a card"
        expected = f"one of {', '.join(known)}" if known else "a folder, as none came with the zoo"
        raise UsageError(f"name in weights: expected {expected}, found {name[:60]!r}. Try: {advice}")
    return OWN / f"{name}.json"


def is_own(card: Path) -> bool:
    """Whether a card is one of those that came with the zoo."""
    return card.parent == OWN


def cards_in(folder: Path) -> list[Path]:
    """The cards of a folder that have weights beside them."""
    return sorted(card for card in folder.glob("*.json") if weights_of(card).is_file())


def weights_of(card: Path) -> Path:
    """The file of weights that belongs to a card."""
    return card.with_suffix(".safetensors")


def graph_beside(card: Path) -> Path:
    """The file of the ONNX graph that belongs to a card, if it has one."""
    return card.with_suffix(".onnx")


def read_checked(card_path: Path) -> tuple[Card, bytes]:
    """A card and the bytes of its weights, which have the card's sum.

    Raises:
        UsageError: a file is not there.
        ValueError: a file is damaged, or they do not belong together.
    """
    card, path = read_card(card_path), weights_of(card_path)
    if not path.is_file():
        raise UsageError(f"weights in {path}: expected a file beside {card_path.name}, found none")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"weights in {path}: expected at most {MOST_BYTES:,} bytes, found {path.stat().st_size:,}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != card["sha256"]:
        raise ValueError(
            f"weights in {path}: expected SHA-256 {card['sha256'][:12]}… as in {card_path.name}, found {found[:12]}…:"
            " damaged, or of another card. Try: fetch both again"
        )
    return card, content


def read_graph(card: Card, card_path: Path) -> Path:
    """The file of a card's graph, which has the card's sum.

    Raises:
        ValueError: it is not there, or damaged.
    """
    path = graph_beside(card_path)
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    if found != card["onnx_sha256"]:
        raise ValueError(
            f"graph in {path}: expected SHA-256 {card['onnx_sha256'][:12]}… as in {card_path.name}, found {found[:12]}:"
            " damaged, or of another card. Try: install the zoo again"
        )
    return path


def serialise(tensors: Mapping[str, "Tensor"]) -> bytes:
    """Weights by name as a file of safetensors; equal weights give equal bytes, as it holds nothing else."""
    from safetensors.torch import save

    return save({name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)})


def write(folder: Path, name: str, tensors: Mapping[str, "Tensor"], card: Card) -> Path:
    """Writes weights and card; the card gets the sum of the weights.

    Args:
        folder: where they go; made if there is none.
        name: of both files.
        tensors: by name; stored contiguous, and as they are.
        card: all of it but `sha256`.

    Returns:
        The card's file.
    """
    content = serialise(tensors)
    card = check_card({**card, "sha256": hashlib.sha256(content).hexdigest()}, f"{name}.json")
    if (size := len(card_text(card).encode())) > MOST_OF_CARD:
        raise ValueError(f"card in {name}.json: expected at most {MOST_OF_CARD:,} bytes, found {size:,}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    with folder_beside(path) as draft:
        (draft / weights_of(path).name).write_bytes(content)
        (draft / path.name).write_text(card_text(card), encoding="utf-8")
        for each in (weights_of(path), path):
            (draft / each.name).replace(each)
    return path

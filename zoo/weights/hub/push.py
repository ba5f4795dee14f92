"""A folder with a card -> a commit on the Hugging Face Hub: card, weights and page, and nothing else of the folder.

weights are read as whoever loads them will  ->  the repository is made if there is none  ->  one commit, or none
"""

from pathlib import Path

from zoo.errors import UsageError, shorten
from zoo.weights.card import Card, card_text
from zoo.weights.hub.address import Address, address_of, is_address
from zoo.weights.hub.client import asking, client, explained
from zoo.weights.hub.fetch import listing, pairs
from zoo.weights.loading import card_in, verified_network
from zoo.weights.pages.readme import NAME as PAGE
from zoo.weights.pages.readme import is_page_of, readme
from zoo.weights.store import read_checked

MOST_OF_PAGE = 1_000_000  # bytes


def push(where: str, repository: str, private: bool = False) -> str:
    """Uploads weights with their card.

    Args:
        where: a folder with a card, or the name of weights of the zoo.
        repository: USER/REPO; it is made where there is none.
        private: whether a new one is to be seen by its owners only.

    Returns:
        The address that `zoo.load` takes.

    Raises:
        UsageError: there are no weights, or they cannot go there.
        OSError: the Hub is not there.
        ValueError: the weights are damaged.
    """
    place = address_of(repository if is_address(repository) else f"hf://{repository}")
    if place.revision or is_address(where):
        raise UsageError(
            "words in zoo weights push: expected a folder with a card, and USER/REPO, found"
            f" {shorten(where, 60)} and {place}. Try: zoo weights push DIR {place.repository}"
        )
    path = card_in(where)
    if path.suffix != ".json":
        raise UsageError(
            f"weights in {path}: expected a folder with a card, found a run."
            f" Try: zoo weights save {path} --out {path.name}-weights, and that folder"
        )
    card, content = read_checked(path)
    verified_network(card, content, path)  # what does not load is not spread
    files = {
        f"{path.stem}.json": card_text(card).encode(),
        f"{path.stem}.safetensors": content,
        PAGE: page_of_folder(path.parent / PAGE, card, place),
    }
    commit(place, files, private)
    return str(place)


def page_of_folder(path: Path, card: Card, place: Address) -> bytes:
    """The page that goes with a card: that in its folder where somebody has changed it, else one with the address."""
    if not path.is_file() or is_page_of(path, card):
        return readme(card, place.repository).encode()
    if path.is_symlink() or path.stat().st_size > MOST_OF_PAGE:
        found = "a link" if path.is_symlink() else f"{path.stat().st_size:,} bytes"
        raise UsageError(f"page in {path}: expected a file of up to {MOST_OF_PAGE:,} bytes, found {found}")
    return path.read_bytes()


def commit(place: Address, files: dict[str, bytes], private: bool) -> None:
    """Makes a repository of these files, or adds them to it; raises UsageError where it holds other weights."""
    hub = client()
    with explained(place, "upload"), asking(hub):
        api = hub.HfApi()
        api.create_repo(place.repository, private=private or None, exist_ok=True)
        _, there = listing(hub, place)
        if others := sorted({*pairs(there)} - {*pairs(files)}):
            raise UsageError(
                f"weights in {place}: expected a repository for these alone, found {others[0]}. Try: another REPO"
            )
        operations = [hub.CommitOperationAdd(name, content) for name, content in files.items()]
        api.create_commit(place.repository, operations, commit_message=f"{min(files)}: weights, card and page")

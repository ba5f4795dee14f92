"""Weights on the Hugging Face Hub -> the card's file in the cache of the Hub's client.

    what the repository holds  ->  its one card  ->  the weights beside it, by commit; nothing else is downloaded

The sizes are looked at before, the SHA-256 of the weights is the card's. Without a Hub, or with HF_HUB_OFFLINE, what
was fetched before is taken. The client is the extra `hub`; what it says of itself is not shown.
"""

import hashlib
import re
from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from zoo.errors import UsageError, shorten, warn
from zoo.weights.card import MOST_BYTES as MOST_OF_CARD
from zoo.weights.card import read_card
from zoo.weights.fields import NAME
from zoo.weights.hub.address import Address, address_of
from zoo.weights.hub.client import Absent, asking, client, explained, network_errors
from zoo.weights.store import MOST_BYTES, weights_of

COMMIT = re.compile(r"[0-9a-f]{40}")
ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
TIMEOUT = 10.0  # seconds for one answer


class Listed(NamedTuple):
    """A file of a repository: its name, its size in bytes, and its SHA-256 where the Hub knows it."""

    name: str
    size: int
    sha256: str | None


def fetch_card(address: object) -> Path:
    """The file of a card, with its weights beside it, in the cache of the client.

    Args:
        address: hf://USER/REPO, with @ and a branch, tag or commit.

    Raises:
        UsageError: there is no such place, or it is not for this user.
        OSError: the Hub is not there, and nothing was fetched before.
        ValueError: what lies there is no card with weights, too large, or damaged.
    """
    place, hub = address_of(address), client()
    with explained(place), asking(hub):
        try:
            commit, files = listing(hub, place)
        except Absent as absent:
            return cached(hub, place, absent)
        card, weights = card_and_weights(files, place)
        path = download(hub, place, commit, card)
        expected = read_card(path)["sha256"]
        if weights.sha256 not in (None, expected):
            raise ValueError(
                f"weights in {place}: expected SHA-256 {expected[:12]}… as in {card.name}, found"
                f" {str(weights.sha256)[:12]}… on the Hub"
            )
        beside = download(hub, Address(place.repository, commit), commit, weights)
        if (found := hashlib.sha256(beside.read_bytes()).hexdigest()) != expected:
            for each in (path, beside):
                forget(each)
            raise ValueError(
                f"weights in {place}: expected SHA-256 {expected[:12]}… as in {card.name}, found {found[:12]}…; they"
                " are out of the cache again. Try: the same once more"
            )
    return path


def listing(hub: ModuleType, place: Address) -> tuple[str, dict[str, Listed]]:
    """The commit that a place stands for, and the files of it by name.

    Raises:
        Absent: there is no Hub.
        ValueError: it answers with something else.
    """
    from huggingface_hub import errors

    try:
        found = hub.HfApi().model_info(place.repository, revision=place.revision, files_metadata=True, timeout=TIMEOUT)
        files = [Listed(each.rfilename, each.size, each.lfs.sha256 if each.lfs else None) for each in found.siblings]
        commit = str(found.sha)
    except errors.HfHubHTTPError:
        raise
    except errors.OfflineModeIsEnabled as error:
        raise Absent("HF_HUB_OFFLINE") from error
    except network_errors() as error:
        raise Absent(type(error).__name__) from error
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(f"weights in {place}: expected the Hub's list of files, found another answer") from error
    if not COMMIT.fullmatch(commit) or not all(isinstance(each.name, str) for each in files):
        raise ValueError(f"weights in {place}: expected the Hub's list of files, found another answer")
    return commit, {each.name: each for each in files}


def pairs(files: Collection[str]) -> list[str]:
    """The names of which there are both files, a card and weights."""
    stems = {name.removesuffix(".json") for name in files if name.endswith(".json")}
    return sorted(stem for stem in stems if NAME.fullmatch(stem) and f"{stem}.safetensors" in files)


def card_and_weights(files: dict[str, Listed], place: Address) -> tuple[Listed, Listed]:
    """The one card of a repository and the weights beside it; raises UsageError or ValueError without just one."""
    names = pairs(files)
    if len(names) != 1:
        found = ", ".join(names[:3]) if names else "none"
        raise UsageError(
            f"weights in {place}: expected one card NAME.json with NAME.safetensors beside it, found {found}"
        )
    pair = files[f"{names[0]}.json"], files[f"{names[0]}.safetensors"]
    for file, most in zip(pair, (MOST_OF_CARD, MOST_BYTES), strict=True):
        if type(file.size) is not int or not 0 < file.size <= most:
            raise ValueError(
                f"{file.name} in {place}: expected 1 to {most:,} bytes, found {shorten(file.size or 'none told', 30)}"
            )
    return pair


def download(hub: ModuleType, place: Address, commit: str, file: Listed) -> Path:
    """A file of a repository in the cache; asked for once, and held to the size that was listed.

    Args:
        hub: the client.
        place: with the revision under which the cache is to remember the commit.
        commit: the one that was listed.
        file: which.
    """
    if not isinstance(hub.try_to_load_from_cache(place.repository, file.name, revision=commit), str):
        # asked for here first: the client itself would wait and ask again, and look at no size
        url = hub.hf_hub_url(place.repository, file.name, revision=place.revision)
        told = hub.get_hf_file_metadata(url, timeout=TIMEOUT)
        if told.size != file.size or told.commit_hash != commit or not ETAG.fullmatch(told.etag or ""):
            raise ValueError(
                f"{file.name} in {place}: expected {file.size:,} bytes of commit {commit[:12]}, as listed, found"
                f" {shorten(told.size, 30)} of {shorten(told.commit_hash, 12)}. Try: again, if it was just changed"
            )
    found = Path(
        hub.hf_hub_download(
            place.repository,
            file.name,
            revision=place.revision,
            etag_timeout=TIMEOUT,
            tqdm_class=progress_bar(hub, file),
        )
    )
    if found.parent.name != commit:
        raise OSError(f"{file.name} in {place}: expected commit {commit[:12]}, found a newer one. Try: again")
    return found


def progress_bar(hub: ModuleType, file: Listed) -> type[Any]:
    """The client's progress bar for a file: it shows nothing, and raises ValueError at more bytes than were listed."""

    class Bar(hub.utils.tqdm):  # type: ignore[name-defined]
        received = 0.0

        def update(self, n: float | None = 1) -> bool | None:
            self.received += n or 0
            if self.received > file.size:
                raise ValueError(f"{file.name} in the Hub: expected {file.size:,} bytes, as listed, found more")
            return super().update(n)

    return Bar


def cached(hub: ModuleType, place: Address, absent: Absent) -> Path:
    """The card in the cache that a place stood for when it was fetched last; raises OSError if it never was."""
    revision = place.revision or "main"
    try:
        repositories = hub.scan_cache_dir(hub.constants.HF_HUB_CACHE).repos
    except hub.CacheNotFound:
        repositories = frozenset()
    for repository in repositories:
        if repository.repo_id != place.repository or repository.repo_type != "model":
            continue
        for each in repository.revisions:
            if revision in each.refs or revision == each.commit_hash:
                cards = [card for card in each.snapshot_path.glob("*.json") if weights_of(card).is_file()]
                if len(cards) == 1:
                    if str(absent) != "HF_HUB_OFFLINE":
                        warn(f"weights in {place}: the Hub is not there ({absent}); taken as fetched before")
                    return cards[0]
    raise OSError(
        f"weights in {place}: expected the Hub, or that they were fetched before, found neither ({absent})."
        " Try: with a network" + (", without HF_HUB_OFFLINE" if str(absent) == "HF_HUB_OFFLINE" else "")
    )


def forget(path: Path) -> None:
    """Takes a file out of the cache: the name in its commit, and the content that the name leads to."""
    content = path.resolve()
    path.unlink(missing_ok=True)
    if content.parent.name == "blobs":
        content.unlink(missing_ok=True)

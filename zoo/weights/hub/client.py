"""The client of the Hugging Face Hub: what it may do here, and what it raises in one line."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from types import ModuleType
from typing import Any

from zoo.errors import UsageError
from zoo.weights.hub.address import Address

TRIES = 2  # of one request: the client would try again for minutes, and wait as long as a server tells it to
AGAIN = (408, 429, 500, 502, 503, 504)  # answers of a hub that is there at other times


class Absent(Exception):
    """There is no Hub to be asked: why."""


def client() -> ModuleType:
    """The Hub's own client; raises UsageError where it is not installed."""
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.utils
    except ImportError as error:
        raise UsageError(
            "package huggingface_hub in this Python: expected it for weights on the Hub, found none."
            " Try: pip install huggingface_hub"
        ) from error
    return huggingface_hub


@contextmanager
def asking(hub: ModuleType) -> Iterator[None]:
    """The client shows nothing meanwhile, neither bars nor what a server has it say, and does not wait to try again."""
    session, tried = hub.utils.get_session(), Counter[str]()
    before, hooks = hub.logging.get_verbosity(), session.event_hooks
    bars, thread = not hub.utils.are_progress_bars_disabled(), get_ident()

    def count(request: Any) -> None:
        tried[f"{request.method} {request.url}"] += 1
        if tried[f"{request.method} {request.url}"] > TRIES and get_ident() == thread:
            raise Absent("no answer")

    def look(response: Any) -> None:
        if response.status_code in AGAIN and get_ident() == thread:
            raise Absent(f"HTTP {response.status_code}")

    session.event_hooks = {"request": [*hooks["request"], count], "response": [*hooks["response"], look]}
    hub.logging.set_verbosity(50)
    hub.utils.disable_progress_bars()
    try:
        yield
    finally:
        thread = 0
        session.event_hooks = hooks
        hub.logging.set_verbosity(before)
        if bars:
            hub.utils.enable_progress_bars()


@contextmanager
def explained(place: Address, doing: str = "weights") -> Iterator[None]:
    """Says in one line what the client raises. What a server says is not repeated, and no token."""
    from huggingface_hub import errors

    try:
        yield
    except Absent as absent:
        raise OSError(f"{doing} in {place}: expected the Hub to answer, found {absent}. Try: later") from absent
    except errors.GatedRepoError as error:
        raise UsageError(
            f"{doing} in {place}: expected a repository whose terms you have accepted, found one that asks for it."
            " Try: accept them on its page, then hf auth login"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UsageError(
            f"{doing} in {place}: expected a repository that you may read, found none."
            " Try: hf auth login, if it is private"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UsageError(
            f"revision in {place}: expected a branch, tag or commit of it, found none of this name."
            f" Try: hf://{place.repository}"
        ) from error
    except errors.HFValidationError as error:
        raise UsageError(f"address in {doing}: expected hf://USER/REPO, found {place}. Try: hf://USER/REPO") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise UsageError(
                f"{doing} in {place}: expected a token that may do this, found none or another (HTTP {status})."
                " Try: hf auth login"
            ) from error
        raise OSError(f"{doing} in {place}: expected the Hub to do it, found HTTP {status}. Try: later") from error
    except network_errors() as error:
        raise OSError(
            f"{doing} in {place}: expected the Hub to answer, found {type(error).__name__}. Try: with a network"
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        if getattr(error, "errno", None) or ": expected " in str(error):  # the system's, or ours
            raise
        raise OSError(
            f"{doing} in {place}: expected whole answers of the Hub, found {type(error).__name__}. Try: again"
        ) from error


def network_errors() -> tuple[type[BaseException], ...]:
    """What the client raises where there is no network: its own, and those of the package that it speaks HTTP with."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    return OfflineModeIsEnabled, next(each for each in HfHubHTTPError.__mro__ if each.__name__ == "HTTPError")

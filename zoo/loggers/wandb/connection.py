"""Can Weights & Biases be reached? Decided before the run begins: no run waits for its dashboard, or ends by it.

    mode in the configuration, WANDB_MODE -> key? answer within seconds? -> online, or offline with one line that says
    how to sync, or off

Left to itself, `wandb.init` raises without a key and waits for a minute and a half for a server that does not answer,
and does so when data and model are already built.
"""

import base64
import json
import netrc
import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from zoo.errors import UsageError

Mode = Literal["online", "offline", "auto", "off", False]  # `off` without quotes is false in yaml
ResolvedMode = Literal["online", "offline", "off"]

PATIENCE = 3.0  # seconds for the server's first answer
LIGHTNINGS, OURS = "WandbLogger", ".Wandb"  # ends of their class paths
# words that WANDB_MODE may have; W&B's own file of settings too
MODES: dict[str, Mode] = {"online": "online", "run": "online", "shared": "online", "offline": "offline"}
MODES |= {"dryrun": "offline", "disabled": "off", "off": "off"}
WHO_AM_I = {"query": "query Viewer { viewer { id } }"}  # asked with the key: is it known here?


class RefusedKeyError(Exception):
    """The server answers, but does not take the key."""


def resolve_mode(loggers: Iterable[Any], folder: Path) -> tuple[ResolvedMode, str | None]:
    """Decides how W&B is used in this process, and what to say of it.

    Lightning's own logger is set by `WANDB_MODE`, which is set where it cannot be online.

    Args:
        loggers: as they stand in the configuration; nothing is asked if none is W&B's.
        folder: where the zoo's own logger will write.

    Raises:
        UsageError: the mode is `online`, and the server refuses the key.
    """
    wanted = [mode_of(logger) for logger in loggers if is_wandb(logger)]
    asked = next((mode for mode in ("online", "auto", "offline") if mode in wanted), "off")
    if asked in ("offline", "off"):
        return ("offline" if asked == "offline" else "off"), None
    server = server_address()
    try:
        reason = no_key(server) or no_answer(server, find_key(server))
    except RefusedKeyError as error:
        if asked == "online":
            raise UsageError(
                f"key in WANDB_API_KEY or the netrc file: expected one that {server} knows, found one that it refuses"
                f" ({error}). Try: wandb login --relogin, or --trainer.logger.mode offline"
            ) from None
        reason = f"refuses the key ({error}, {server})"
    if reason is None:
        return "online", None
    place = f"'{folder}'/wandb"
    if any(class_path_of(logger).endswith(LIGHTNINGS) for logger in loggers):
        os.environ["WANDB_MODE"] = "offline"
        place = "wandb"
    return "offline", f"W&B {reason}: this run is logged on this machine only; later: wandb sync {place}/offline-run-*"


def class_path_of(named: Any) -> str:
    """The class path of a logger or callback in the configuration; empty for one that is built already."""
    get = getattr(named, "get", None)
    return str(get("class_path", "")) if get else ""


def is_wandb(logger: Any) -> bool:
    """Whether this logger, as configured, is W&B's: Lightning's or the zoo's."""
    path = class_path_of(logger)
    return path.endswith(LIGHTNINGS) or (path.startswith("zoo.") and path.endswith(OURS))


def mode_of(logger: Any) -> Mode:
    """What a logger asks for; where it leaves it open, WANDB_MODE decides, or W&B's own file of settings."""
    options = logger.get("init_args") or {}
    if options.get("offline"):  # Lightning's
        return "offline"
    mode = options.get("mode")
    if mode not in (None, "auto"):  # Lightning's has none where nothing was said
        return MODES.get(mode or "off", "auto")
    return MODES.get(os.environ.get("WANDB_MODE") or str(settings_file().get("mode", "")), "auto")


def settings_file() -> dict[str, str]:
    """What `wandb login --host` and `wandb offline` have written for this user and this working folder."""
    import wandb

    return wandb.Settings().read_system_settings().all()


def server_address() -> str:
    """Where W&B is: the company's, or the one that the user has set."""
    import wandb

    address = os.environ.get("WANDB_BASE_URL") or settings_file().get("base_url") or wandb.Settings().base_url
    return address.rstrip("/")


def find_key(server: str) -> str | None:
    """The key for a server from where `wandb login` puts it; None if there is none."""
    if key := os.environ.get("WANDB_API_KEY"):
        return key
    place = urllib.parse.urlsplit(server)
    # the company's server has moved, and the keys of old are still good
    places = [place.netloc, *["api.wandb.ai"] * (place.hostname or "").endswith((".wandb.ai", ".coreweave.com"))]
    try:
        known = netrc.netrc(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):
        return None
    found = [entry for entry in map(known.authenticators, filter(None, places)) if entry]
    return found[0][2] if found else None


def no_key(server: str) -> str | None:
    """Why W&B would not let us in; None if there is a key."""
    if os.environ.get("WANDB_IDENTITY_TOKEN_FILE") or find_key(server):
        return None
    return "has no key on this machine (wandb login)"


def no_answer(server: str, key: str | None) -> str | None:
    """Why the server cannot be used; None if it answers as W&B does.

    Raises:
        RefusedKeyError: it answers that it does not know the key.
    """
    outcome: list[str | RefusedKeyError | None] = [f"has not answered in {PATIENCE:g} s ({server})"]

    def ask() -> None:
        try:
            outcome[0] = answer_of(server, key)
        except RefusedKeyError as error:
            outcome[0] = error

    # in a thread of its own: neither the search for the name nor an answer in drops keeps to the time limit
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if isinstance(outcome[0], RefusedKeyError):
        raise outcome[0]
    return outcome[0]


class Unmoved(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: the key is for this server, not for where it points."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def answer_of(server: str, key: str | None) -> str | None:
    """Asks the server who the key is; None if it says so, else why it counts as out of reach."""
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = "Basic " + base64.b64encode(f"api:{key}".encode()).decode()
    try:
        request = urllib.request.Request(f"{server}/graphql", json.dumps(WHO_AM_I).encode(), headers)
        with urllib.request.build_opener(Unmoved).open(request, timeout=PATIENCE) as reply:
            answer = json.loads(reply.read(100_000))
    except urllib.error.HTTPError as error:
        if error.code in (401, 403) and key:
            raise RefusedKeyError(f"HTTP {error.code}") from error
        return f"answers with HTTP {error.code} ({server})"
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return f"answers oddly, no json ({server})"
    except Exception as error:  # names that cannot be encoded, answers that are no HTTP, and what else a network has
        return f"cannot be reached at {server} ({getattr(error, 'reason', error)})"
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict) or "viewer" not in data:
        return f"answers oddly, not as W&B does ({server})"
    if data["viewer"] is None and key:
        raise RefusedKeyError("it knows nobody of that key")
    return None

"""Can Weights & Biases be reached? Decided before the run begins: no run waits for its dashboard, or ends by it.

    logger in the configuration -> key? answer within seconds? -> online, or offline with one line that says how to sync

Left to itself, `wandb.init` raises without a key and waits for a minute and a half for a server that does not answer,
and does so when data and model are already built.
"""

import netrc
import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from typing import Any

PATIENCE = 3.0  # seconds for the server's first answer
SERVER = "https://api.wandb.ai"


def settle(loggers: Iterable[Any]) -> str | None:
    """Turns W&B offline for this process if it cannot be reached, and returns what to say then.

    Args:
        loggers: as they stand in the configuration; nothing happens if W&B's is not among them.
    """
    if os.environ.get("WANDB_MODE") or not any(wants_server(logger) for logger in loggers):
        return None
    server = os.environ.get("WANDB_BASE_URL", SERVER)
    reason = no_key(server) or no_answer(server)
    if reason is None:
        return None
    os.environ["WANDB_MODE"] = "offline"
    return f"W&B {reason}: this run is logged on this machine only; later: wandb sync wandb/offline-run-*"


def wants_server(logger: Any) -> bool:
    """Whether this logger, as configured, is W&B's and not meant to be offline."""
    get = getattr(logger, "get", None)
    if get is None or not str(get("class_path", "")).endswith("WandbLogger"):
        return False
    return not (get("init_args") or {}).get("offline")


def no_key(server: str) -> str | None:
    """Why W&B would not let us in; None if there is a key where `wandb login` puts one."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return None
    try:
        known = netrc.netrc(os.environ.get("NETRC")).authenticators(urllib.parse.urlsplit(server).hostname or server)
    except (OSError, netrc.NetrcParseError):
        known = None
    return None if known else "has no key on this machine (wandb login)"


def no_answer(server: str) -> str | None:
    """Why the server counts as out of reach; None if it answers, whatever it says."""
    reasons = [f"has not answered in {PATIENCE:g} s ({server})"]

    def ask() -> None:
        try:
            urllib.request.urlopen(server, timeout=PATIENCE).close()
        except urllib.error.HTTPError:
            pass  # an answer
        except (OSError, ValueError) as error:
            reasons[0] = f"cannot be reached at {server} ({getattr(error, 'reason', error)})"
            return
        reasons.clear()

    # in a thread of its own: neither the search for the name nor an answer in drops keeps to the time limit
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return reasons[0] if reasons else None

"""How a W&B run is started and left: its identity, what W&B gets at the start, and what to type when it fails.

RUN/wandb/run_id, settings  ->  wandb.init, or one warning
"""

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from zoo.files import whole_file
from zoo.loggers.wandb.connection import ResolvedMode, find_key, server_address
from zoo.loggers.wandb.privacy import WITHHELD, Privacy

START = 5.0  # seconds for the server to take the run


def start(options: dict[str, Any], mode: ResolvedMode, privacy: Privacy, finish: float) -> Any:
    """Starts W&B and returns its run; raises whatever W&B raises.

    Args:
        options: arguments of `wandb.init`.
        mode: online or offline.
        privacy: what W&B may collect by itself.
        finish: seconds for what is left to be sent at the end.
    """
    if privacy != "full":
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # W&B's reports on itself
    import wandb  # half a second, for those who use it

    server = server_address()
    settings = {
        "mode": mode,
        "base_url": server,
        "silent": True,  # the zoo says what there is to report
        "use_dot_wandb": False,
        "symlink": False,  # a run folder can be copied
        "init_timeout": START,
        "finish_timeout": finish,
        "finish_timeout_raises": True,
        "x_disable_viewer": True,  # has been asked already, and W&B would wait ten seconds for it
        **WITHHELD[privacy],
    }
    if mode == "online":
        settings["api_key"] = find_key(server)  # without one W&B would ask on the terminal
    wandb.setup(settings=wandb.Settings(silent=True))
    return wandb.init(**options, settings=wandb.Settings(**settings))


def stop_service() -> None:
    """Ends W&B's own process, which may be gone already; else it would be tried once more when Python ends."""
    import wandb

    with suppress(Exception):
        wandb.teardown()


def kept_id(path: Path) -> str:
    """The identity of a run folder's W&B run, made and kept when there is none.

    Raises:
        ValueError: the file holds something else.
    """
    if path.exists():
        identity = path.read_text(encoding="utf-8", errors="replace").strip()
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", identity):
            raise ValueError(
                f"identity of the W&B run in {path}: expected letters and digits, found '{identity[:40]}'."
                " Try: without this file; the run goes on under a new one"
            )
        return identity
    # an agent of a sweep has given the run its identity
    identity = os.environ.get("WANDB_RUN_ID") or secrets.token_hex(6)
    path.parent.mkdir(exist_ok=True)
    with whole_file(path) as file:
        file.write(f"{identity}\n")
    return identity


def sync_command(place: Path) -> str:
    """What sends a run later; W&B takes one that was online for sent unless it is told otherwise."""
    here = Path.cwd()
    place = place.relative_to(here) if place.is_relative_to(here) else place
    return f"wandb sync {'' if place.name.startswith('offline-') else '--include-online '}'{place}'"


def short_reason(error: Exception) -> str:
    """The beginning of an exception's words."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]

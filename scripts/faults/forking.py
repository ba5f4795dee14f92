"""Processes that are forked from one that has imported torch: they start at once, and can be killed for real.

fork(act, log)                              -> id of a process that does it and prints into a file
fork(act, log, under_torchrun(1, 2, port))  -> the second of two that find each other
"""

import os
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only


def fork(
    act: Callable[[], object], log: Path, environment: Mapping[str, str] | None = None, errors: Path | None = None
) -> int:
    """Forks a process that does something and ends; returns its id.

    Args:
        act: what it does; it ends with the code of the SystemExit that this raises, or with 0.
        log: takes what it prints.
        environment: added to its own.
        errors: takes what it prints on stderr, if that is to be told apart.
    """
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        os.environ.update(environment or {})
        # Lightning has asked when it was imported, before the fork
        rank_zero_only.rank = int(os.environ.get("RANK", 0))  # type: ignore[attr-defined]
        for stream, path in ((1, log), (2, errors or log)):
            with path.open("a") as file:
                os.dup2(file.fileno(), stream)
        sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, closefd=False) for stream in (1, 2))
        act()
        code = 0
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
        if isinstance(leave.code, str):  # as Python does
            print(leave.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def under_torchrun(rank: int, world: int, port: int) -> dict[str, str]:
    """The environment that torchrun gives to one of several processes on this machine."""
    return {
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(world), "RANK": str(rank)},
        **{"LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(world), "TORCHELASTIC_RUN_ID": "forked"},
        **{"GROUP_RANK": "0", "TORCHELASTIC_USE_AGENT_STORE": "False"},
    }


def free_port() -> int:
    """A port on this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Which code is it that runs? Asked while a run starts, in a thread of its own: git takes some hundredths of a second.

    {"commit": "4e5c47a…" or "4e5c47a…-dirty", "changes": SHA-256 of what is not in it, "source": SHA-256 of the code}

`source` tells whether it is the same code, with or without git; `commit` and `changes` tell which.
"""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from zoo.config.allowlist import trusted
from zoo.runs.result import RESULTS, git_commit

ROOT = Path(__file__).parents[2]

Code = dict[str, str | None]


class AskForCode:
    """Begins to find out; to be made once the user's own modules are imported."""

    def __init__(self) -> None:
        pool = ThreadPoolExecutor(1)
        self._answer = pool.submit(code)
        pool.shutdown(wait=False)

    def result(self) -> Code:
        """Waits for the answer."""
        return self._answer.result()

    def __deepcopy__(self, memo: object) -> "AskForCode":
        return self  # averages of weights copy all that hangs on a model; a thread cannot be copied


def code() -> Code:
    """The commit, what differs from it, and the code itself."""
    commit = git_commit()
    return {
        "commit": commit,
        "changes": changes() if commit and commit.endswith("-dirty") else None,
        "source": source(),
    }


@cache  # a process has imported its code once
def changes() -> str | None:
    """SHA-256 of the uncommitted changes, those of results left out; None if git does not say."""
    command = ["git", "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--", ":/", *RESULTS]
    try:
        diff = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return hashlib.sha256(diff).hexdigest()


@cache
def source() -> str:
    """SHA-256 of the files of the program, and of the user's own modules that were imported."""
    own = {str(path.relative_to(ROOT)): path for name in ("zoo", "datamodules") for path in (ROOT / name).rglob("*.py")}
    own["cli.py"] = ROOT / "cli.py"
    for name, module in list(sys.modules.items()):
        if any(f"{name}.".startswith(f"{prefix}.") for prefix in trusted()) and getattr(module, "__file__", None):
            own[name] = Path(str(module.__file__))
    sums = []
    for name, path in sorted(own.items()):
        try:
            sums.append(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}")
        except OSError:  # gone since it was imported
            sums.append(name)
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()

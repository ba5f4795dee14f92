"""Runs that nobody disturbs, which those that were ended are compared with; and how a start of the command ended."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from faults.endings import Ending, same
from faults.process import PATIENCE, start
from faults.run_digest import fingerprint
from faults.settings import BASE, LIMITS, SETTINGS
from zoo.checkpoints.checkpoint_io import SafeCheckpointIO
from zoo.runs.folder import RunFolder


class Ended(NamedTuple):
    """How a start ended, and what it printed on stdout and on stderr."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines on stderr, but for warnings and what it announced before."""
        return [line for line in self.err.splitlines() if not line.startswith(("warning:", "continues from"))]

    @property
    def table(self) -> list[str]:
        """The rows of the tables."""
        return [line for line in self.out.splitlines() if line.startswith("│")]


def run(argv: list[str], beside: Path, prepare: Callable[[], None] = lambda: None) -> Ended:
    """Executes the command in a process of its own, and waits for it; code 999 if it hangs."""
    log, errors = beside.with_suffix(".out"), beside.with_suffix(".err")
    for path in (log, errors):
        path.unlink(missing_ok=True)
    process = start(argv, log, prepare, {}, errors)
    end, hung = time.monotonic() + PATIENCE, False
    while not (found := os.waitpid(process, os.WNOHANG))[0]:
        if time.monotonic() > end and not hung:
            os.kill(process, signal.SIGKILL)
            hung = True
        time.sleep(0.005)
    return Ended(999 if hung else os.waitstatus_to_exitcode(found[1]), log.read_text(), errors.read_text())


def copy_best(to: Path) -> None:
    """Lets this process keep a copy of each version of best.ckpt, under its number of steps."""
    save = SafeCheckpointIO.save_checkpoint
    to.mkdir()

    def save_checkpoint(plugin: Any, content: Any, path: Any, **options: Any) -> None:
        save(plugin, content, path, **options)
        if Path(path).name == "best.ckpt":
            shutil.copy(path, to / f"{content['global_step']}.ckpt")

    SafeCheckpointIO.save_checkpoint = save_checkpoint  # type: ignore[method-assign, assignment]


@dataclass
class Straight:
    """A run that nobody disturbs.

    Attributes:
        folder: its folder.
        ended: how.
        sums: its fingerprint; empty if it has no result.
        bests: steps -> the best weights after so many.
    """

    folder: RunFolder
    ended: Ended
    sums: dict[str, str]
    bests: dict[int, Path]
    rows: dict[int, list[str]] = field(default_factory=dict)  # what `test` shows of each

    def shown(self, steps: int) -> list[str]:
        """What `test` shows of the best weights after so many steps."""
        if steps not in self.rows:
            argv = ["test", "--run_dir", str(self.folder.path), "--ckpt_path", str(self.bests[steps])]
            self.rows[steps] = run(argv, self.folder.path.with_name(f"test-{os.getpid()}")).table
        return self.rows[steps]


class Round:
    """Straight runs of one setting, each made once.

    Args:
        name: of the setting.
        work: folder for its runs.
    """

    def __init__(self, name: str, work: Path) -> None:
        self.name, self.setting, self.work = name, SETTINGS[name], work / name
        self.work.mkdir(parents=True)
        self._straight: dict[tuple[str, Any, bool], Straight] = {}

    def prepare(self, endings: Iterable[Ending]) -> None:
        """Makes the straight runs that these ways of ending are compared with."""
        for ending in endings:
            self.straight(ending)
            if not (self.setting.scheduled and LIMITS[ending.limit](self.setting).again):
                self.straight(ending, longer=True)

    def flags(self, ending: Ending) -> str:
        """Those of the command."""
        return f"{BASE} {self.setting.flags} {LIMITS[ending.limit](self.setting).flags}"

    def straight(self, ending: Ending, longer: bool = False) -> Straight:
        """The run that this way of ending is compared with, up to its own or to a later end."""
        key = (ending.limit, ending.always, longer)
        if key not in self._straight:
            more = LIMITS[ending.limit](self.setting).more if longer else ""
            folder = RunFolder(self.work / f"straight-{len(self._straight)}")
            copies = folder.path.with_name(f"{folder.path.name}-bests")

            def prepare() -> None:
                ending.always()
                copy_best(copies)

            ended = run(same(folder.path, f"{self.flags(ending)} {more}", ""), folder.path, prepare)
            sums = fingerprint(folder) if folder.result.exists() and not ended.code else {}
            bests = {int(path.stem): path for path in copies.glob("*.ckpt")}
            self._straight[key] = Straight(folder, ended, sums, bests)
        return self._straight[key]

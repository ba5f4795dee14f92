"""Messages of Lightning parts that the user named are shown; the others are silenced. Profiles go into the run folder.

At every start Lightning logs what nobody has asked for, by the same loggers by which a summary, a finder or an early
stop report. So the command silences them (`process.quieten`), except the modules of the parts that were named.
"""

import inspect
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.profilers import PassThroughProfiler, Profiler

from zoo.errors import report
from zoo.runs.folder import RunFolder

LIGHTNING = "lightning.pytorch"


class Speaker(logging.Handler):
    """Prints what some modules say.

    Args:
        files: of these modules.
    """

    def __init__(self, files: Iterable[str]) -> None:
        super().__init__(logging.INFO)
        self.files = set(files)

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING and record.pathname in self.files:
            report(record.getMessage().strip())


def let_speak(parts: Iterable[object]) -> None:
    """Lets out what the modules of these parts of Lightning's say, and of no others."""
    files = {
        inspect.getfile(cls)
        for part in parts
        for cls in type(part).__mro__
        if cls.__module__.startswith(f"{LIGHTNING}.") and cls not in (Callback, PassThroughProfiler)
    }
    logger = logging.getLogger(LIGHTNING)
    for handler in list(logger.handlers):
        if isinstance(handler, Speaker):  # of an earlier command in this process
            logger.removeHandler(handler)
        else:
            handler.setLevel(logging.WARNING)
    if files:
        logger.setLevel(logging.INFO)
        logger.addHandler(Speaker(files))


class ProfileReport(Callback):
    """Has a profiler report into the run folder, where no other place was named.

    Args:
        profiler: of the trainer.
        folder: the run's.
    """

    def __init__(self, profiler: Profiler, folder: RunFolder) -> None:
        self.profiler, self.folder = profiler, folder
        self.placed = profiler.dirpath is not None
        profiler.dirpath = profiler.dirpath or str(folder.path)  # traces are written while it goes on
        profiler.filename = profiler.filename or "profile"
        self.paths: list[Path] = []

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not self.placed:  # the folder's name may be settled by now; the report follows, when all callbacks are done
            self.profiler.dirpath = self.folder.path
        assert self.profiler.dirpath is not None
        # as the profiler makes up the name
        parts = [stage, self.profiler.filename or "", *[str(trainer.local_rank)] * (trainer.world_size > 1)]
        name = "-".join(parts)
        self.paths.append(Path(self.profiler.dirpath) / f"{name}.txt")

    @property
    def notes(self) -> list[str]:
        """Where the reports are, in a line; none if nothing was profiled."""
        there = [str(path) for path in dict.fromkeys(self.paths) if path.exists()]
        return [f"profile: {', '.join(there)}"] if there else []


def is_profiled(trainer: Trainer) -> Any:
    """Whether somebody has asked for a profile that can be written."""
    profiler = trainer.profiler  # type: ignore[attr-defined]
    return not isinstance(profiler, PassThroughProfiler) and type(profiler).__name__ != "XLAProfiler"

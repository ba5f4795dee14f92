"""A command from its start to its end: what it printed, and what it took."""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure.rounds import Failed


class Ended(NamedTuple):
    """What is known of a process when it is over.

    Attributes:
        printed: on stdout.
        seconds: by the clock on the wall.
        processor: seconds that it, and what it has waited for, have computed.
        peak: largest resident memory, bytes.
    """

    printed: str
    seconds: float
    processor: float
    peak: int


def run(
    command: Sequence[str], threads: int, *, folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> Ended:
    """Runs a command to its end.

    Args:
        command: its arguments.
        threads: of torch and what it computes with.
        folder: where it runs; None is here.
        environ: variables besides those of this process.

    Raises:
        Failed: it ended with an error; its last line.
    """
    variables = {**os.environ, "OMP_NUM_THREADS": str(threads), **(environ or {})}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=folder, env=variables)
        try:
            _, status, usage = os.wait4(process.pid, 0)  # of this child alone
        except KeyboardInterrupt:  # it may have been meant for this process only
            process.kill()
            raise
        seconds = time.perf_counter() - start
        process.returncode = code = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if code:
            last = (err.read().strip().splitlines() or [f"exit code {code}"])[-1]
            raise Failed(last.removeprefix("error: "))
        return Ended(out.read(), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

"""A command from its start to its end: what it printed, and what it took.

A small process starts it and waits for it: of a command that a large one starts, Linux counts the memory of that, too.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure.rounds import Failed

# writes seconds, those of the processor, bytes and status of a command into a file: descriptor, command
STARTER = """
import json, os, signal, sys, time
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGKILL))
_, status, usage = os.wait4(pid, 0)
took = time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, status
os.write(int(sys.argv[1]), json.dumps(took).encode())
"""


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
    new = tempfile.TemporaryFile
    with new("w+") as out, new("w+") as err, new("w+") as took:
        start = [sys.executable, "-I", "-S", "-c", STARTER, str(took.fileno()), *command]
        process = subprocess.Popen(start, stdout=out, stderr=err, pass_fds=[took.fileno()], cwd=folder, env=variables)
        try:
            process.wait()
        except KeyboardInterrupt:  # it may have been meant for this process only
            process.terminate()
            raise
        for file in (out, err, took):
            file.seek(0)
        seconds, processor, peak, status = json.loads(took.read() or "[0, 0, 0, 256]")
        code = os.waitstatus_to_exitcode(status)
        if code:
            last = (err.read().strip().splitlines() or [f"exit code {code}"])[-1]
            raise Failed(last.removeprefix("error: "))
        return Ended(out.read(), seconds, processor, peak)

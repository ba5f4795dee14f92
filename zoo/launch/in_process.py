"""Runs the command in this process, over and over: imports are paid once, and each run is as in a process of its own.

    args  ->  run_in_process(args, main)  ->  Ended(exit code, what it wrote to stderr)

What a run may leave behind is put back: environment, warning filters, and torch's settings for the whole process.
Random numbers need no care: each run seeds all its generators.
"""

import gc
import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import torch

from zoo.launch.jobs import Ended


def run_in_process(args: Sequence[str], command: Callable[[Sequence[str]], None]) -> Ended:
    """Runs the command to its end.

    Args:
        args: the verb and its flags.
        command: `cli.main`, which this package does not know.
    """
    stderr = io.StringIO()
    code: object = 0
    with restore_globals(), redirect_stdout(io.StringIO()), redirect_stderr(stderr):
        try:
            command(args)
        except SystemExit as stop:
            code = stop.code or 0
        except Exception as error:  # a mistake of ours, or of a library: the other runs go on
            code = 1
            stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())}\n")
    gc.collect()  # trainer and network hold each other
    return Ended(code if isinstance(code, int) else 1, stderr.getvalue())


@contextmanager
def restore_globals() -> Iterator[None]:
    """Puts back, at its end, what a run may set for its whole process."""
    environ = dict(os.environ)
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    deterministic, warn = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    cudnn = (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)
    dtype = torch.get_default_dtype()
    with warnings.catch_warnings():
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(environ)
            torch.set_num_threads(threads)
            torch.set_float32_matmul_precision(precision)
            torch.use_deterministic_algorithms(deterministic, warn_only=warn)
            torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = cudnn
            torch.set_default_dtype(dtype)

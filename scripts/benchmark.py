"""How fast is it? The instrument that every number about speed comes from.

    python scripts/benchmark.py epoch --data-root DIR                 an epoch, against a bare loop and other programs
    python scripts/benchmark.py target --recipe FILE --accuracy 0.99  a recipe's time to an accuracy, over seeds
    python scripts/benchmark.py startup                               cold commands
    python scripts/benchmark.py scaling width depth data batch        cost against size; `scaling`: two processes
    python scripts/benchmark.py memory --cifar10 OUT.npz              peak memory of a fit
    python scripts/benchmark.py studies --data-root DIR               what a study saves by sharing a process
    python scripts/benchmark.py safety --data-root DIR                what exact resume and safe saves cost
    python scripts/benchmark.py wandb --data-root DIR                 what W&B costs, offline
    python scripts/benchmark.py before --before OLD --data-root DIR   what this version costs against an earlier one
    python scripts/benchmark.py predict --before OLD --data-root DIR  what an answer costs: cold, loaded, many
    python scripts/benchmark.py folder --data-root DIR                a folder of pictures: decoding, the second start
    python scripts/benchmark.py gpu --cifar10 OUT.npz --data-root DIR all that is worth knowing of a GPU, in ten minutes
    python scripts/benchmark.py report                                docs/performance.md from results/

Each has a --help of its own; without a name it is `epoch`. Raw rounds go to results/benchmark_WHAT.json, or to `--out`.
Ctrl-C ends the rounds of what is being measured, and keeps those that are over; within a first round it ends all.
"""

import argparse
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from entry import begin

ROUNDS = {"studies": 1, "startup": 10}
NEED_DATA = {"epoch", "target", "scaling", "studies", "safety", "wandb", "before", "predict", "folder"}
ON_DEVICES = ("epoch", "target", "scaling", "gpu")
SUITES = (*ON_DEVICES, "startup", "memory", "studies", "safety", "wandb", "before", "predict", "folder", "report")


def suite(what: str) -> Any:
    """The module that measures something."""
    return import_module("benchmarks.report.page" if what == "report" else f"benchmarks.suites.{what}")


def add_common(parser: argparse.ArgumentParser, what: str) -> None:
    """The flags that all have."""
    root = Path(os.environ.get("ZOO_DATA", "data"))
    parser.add_argument("--data-root", type=Path, default=root, help="folder that holds MNIST/raw")
    parser.add_argument("--cifar10", type=Path, help="archive with a copy of CIFAR-10, instead of the original")
    parser.add_argument("--rounds", type=int, default=ROUNDS.get(what, 7))
    parser.add_argument("--threads", type=int, default=2, help="of every program")
    parser.add_argument("--clock", default="wall", choices=["wall", "processor"], help="processor: with one thread")
    parser.add_argument("--peer", nargs="+", default=[], metavar="NAME=DIR", action="extend", help="another's checkout")
    parser.add_argument("--peer-python", nargs="+", default=[], metavar="NAME=PATH", action="extend")
    if what in ON_DEVICES:
        parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="what computes")
    else:
        parser.set_defaults(device="cpu")
    parser.add_argument("--out", type=Path, help="JSON file for the raw rounds")


def parsed(args: list[str]) -> argparse.Namespace:
    """The options; imports only what is to be measured."""
    if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
        args = ["epoch", *args]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    subparsers = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for what in SUITES:
        text = suite(what).__doc__ if what == args[0] else None
        sub = subparsers.add_parser(what, description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
        add_common(sub, what)
        if what == args[0]:
            suite(what).add_flags(sub)
    return parser.parse_args(args)


def check(options: argparse.Namespace) -> None:
    """Raises UsageError, in one line, for what cannot be measured as asked."""
    import torch

    from benchmarks.baselines.projects import named
    from benchmarks.measure.rounds import report
    from zoo.errors import UsageError

    options.skipped = []
    options.peers, options.peer_pythons = named(options.peer, "--peer"), named(options.peer_python, "--peer-python")
    options.python = sys.executable
    if options.clock == "processor" and options.threads != 1:
        raise UsageError(f"threads in --threads: expected 1 with --clock processor, found {options.threads}")
    if options.device == "cuda" and not torch.cuda.is_available():
        report("device in --device: expected a CUDA device, found none: measured on the CPU instead", options.skipped)
        options.device = "cpu"
    if options.rounds < 1:
        raise UsageError(f"rounds in --rounds: expected at least 1, found {options.rounds}")
    if hasattr(suite(options.what), "check"):
        suite(options.what).check(options)
    if options.what in NEED_DATA and needs_mnist(options) and not (options.data_root / "MNIST/raw").is_dir():
        raise UsageError(f"MNIST in {options.data_root}: expected MNIST/raw in it, found none. Try: --data-root DIR")


def needs_mnist(options: argparse.Namespace) -> bool:
    """Whether images of MNIST are trained on."""
    if options.what == "scaling":
        return options.axes != ["devices"]
    if options.what == "target":
        return options.recipe.stem.startswith("mnist")
    return options.what != "epoch" or "MNIST" in options.data


def main() -> None:
    """Measures what was asked for."""
    if sys.argv[1:2] == ["loop"]:  # a program in a fresh process; see benchmarks/baselines/loops.py
        from benchmarks.baselines.loops import run_here

        run_here(sys.argv[2])
        return
    if __name__ == "__main__":  # a test's process is not ours
        begin()
    from zoo.commands.report_errors import reported

    options = parsed(sys.argv[1:])
    with reported(debug=False):
        import torch

        check(options)
        torch.set_num_threads(options.threads)
        if __name__ == "__main__":
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler)  # what is measured is kept
        suite(options.what).main(options)


if __name__ == "__main__":
    main()

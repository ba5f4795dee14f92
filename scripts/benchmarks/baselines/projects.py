"""Other people's programs, run as they ship from a folder that the user has: `--peer NAME=DIR`.

    pytorch-examples           github.com/pytorch/examples, mnist/main.py: its network, its schedule, accuracy by epoch
    lightning-hydra-template   github.com/ashleve/lightning-hydra-template: its data path and Trainer, our 784-256-10
    cifar10-airbench           github.com/KellerJordan/cifar10-airbench, airbench94_muon.py: see airbench.py

Nothing of them is copied: what must differ is a flag of theirs, or, where there is none, changed as it is read. One
that is not there or cannot run is reported in one line, and the rest is measured.
"""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from statistics import fmean

import torch

from benchmarks.baselines.airbench import write_images
from benchmarks.baselines.loops import sample
from benchmarks.measure.case import Case, make
from benchmarks.measure.environment import ROOT
from benchmarks.measure.epoch_timer import EpochTimer, read
from benchmarks.measure.process import run
from benchmarks.measure.rounds import Failed, Sample
from zoo.errors import UsageError

FILES = {
    "pytorch-examples": "mnist/main.py",
    "lightning-hydra-template": "src/train.py",
    "cifar10-airbench": "airbench94_muon.py",
}
TESTED = re.compile(r"Accuracy: (\d+)/(\d+)")
LAYERS = (
    "{_target_:torch.nn.Flatten},{_target_:torch.nn.Linear,in_features:784,out_features:256},"
    "{_target_:torch.nn.ReLU},{_target_:torch.nn.Linear,in_features:256,out_features:10}"
)


def named(argv: Sequence[str], flag: str) -> dict[str, Path]:
    """NAME=PATH of each argument; raises UsageError for a name that is no project's."""
    found: dict[str, Path] = {}
    for word in argv:
        name, equals, path = word.partition("=")
        if not equals or not path:
            raise UsageError(f"peer in {flag}: expected NAME=PATH, found {word}. Try: {flag} {next(iter(FILES))}=DIR")
        if name not in FILES:
            near = get_close_matches(name, FILES, 1, 0) or list(FILES)[:1]
            raise UsageError(f"peer in {flag}: expected one of {', '.join(FILES)}, found {name}. Try: {near[0]}={path}")
        found[name] = Path(path).absolute()
    return found


def place(name: str, peers: dict[str, Path]) -> Path:
    """Folder of a project; raises Failed, in one line, if it is not there."""
    folder = peers[name]
    if not (folder / FILES[name]).is_file():
        raise Failed(f"peer {name} in --peer: expected {FILES[name]} in its folder, found none. Try: a checkout of it")
    return folder


def hydra_template(folder: Path, python: str, case: Case, options: Namespace) -> Callable[[], Sample]:
    """What runs the template once, with our network, images and batch, and times its epochs."""

    def once() -> Sample:
        with tempfile.TemporaryDirectory() as outputs:
            times = Path(outputs, "times.json")
            command = [python, FILES["lightning-hydra-template"], *template_argv(case, options, outputs, times)]
            environ = {"PYTHONPATH": str(ROOT / "scripts"), "PYTHONDONTWRITEBYTECODE": "1"}
            run(command, options.threads, folder=folder, environ=environ)
            return sample(read(times), options.clock)

    return once


def template_argv(case: Case, options: Namespace, outputs: str, times: Path) -> list[str]:
    """Overrides of its configuration, in Hydra's grammar."""
    split = f"[{case.images},{60_000 - case.images},10000]"
    return [
        f"paths.data_dir={Path(options.data_root).absolute()}/",
        f"paths.log_dir={outputs}/logs/",
        f"trainer.max_epochs={min(case.epochs, 2)}",
        "test=False",
        f"data.batch_size={case.batch}",
        f"data.num_workers={options.workers}",
        f"data.train_val_test_split={split}",
        "~model.net",
        f"+model.net={{_target_:torch.nn.Sequential,_args_:[{LAYERS}]}}",
        f"+callbacks.timer={{_target_:{EpochTimer.__module__}.EpochTimer,path:{times}}}",
    ]


def pytorch_examples(folder: Path, python: str, options: Namespace) -> Callable[[], Sample]:
    """What runs the example, as it is, until it has reached the accuracy, and says when that was."""

    def once() -> Sample:
        with tempfile.TemporaryDirectory() as place:
            Path(place, "data").symlink_to(Path(options.data_root).absolute())  # it reads ../data
            Path(place, "mnist").mkdir()
            command = [python, "-u", str(folder / FILES["pytorch-examples"]), *options.peer_flags.split()]
            environ = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
            process = subprocess.Popen(command, cwd=f"{place}/mnist", env=environ, stdout=subprocess.PIPE, text=True)
            start = time.perf_counter()
            assert process.stdout
            curve: list[tuple[float, float]] = []
            begun = 0.0  # when the first step was done
            for line in process.stdout:
                begun = begun or (time.perf_counter() - start if line.startswith("Train Epoch") else 0.0)
                if found := TESTED.search(line):
                    curve.append((time.perf_counter() - start, int(found[1]) / int(found[2])))
                    if curve[-1][1] >= options.accuracy:
                        process.terminate()  # what follows is not asked for
                        break
            process.stdout.close()
            if not curve or process.wait() not in (0, -signal.SIGTERM):
                raise Failed(f"peer pytorch-examples in {FILES['pytorch-examples']}: expected accuracies, found none")
        sample = reached(curve, options.accuracy)
        return sample | {"training": sample["seconds"] - begun}

    return once


def reached(curve: Sequence[tuple[float, float]], accuracy: float) -> Sample:
    """Seconds and epochs until a curve first was at least at this accuracy; all of them, if it never was."""
    epoch = next((i for i, (_, a) in enumerate(curve) if a >= accuracy), len(curve) - 1)
    return {"seconds": curve[epoch][0], "accuracy": curve[epoch][1], "epochs": float(epoch + 1)}


def airbench(folder: Path, python: str, options: Namespace) -> Callable[[], Sample]:
    """What runs it on the device that is measured: once, or on a GPU, where it is compiled first, `--runs` times."""
    program = str(ROOT / "scripts/benchmarks/baselines/airbench.py")
    runs = options.runs if options.device == "cuda" else 1

    def once() -> Sample:
        with tempfile.TemporaryDirectory() as place:
            images = Path(place, "images.pt")
            write_images(images, arrays_of(Case("FastNet", "CIFAR10"), options))
            argv = ["--device", options.device, "--runs", str(runs), "--images", str(images)]
            command = [python, program, str(folder / FILES["cifar10-airbench"]), *argv, *options.peer_flags.split()]
            ended = run(command, options.threads)
        found = json.loads(ended.printed.splitlines()[-1])
        middle = {key: fmean(one[key] for one in found) for key in found[0]}
        return {"seconds": ended.seconds, "training": middle["seconds"], **{k: middle[k] for k in ("accuracy", "tta")}}

    return once


def arrays_of(case: Case, options: Namespace) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Images and labels of training and test; only the first `--images` of each, if that is set."""
    data, _ = make(case, options)
    data.setup("fit")
    parts = [data.part(split) for split in ("train", "test")]
    return [(x[: options.images], y[: options.images]) for x, y in parts]

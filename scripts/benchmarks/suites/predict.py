"""What does an answer cost? A cold command for one picture, a cold load, and many images in a warm process.

    before   python cli.py predict --run_dir RUN        in OLD, whose run has one test image
    picture  python cli.py predict mnist_lenet PICTURE  here, or with `--zoo` the command of an installed wheel
    torch    python -c "import torch"
    load     python -c "import zoo; zoo.load('mnist_lenet', runtime='torch')";  any: with the default runtime
    eager    the network in torch: inference_mode, channels_last as the zoo trains it; uint8 in, probabilities out
    zoo      the same by `zoo.load(NAME)(images)`

    git worktree add --detach OLD 4e5c47a
    python scripts/benchmark.py predict --before OLD --data-root DIR --threads 1

Commands are fresh processes, interleaved, after a start of each that does not count; memory is the largest resident
one, of a command or of what it has waited for. Eager and zoo answer in one process, in turns.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure.environment import ROOT, as_sentence, commit, environment, keep, not_measured
from benchmarks.measure.intervals import interval
from benchmarks.measure.noise_probe import CLOCKS, probe
from benchmarks.measure.process import run
from benchmarks.measure.rounds import Programs, Round, Sample, counted, ratios, report, run_interleaved, values
from benchmarks.measure.targets import Row
from zoo.errors import UsageError

PICTURE = ROOT / "tests/pictures/seven.png"
NETWORK = "mnist_lenet"  # of the commands
COLD = 10.0  # times as long as a picture took the command before
LEAN = 0.25  # of its memory
LOADED = 1.15  # times the import of torch
ANSWERED = {1: 1.5, 200: 1.0}  # by batch: times as long as torch takes
ONE_BY_ONE = 1000  # images where the batch is one
TRAINED = (
    "fit --data Arrays --model LeNet --trainer.max_epochs 1 --trainer.limit_train_batches 1 --trainer.accelerator cpu"
    " --figures false"
)
LOADS = {
    "torch": "import torch",
    "load": f"import zoo; zoo.load({NETWORK!r}, runtime='torch')",
    "any": f"import zoo; zoo.load({NETWORK!r})",
}


def sample(command: list[str], folder: Path, options: argparse.Namespace) -> Sample:
    """Runs a command once, with the code that lies in a folder."""
    ended = run(command, options.threads, folder=folder, environ={"PYTHONPATH": str(folder)})
    counts = ended.processor if options.clock == "processor" else ended.seconds
    return {"seconds": counts, "wall": ended.seconds, "processor": ended.processor, "peak": float(ended.peak)}


def interleaved(programs: Programs, options: argparse.Namespace) -> list[Round]:
    """Rounds of programs, after a start of each that does not count."""
    for program in programs.values():
        program()
    return run_interleaved(programs, options.rounds, probe(options), options.skipped)


def commands(options: argparse.Namespace) -> list[Round]:
    """One picture, asked of the version before and of this one."""
    old = options.before.resolve()
    with tempfile.TemporaryDirectory() as folder:
        draw, place, made = np.random.default_rng(0), f"{folder}/own.npz", f"{folder}/run"
        images = draw.integers(0, 256, (100, 28, 28), np.uint8)
        np.savez(place, train_images=images, train_labels=np.arange(100) % 10,
                 test_images=images[:1], test_labels=[0])  # fmt: skip
        fit = [sys.executable, "cli.py", *TRAINED.split(), "--data.path", place, "--run_dir", made]
        run(fit, options.threads, folder=old, environ={"PYTHONPATH": str(old)})
        before = [sys.executable, "cli.py", "predict", "--run_dir", made]
        own = [str(options.zoo.resolve())] if options.zoo else [sys.executable, "cli.py"]
        # an installed command must not find the code of the checkout
        now, where = [*own, "predict", NETWORK, str(PICTURE)], Path(folder) if options.zoo else ROOT
        programs = {"before": partial(sample, before, old, options), "picture": partial(sample, now, where, options)}
        return interleaved(programs, options)


def loads(options: argparse.Namespace) -> list[Round]:
    """A network that is loaded, against the import of torch."""
    programs = {name: partial(sample, [sys.executable, "-c", code], ROOT, options) for name, code in LOADS.items()}
    return interleaved(programs, options)


def eager(net: Any, normalise: Callable[[Any], Any], images: np.ndarray) -> np.ndarray:
    """Probabilities of a batch as torch computes them; `net` is in channels_last."""
    import torch

    with torch.inference_mode():
        x = normalise(torch.from_numpy(images)).to(memory_format=torch.channels_last)
        return net(x).softmax(1).numpy()


def timed(answer: Callable[[np.ndarray], np.ndarray], images: np.ndarray, batch: int, clock: str) -> Sample:
    """Seconds of all images, a batch at a time."""
    start = CLOCKS[clock]()
    for i in range(0, len(images), batch):
        answer(images[i : i + batch])
    return {"seconds": CLOCKS[clock]() - start}


def answers(name: str, batch: int, images: np.ndarray, options: argparse.Namespace) -> dict[str, Any]:
    """Many images in one process, in turns."""
    import torch

    import zoo

    ours, torchs = zoo.load(name), zoo.load(name, runtime="torch")
    net = torchs.net.to(memory_format=torch.channels_last)
    both: dict[str, Callable[[np.ndarray], np.ndarray]] = {"eager": partial(eager, net, torchs.normalise), "zoo": ours}
    some = images[:ONE_BY_ONE] if batch == 1 else images
    found = [answer(some[:200]).argmax(1) for answer in both.values()]
    assert (found[0] == found[1]).all(), name
    programs = {key: partial(timed, answer, some, batch, options.clock) for key, answer in both.items()}
    return {"network": name, "batch": batch, "images": len(some), "rounds": interleaved(programs, options)}


def main(options: argparse.Namespace) -> None:
    """Measures all of it."""
    import zoo
    from datamodules import MNIST

    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # onnxruntime's, in this process
    data = MNIST(root=str(options.data_root))
    data.setup("test")
    images = data.part("test").images.numpy()[: options.images]
    record: dict[str, Any] = {"setting": {**environment(options), "before": commit(options.before)}}
    record["setting"]["installed"] = options.zoo is not None
    record |= {"commands": commands(options), "loads": loads(options), "answers": []}
    for name in options.weights:
        if name not in zoo.list_models():
            report(f"weights in --weights: expected some of the zoo, found none called {name}", options.skipped)
            continue
        record["answers"] += [answers(name, batch, images, options) for batch in ANSWERED]
    record["skipped"] = options.skipped
    print("\n".join(section(record)))
    keep(record, options, "predict")


def section(record: dict[str, Any]) -> list[str]:
    """The record as tables."""
    kept, which = counted(record["commands"])
    what = "an installed wheel" if record["setting"]["installed"] else "this checkout"
    lines = [as_sentence(record["setting"]), "", f"One picture, cold, {which}; now is {what}:", ""]
    lines += ["| command | seconds | peak, MB | before / now |", "|---|---:|---:|---|"]
    for name, text in (("before", "`predict --run_dir RUN`, before"), ("picture", f"`predict {NETWORK} PICTURE`")):
        seconds, peak = (interval(values(kept, name, key)).median for key in ("seconds", "peak"))
        shown = ""
        if name == "picture":
            times, memory = (interval(ratios(kept, "before", name, key)) for key in ("seconds", "peak"))
            shown = f"{times} of the time, {memory} of the memory"
        lines.append(f"| {text} | {seconds:.2f} | {peak / 1e6:,.0f} | {shown} |")
    kept, which = counted(record["loads"])
    lines += ["", f"A network, loaded cold, {which}:", "", "| python -c | seconds | ratio to torch |", "|---|---:|---|"]
    for name, code in LOADS.items():
        shown = "" if name == "torch" else str(interval(ratios(kept, name, "torch")))
        lines.append(f"| `{code}` | {interval(values(kept, name)).median:.2f} | {shown} |")
    lines += ["", "Images of MNIST in a warm process, µs for each:", ""]
    lines += ["| weights | batch | torch eager | `zoo.load` | eager / zoo | of |", "|---|---:|---:|---:|---|---|"]
    for one in record["answers"]:
        kept, which = counted(one["rounds"])
        each = [1e6 * interval(values(kept, key)).median / one["images"] for key in ("eager", "zoo")]
        ratio = interval(ratios(kept, "eager", "zoo"))
        lines.append(f"| {one['network']} | {one['batch']} | {each[0]:,.0f} | {each[1]:,.0f} | {ratio} | {which} |")
    return [*lines, "", *not_measured(record)]


def targets(record: dict[str, Any]) -> list[Row]:
    """What an answer was to cost, and what it costs."""
    kept, which = counted(record["commands"])
    times = interval(ratios(kept, "before", "picture"))
    share = interval(ratios(kept, "picture", "before", "peak"))
    found = [
        Row(f"before / now ≥ {COLD:g}", "one picture, cold", str(times), times.median >= COLD, which),
        Row(f"now / before ≤ {LEAN:g}", "memory of that", str(share), share.median <= LEAN, which),
    ]
    kept, which = counted(record["loads"])
    load = interval(ratios(kept, "load", "torch"))
    found.append(Row(f"load / torch ≤ {LOADED:g}", NETWORK, str(load), load.median <= LOADED, which))
    for one in record["answers"]:
        kept, which = counted(one["rounds"])
        ratio, least = interval(ratios(kept, "eager", "zoo")), ANSWERED[one["batch"]]
        case = f"{one['network']}, batch {one['batch']}"
        found.append(Row(f"eager / zoo ≥ {least:.1f}", case, str(ratio), ratio.median >= least, which))
    return found


def check(options: argparse.Namespace) -> None:
    """Raises UsageError where there is no version before, or no command."""
    if not (options.before / "cli.py").is_file():
        raise UsageError(f"version in --before: expected a checkout of this repository, found none in {options.before}")
    if options.zoo and not options.zoo.is_file():
        raise UsageError(f"command in --zoo: expected that of an installed wheel, found none at {options.zoo}")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--before", type=Path, required=True, metavar="OLD", help="checkout of the earlier version")
    parser.add_argument("--zoo", type=Path, metavar="FILE", help="command of an installed wheel, such as VENV/bin/zoo")
    parser.add_argument("--weights", nargs="+", default=["mnist_lenet", "mnist_fastnet"], help="that answer")
    parser.add_argument("--images", type=int, default=10_000, help="that are answered")

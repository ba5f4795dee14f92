"""What does a folder of pictures cost? Decoding into an empty cache, against torchvision; the second start; the memory.

    folder       `--data Folder` up to the images in memory and in its cache
    imagefolder  torchvision's ImageFolder and a DataLoader of two workers, to one tensor: the same size, as uint8
    second       the data stage of a run whose pictures are in the cache: images, splits, sums, statistics
    digits       the same of `--data Digits`

    python scripts/benchmark.py folder --data-root DIR --threads 1

Pictures: MNIST's 10,000 test images as PNG; 100 × 100 coloured noise, smooth as photographs are, as JPEG. Programs are
fresh processes, interleaved; what they import is there before the clock starts. Their arrays are compared once.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure.environment import ROOT, as_sentence, environment, keep, not_measured
from benchmarks.measure.intervals import interval
from benchmarks.measure.noise_probe import CLOCKS, probe
from benchmarks.measure.process import run
from benchmarks.measure.rounds import Round, Sample, counted, ratios, run_interleaved, values
from benchmarks.measure.targets import Row

FASTER = {"PNG, 28 × 28": 3.0, "JPEG, 100 × 100": 1.3}  # times as fast as torchvision
LATER = 1.0  # seconds that a second start may take more than that of Digits
LEAN = 1.5  # times the array of the images
WORKERS = 2  # of the DataLoader
BATCH = 256
JOB = "import sys; from benchmarks.suites.folder import job; job(*sys.argv[1:])"


def own(place: str, root: str) -> np.ndarray:
    """Images of a folder, as `fit` gets them; cached in `root`."""
    from datamodules import Folder

    module = Folder(place, root=root)
    module.setup("fit")
    return module.part("train").images.numpy()


def imagefolder(place: str, size: str) -> np.ndarray:
    """The same by torchvision, in the order of its files."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    side = int(size)
    images = ImageFolder(place, transform=v2.Compose([v2.Resize((side, side)), v2.PILToTensor()]))
    batches = [x for x, _ in DataLoader(images, BATCH, num_workers=WORKERS)]
    return torch.cat(batches).numpy()


def stage(data: Any) -> np.ndarray:
    """All that a run asks of its data before the first step."""
    data.setup("fit")
    assert data.identity()["images"]["train"]
    return data.part("train").images.numpy()


def second(place: str, root: str) -> np.ndarray:
    """The data stage of pictures."""
    from datamodules import Folder

    return stage(Folder(place, root=root))


def digits(place: str, root: str) -> np.ndarray:
    """That of Digits."""
    from datamodules import Digits

    return stage(Digits())


def job(name: str, clock: str, place: str, *others: str) -> None:
    """Runs one of the programs in this process; prints seconds, memory above that of the imports, and the array's."""
    import resource

    import torchvision.datasets  # noqa: F401

    import datamodules

    assert datamodules.Folder.__name__  # whoever asks for one of them has imported all
    programs: dict[str, Callable[..., np.ndarray]] = {
        "folder": own, "imagefolder": imagefolder, "second": second, "digits": digits,
    }  # fmt: skip
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, seconds(clock)
    images = programs[name](place, *others)
    took = seconds(clock) - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": took, "more": 1024 * (peak - before), "array": images.nbytes}))


def seconds(clock: str) -> float:
    """The time; that of the processor counts other processes that this one has waited for, too."""
    if clock == "wall":
        return CLOCKS["wall"]()
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def sample(name: str, options: argparse.Namespace, place: Path, *others: str) -> Sample:
    """Runs a program once; `{}` among its arguments is a new folder."""
    with tempfile.TemporaryDirectory(dir=options.scratch) as new:
        words = [name, options.clock, str(place), *(other.replace("{}", new) for other in others)]
        path = {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "scripts")))}
        ended = run([sys.executable, "-c", JOB, *words], options.threads, folder=Path(new), environ=path)
    return json.loads(ended.printed.splitlines()[-1])


def draw(place: Path, images: Any, labels: Any, ending: str) -> Path:
    """Writes pictures, a folder for each class."""
    from PIL import Image

    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = place / str(label) / f"{i}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, quality=90)  # which PNG has no use for
    return place


def smooth(count: int) -> Any:
    """Pictures of coloured noise, 100 × 100, one after the other."""
    from PIL import Image

    random = np.random.default_rng(0)
    for _ in range(count):
        small = Image.fromarray(random.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        yield np.asarray(small.resize((100, 100), Image.Resampling.BICUBIC))


def compared(place: Path, size: int, scratch: str) -> None:
    """Raises AssertionError unless both programs read the same pixels."""
    from datamodules import Folder

    module = Folder(str(place), root=scratch)
    module.setup("fit")
    theirs = imagefolder(str(place), str(size))[:, : module.in_shape[0]]
    names = sorted(f"{path.parent.name}/{path.name}" for path in place.glob("*/*"))
    rows = {name: row for row, name in enumerate(names)}
    for split in ("train", "test"):
        places = [rows[name] for name in module.file_names(split)]
        assert (module.part(split).images.numpy() == theirs[places]).all(), place


def interleaved(programs: Mapping[str, Callable[[], Sample]], options: argparse.Namespace) -> list[Round]:
    """Rounds of programs, after a start of each that does not count."""
    for program in programs.values():
        program()
    return run_interleaved(programs, options.rounds, probe(options), options.skipped)


def main(options: argparse.Namespace) -> None:
    """Measures all of it."""
    from datamodules import MNIST

    record: dict[str, Any] = {"setting": environment(options), "decoding": {}, "pictures": options.pictures}
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        options.scratch = scratch
        mnist = MNIST(root=str(options.data_root))
        mnist.setup("test")
        images, labels = (each.numpy() for each in mnist.part("test"))
        many = options.pictures
        places = {
            "PNG, 28 × 28": (draw(Path(scratch, "png"), images[:, 0], labels, "png"), 28),
            "JPEG, 100 × 100": (draw(Path(scratch, "jpg"), smooth(5000), np.arange(5000) % 10, "jpg"), 100),
        }
        for case, (place, size) in places.items():
            compared(place, size, f"{scratch}/compared")
            programs = {
                "folder": partial(sample, "folder", options, place, "{}"),
                "imagefolder": partial(sample, "imagefolder", options, place, str(size)),
            }
            record["decoding"][case] = interleaved(programs, options)
        place = draw(Path(scratch, "many"), smooth(many), np.arange(many) % 10, "jpg")
        cache = f"{scratch}/cache"
        record["first"] = sample("folder", options, place, cache)
        programs = {
            "second": partial(sample, "second", options, place, cache),
            "digits": partial(sample, "digits", options, place, cache),
        }
        record["second"] = interleaved(programs, options)
        record["skipped"] = options.skipped
        print("\n".join(section(record)))
        keep(record, options, "folder")  # before the pictures are removed, which may take minutes


def section(record: dict[str, Any]) -> list[str]:
    """The record as tables."""
    lines = [as_sentence(record["setting"]), "", "Decoding into an empty cache, to the images in memory:", ""]
    lines += ["| pictures | torchvision, s | `Folder`, s | torchvision / `Folder` | of |", "|---|---:|---:|---|---|"]
    for case, rounds in record["decoding"].items():
        kept, which = counted(rounds)
        theirs, ours = (interval(values(kept, name)).median for name in ("imagefolder", "folder"))
        ratio = interval(ratios(kept, "imagefolder", "folder"))
        lines.append(f"| {case} | {theirs:.2f} | {ours:.2f} | {ratio} | {which} |")
    kept, which = counted(record["second"])
    later, digits_s = (interval(values(kept, name)).median for name in ("second", "digits"))
    first = record["first"]["seconds"]
    return [
        *lines,
        "",
        f"The data stage of {record['pictures']:,} JPEG pictures of 100 × 100: {first:.2f} s at the first start,"
        f" {later:.2f} s at the second, where that of `Digits` takes {digits_s:.2f} s ({which}). Memory above that of"
        f" the imports: {lean(record['first']):.2f} times the array of the images at the first start,"
        f" {max(lean(each) for each in samples(kept)):.2f} at most at the second.",
        "",
        *not_measured(record),
    ]


def samples(rounds: list[Round]) -> list[Sample]:
    """Those of the second start."""
    return [one["samples"]["second"] for one in rounds if "second" in one["samples"]]


def lean(one: Sample) -> float:
    """Memory over that of all images; four fifths of them are for the training."""
    return one["more"] / (one["array"] / 0.8)


def targets(record: dict[str, Any]) -> list[Row]:
    """What a folder of pictures was to cost, and what it costs."""
    found = []
    for case, rounds in record["decoding"].items():
        kept, which = counted(rounds)
        ratio, least = interval(ratios(kept, "imagefolder", "folder")), FASTER[case]
        found.append(Row(f"torchvision / `Folder` ≥ {least:g}", case, str(ratio), ratio.median >= least, which))
    kept, which = counted(record["second"])
    pairs = [one["samples"] for one in kept if {"second", "digits"} <= one["samples"].keys()]
    more = interval([pair["second"]["seconds"] - pair["digits"]["seconds"] for pair in pairs])
    case = f"{record['pictures']:,} pictures, second start"
    found.append(Row(f"`Folder` − `Digits` ≤ {LATER:g} s", case, str(more), more.median <= LATER, which))
    most = max(map(lean, [record["first"], *samples(kept)]))
    found.append(Row(f"memory / images ≤ {LEAN:g}", case.split(",")[0], f"{most:.2f}", most <= LEAN, which))
    return found


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--pictures", type=int, default=50_000, help="of the second start")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where pictures are written for a while")

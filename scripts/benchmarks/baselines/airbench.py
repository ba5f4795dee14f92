"""Runs a user's checkout of airbench94_muon.py, so many times and for so many epochs, on the processor that is here.

    python airbench.py DIR/airbench94_muon.py --device cuda --runs 5 [--epochs 8] --images IMAGES.pt

    its source + what must differ -> its classes and functions -> its `main`, once a run -> a JSON line:
    [{"seconds": of training, by its own clock, "accuracy": of the last epoch, "tta": with changed copies}, …]

Nothing of it is copied here. On a GPU only the folder of its data and the number of runs differ from how it ships. On a
CPU its weights are float32 and its products bfloat16, by autocast, as this project's are, a clock on the wall stands
for CUDA's events, and nothing is compiled, which would be slower.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

LENGTH = "ceil(8 * len(train_loader))"
ON_A_CPU = [
    ("@torch.compile\n", ""),
    ('torch.device("cuda")', 'torch.device("cpu")'),
    ("self.images.half()", "self.images.float()"),
    ("mod.half()", "mod.float()"),
    ("torch.cuda.Event(enable_timing=True)", "WallEvent()"),
    ("torch.cuda.synchronize()", "None"),
]


class WallEvent:
    """A CUDA event where there is none: when it was recorded, in milliseconds."""

    def record(self) -> None:
        """Remembers now."""
        self.time = 1000 * time.perf_counter()

    def elapsed_time(self, end: "WallEvent") -> float:
        """Milliseconds until another event."""
        return end.time - self.time


def adapted(source: str, device: str, epochs: float | None) -> str:
    """The source for this device; raises ValueError if it is not the one that is known."""
    changes = ON_A_CPU if device == "cpu" else []
    if epochs is not None:
        changes = [*changes, (LENGTH, LENGTH.replace("8", f"{epochs:g}", 1))]
    for old, new in changes:
        if old not in source:
            raise ValueError(f"peer cifar10-airbench in airbench94_muon.py: expected {old.strip()}, found none")
        source = source.replace(old, new)
    return source


def train(source: str, device: str, runs: int) -> list[dict[str, float]]:
    """What each run reports of itself at its end."""
    names: dict[str, Any] = {"__name__": "airbench", "WallEvent": WallEvent}
    exec(compile(source, "airbench94_muon.py", "exec"), names)
    reports: list[dict[str, Any]] = []
    names["print_training_details"] = lambda variables, is_final_entry: reports.append(dict(variables))
    model = names["CifarNet"]().to(device).to(memory_format=torch.channels_last)
    if device == "cpu":
        model.forward = torch.autocast("cpu", torch.bfloat16)(model.forward)
    else:
        model.compile(mode="max-autotune")
        names["main"]("warmup", model)
    found = []
    for run in range(runs):
        reports.clear()
        names["main"](run, model)
        last, tested = reports[-2:]  # of the last epoch, and after it
        found.append({"seconds": last["time_seconds"], "accuracy": last["val_acc"], "tta": tested["tta_val_acc"]})
    return found


def write_images(path: Path, arrays: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """The training and test arrays, images (N, C, H, W) uint8 and labels (N,), for `--images`."""
    names = [str(number) for number in range(10)]
    both = [{"images": x.permute(0, 2, 3, 1).contiguous(), "labels": y, "classes": names} for x, y in arrays]
    torch.save(dict(zip(("train", "test"), both, strict=True)), path)


def main() -> None:
    """Runs it in a folder of its own, where it finds the images as it would have left them there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="airbench94_muon.py")
    parser.add_argument("--device", choices=["cpu", "cuda"], required=True)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--epochs", type=float, help="in place of its 8")
    parser.add_argument("--images", type=Path, required=True, help="arrays as write_images writes them")
    options = parser.parse_args()
    try:
        source = adapted(options.file.read_text(), options.device, options.epochs)
    except ValueError as error:
        sys.exit(str(error))
    sys.argv = [str(options.file.absolute())]  # it reads its own source from there
    arrays = torch.load(options.images.absolute())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("cifar10").mkdir()
        for part, content in arrays.items():
            torch.save(content, f"cifar10/{part}.pt")
        del arrays
        print(json.dumps(train(source, options.device, options.runs)))
        os.chdir("/")


if __name__ == "__main__":
    main()

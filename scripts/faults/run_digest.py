"""What a finished run came to: a SHA-256 for each part, so that a difference between two runs has a name."""

import hashlib
import json

import torch

from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

BESIDE_STATE = ("seconds",)  # what two runs may differ in
TIMED = ("seconds", "row")  # the same of the state of an end; the row is in metrics.csv


def digest(value: object) -> str:
    """SHA-256 of nested tensors and plain values: names, types, shapes and bytes, dicts by sorted key."""
    sum_ = hashlib.sha256()

    def add(item: object) -> None:
        if isinstance(item, torch.Tensor):
            sum_.update(f"{item.dtype}{tuple(item.shape)}".encode())
            sum_.update(item.contiguous().flatten().view(torch.uint8).numpy().tobytes() if item.numel() else b"")
        elif isinstance(item, dict):
            for key in sorted(item, key=str):
                sum_.update(f"{key}:".encode())
                add(item[key])
        elif isinstance(item, list | tuple):
            sum_.update(f"[{len(item)}]".encode())
            for part in item:
                add(part)
        else:
            sum_.update(repr(item).encode())

    add(value)
    return sum_.hexdigest()


def fingerprint(folder: RunFolder) -> dict[str, str]:
    """What a finished run came to: a sum for each part, so that a difference has a name."""
    last, best = read_checkpoint(folder.last), read_checkpoint(folder.best)
    record = json.loads(folder.result.read_text())
    rows = [{k: v for k, v in row.items() if k not in BESIDE_STATE} for row in read_metrics(folder.metrics)]
    callbacks = {key: state for key, state in last["callbacks"].items() if "EpochLines" not in key}
    return {
        "weights": digest(last["state_dict"]),
        "optimiser": digest(last["optimizer_states"]),
        "schedule": digest(last["lr_schedulers"]),
        "average": digest({key: last.get(key) for key in ("current_model_state", "averaging_state")}),
        "callbacks": digest(callbacks),
        "progress": digest((last["epoch"], last["global_step"])),
        "ending": digest({key: value for key, value in last["ending"].items() if key not in TIMED}),
        "best": digest((best["state_dict"], best["epoch"])),
        "result": digest({key: record[key] for key in ("epochs", "best_epoch", "ended", "train", "val", "test")}),
        "metrics": digest(rows),
    }


def differences(found: dict[str, str], expected: dict[str, str]) -> str:
    """Names of the parts that differ."""
    return ", ".join(key for key in expected if found.get(key) != expected[key])

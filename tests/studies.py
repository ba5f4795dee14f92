"""Studies for the tests: one of small runs on the digits, and rows that no run has made."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from zoo.studies.reading import read_study
from zoo.studies.rows import blank_row, columns, write_table
from zoo.studies.settings import label
from zoo.studies.spec import Study

SMALL: dict[str, Any] = {
    "question": "Does it work?",
    "claims": ["C8"],
    "base": {
        "data": "Digits",
        "data.batch_size": 64,
        "model": "MLP",
        "model.hidden": [8],
        "trainer.max_epochs": 1,
        "trainer.accelerator": "cpu",
    },
    "arms": {"grid": {"model.activation": ["relu", "tanh"]}},
    "baseline": "relu",
    "seeds": 2,
}
LAYERS = {"net.1": 1e-6, "net.3": 1e-4, "net.5": 1e-2}


def write_study(folder: Path, **changes: Any) -> Path:
    """Writes the small study with other values of some keys; None takes a key out."""
    content = {key: value for key, value in {**SMALL, **changes}.items() if value is not None}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def study_of(folder: Path, **changes: Any) -> Study:
    """The same, read."""
    return read_study(write_study(folder, **changes))


def write_rows(study: Study, means: dict[str, float], spread: float = 0.002) -> None:
    """Writes rows of all cells and seeds: accuracies about a mean for each cell, alike for a seed in all of them."""
    chance = np.random.default_rng(0)
    of_seed = {seed: chance.normal(0, 0.01) for seed in study.seeds}
    rows = []
    for cell in study.cells:
        for seed in study.seeds:
            row = blank_row(study, cell, label({}), study.config(cell, {}), seed)
            accuracy = means[", ".join(cell)] + of_seed[seed] + chance.normal(0, spread)
            row |= dict.fromkeys(("train_accuracy", "val_accuracy", "test_accuracy"), f"{accuracy:.5f}")
            row |= {outcome.name: f"{accuracy:.5f}" for outcome in study.report}
            row |= {"val_curve": f"{accuracy - 0.1:.4f} {accuracy:.4f}", "train_curve": f"{accuracy:.4f}"}
            row |= {"data": "Digits", "model": "MLP", "parameters": "6370", "multiply_adds": "6352", "epochs": "2"}
            row |= {"best_epoch": "2", "seconds": "1.0", "device": "cpu, 1 threads", "precision": "32-true"}
            row |= {"git_commit": "0" * 40, "python": "3", "torch": "2", "torchvision": "0", "lightning": "2"}
            maps = {layer: {step: value * (1 + step) for step in (0, 20, 40)} for layer, value in LAYERS.items()}
            row |= dict.fromkeys(study.maps, json.dumps(maps))
            rows.append(row)
    write_table(study.folder / "results.csv", rows, columns(study))

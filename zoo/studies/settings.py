"""What a run of a study is set to: flags of the command as dotted keys, and the words and the name they amount to.

    {"config": ["configs/data/mnist.yaml"], "model": "MLP", "model.hidden": [256]}
        ->  -c configs/data/mnist.yaml --model MLP --model.hidden [256]

Two keys are no flags: `config` names files, and `test_with` has flags for a second test of the trained network, whose
accuracy takes the place of the first.
"""

import hashlib
import json
from collections.abc import Mapping
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import yaml

from zoo.config.config_files import find
from zoo.config.type_names import nearest_config
from zoo.config.yaml_limits import load_yaml
from zoo.errors import UsageError

Settings = dict[str, Any]
FILES, RETEST = "config", "test_with"
MOST_RUNS = 100_000  # of one study; the largest here has 260


def merged(*parts: Mapping[str, Any]) -> Settings:
    """Settings of which the later win; files and flags of the second test are put together."""
    whole: Settings = {}
    for part in parts:
        for key, value in part.items():
            if key == FILES:
                whole[key] = [*whole.get(key, []), *value]
            else:
                whole[key] = {**whole.get(key, {}), **value} if key == RETEST else value
    return whole


def to_argv(settings: Mapping[str, Any]) -> list[str]:
    """The words of the command behind its verb: files first, a class before its options."""
    flags = sorted((key for key in settings if key not in (FILES, RETEST)), key=lambda key: key.count("."))
    files = [word for file in settings.get(FILES, []) for word in ("-c", find(file, FILES))]
    return files + [word for key in flags for word in (f"--{key}", as_argument(settings[key]))]


def as_argument(value: Any) -> str:
    """A value as it is typed."""
    return value if isinstance(value, str) else json.dumps(value)


def fingerprint(content: Any) -> str:
    """What tells one configuration from another, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def settings_fingerprint(settings: Mapping[str, Any]) -> str:
    """The fingerprint of settings: the contents of their files and their keys, not the seed.

    Raises:
        UsageError: a file is not there, or not yaml.
    """
    files = [config_without_seed(file) for file in settings.get(FILES, [])]
    return fingerprint([files, {key: value for key, value in settings.items() if key != FILES}])


def config_without_seed(path: str) -> dict[str, Any]:
    """The contents of a configuration file but its seed; comments and layout are none."""
    try:
        content = load_yaml(Path(find(path, FILES)).read_text(encoding="utf-8"))
    except OSError as error:
        near = nearest_config(path)
        advice = f" Try: {near}" if near else ""
        raise UsageError(f"file in config: expected one, found none at {path}.{advice}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"content in {path}: expected yaml, found another ({' '.join(str(error).split())})") from error
    return {key: value for key, value in (content or {}).items() if key != "seed_everything"}


def data_name(settings: Mapping[str, Any]) -> str:
    """The data set that settings name, by its class; empty if none is named."""
    named = [config_without_seed(file).get("data", {}) for file in settings.get(FILES, [])] + [settings.get("data", {})]
    paths = [each.get("class_path", "") if isinstance(each, dict) else str(each) for each in named if each]
    return paths[-1].rpartition(".")[2] if paths else ""


def combinations(values: Mapping[str, list[Any]]) -> list[Settings]:
    """Every choice of one value for each key.

    Raises:
        UsageError: they are beyond all use, and would fill the memory.
    """
    if (number := prod(map(len, values.values()))) > MOST_RUNS:
        raise UsageError(f"combinations in study: expected at most {MOST_RUNS:,}, found {number:,}. Try: fewer values")
    return [dict(zip(values, choice, strict=True)) for choice in product(*values.values())]


def short_label(value: Any) -> str:
    """A value as a label: the last word of a class path, a list by its items."""
    if isinstance(value, list):
        return "-".join(map(short_label, value)) or "none"
    return value.rpartition(".")[2] if isinstance(value, str) else as_argument(value)


def label(settings: Mapping[str, Any]) -> str:
    """Settings in a few words: `lr=0.01, hidden=256-256`."""
    return ", ".join(f"{key.rpartition('.')[2]}={short_label(value)}" for key, value in settings.items())

"""A run folder as weights with a card: what `zoo.load(RUN)` and `zoo weights save` take from it.

    RUN/checkpoints/best.ckpt   network, its arguments, data (class names, statistics), precision, code, versions
    RUN/config.yaml             normalisation; RUN/result.json  accuracies, seconds, device
    -> tensors {"0.weight": …} and a card

Runs of older versions are read too; what their record lacks is said.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.runs.folder import RunFolder
from zoo.weights.card import Card, check_card
from zoo.weights.fields import NETWORKS, SCHEMA
from zoo.weights.store import serialise

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.weights.classifier import ImageClassifier

OF_NETWORK = ("in_shape", "num_classes")  # arguments that the data decide
HANDWRITING = ("MNIST", "Digits")  # data sets whose pictures are prepared as digits
KEPT = ("seed", "parameters", "multiply_adds", "seconds", "device", "processor", "precision", "versions")


def from_run(path: Path, device: str = "cpu") -> "ImageClassifier":
    """The network of a run, with the weights that validation chose."""
    from zoo.weights.classifier import ImageClassifier, make_network
    from zoo.weights.loading import fill

    card, tensors = read_run(path)
    net = make_network(card)
    fill(net, tensors, str(path))
    return ImageClassifier(card, net, device)


def read_run(path: Path) -> tuple[Card, dict[str, "Tensor"]]:
    """Card and weights of a run.

    Raises:
        UsageError: no run lies there, or it has no weights yet.
        ValueError: the network is none of the zoo's, or the run does not say what its images looked like.
    """
    from zoo.checkpoints.storage import read_checkpoint

    folder = RunFolder(path)
    folder.check_own()
    folder.check_run()
    content = read_checkpoint(folder.chosen)
    weights = content.get("current_model_state") or content["state_dict"]
    tensors = {name.removeprefix("net."): tensor for name, tensor in weights.items() if name.startswith("net.")}
    identity = content.get("identity", {})
    data, config = identity.get("data", {}), with_classes(identity.get("config") or config_in(folder.config), path)
    state = state_of_data(content, config)
    model = model_of(content, config, folder.chosen)
    in_shape = list(content["hyper_parameters"]["in_shape"])
    shift, scale = shift_and_scale(config["data"]["init_args"].get("normalize", "standard"), state, in_shape[0], path)
    classes = data.get("classes") or [str(i) for i in range(content["hyper_parameters"]["num_classes"])]
    name = config["data"]["class_path"].rpartition(".")[2]
    card = {
        "schema": SCHEMA,
        "name": f"{name}-{model['class_path'].rpartition('.')[2]}".lower(),
        "model": model,
        "in_shape": in_shape,
        "colours": "RGB" if in_shape[0] == 3 else "grey",
        "classes": classes,
        "normalize": config["data"]["init_args"].get("normalize", "standard"),
        "shift": shift,
        "scale": scale,
        "pixels": pixels_of(config, state, path),
        "prepare": "digits" if name in HANDWRITING else "photo",
        "dtype": "float32",
        "sha256": hashlib.sha256(serialise(tensors)).hexdigest(),
        "data": name,
        **numbers_of(folder),
    }
    return check_card(card, str(path)), tensors


def config_in(path: Path) -> Any:
    """The configuration of a run whose checkpoints do not hold it."""
    from zoo.config.yaml_limits import load

    return load(path.read_text())


def with_classes(config: Any, where: Path) -> dict[str, Any]:
    """A configuration, where data and model have a class and arguments; raises ValueError if it is another."""
    parts = {}
    for key in ("data", "model"):
        part = config.get(key) if isinstance(config, Mapping) else None
        if not (isinstance(part, Mapping) and isinstance(part.get("class_path"), str)):
            raise ValueError(f"{key} in the configuration of {where}: expected class_path and init_args, found others")
        parts[key] = {"class_path": part["class_path"], "init_args": dict(part.get("init_args") or {})}
    return parts


def state_of_data(content: Mapping[str, Any], config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the checkpoint remembers of its data."""
    state = content.get(config["data"]["class_path"].rpartition(".")[2], {})
    known = content.get("identity", {}).get("data", {})
    return {**{key: known[key] for key in ("mean", "std") if key in known}, **state}


def model_of(content: Mapping[str, Any], config: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """Class path and arguments of the network, without those of its training.

    Raises:
        ValueError: it is none of the zoo's.
    """
    import inspect
    from importlib import import_module

    held = content.get("hyper_parameters", {})
    path = held.get("_class_path", config["model"]["class_path"])
    path = next((each for each in NETWORKS if path in (each, f"zoo.{each.rpartition('.')[2]}")), path)
    if path not in NETWORKS:
        raise ValueError(
            f"network in {where}: expected one of {', '.join(NETWORKS)}, found {str(path)[:60]!r}, which needs its own"
            " code. Try: load_from_checkpoint of its class"
        )
    file, function = NETWORKS[path]
    names = inspect.signature(getattr(import_module(f"zoo.nn.{file}"), function)).parameters
    given = {**config["model"]["init_args"], **held}
    arguments: dict[str, Any] = {name: given[name] for name in names if name in given and name not in OF_NETWORK}
    if lacking := [name for name in names if name not in arguments and name not in OF_NETWORK]:
        raise ValueError(f"arguments of the network in {where}: expected {lacking[0]}, found none")
    return {"class_path": path, "init_args": plain(arguments)}


def plain(value: Any) -> Any:
    """A value as a card has it: tuples are lists, and each class has arguments, be there any or not."""
    if isinstance(value, Mapping):
        arguments: dict[str, Any] = {"init_args": {}} if "class_path" in value else {}
        return arguments | {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def shift_and_scale(
    normalize: str, state: Mapping[str, Any], channels: int, where: Path
) -> tuple[list[float], list[float]]:
    """What is subtracted from a pixel in 0 … 255, and what it is multiplied by, for each channel, as in training."""
    import torch

    if normalize == "none":
        return [0.0] * channels, [1.0] * channels
    mean, std = {"unit": ([0.0], [1.0]), "symmetric": ([0.5], [0.5])}.get(
        normalize, (state.get("mean"), state.get("std"))
    )
    if mean is None or std is None:
        raise ValueError(
            f"normalisation of {where}: expected mean and std in its checkpoint, found none: it is of an older version."
            " Try: python cli.py test --run_dir, which counts them again"
        )
    wide = channels // len(mean)
    shift, scale = 255 * torch.tensor(mean), 1 / (255 * torch.tensor(std))  # in float32, as the data module has them
    return shift.tolist() * wide, scale.tolist() * wide


def pixels_of(config: Mapping[str, Any], state: Mapping[str, Any], where: Path) -> list[int] | None:
    """Which pixel comes to each place; None where they were left in theirs."""
    if config["data"]["init_args"].get("shuffle_pixels") is None:
        return None
    if "pixels" not in state:
        raise ValueError(
            f"order of pixels of {where}: expected it in the checkpoint, found none: it is of an older version."
            " Try: python cli.py test --run_dir, which draws it again"
        )
    return list(state["pixels"])


def numbers_of(folder: RunFolder) -> dict[str, Any]:
    """What the result of the run says, if it has one: accuracies as the run counted them, in its precision."""
    try:
        result: Any = json.loads(folder.result.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    numbers = {key: result[key] for key in KEPT if result.get(key) is not None}
    for split in ("val", "test"):
        part = result.get(split) or {}
        numbers |= {f"{split}_{key}": part[key] for key in ("accuracy", "n") if part.get(key) is not None}
    if result.get("git_commit"):
        numbers["commit"] = result["git_commit"]
    return numbers

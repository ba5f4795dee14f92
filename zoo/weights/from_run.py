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

import numpy as np

from zoo.errors import shorten, warn
from zoo.runs.folder import RunFolder
from zoo.weights.card import Card, check_card
from zoo.weights.fields import FIELDS, MOST_CLASSES, NETWORKS, SCHEMA, are_channel_numbers, is_count, is_image_shape
from zoo.weights.store import serialise

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.weights.classifier import ImageClassifier

OF_NETWORK = ("in_shape", "num_classes")  # arguments that the data decide
HANDWRITING = ("MNIST", "Digits")  # data sets whose pictures are prepared as digits, and whose classes are 0 to 9
PIXELS = 3  # what a draw of a permutation is called by datamodules/randomness.py
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
    identity = mapping(content, "identity")
    config = with_classes(identity.get("config") or config_in(folder.config), path)
    model = model_of(content, config, folder.chosen)
    in_shape = plain(mapping(content, "hyper_parameters").get("in_shape"))
    if not is_image_shape(in_shape):
        raise ValueError(
            f"in_shape in {folder.chosen}: expected {FIELDS['in_shape'].words}, found {shorten(in_shape, 60)}"
        )
    name, given = config["data"]["class_path"].rpartition(".")[2], config["data"]["init_args"]
    state = {**mapping(identity, "data"), **mapping(content, name)}
    normalize = given.get("normalize", "standard")
    shift, scale = shift_and_scale(normalize, state, in_shape[0], path)
    tensors = tensors_of(content)
    card = {
        "schema": SCHEMA,
        "name": f"{name}-{model['class_path'].rpartition('.')[2]}".lower(),
        "model": model,
        "in_shape": in_shape,
        "colours": "RGB" if in_shape[0] == 3 else "grey",
        "classes": classes_of(content, state, name, path),
        "normalize": normalize,
        "shift": shift,
        "scale": scale,
        "pixels": pixels_of(given.get("shuffle_pixels"), state.get("pixels"), in_shape, path),
        "prepare": "digits" if name in HANDWRITING else "photo",
        "dtype": "float32",
        "sha256": hashlib.sha256(serialise(tensors)).hexdigest(),
        "data": name,
        **started_from(identity),
        **numbers_of(folder),
    }
    return check_card(card, str(path)), tensors


def mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What stands under a key, if it is a mapping: a run may be a stranger's."""
    found = content.get(key)
    return found if isinstance(found, Mapping) else {}


def tensors_of(content: Mapping[str, Any]) -> dict[str, "Tensor"]:
    """The weights of the network by name, in float32: where they were averaged, the averages, which were validated."""
    return {
        name.removeprefix("net."): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in content["state_dict"].items()
        if name.startswith("net.")
    }


def config_in(path: Path) -> Any:
    """The configuration of a run whose checkpoints do not hold it."""
    from zoo.config.yaml_limits import load_yaml

    return load_yaml(path.read_text(encoding="utf-8"))


def with_classes(config: Any, where: Path) -> dict[str, Any]:
    """A configuration, where data and model have a class and arguments; raises ValueError if it is another."""
    parts = {}
    for key in ("data", "model"):
        part = config.get(key) if isinstance(config, Mapping) else None
        if not (isinstance(part, Mapping) and isinstance(part.get("class_path"), str)):
            raise ValueError(f"{key} in the configuration of {where}: expected class_path and init_args, found others")
        parts[key] = {"class_path": part["class_path"], "init_args": dict(mapping(part, "init_args"))}
    return parts


def classes_of(content: Mapping[str, Any], state: Mapping[str, Any], data: str, where: Path) -> list[str]:
    """The names of the classes; their numbers, where the run does not hold names."""
    if names := state.get("classes"):
        return plain(names)
    count = mapping(content, "hyper_parameters").get("num_classes")
    if type(count) is not int or not 2 <= count <= MOST_CLASSES:
        raise ValueError(f"num_classes in {where}: expected 2 to {MOST_CLASSES:,}, found {shorten(count, 60)}")
    if data not in HANDWRITING:
        warn(
            f"classes in {where}: expected names in its checkpoint, found none: it is of an older version, and they are"
            f" called 0 to {count - 1}"
        )
    return [str(i) for i in range(count)]


def model_of(content: Mapping[str, Any], config: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """Class path and arguments of the network, without those of its training.

    Raises:
        ValueError: it is none of the zoo's.
    """
    import inspect
    from importlib import import_module

    held = mapping(content, "hyper_parameters")
    path = held.get("_class_path", config["model"]["class_path"])
    path = next((each for each in NETWORKS if path in (each, f"zoo.{each.rpartition('.')[2]}")), path)
    if not isinstance(path, str) or path not in NETWORKS:
        raise ValueError(
            f"network in {where}: expected one of {', '.join(NETWORKS)}, found {shorten(path, 60)!r}, which needs its"
            " own code. Try: load_from_checkpoint of its class"
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
    normalize: Any, state: Mapping[str, Any], channels: int, where: Path
) -> tuple[list[float], list[float]]:
    """What is subtracted from a pixel in 0 … 255, and what it is multiplied by, for each channel, as in training."""
    import torch

    if normalize == "none":
        return [0.0] * channels, [1.0] * channels
    fixed = {"unit": ([0.0], [1.0]), "symmetric": ([0.5], [0.5])}
    if normalize not in (*fixed, "standard", "weights"):
        known = "none, unit, symmetric, standard, weights"
        raise ValueError(f"normalize in {where}: expected one of {known}, found another")
    mean, std = fixed.get(normalize, (plain(state.get("mean")), plain(state.get("std"))))
    if not (
        are_channel_numbers(mean)
        and are_channel_numbers(std, 0)
        and len(mean) == len(std)
        and len(mean) in (1, channels)
    ):
        raise ValueError(
            f"normalisation in {where}: expected mean and std of {channels} channels in its checkpoint, found"
            f" {shorten(mean, 60)} and {shorten(std, 60)}. Try: another checkpoint of the run"
        )
    wide = channels // len(mean)
    shift, scale = 255 * torch.tensor(mean), 1 / (255 * torch.tensor(std))  # in float32, as the data module has them
    return shift.tolist() * wide, scale.tolist() * wide


def pixels_of(seed: Any, held: Any, in_shape: list[int], where: Path) -> list[int] | None:
    """Which pixel comes to each place; None where they were left in theirs.

    Args:
        seed: of the permutation.
        held: the permutation in the checkpoint, tensor or list; one of an older version has the sum alone.
        in_shape: C, H, W.
        where: the run.
    """
    import torch

    if seed is None:
        return None
    if torch.is_tensor(held):
        held = held.tolist()
    if isinstance(held, list):
        return held
    if not is_count(seed):
        raise ValueError(f"shuffle_pixels in {where}: expected a whole number, found {shorten(seed, 60)}")
    # drawn as datamodules/randomness.py draws it
    state = np.random.SeedSequence((seed, PIXELS, 0)).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
    pixels = torch.randperm(in_shape[1] * in_shape[2], generator=generator)
    found = hashlib.sha256(pixels.numpy().astype("<i8").tobytes()).hexdigest()
    if held not in (None, found):
        raise ValueError(
            f"order of pixels in {where}: expected SHA-256 {shorten(held, 12)}, found {found[:12]}: this version draws"
            " another"
        )
    return pixels.tolist()


def started_from(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Which weights the run started from, if it started from some."""
    held = {key: mapping(identity, "weights").get(key) for key in ("name", "sha256")}
    return {"started_from": held} if FIELDS["started_from"].holds(held) else {}


def numbers_of(folder: RunFolder) -> dict[str, Any]:
    """What the result of the run says, if it has one: accuracies as the run counted them, in its precision."""
    try:
        result: Any = json.loads(folder.result.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(result, dict):
        return {}
    numbers = {key: result.get(key) for key in KEPT} | {"commit": result.get("git_commit")}
    for split in ("val", "test"):
        numbers |= {f"{split}_{key}": mapping(result, split).get(key) for key in ("accuracy", "n")}
    return {key: value for key, value in numbers.items() if value is not None and FIELDS[key].holds(value)}

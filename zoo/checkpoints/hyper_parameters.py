"""What a model was made with, as plain values that a checkpoint can hold, and back.

activation=nn.Tanh                    ->  {"class_path": "torch.nn.Tanh", "init_args": {}}
schedule=Cosine(warmup=0.1)           ->  {"class_path": "zoo.schedules.Cosine", "init_args": {"warmup": 0.1, …}}
optimizer=partial(SGD, lr=0.1)        ->  {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}
optimizer=lambda params: SGD(params)  ->  None: a file without code cannot hold it
"""

import inspect
import io
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo.checkpoints.class_allowlist import KINDS, check_classes, known_class
from zoo.checkpoints.storage import read_checkpoint
from zoo.schedules import Schedule

HELD = "hyper_parameters"  # their key in a checkpoint, as Lightning has it
UNSAVED = "unsaved"  # key in checkpoints: what the model was made with and a file cannot hold, in words
OBJECTS = ("activation", "schedule")  # what earlier versions left out of checkpoints where it was an object

SPEC = {"class_path", "init_args"}


def is_plain(value: Any) -> bool:
    """Whether a value is made of numbers, strings, lists and dicts only."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(is_plain(item) for item in value)
    return value is None or type(value) in (bool, int, float, str)


def to_spec(value: Any) -> dict[str, Any] | None:
    """A class, one with some of its arguments, or an object of one, by name and arguments; None where that is not all.

    Args:
        value: a layer, an optimiser or a schedule.
    """
    arguments: dict[str, Any] | None = {}
    if isinstance(value, type):
        cls = value
    elif isinstance(value, partial) and isinstance(value.func, type):
        cls, arguments = value.func, partial_arguments(value)
    elif isinstance(value, KINDS):
        cls, arguments = type(value), arguments_of(value)
    else:
        return None
    path = public_path(cls)
    if path is None or arguments is None or not is_plain(arguments):
        return None
    return {"class_path": path, "init_args": arguments}


def partial_arguments(value: partial[Any]) -> dict[str, Any] | None:
    """The arguments of a class with some of them, by name; None if some have none."""
    signature = inspect.signature(value.func)
    try:
        arguments = signature.bind_partial(*value.args, **value.keywords).arguments
    except TypeError:
        return None
    kinds = {signature.parameters[name].kind for name in arguments}
    return None if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} else arguments


def arguments_of(value: Any) -> dict[str, Any] | None:
    """What an object was made with, read from its attributes; None if another of these would not be the same."""
    names = [name for name in inspect.signature(type(value)).parameters if name in vars(value)]
    arguments = {name: getattr(value, name) for name in names}
    try:
        again = type(value)(**arguments)
    except (TypeError, ValueError):
        return None
    return arguments if traits(again) == traits(value) else None


def traits(value: Any) -> Any:
    """What tells an object from another of its class: its plain attributes, its parts and the shapes of its weights."""
    own = {name: item for name, item in vars(value).items() if is_plain(item) and name != "training"}
    if isinstance(value, nn.Module):
        return own, repr(value), {name: weight.shape for name, weight in value.state_dict().items()}
    return own


def public_path(cls: type) -> str | None:
    """The shortest name by which `known_class` finds this class again; None if it does not."""
    words = cls.__module__.split(".")
    paths = [".".join([*words[: count + 1], cls.__name__]) for count in range(len(words))]
    return next((path for path in paths if known_class(path) is cls), None)


def from_spec(value: Any) -> Any:
    """What `to_spec` has written: a schedule, or what makes a layer or an optimiser.

    Raises:
        ValueError: the class is not known here, or does not take these arguments.
    """
    cls = known_class(value["class_path"])
    try:
        inspect.signature(cls).bind_partial(**value["init_args"])  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(f"arguments of {value['class_path']}: expected its own, found others ({error})") from error
    assert cls is not None
    return cls(**value["init_args"]) if issubclass(cls, Schedule) else partial(cls, **value["init_args"])


def is_spec(value: Any) -> bool:
    """Whether this is what `to_spec` has written."""
    return (
        isinstance(value, dict)
        and value.keys() == SPEC
        and isinstance(value["class_path"], str)
        and known_class(value["class_path"]) is not None
        and isinstance(value["init_args"], dict)
        and is_plain(value["init_args"])
    )


def for_checkpoint(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What a model was made with, as a file holds it, and in words what no file can hold.

    A model that was built in Python may have been given objects, and its file must load with weights_only=True.
    """
    plain = {name: value if is_plain(value) else to_spec(value) for name, value in values.items()}
    unsaved = {name for name, value in plain.items() if value is None and values[name] is not None}
    held = {name: value for name, value in plain.items() if name not in unsaved}
    return held, {name: describe_unsaved(value) for name, value in values.items() if name in unsaved}


def checked_copy(cls: type, path: Path, given: dict[str, Any]) -> tuple[io.BytesIO, dict[str, Any]]:
    """A checkpoint as Lightning may read it, and the objects that its model was made with.

    Args:
        cls: the model's.
        path: the file.
        given: what is given again for this model.

    Raises:
        ValueError: something in it is not what a checkpoint holds, or the model was made with what a file cannot hold,
            and it is not given again.
    """
    content = read_checkpoint(path)
    held = content.get(HELD, {})
    check_classes(path, held)
    check_given(cls, path, content, given)
    built = {}
    if "_instantiator" not in held:  # made in Python
        built = {name: from_spec(value) for name, value in held.items() if name not in given and is_spec(value)}
    checked = io.BytesIO()  # Lightning reads what was checked, not the file again
    torch.save(content, checked)
    checked.seek(0)
    return checked, built


def check_given(cls: type, path: Path, content: dict[str, Any], given: dict[str, Any]) -> None:
    """Raises ValueError unless all that a model was made with is in its checkpoint or given again."""
    held = content.get(HELD, {})
    taken = inspect.signature(cls).parameters.keys() | {"schedule"}
    missing = {name: "an object" for name in OBJECTS if held and name in taken and name not in held}
    unsaved = content.get(UNSAVED, {})
    missing |= {str(name): str(text) for name, text in unsaved.items()} if isinstance(unsaved, dict) else {}
    for name, text in missing.items():
        if name not in given:
            raise ValueError(
                f"{name} in {path}: expected a name, a class or an object made of plain values, found {text[:60]},"
                f" which a file cannot hold. Try: {cls.__name__}.load_from_checkpoint('{path}', {name}=…)"
            )


def describe_unsaved(value: Any) -> str:
    """What is not saved, in words: `the function mine`."""
    kind = "the function" if inspect.isroutine(value) else "an object of"
    return f"{kind} {getattr(value, '__qualname__', type(value).__qualname__)}"

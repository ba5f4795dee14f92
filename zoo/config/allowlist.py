"""What a configuration may import by name: the models, the data, and what torch and Lightning offer to be named.

    torch.optim.SGD             on the list: imported, and it is torch.optim's own
    subprocess.Popen            not on the list: refused, nothing is imported
    datamodules.arrays.np.load  begins like one that is on it, but is NumPy's own: refused
    torch.nn.init.normal_       on it, but a function: refused, only classes may be named

Of the zoo's own modules the public ones are on the list one by one; all others are its inner rooms.

Promised: a configuration file makes objects of classes on the list, with the arguments it gives, and runs no code but
theirs. A module that is not on the list is not even imported. Of what is on it, the parts that start processes, or
read checkpoints by other rules than ours, are taken off again.

Not promised: that an untrusted configuration is harmless. It decides what is read, where the output goes (a
logger may send it over the network) and how much memory and time are used; and a class on the list may have faults.
The list binds names in configurations; a checkpoint is read by rules of its own (`checkpoints.py`), and the words of
the command line are the user's own: only they can add to the list, `--allow_import my_models`.
"""

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from inspect import isroutine
from itertools import pairwise
from traceback import extract_tb
from typing import Any

from jsonargparse import set_parsing_settings

from zoo.config.shelf import shelf

# an entry stands for itself and everything under it; of several that fit, the longest decides
ALLOWED = (
    *sorted({*shelf().values(), *(f"zoo.{name}" for name in shelf())}),  # the models, by both of their names
    "zoo.Classifier",
    "zoo.training.classifier.Classifier",
    "zoo.optimizers",
    "zoo.schedules",
    "zoo.callbacks",
    "zoo.loggers.TensorBoard",
    "zoo.loggers.tensorboard",
    "zoo.loggers.Wandb",
    "zoo.loggers.wandb.Wandb",
    "zoo.loggers.wandb.logger",
    "datamodules",
    "torch.nn",
    "torch.optim",
    "lightning.pytorch.callbacks",
    "lightning.pytorch.loggers",
    "lightning.pytorch.strategies",
    "lightning.pytorch.plugins",
    "lightning.fabric.plugins.environments",  # where the environments among Lightning's plugins are defined
    "lightning.pytorch.profilers",
)
DENIED = (
    "lightning.pytorch.plugins.io",  # would read checkpoints by other rules than `checkpoints.py`
    "lightning.pytorch.callbacks.lambda_function",  # makes a hook of any function
    "lightning.pytorch.strategies.launchers",  # start processes
)
IN_WORDS = (
    "one from zoo, datamodules, torch.optim, torch.nn or Lightning's callbacks, loggers, strategies, plugins, profilers"
    ", but for what runs any function, reads checkpoints or starts processes"
)
_trusted: set[str] = set()  # added to the list by the command that runs in this process


def restrict(extra: Iterable[str] = ()) -> None:
    """Lets configurations import from the list only, in this process and until the next call.

    Args:
        extra: prefixes that the user trusts besides.
    """
    before = set(_trusted)
    _trusted.clear()
    _trusted.update({prefix for prefix in extra if not is_listed(prefix)})
    # jsonargparse looks at a path before it imports it, and at the module and name that the object itself says it has
    set_parsing_settings(
        import_path_denylist=["*", *DENIED, *before - _trusted],
        import_path_allowlist=[*ALLOWED, *_trusted],
        # a class path given for a value of any type is an attempt, not a value
        instantiate_subclass_spec_in_any=False,
        validate_subclass_spec_in_any=True,
        # Lightning allows configurations from the network when it is imported
        config_read_mode_fsspec_enabled=False,
        config_read_mode_urls_enabled=False,
    )


def trusted() -> set[str]:
    """What the command that runs in this process has added to the list."""
    return set(_trusted)


def is_listed(path: str) -> bool:
    """Whether a dotted path is on the list."""
    fitting = [entry for entry in (*ALLOWED, *DENIED, *_trusted) if f"{path}.".startswith(f"{entry}.")]
    return max(fitting, key=len, default="") in {*ALLOWED, *_trusted}


def could_be_trusted(path: str) -> str | None:
    """The package of a refused path if it may be the user's own: there, and neither Python's nor one on the list."""
    root = path.partition(".")[0]
    known = {entry.partition(".")[0] for entry in ALLOWED} | sys.stdlib_module_names
    if root in known or root.startswith("_"):
        return None
    return root if root in sys.modules or find_spec(root) else None


def missing_module(path: str) -> str | None:
    """The first module on the way to a class path that is not there, None if all are; imports none off the list."""
    names = path.split(".")[:-1]
    for parent, module in pairwise(".".join(names[:end]) for end in range(len(names) + 1)):
        if module in sys.modules:
            continue
        if parent not in sys.modules and not (parent == "" or is_listed(parent)):
            return None
        if hasattr(sys.modules.get(parent), module.rpartition(".")[2]):  # a class with others in it
            return None
        try:
            if find_spec(module) is None:
                return module
        except ImportError:  # what it would be in is no package
            return module
    return None


def import_trusted(module: str) -> None:
    """Imports a module of the user's, so that its classes are known by their short names.

    Raises:
        ValueError: it is not there, or cannot be imported.
    """
    try:
        __import__(module)  # the way of the import statement, which audit hooks see
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise ValueError(broken(module, error)) from error
        if missing := missing_module(f"{module}.*"):
            raise ValueError(
                f"module in --allow_import: expected one that Python finds, found {module}: there is no module"
                f" {missing}. Try: {where_to_look(missing)}"
            ) from error
    except Exception as error:
        raise ValueError(broken(module, error)) from error


def where_to_look(module: str) -> str:
    """What to do about a module that is not there."""
    package = module.rpartition(".")[0]
    return f"a module of {package}" if package else f"PYTHONPATH=DIR before the command, the folder that {module} is in"


def broken(module: str, error: Exception) -> str:
    """The line for a module that cannot be imported."""
    frames = [frame for frame in extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    place = f", line {frames[-1].lineno} of {frames[-1].filename}" if len(frames) > 1 else ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f", line {error.lineno} of {error.filename}"
    text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())[:160]
    return (
        f"module in --allow_import: expected one that can be imported, found {module}, which cannot"
        f" ({type(error).__name__}: {text}{place}). Try: python -c 'import {module}'"
    )


def untrusted_path(function: Any) -> str | None:
    """The path of a function that is not the user's own: jsonargparse would call it with any arguments it is given.

    On the list there are some that import what they are told (`torch.nn.attention._fa4`) or fetch it (the loggers).
    """
    path = f"{getattr(function, '__module__', None)}.{getattr(function, '__qualname__', type(function).__name__)}"
    return None if any(f"{path}.".startswith(f"{entry}.") for entry in _trusted) else path


def find_disallowed(value: Any, unread: bool = False) -> str | None:
    """The first thing in a configuration that jsonargparse lets pass, though it is neither a class nor a plain value.

    Args:
        value: values of a configuration.
        unread: whether they stand in a `dict_kwargs`, whose values are handed on as they are.

    Returns:
        A function, or a class path among unread values, in words; None if there is none.
    """
    if isinstance(value, list):
        return next(filter(None, (find_disallowed(item, unread) for item in value)), None)
    if isroutine(value) and (path := untrusted_path(value)):
        return f"the function {path}"
    if not isinstance(value, dict):
        return None
    if unread and "class_path" in value:
        return f"the class {value['class_path']} in dict_kwargs"
    return next(
        filter(None, (find_disallowed(item, unread or key == "dict_kwargs") for key, item in value.items())), None
    )

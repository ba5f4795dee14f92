"""What a user may write, how to format that, and what of it is nearest to what was written.

A parser knows its verbs, its options and their types; a type knows its values or the classes under it:

    Sequence[int] | None   -> "list of ints or null"
    Literal["max", "avg"]  -> max, avg;  Classifier -> ConvNet, LeNet, MLP, …
    "MLPP" among these     -> "MLP"
"""

import inspect
from argparse import Action, ArgumentParser
from collections import abc
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from enum import Enum
from inspect import Parameter
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import torch

from zoo.config.allowlist import is_listed
from zoo.config.config_files import find
from zoo.config.config_files import names as config_names

MAX_LISTED = 12  # names in one line; nobody reads more
MOST_LETTERS = 100  # of a name that is compared with others, which takes the square of that time
ALIKE = 0.6  # share of letters in common, above which two names may be meant to be the same
WORDS = {NoneType: "null", bool: "true or false", str: "text", dict: "mapping"}
LISTS = {list, tuple, set, abc.Sequence, abc.Iterable, abc.Collection}
OTHER_NAMES = {  # what other programs call the values that options list here, and those that a switch would have
    **dict.fromkeys(("yes", "true", "on", "1", "always"), ("auto", "allow", "stretch")),
    **dict.fromkeys(("no", "false", "off", "0"), ("never", "refuse", "none", "identity")),
    **dict.fromkeys(("fp16", "float16", "half", "amp"), ("16-mixed", "bf16-mixed")),
    **dict.fromkeys(("bfloat16", "bfloat"), ("bf16-mixed",)),
    **dict.fromkeys(("fp32", "float32", "float", "single"), ("32-true",)),
    **dict.fromkeys(("fp64", "float64", "double"), ("64-true",)),
    **dict.fromkeys(("kaiming", "he", "kaiming_normal", "msra"), ("he_normal",)),
    **dict.fromkeys(("glorot", "xavier", "glorot_normal"), ("xavier_normal",)),
    **dict.fromkeys(("mean", "average"), ("avg",)),
    **dict.fromkeys(("balanced", "balanced_accuracy", "bal_acc", "val_bal_acc"), ("val/balanced_accuracy",)),
    **dict.fromkeys(("acc", "val_acc"), ("val/accuracy",)),
    "kaiming_uniform": ("he_uniform",),
    "glorot_uniform": ("xavier_uniform",),
    "bn": ("batch",),
    "ln": ("layer",),
    "swish": ("silu",),
    "linear": ("identity",),
}
EXAMPLES = {  # of values whose names alone say nothing
    "monitor": "val/loss",
    "batch_size": "128",
    "scheduling": "'{0: 1, 4: 2}'",
    "swa_lrs": "0.01",
    "path": "FILE.npz",
    "config": "FILE.yaml",
    "ckpt_path": "FILE.ckpt",
    "save_dir": "DIR",
    "run_dir": "DIR",
}
UNIONS = {Union, UnionType}
# classes whose objects are written, not named; jsonargparse lets a tensor be named for a number, but nobody does
WRITTEN = (int, float, str, Enum, Path, torch.Tensor)

# what is nearest


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that is most like a name, or else begins with it, in any case of letters; None if none does."""
    name, lower = name[:MOST_LETTERS].lower(), {candidate.lower(): candidate for candidate in candidates}
    alike = {candidate: SequenceMatcher(None, candidate, name).ratio() for candidate in lower}
    best = max(alike, key=lambda candidate: alike[candidate], default=None)
    if best is None or alike[best] < ALIKE:
        best = next((candidate for candidate in lower if len(name) > 1 and candidate.startswith(name)), None)
    return lower[best] if best else None


def best_match(word: str, names: Iterable[str]) -> str | None:
    """The name for what others call so, or else the nearest, or the only one that the word is short for; or None."""
    names = list(names)
    if others := [name for name in OTHER_NAMES.get(word.lower(), ()) if name in names and runs_here(name)]:
        return others[0]
    if near := nearest(word, names):
        return near
    long = [name for name in names if len(word) > 2 and name[0] == word[0] and is_within(word, name)]
    return long[0] if len(long) == 1 else None


def is_within(short: str, long: str) -> bool:
    """Whether the letters of a word are those of a longer one in their order: std, standard."""
    rest = iter(long)
    return all(letter in rest for letter in short)


def runs_here(name: str) -> bool:
    """Whether this machine can do what the name says: float16 beside float32 needs a GPU."""
    return name != "16-mixed" or torch.cuda.is_available() or torch.backends.mps.is_available()


def nearest_option(key: str, options: Iterable[str]) -> str | None:
    """The option that has the last word of a dotted key (`batch_size`), or is most like it, as a whole or there."""
    options = list(options)
    last_words = {option.rpartition(".")[2]: option for option in reversed(options)}
    word = key.rpartition(".")[2]
    return last_words.get(word) or nearest(key, options) or last_words.get(nearest(word, reversed(last_words)) or "")


def nearest_config(given: str) -> str | None:
    """The name of the configuration file that is most like a missing one; as a path of `configs/`, if it was one."""
    named = {Path(name).name: name for name in config_names()}
    stem = Path(given).stem  # that both end in .yaml makes no names alike
    near = stem if stem in named else nearest(stem, named)
    if near is None:
        return None
    kind = Path(find(named[near])).parent.name
    return f"configs/{kind}/{near}.yaml" if given.endswith((".yaml", ".yml")) else named[near]


# what a type takes


def parts(hint: Any) -> Iterator[Any]:
    """A type and all it is made of: members, items, and what a callable returns."""
    yield hint
    origin, args = get_origin(hint), get_args(hint)
    for part in args[-1:] if origin is abc.Callable else args if origin in UNIONS | LISTS else ():
        yield from parts(part)


def bases(hint: Any) -> list[type]:
    """The classes in a type whose subclasses are chosen by name."""
    classes = dict.fromkeys(part for part in parts(hint) if inspect.isclass(part) and get_origin(part) is None)
    return [cls for cls in classes if cls.__module__ not in ("builtins", "typing") and not issubclass(cls, WRITTEN)]


def subclasses(base: type) -> Iterator[type]:
    """The classes below a base that can be chosen by name: not abstract, private, local to a function or refused."""
    direct: list[type] = base.__subclasses__()
    for cls in direct:
        path = f"{cls.__module__}.{cls.__qualname__}"
        if is_listed(path) and not (is_abstract(cls) or "._" in path or "<locals>" in path):
            yield cls
        yield from subclasses(cls)


def is_abstract(cls: type) -> bool:
    """Whether a class leaves methods to its subclasses; `inspect.isabstract` sees that only where it has ABCMeta."""
    names = {name for parent in cls.__mro__ for name in vars(parent)}
    return any(getattr(inspect.getattr_static(cls, name), "__isabstractmethod__", False) for name in names)


def literals(hint: Any) -> list[Any]:
    """The values that a type lists, `16` and `"16"` as one."""
    values: dict[str, Any] = {}
    for part in parts(hint):
        for value in get_args(part) if get_origin(part) is Literal else ():
            values.setdefault(str(value), value)
    return list(values.values())


def choices(hint: Any) -> list[str]:
    """The names that can be written for a type: the values it lists, or else its classes."""
    listed = [str(value) for value in literals(hint)]
    return listed or sorted({cls.__name__ for base in bases(hint) for cls in subclasses(base)})


def only_lists(hint: Any) -> bool:
    """Whether a type takes lists and nothing that is written as one word, but null."""
    members = get_args(hint) if get_origin(hint) in UNIONS else (hint,)
    return all(member is NoneType or get_origin(member) in LISTS for member in members)


def parameters(hint: Any) -> list[str]:
    """The names of the arguments of the classes that can be chosen for a type."""
    classes = dict.fromkeys(cls for base in bases(hint) for cls in (base, *subclasses(base)))
    inits = [vars(parent).get("__init__") for cls in classes for parent in cls.__mro__]
    found = [p for init in inits if inspect.isfunction(init) for p in inspect.signature(init).parameters.values()]
    named = [p.name for p in found if p.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
    return [name for name in dict.fromkeys(named) if name != "self"]


def names_with(option: str, hint: Any) -> list[str]:
    """The names of the classes for a type that have an option."""
    classes = [cls for base in bases(hint) for cls in subclasses(base)]
    return sorted({cls.__name__ for cls in classes if option in parameters(cls)})


def format_type(hint: Any) -> str:
    """A type as the user knows it."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(repr, literals(hint)))}"
    if origin in UNIONS:
        return format_union(args)
    if origin in LISTS:
        return format_list(args)
    if origin is abc.Callable:
        return format_type(args[-1]) if args else "a function"
    if names := choices(hint):
        return f"one of {', '.join(names)}" if len(names) <= MAX_LISTED else f"a subclass of {hint.__name__}"
    return str(WORDS.get(origin or hint) or getattr(hint, "__name__", hint))


def format_union(members: tuple[Any, ...]) -> str:
    """Alternatives: listed values first, beside which classes are not listed too, and null last."""
    listed = tuple(value for member in members if get_origin(member) is Literal for value in get_args(member))
    said = [format_type(Literal[listed])] if listed else []
    for member in members:
        if member is bool:
            said += ["true", "false"]
        elif member not in (NoneType, torch.Tensor) and get_origin(member) is not Literal:
            said.append("a class path" if listed and bases(member) else format_type(member))
    said = [*dict.fromkeys(said), *["null"] * (NoneType in members)]
    return " or ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


def format_list(items: tuple[Any, ...]) -> str:
    """A list by what is in it: `list of ints`, `list of 3 ints`."""
    kinds = set(items) - {Ellipsis}
    if len(kinds) != 1:
        return "list"
    count = f"{len(items)} " if len(items) > 1 and Ellipsis not in items else ""
    item = kinds.pop()
    name = f"{item.__name__}s" if item in (int, float, *bases(item)) else format_type(item).removeprefix("one of ")
    return f"list of {count}{name}"


# what a parser takes


def subparsers(parser: ArgumentParser) -> dict[str, ArgumentParser]:
    """The parsers of the verbs."""
    return getattr(parser, "verbs", {})


def family(parser: ArgumentParser) -> list[ArgumentParser]:
    """A parser and those of its verbs."""
    return [parser, *subparsers(parser).values()]


def command(parser: ArgumentParser) -> str:
    """The words of the command up to and with the verb."""
    program, *verb = parser.prog.replace("[options] ", "").split()
    return " ".join([f"python {program}" if program.endswith(".py") else program, *verb])


def without_verb(key: str, parser: ArgumentParser) -> str:
    """A key as it is on the command line: `fit.model` is `--model` there."""
    verb, _, rest = key.partition(".")
    return rest if verb in subparsers(parser) else key


def actions(parser: ArgumentParser) -> list[Action]:
    """What a parser and those of its verbs know of each option."""
    return [action for each in family(parser) if hasattr(each, "known") for action in each.known()]


def type_of(key: str, parser: ArgumentParser) -> Any:
    """The type of an option, without the null that jsonargparse adds where a class must be chosen; None if unknown."""
    hint = next((getattr(action, "hint", None) for action in actions(parser) if action.dest == key), None)
    chosen = [root for root in getattr(parser, "roots", ()) if get_origin(hint) in UNIONS and root in get_args(hint)]
    return chosen[0] if chosen else hint


def default_of(key: str, parser: ArgumentParser) -> str:
    """The default of an option in words, as it would be written."""
    return str(next((action.default for action in actions(parser) if action.dest == key), ""))


def options(parser: ArgumentParser) -> Iterator[str]:
    """The options of a parser, and those of the classes that can be chosen in it."""
    for action in actions(parser):
        flags = [flag.removeprefix("--") for flag in action.option_strings if flag.startswith("--")]
        if action.dest.endswith("help"):
            continue
        yield from (flag for flag in flags if not flag.endswith("+"))
        hint = getattr(action, "hint", None)
        linked = getattr(action, "sub_add_kwargs", {}).get("linked_targets", ())  # set by another option
        # the options of every callback or logger there is would be near to anything
        names = [] if literals(hint) or "." in action.dest else parameters(hint)
        yield from (f"{action.dest}.{name}" for name in names if name not in linked)


def example(key: str, hint: Any) -> str:
    """A flag with what can be given to it."""
    names, word = choices(hint), key.rpartition(".")[2]
    return f"--{key} {' | '.join(names) if 0 < len(names) <= MAX_LISTED else EXAMPLES.get(word, word.upper())}"

"""What is wrong with what the user wrote, in one line, made of what jsonargparse says in many.

    parser.error('Parser key "model": Does not validate against any of the Union subtypes …', exception)
        -> UsageError("class in --model: expected one of ConvNet, LeNet, MLP, …, found 'MLPP'. Try: --model MLP")

The options of each class are parsed by a parser of their own, so that one mistake is reported by several parsers. The
innermost one knows the option and its type, and writes the line with its own flag, `--hiden`; each parser around it
puts its key into the flags, `--model.hiden`, and a configuration file around it puts its name after them.
"""

from argparse import Action, ArgumentParser
from collections.abc import Mapping
from functools import reduce
from itertools import pairwise
from operator import or_
from pathlib import Path
from typing import Any, ClassVar, NoReturn, get_args, get_origin

import yaml
from jsonargparse import DefaultHelpFormatter, Namespace
from lightning.pytorch.cli import LightningArgumentParser

from zoo.config.allowlist import untrusted_path
from zoo.config.class_keys import misspelt
from zoo.config.errors.option_errors import (
    NOISE,
    first_line,
    format_error,
    in_file,
    key_in,
    missing,
    refused_import,
    unfit_part,
    valueless,
    wrong_config,
    wrong_value,
    wrong_verb,
)
from zoo.config.errors.unknown_options import unknown_key, unknown_words, with_value
from zoo.config.type_names import UNIONS, command, family, format_type, type_of
from zoo.config.yaml_limits import load_yaml
from zoo.errors import UsageError, chain, demand

FORMATTERS = (  # the first that knows a message says it
    *(wrong_verb, unfit_part, missing, valueless, unknown_words, unknown_key, wrong_config),
    *(refused_import, wrong_value),
)
FEW = 10  # options of a parser without a verb: none of them need have a type


class Parser(LightningArgumentParser):
    """A parser whose errors are UsageErrors of one line.

    Args:
        args: for `LightningArgumentParser`.
        kwargs: for `LightningArgumentParser`.
    """

    all_verbs: ClassVar[tuple[str, ...]] = ()  # of the command, also those with a parser of their own
    roots: ClassVar[set[type]] = set()  # of each of these, a subclass must be chosen
    options: ClassVar[dict[type, type]] = {}  # classes whose options are those of another

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.described: type | None = None  # the class whose options these are, if they are those of one class
        self.files: dict[str, Namespace] = {}  # the configuration files that were read
        self.verbs: Mapping[str, ArgumentParser] = {}  # the parsers of the verbs
        super().__init__(*args, **kwargs)

    def add_class_arguments(self, theclass: type, nested_key: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Adds the options of a class and remembers it."""
        if nested_key is None:
            self.described = theclass
        added = super().add_class_arguments(self.options.get(theclass, theclass), nested_key, *args, **kwargs)
        self._put_int_before_float()
        return added

    def add_function_arguments(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Adds the options of a function that a class path has named, if it is the user's own."""
        if path := untrusted_path(function):
            self.error(f"Importing '{path}' is not allowed: a function")
        return super().add_function_arguments(function, *args, **kwargs)

    def add_subclass_arguments(self, baseclass: Any, nested_key: str, *args: Any, **kwargs: Any) -> Any:
        """Adds the choice of a class and remembers if it must be made."""
        if kwargs.get("required"):
            self.roots.update(baseclass if isinstance(baseclass, tuple) else [baseclass])
        return super().add_subclass_arguments(baseclass, nested_key, *args, **kwargs)

    def add_subcommands(self, *args: Any, **kwargs: Any) -> Any:
        """Adds the verbs and remembers their parsers."""
        added = super().add_subcommands(*args, **kwargs)
        self.verbs = added.choices
        return added

    def known(self) -> list[Action]:
        """What it knows of each option, with the type as `hint`.

        Neither jsonargparse nor argparse shows them (no issue known); without them the errors could not say what is
        expected, and the help of a class would be empty.
        """
        demand(self, "_actions", "jsonargparse")
        actions: list[Any] = self._actions
        typed = [action for action in actions if hasattr(action, "_typehint")]
        if len(actions) > FEW and not typed:
            demand(actions[-1], "_typehint", "jsonargparse")
        for action in typed:
            action.hint = action._typehint
        return actions

    def _put_int_before_float(self) -> None:
        """Lets a whole number be one where an option takes both: batches of an epoch, 1, are not 1.0, all of them.

        jsonargparse 4.53 tries the types in their order. Optional[Union[int, float]] has another if any module before,
        such as sklearn.svm or Lightning's own Fabric, asked for Optional[Union[float, int]]: to typing both are
        equal, and it hands out again what it made first (findings/one_batch_is_all_batches.sh).
        """
        for action in self.known():
            hint = getattr(action, "hint", None)
            types = list(get_args(hint)) if get_origin(hint) in UNIONS else []
            if int in types and float in types[: types.index(int)]:
                types.remove(int)
                types.insert(types.index(float), int)
                # typing.Union would give the first again
                action._typehint = action.hint = reduce(or_, types)  # type: ignore[attr-defined]

    def instantiate(self, namespace: Namespace, *args: Any, **kwargs: Any) -> Namespace:
        """Makes the objects; weights that a model starts from are a name here, which the command loads afterwards."""
        for place in ("model", f"{namespace.get('subcommand')}.model"):
            model = namespace.get(f"{place}.init_args")
            if isinstance(model, Namespace) and model.get("weights") is not None:
                named, model["weights"] = model["weights"], None
                try:
                    return super().instantiate(namespace, *args, **kwargs)
                finally:
                    model["weights"] = named
        return super().instantiate(namespace, *args, **kwargs)

    def dump(self, *args: Any, **kwargs: Any) -> str:
        """A configuration as text; what was parsed a moment ago is not checked again, which would take 0.1 s."""
        return super().dump(*args, **{"skip_validation": True, **kwargs})

    def parse_path(self, path: Any, *args: Any, **kwargs: Any) -> Namespace:
        """Reads a configuration file; its errors name it."""
        try:
            self.files[str(path)] = super().parse_path(path, *args, **kwargs)
        except UsageError as error:
            raise UsageError(in_file(misspelt_in(path) or str(error), str(path))) from error
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"file in {path}: expected yaml, found what cannot be read ({error})") from error
        included = self.files[str(path)].get("config")
        if isinstance(included, list) and any(isinstance(each, str) for each in included):
            raise UsageError(f"value in --config of {path}: expected the path of one file, found a list")
        return self.files[str(path)]

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises a UsageError, where argparse would print the usage and exit."""
        raise UsageError(self._misspelt() or explain(message, self, ex)) from ex

    def _misspelt(self) -> str | None:
        """The line for a key of a class that is misspelt in one of the files or words, if that is what is wrong."""
        found = ((misspelt_in(path), path) for each in family(self) for path in getattr(each, "files", {}))
        if line := next((in_file(line, path) for line, path in found if line), None):
            return line
        argv = [part for word in getattr(self, "args", []) for part in word.split("=", word.startswith("--"))]
        flags = ((word[2:], after) for word, after in pairwise(argv) if word.startswith("--"))
        return next(filter(None, (misspelt_in(value, flag) for flag, value in flags)), None)


class PlainHelp(DefaultHelpFormatter):
    """Help that says what an option is for, without Python's types and the links between options."""

    def _get_help_string(self, action: Action) -> str:  # argparse asks itself so (no issue known)
        return action.help or ""

    def add_argument(self, action: Action) -> None:
        """Adds an option, but no link."""
        if not any("-->" in name for name in action.option_strings):
            super().add_argument(action)


def misspelt_in(given: Any, key: str = "") -> str | None:
    """The line for a key of a class that is misspelt in a configuration file, or in the value of a flag; or None."""
    text = str(given)
    try:
        if text.endswith((".yaml", ".yml")) and Path(text).is_file():
            text = Path(text).read_text(encoding="utf-8")
        elif not text.startswith(("{", "[")):
            return None
        return misspelt(load_yaml(text), key)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):  # said by others
        return None


def explain(message: str, parser: ArgumentParser, error: BaseException | None = None) -> str:
    """The one line for an error of a parser.

    Args:
        message: what the parser says, usually in many lines.
        parser: the parser that says it; knows the options, their types and the verbs.
        error: what it was raised from; may hold the line of a parser further in.
    """
    key = key_in(message, parser)
    if line := line_within(message, error):
        return with_value(prefix_flag(key, line), parser)
    lines = (formatter(message, parser) for formatter in FORMATTERS)
    line = " ".join((next((line for line in lines if line), None) or fallback_line(message, key, parser)).split())
    return with_value(line, parser)


def fallback_line(message: str, key: str, parser: ArgumentParser) -> str:
    """The line for a mistake of no known kind."""
    hint = type_of(key, parser) if key else None
    where = f"--{key}" if key else command(parser)
    return format_error(
        "value", where, format_type(hint) if hint else "one that can be read", f"another ({first_line(message)})"
    )


def line_within(message: str, error: BaseException | None) -> str | None:
    """That line: from the exceptions, or from the text, as a union keeps only the exception of its first member."""
    lines = [line.strip().removeprefix("- ") for line in message.splitlines()]
    raised = [str(inner) for inner in chain(error) if isinstance(inner, UsageError) and "\n" not in str(inner)]
    return next((line for line in [*raised, *lines] if " in --" in line and ": expected " in line), None)


def prefix_flag(key: str, line: str) -> str:
    """Puts the key of the parser around a line into its flags."""
    if not key or key == "config":
        return line
    start, _, rest = line.partition(" in --")
    middle, _, advice = rest.partition(" Try: --")
    if advice.startswith("allow_import "):  # a flag of the command, not of a class in it
        return f"{start} in {flag(key, middle)} Try: --{advice}"
    return f"{start} in {flag(key, middle)}" + (f" Try: {flag(key, advice)}" if advice else "")


def flag(key: str, rest: str) -> str:
    """A flag below a key, or the key's own if there is no name at the beginning of the rest."""
    return f"--{key}{'' if rest.startswith((':', ' ')) else '.'}{rest}"


def innermost(error: BaseException) -> str:
    """The one line that an exception was first raised with, however often jsonargparse has wrapped it."""
    for inner in chain(error):
        if not str(inner).strip().startswith(NOISE):
            return " ".join(str(inner).split()) or type(inner).__name__
    return first_line(str(error))

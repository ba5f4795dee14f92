"""What can be set for a class that is chosen by name: `--model.help MLP`, `--model.optimizer.help SGD`.

    --model.help           ->  the models there are, a line each
    --model.help MLP       ->  its options: flag, what it takes, default, and what it is for

It shows the options of one class only. Those of a layer or an optimiser have a help of their own, named where they may
stand. What the data decides (`in_shape`, `num_classes`) is no option.
"""

import inspect
import re
import shutil
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Sequence
from itertools import pairwise
from textwrap import wrap
from typing import Any

from zoo.config.errors.option_errors import format_error, format_value
from zoo.config.parser import Parser
from zoo.config.type_names import actions, bases, format_type, literals, nearest, subclasses, type_of
from zoo.errors import UsageError

LINKED = ("in_shape", "num_classes", "seed", "known_classes", "net", "params")  # no one types them
COLUMN, WIDEST = 28, 120
MOST_NAMES = 60  # of classes in a list; where there are more, examples are better
MARK = ".help"
DEFAULT = re.compile(r" ?(\(default: [^()]*(\([^()]*\))?\)|Default: \S+$)")  # printed already

# of the language in which libraries write their docstrings: `.. note::`, :class:`~a.b.C`
BLOCK = re.compile(r"\.\. (\w+)::")
ROLE = re.compile(r":[\w:]+:`~?(?:\w+\.)*(\w+)`")
VALUES = {"None": "null", "True": "true", "False": "false"}


def show_class_help(args: Sequence[str], parser: ArgumentParser) -> None:
    """Prints the help that a `--KEY.help [NAME]` asks for, and exits; returns where none does.

    Args:
        args: the arguments of the command.
        parser: which takes them; knows the options and their types.

    Raises:
        UsageError: there is no such option, or no such class.
    """
    for word, after in pairwise([*args, ""]):
        flag, equals, value = word.partition("=")
        if flag.startswith("--") and flag.endswith(MARK) and flag != f"--{MARK}":
            key, name = flag[2 : -len(MARK)], value if equals else "" if after.startswith("-") else after
            hint = hint_of(key, parser, args)
            if hint is None or not bases(hint):
                raise UsageError(no_choice(key, parser, args))
            name = name or chosen(key, args)
            print("\n".join(of_class(key, name, hint) if name else of_all(key, hint)))
            raise SystemExit


def no_choice(key: str, parser: ArgumentParser, args: Sequence[str]) -> str:
    """The line for a key that no class is chosen for."""
    keys = {action.dest for action in actions(parser) if bases(getattr(action, "hint", None))}
    options = class_options(type_of("model", parser), args, "model").items()
    keys |= {f"model.{name}" for name, action in options if bases(getattr(action, "hint", None))}
    keys = {each for each in keys if not each.endswith("help")}
    near = nearest(key, keys)
    expected = "an option that takes a class, or --help_all"
    return format_error(
        "help", f"--{key}{MARK}", expected, format_value(key), f"--{near}{MARK}" if near else "--help_all"
    )


def hint_of(key: str, parser: ArgumentParser, args: Sequence[str]) -> Any:
    """The type of an option, or of one of the class that is chosen for it; None if there is no such option."""
    root, _, rest = key.partition(".")
    if (hint := type_of(key, parser)) is not None or not rest:
        return hint
    found = class_options(type_of(root, parser), args, root).get(rest)
    return getattr(found, "hint", None)


def class_options(hint: Any, args: Sequence[str], key: str) -> dict[str, Action]:
    """The options of the class that is chosen for a key, or else of all that may be."""
    classes = {cls.__name__: cls for base in bases(hint) for cls in subclasses(base)}
    name = chosen(key, args).rpartition(".")[2]
    wanted = [classes[name]] if name in classes else classes.values()
    return {action.dest: action for cls in wanted for action in actions_of(cls, "")}


def chosen(key: str, args: Sequence[str]) -> str:
    """The class that the words choose for a key; empty if they do not."""
    flag = f"--{key}"
    values = [after for word, after in pairwise(args) if word == flag]
    values += [word.removeprefix(f"{flag}=") for word in args if word.startswith(f"{flag}=")]
    return values[-1] if values else ""


def actions_of(cls: type, key: str) -> list[Action]:
    """The options of a class, as its constructor says them, without those that are never typed."""
    parser = Parser()
    skip = {name for name in LINKED if name in inspect.signature(cls).parameters}
    parser.add_class_arguments(cls, key or None, skip=skip, fail_untyped=False)
    start = f"{key}." if key else ""
    return [
        action
        for action in parser.known()
        if action.option_strings
        and action.help != SUPPRESS
        and action.dest.startswith(start)
        and not action.option_strings[0].endswith(MARK)
        and action.dest.removeprefix(start) not in (*LINKED, "help", "")
    ]


def found_class(name: str, hint: Any) -> type | None:
    """The class of this name or path among those of a type; None if there is none."""
    classes = [cls for base in bases(hint) for cls in subclasses(base)]
    module, _, last = name.rpartition(".")
    for cls in classes:
        if cls.__name__ == last and (not module or f"{cls.__module__}.".startswith(f"{module}.")):
            return cls
    return None


def of_class(key: str, name: str, hint: Any) -> list[str]:
    """The help for one class, in lines."""
    if name in literals(hint):
        return [f"{name} has no options; a class path such as torch.nn.LeakyReLU for --{key} may have some."]
    cls = found_class(name, hint)
    if cls is None:
        names = sorted({each.__name__ for base in bases(hint) for each in subclasses(base)})
        near = nearest(name.rpartition(".")[2], names)
        advice = f"--{key}{MARK} {near}" if near else f"--{key}{MARK}"
        raise UsageError(format_error("class", f"--{key}{MARK}", format_type(hint), format_value(name), advice))
    lines = [f"{cls.__name__}: {first_sentence(cls)}", ""]
    for action in actions_of(cls, key):
        lines += entry(action)
    return lines if len(lines) > 2 else [*lines, "It has no options."]


def entry(action: Action) -> list[str]:
    """An option: flag, what it takes and default, then what it is for."""
    hint = getattr(action, "hint", None)
    takes = format_type(hint) if hint else "true or false"
    default = "; must be given" if action.required else f"; {format_default(action.default)} by default"
    if bases(hint):
        takes += f" (options: {action.option_strings[0]}{MARK} NAME)"
    text = DEFAULT.sub("", plain_text(str(action.help or "")))
    width = min(WIDEST, shutil.get_terminal_size((100, 24)).columns)
    first, *rest = wrap(f"{takes}{default}", width - COLUMN) or [""]
    flag = action.option_strings[0]
    head = [f"  {flag:{COLUMN - 3}} {first}"] if len(flag) <= COLUMN - 3 else [f"  {flag}", " " * COLUMN + first]
    return [*head, *(" " * COLUMN + line for line in [*rest, *wrap(text, width - COLUMN)])]


def plain_text(text: str) -> str:
    """A docstring's words without the marks of its page, and with values as the command line has them."""
    text = BLOCK.sub(lambda found: f"{found[1].capitalize()}:", text)
    text = re.sub(r"(\w)::(?=\s|$)", r"\1:", ROLE.sub(r"\1", text).replace("``", "`"))
    return " ".join(re.sub(r"\b(None|True|False)\b", lambda found: VALUES[found[0]], text).split())


def format_default(value: Any) -> str:
    """A default as it would be typed; of a class with its arguments the class, and its rate."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    as_dict = getattr(value, "as_dict", None)
    value = as_dict() if as_dict else value
    if isinstance(value, dict) and "class_path" in value:
        rate = value.get("init_args", {}).get("lr")
        return f"{value['class_path']}" + (f" with lr {rate}" if rate is not None else "")
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(format_default, value))}]"
    return str(value)


def of_all(key: str, hint: Any) -> list[str]:
    """The classes that may be chosen, in lines."""
    lines = [f"--{key} takes {format_type(hint)}; --{key}{MARK} NAME shows the options of one."]
    classes = {cls.__name__: cls for base in bases(hint) for cls in subclasses(base)}
    if len(classes) > MOST_NAMES:
        return lines
    width = max(map(len, classes))
    return [*lines, "", *(f"  {name:{width}}  {first_sentence(cls)}" for name, cls in sorted(classes.items()))]


def first_sentence(cls: type) -> str:
    """The first sentence of a class's docstring."""
    return plain_text((inspect.getdoc(cls) or "").strip().partition("\n\n")[0])

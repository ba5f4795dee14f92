"""What is wrong with what the user wrote, in one line, made of what jsonargparse says in many.

    parser.error('Parser key "model": Does not validate against any of the Union subtypes …', exception)
        -> UsageError("class in --model: expected one of ConvNet, LeNet, MLP, …, found 'MLPP'. Try: --model MLP")

The options of each class are parsed by a parser of their own, so that one mistake is reported by several parsers. The
innermost one knows the option and its type, and writes the line with its own flag, `--hiden`; each parser around it
puts its key into the flags, `--model.hiden`, and a configuration file around it puts its name after them.
"""

import re
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from zoo.runs.names import bases, choices, command, example, family, literals, nearest, nearest_config, nearest_option
from zoo.runs.names import options, parameters, subclasses, type_of, verbs, without_verb, words

MAX_SHOWN = 60  # characters of what the user wrote
NOISE = (  # beginnings of lines that only repeat types or wrap another message
    *("Parser key ", "Does not validate against any of the Union subtypes", "Problem with given class_path"),
    *("Subtypes:", "Errors:", "Expected a <", "Expected a typing.", "Expected a dot import", "Expected a path but"),
    "- Expected a path but",
)


class UsageError(ValueError):
    """What the user asked for cannot be: reported in one line, exit code 2."""


class Parser(LightningArgumentParser):
    """A parser whose errors are UsageErrors of one line.

    Args:
        args: for `LightningArgumentParser`.
        kwargs: for `LightningArgumentParser`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.described: type | None = None  # the class whose options these are, if they are those of one class
        self.needed: set[str] = set()  # classes that must be chosen
        self.files: dict[str, Namespace] = {}  # the configuration files that were read
        super().__init__(*args, **kwargs)

    def add_class_arguments(self, theclass: type, nested_key: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Adds the options of a class and remembers it."""
        if nested_key is None:
            self.described = theclass
        return super().add_class_arguments(theclass, nested_key, *args, **kwargs)

    def add_subclass_arguments(self, baseclass: Any, nested_key: str, *args: Any, **kwargs: Any) -> Any:
        """Adds the choice of a class and remembers if it must be made."""
        if kwargs.get("required"):
            self.needed.add(nested_key)
        return super().add_subclass_arguments(baseclass, nested_key, *args, **kwargs)

    def parse_path(self, path: Any, *args: Any, **kwargs: Any) -> Namespace:
        """Reads a configuration file; its errors name it."""
        try:
            self.files[str(path)] = super().parse_path(path, *args, **kwargs)
        except UsageError as error:
            raise UsageError(in_file(str(error), str(path))) from error
        return self.files[str(path)]

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises a UsageError, where argparse would print the usage and exit."""
        raise UsageError(explain(message, self, ex)) from ex


def explain(message: str, parser: ArgumentParser, error: BaseException | None = None) -> str:
    """The one line for an error of a parser.

    Args:
        message: what the parser says, usually in many lines.
        parser: the parser that says it; knows the options, their types and the verbs.
        error: what it was raised from; may hold the line of a parser further in.
    """
    key = key_in(message, parser)
    if line := line_within(message, error):
        return under(key, line)
    for phrase in (wrong_verb, missing, valueless, unknown_words, unknown_key, wrong_config, wrong_value):
        if line := phrase(message, parser):
            return line
    return f"value in --{key}: {first_line(message)}" if key else first_line(message)


def innermost(error: BaseException) -> str:
    """The one line that an exception was first raised with, however often jsonargparse has wrapped it."""
    for inner in chain(error):
        if not str(inner).strip().startswith(NOISE):
            return " ".join(str(inner).split()) or type(inner).__name__
    return first_line(str(error))


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it was raised from, outermost first."""
    while error:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def first_line(message: str) -> str:
    """The first line of a message that tells something, or else the first one."""
    lines = [line.strip().removeprefix("- ") for line in message.splitlines() if line.strip()]
    return next((line for line in [*lines, *lines[:1]] if not line.startswith(NOISE)), (lines or ["no message"])[0])


def say(what: str, where: str, expected: str, found: str, hint: str | None = None) -> str:
    """The form of all messages."""
    return f"{what} in {where}: expected {expected}, found {found}" + (f". Try: {hint}" if hint else "")


# a line that a parser further in has written


def line_within(message: str, error: BaseException | None) -> str | None:
    """That line: from the exceptions, or from the text, as a union keeps only the exception of its first member."""
    lines = [line.strip().removeprefix("- ") for line in message.splitlines()]
    raised = [str(inner) for inner in chain(error) if isinstance(inner, UsageError) and "\n" not in str(inner)]
    return next((line for line in [*raised, *lines] if " in --" in line and ": expected " in line), None)


def under(key: str, line: str) -> str:
    """Puts the key of the parser around a line into its flags."""
    if not key or key == "config":
        return line
    start, _, rest = line.partition(" in --")
    return f"{start} in --{key}.{rest.replace(' Try: --', f' Try: --{key}.')}"


def in_file(line: str, path: str) -> str:
    """Puts the name of a configuration file in place of `--config`, or behind the flag of a line."""
    if " in --config" in line:
        return line.replace(" in --config", f" in {path}", 1)
    return line.replace(": expected ", f" of {path}: expected ", 1)


# what can be wrong: each returns None if it is something else


def wrong_verb(message: str, parser: ArgumentParser) -> str | None:
    """No verb, or one that does not exist."""
    known = list(verbs(parser))
    if not known or not ("invalid choice: " in message or message.startswith('expected "subcommand"')):
        return None
    given = next(iter(getattr(parser, "args", [])), None)
    verb = nearest(given, known) if given else None
    hint = f"{command(parser)} {verb or f'{known[0]} --help'}"
    return say("verb", command(parser), f"one of {', '.join(known)}", shown(given) if given else "none", hint)


def missing(message: str, parser: ArgumentParser) -> str | None:
    """Options that must be given and are not."""
    keys = message.partition("arguments are required: ")[2].split(", ")
    if keys == [""]:
        return None
    names = [without_verb(key, parser) for key in keys]
    hints = [example(name, type_of(name, parser)) for name in names]
    if getattr(parser, "described", None):  # only the first: further parsers put their keys into one flag
        return say("value", f"--{names[0]}", words(type_of(names[0], parser)), "none", hints[0])
    where = command(verbs(parser).get(keys[0].partition(".")[0], parser))
    expected = " and ".join(f"--{name}" for name in names)
    return say("options", where, expected, "none" if len(names) == 1 else "neither", ", ".join(hints))


def valueless(message: str, parser: ArgumentParser) -> str | None:
    """A flag with nothing behind it."""
    match = re.match(r"argument (?:-\w/)?--(\S+): expected", message)
    if not match:
        return None
    args = [*getattr(parser, "args", []), "--"]
    ends = [word for word, after in zip(args, args[1:], strict=False) if after.startswith("--")]
    key = next((word[2:] for word in ends if word.startswith(f"--{match[1]}.")), match[1])
    hint = type_of(key, parser)
    return say("value", f"--{key}", words(hint) if hint else "one", "none", example(key, hint))


def unknown_words(message: str, parser: ArgumentParser) -> str | None:
    """Words that are no option, or an option that does not exist."""
    if not message.startswith("unrecognized arguments: "):
        return None
    word = message.split()[2].partition("=")[0]
    if word.startswith("--"):
        return no_option(word.removeprefix("--"), parser)
    return say("word", command(parser), "options like --name value", shown(word), f"{command(parser)} --help")


def unknown_key(message: str, parser: ArgumentParser) -> str | None:
    """An option that does not exist, in a file or in a class."""
    found = re.match(r"(Option|Group|Subcommand) '([^']*)' (?:is not accepted|does not accept option '([^']*)')", message)
    if not found:
        return None
    kind, first, second = found.groups()
    key = f"{first}.{second}" if kind == "Group" else second or first
    files = {path: read for each in family(parser) for path, read in getattr(each, "files", {}).items()}
    path = next((path for path, read in reversed(files.items()) if key in read), None)
    if "before subcommand" in message:
        line = say(f"option {key}", "--config", "it behind the verb", "it before", f"{command(parser)} VERB --config FILE")
    else:
        line = no_option(key, verbs(parser).get(first, parser))
    return in_file(line, path) if path else line


def no_option(key: str, parser: ArgumentParser) -> str:
    """The line for an option that does not exist."""
    what, described = f"option {key.rpartition('.')[2]}", getattr(parser, "described", None)
    near = nearest_option(key, options(parser))
    if described is None:
        owner, helped = getattr(parser, "subcommand", command(parser)), f"{command(parser)} --help"
    else:
        owner, helped = described.__name__, f"--help {described.__name__}"
        having = [cls.__name__ for cls in subclasses(described) if key in parameters(cls)]
        if having:
            return say(what, f"--{key}", f"one of {', '.join(having)} to be chosen before it", owner)
    return say(what, f"--{key}", f"an option of {owner}", "none of that name", f"--{near}" if near else helped)


def wrong_config(message: str, parser: ArgumentParser) -> str | None:
    """A configuration file that is not there, or whose content is no configuration."""
    if message.startswith("Unexpected config: "):
        content = message.partition(": ")[2].strip()
        return say("content", "--config", "keys with values", shown(content) if content else "nothing")
    places = re.findall(r"line (\d+), column (\d+)", message)
    if places and (message.startswith("Problems parsing config: ") or key_in(message, parser) == "config"):
        line, column = places[-1]
        problem = [text.strip() for text in message.splitlines() if not text.strip().startswith("in ")][-1]
        return say("syntax", f"--config, line {line}, column {column}", "valid yaml", f"an error ({problem})")
    match = re.match(r"Parser key \"config\": .*'([^']*)'", message)
    if not match:
        return None
    path = Path(match[1])
    path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    near = nearest_config(str(path))
    found = "a folder" if path.is_dir() else "none"
    return say("file", "--config", "a yaml file", f"{found} at {path}", f"--config {near}" if near else None)


def wrong_value(message: str, parser: ArgumentParser) -> str | None:
    """A value that its option does not take."""
    key, value = key_in(message, parser), value_in(message)
    hint = type_of(key, parser)
    if hint is None or value is None:
        return None
    names = choices(hint)
    better = corrected(value, names)
    found = f"{shown(value)} ({first_line(message)})" if value in names else shown(value)
    what = "class" if bases(hint) and not literals(hint) else "value"
    return say(what, f"--{key}", words(hint), found, f"--{key} {better}" if better else None)


def key_in(message: str, parser: ArgumentParser) -> str:
    """The key that a message is about, without the verb."""
    match = re.match(r'\s*Parser key "([^"]+)"', message)
    return without_verb(match[1], parser) if match else ""


def value_in(message: str) -> str | None:
    """The value that a message calls wrong; of a class with its arguments, the class."""
    for mark in ("Given value: ", "Got value: ", "Expected a path but ", "import path string: "):
        _, found, value = message.rpartition(mark)
        if found:
            of_class = re.search(r"class_path['\"]?[=:] *'([^']+)'", value)
            return of_class[1] if of_class else (value.splitlines() or [""])[0].partition(" either not accessible")[0]
    return None


def corrected(value: str, names: list[str]) -> str | None:
    """The value with the nearest names in place of those that do not exist; None if nothing is near."""
    old = [item.strip(" '\"") for item in value.strip("[]").split(",")]
    new = [item if item in names else nearest(item.rpartition(".")[2], names) or item for item in old]
    if new == old:
        return None
    return f"'[{', '.join(new)}]'" if value.startswith("[") else ", ".join(new)


def shown(value: str) -> str:
    """What the user wrote, cut to a readable length: text in quotes, numbers and lists without."""
    value = " ".join(value.split())
    short = value if len(value) <= MAX_SHOWN else f"{value[: MAX_SHOWN - 1]}…"
    try:
        text = isinstance(yaml.safe_load(value), str) or not value
    except yaml.YAMLError:
        text = True
    return f"'{short}'" if text else short

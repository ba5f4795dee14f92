"""Error formatters: one function for each kind of mistake that jsonargparse reports, for its one line.

    'argument --data.batch_size: expected …' -> valueless -> "value in --data.batch_size: expected int or null, found …"

A formatter gets the message and the parser it comes from, and returns None if the message is of another kind. They read
the beginnings of jsonargparse's messages, and take what was expected from the parser, not from the message.
"""

import re
from argparse import ArgumentParser
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml

from zoo.config.allowlist import IN_WORDS, could_be_trusted, missing_module, where_to_look
from zoo.config.errors.unfit_parts import Unfit, unfit
from zoo.config.type_names import (
    MAX_LISTED,
    bases,
    best_match,
    choices,
    command,
    default_of,
    example,
    format_type,
    literals,
    names_with,
    nearest,
    nearest_config,
    only_lists,
    parts,
    subparsers,
    type_of,
    without_verb,
)

MAX_SHOWN = 60  # characters of what the user wrote
NOISE = (  # beginnings of lines that only repeat types or wrap another message
    *("Parser key ", "Does not validate against any of the Union subtypes", "Problem with given class_path"),
    *("Subtypes:", "Errors:", "Expected a <", "Expected a typing.", "Expected a dot import", "Expected a path but"),
    "- Expected a path but",
)


def format_error(what: str, where: str, expected: str, found: str, advice: str | None = None) -> str:
    """The form of all messages."""
    return f"{what} in {where}: expected {expected}, found {found}" + (f". Try: {advice}" if advice else "")


def in_file(line: str, path: str) -> str:
    """Puts the name of a configuration file in place of `--config`, or behind the flag of a line."""
    if " in --config" in line:
        return line.replace(" in --config", f" in {path}", 1)
    return line.replace(": expected ", f" of {path}: expected ", 1)


def first_line(message: str) -> str:
    """The first line of a message that tells something, or else the first one."""
    message = re.sub(r"NestedArg\(key='(.*?)', val=(.*)\)", r"\1=\2", message)
    lines = [line.strip().removeprefix("- ") for line in message.splitlines() if line.strip()]
    return next((line for line in [*lines, *lines[:1]] if not line.startswith(NOISE)), (lines or ["no message"])[0])


def format_value(value: str) -> str:
    """What the user wrote, cut to a readable length: text in quotes, numbers and lists without."""
    value = " ".join(value.split())
    short = value if len(value) <= MAX_SHOWN else f"{value[: MAX_SHOWN - 1]}…"
    if short != value:
        return short if value.startswith(("[", "{")) else f"'{short}'"
    try:
        text = isinstance(yaml.safe_load(value), str) or not value
    except (yaml.YAMLError, ValueError):  # such as the date 2000-13-01
        text = True
    return f"'{short}'" if text else short


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


def wrong_verb(message: str, parser: ArgumentParser) -> str | None:
    """No verb, or one that does not exist."""
    known = [*(getattr(parser, "all_verbs", ()) or subparsers(parser))]
    if not subparsers(parser) or not ("invalid choice: " in message or message.startswith('expected "subcommand"')):
        return None
    given = next(iter(getattr(parser, "args", [])), None)
    verb = nearest(given, known) if given and not given.startswith("-") else None
    advice = f"{command(parser)} {verb or f'{known[0]} --help'}"
    return format_error(
        "verb", command(parser), f"one of {', '.join(known)}", format_value(given) if given else "none", advice
    )


def missing(message: str, parser: ArgumentParser) -> str | None:
    """Options that must be given and are not."""
    keys = message.partition("arguments are required: ")[2].split(", ")
    if keys == [""]:
        return None
    names = [without_verb(key, parser) for key in keys]
    described = getattr(parser, "described", None)
    if described and described in getattr(parser, "roots", ()):
        return format_error("class", "--", format_type(described), described.__name__)
    examples = [example(name, type_of(name, parser)) for name in names]
    if described:  # only the first: the parsers around put their keys into one flag
        return format_error("value", f"--{names[0]}", format_type(type_of(names[0], parser)), "none", examples[0])
    where = command(subparsers(parser).get(keys[0].partition(".")[0], parser))
    expected = " and ".join(f"--{name}" for name in names)
    return format_error("options", where, expected, "none" if len(names) == 1 else "neither", ", ".join(examples))


def valueless(message: str, parser: ArgumentParser) -> str | None:
    """A flag with nothing behind it."""
    match = re.match(r"argument (?:-\w/)?--(\S+): expected", message)
    if not match:
        return None
    args = [*getattr(parser, "args", []), "--"]
    ends = [word for word, after in pairwise(args) if after.startswith("--")]
    key = next((word[2:] for word in ends if word.startswith(f"--{match[1]}.")), match[1])
    hint = type_of(key, parser)
    return format_error("value", f"--{key}", format_type(hint) if hint else "a value", "none", example(key, hint))


def wrong_config(message: str, parser: ArgumentParser) -> str | None:
    """A configuration file that is not there, or whose content is no configuration."""
    if message.startswith(("Key must be a string", "Empty nested key", "Config file loop")):
        return format_error("content", "--config", "keys with values", f"others ({first_line(message).rstrip('.')})")
    if message.startswith("Unexpected config: "):
        content = message.partition(": ")[2].strip()
        return format_error("content", "--config", "keys with values", format_value(content) if content else "nothing")
    places = re.findall(r"line (\d+), column (\d+)", message)
    syntax = message.startswith("Problems parsing config: ")
    if syntax or (places and key_in(message, parser) == "config"):
        place = f", line {places[-1][0]}, column {places[-1][1]}" if places else ""
        problem = [text.strip() for text in message.splitlines() if not text.strip().startswith("in ")][-1]
        problem = problem.removeprefix("Problems parsing config: ").partition(' in "<')[0]
        if problem.startswith("an address of the Hub"):
            return format_error(
                "value", f"--config{place}", "one on this machine", problem, "download it, and name that"
            )
        return format_error("syntax", f"--config{place}", "valid yaml", f"an error ({problem})")
    match = re.match(r"Parser key \"config\": .*'([^']*)'", message)
    if not match:
        return None
    path = Path(match[1])
    path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    near = nearest_config(str(path))
    found = "a folder" if path.is_dir() else "none"
    return format_error("file", "--config", "a yaml file", f"{found} at {path}", f"--config {near}" if near else None)


def refused_import(message: str, parser: ArgumentParser) -> str | None:
    """A class path that is not on the list of what a configuration may import, or is no class."""
    match = re.search(r"Importing '([^']+)' is not allowed(: a function)?", message)
    if not match:
        return None
    path, help_of = match[1], re.match(r"--(\S+)\.help: ", message)
    key = help_of[1] if help_of else key_in(message, parser)
    given = (value_in(message) or path).strip("[]'\"")
    if given.rpartition(".")[2] != path.rpartition(".")[2]:  # the class around the one that is refused
        given = path
    if reason := unfit(path):
        return unfit_line(f"--{key}", path, reason).replace("Try: -- ", f"Try: --{key} ")
    own, names = could_be_trusted(path), choices(type_of(key, parser))
    missing = None if own or path != given else missing_module(f"{path.partition('.')[0]}.*")
    name = None if own else corrected(given, names, as_list=False)
    if missing and path.rpartition(".")[2].lower() not in map(str.lower, names):  # somebody's own class, so it seems
        return format_error(
            "class",
            f"--{key}",
            IN_WORDS,
            f"{format_value(given)}, and there is no module {missing}",
            where_to_look(missing),
        )
    advice = f"--allow_import {own} if you trust it" if own else f"--{key} {name}" if name and key else None
    more = ", a function" if match[2] else f", which is {path}" if path != given else ""
    if not more and path.startswith("zoo.") and (missing := missing_module(path)):
        more = f", and there is no module {missing}"
        advice = advice if path.rpartition(".")[2].lower() in map(str.lower, names) else None
    return format_error("class", f"--{key}", IN_WORDS, format_value(given) + more, advice)


def unfit_part(message: str, parser: ArgumentParser) -> str | None:
    """A class of Lightning's that cannot do its work here, whatever is wrong with its options."""
    described = getattr(parser, "described", None)
    path = f"{described.__module__}.{described.__qualname__}" if described else ""
    reason = unfit(path)
    return unfit_line("--", path, reason) if reason else None


def unfit_line(where: str, path: str, reason: Unfit) -> str:
    """The line for such a class."""
    return format_error("class", where, reason.expected, f"{path.rpartition('.')[2]}, {reason.found}", reason.advice)


def wrong_value(message: str, parser: ArgumentParser) -> str | None:
    """A value that its option does not take."""
    key, value = key_in(message, parser), value_in(message)
    hint = type_of(key, parser)
    if not key or value is None:
        return None
    if match := re.match(r"NestedArg\(key='([^']*)'", value):
        return classless(key, match[1], hint)
    names = choices(hint)
    better = corrected(value, names, only_lists(hint)) or (nearest_config(value) if value.endswith(".yaml") else None)
    if only_lists(hint) and not names and not (better and is_one_of_many(value, hint)):
        better = default_list(key, parser)
    found = f"{format_value(value)} ({first_line(message)})" if value in names and not better else format_value(value)
    what = "class" if bases(hint) and not literals(hint) else "value"
    if what == "class" and "." in value and re.fullmatch(r"[\w.]+", value) and (missing := missing_module(value)):
        found += f", and there is no module {missing}"
        better = better if better and better.lower() == value.rpartition(".")[2].lower() else None
    expected = format_type(hint) if hint else "another value"
    if not better and literals(hint) and (usual := default_of(key, parser)) in names and value not in names:
        better = usual
    return format_error(what, f"--{key}", expected, found, f"--{key} {better}" if better else None)


def is_one_of_many(value: str, hint: Any) -> bool:
    """Whether a value is a number that a list of any length may hold: all of ours count something."""
    fixed = any(get_origin(part) is tuple and Ellipsis not in get_args(part) for part in parts(hint))
    return not fixed and re.fullmatch(r"[1-9]\d*", value) is not None


def default_list(key: str, parser: ArgumentParser) -> str | None:
    """The default of an option that takes a list, as it is written; None if it has none."""
    items = default_of(key, parser).strip("()[],")
    return f"'[{items}]'" if items and re.fullmatch(r"[\d., -]+", items) else None


def classless(key: str, option: str, hint: Any) -> str:
    """The line for an option of a class where none is chosen."""
    having = names_with(option, hint)
    advice = f"--{key} {' | '.join(having)}" if 0 < len(having) <= MAX_LISTED else None
    return format_error(f"option {option}", f"--{key}.{option}", "a class that has it, named before it", "none", advice)


def corrected(value: str, names: list[str], as_list: bool) -> str | None:
    """The value with the nearest names in place of those that do not exist, as a list if need be; None if unchanged."""
    if value.startswith("{"):  # a class with its arguments, written wrongly
        return None
    bare = value.strip("[]")
    old = [item.strip(" '\"") for item in bare.split(",")]
    new = [item if item in names else best_match(item.rpartition(".")[2], names) or item for item in old]
    was_list = value != bare
    is_list = was_list or (as_list and all(item in names or item.isdigit() for item in new))
    if new == old and is_list == was_list:
        return None
    return f"'[{', '.join(new)}]'" if is_list else ", ".join(new)

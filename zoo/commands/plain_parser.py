"""Flags of verbs that do not train themselves: argparse without torch, whose errors have the one line of all others.

zoo study run NAME --job 2   ->  flag in zoo study run: expected one of --jobs, …, found '--job'. Try: --jobs
"""

import re
import sys
from argparse import Action, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from zoo.errors import UsageError

KINDS = {"int": "a whole number", "from_one": "a whole number from 1"}


def program() -> str:
    """How this program is called, in advice: `zoo` where it is installed so, else as in the repository."""
    return "zoo" if Path(sys.argv[0]).name == "zoo" else "python cli.py"


class PlainParser(ArgumentParser):
    """A parser whose errors are UsageErrors of one line.

    Args:
        command: the words it parses what follows of, such as `study run`.
        description: what they do.
    """

    def __init__(self, command: str, description: str) -> None:
        self.command = f"{program()} {command}"
        self.options: list[Action] = []
        super().__init__(prog=self.command, description=description, allow_abbrev=False)

    def add_argument(self, *names: Any, **settings: Any) -> Action:
        """Adds an option, and remembers it."""
        self.options.append(super().add_argument(*names, **settings))
        return self.options[-1]

    def known(self) -> list[Action]:
        """What was added."""
        return self.options

    def parse(self, args: Sequence[str]) -> Namespace:
        """The options in the words.

        Raises:
            UsageError: the words cannot be.
        """
        options, rest = self.parse_known_intermixed_args(args)
        if rest:
            flags = {name for option in self.options for name in option.option_strings if name.startswith("--")}
            known = sorted(flags - {"--help"})
            found = rest[0].partition("=")[0]
            near = get_close_matches(found, known, 1) if found.startswith("-") else []
            expected = f"one of {', '.join(known)}" if found.startswith("-") and known else "nothing more"
            raise UsageError(
                f"word in {self.command}: expected {expected}, found {found[:60]!r}."
                f" Try: {near[0] if near else f'{self.command} --help'}"
            )
        return options

    def error(self, message: str) -> NoReturn:
        """Raises the UsageError for a message of argparse."""
        if match := re.match(r"the following arguments are required: (.*)", message):
            raise UsageError(f"word in {self.command}: expected {match[1]}, found none. Try: {self.command} --help")
        match = re.match(r"argument (\S+): (.*)", message, re.S)
        flag, rest = (match[1].rpartition("/")[2], match[2]) if match else (self.command, message)
        if found := re.match(r"invalid (\w+) value: (.*)", rest):
            rest = f"expected {KINDS.get(found[1], found[1])}, found {found[2]}"
        elif found := re.match(r"invalid choice: (.*) \(choose from (.*)\)", rest):
            choices = found[2].replace("'", "")
            near = get_close_matches(found[1].strip("'"), choices.split(", "), 1)
            rest = f"expected one of {choices}, found {found[1]}. Try: {flag} {(near or choices.split(', '))[0]}"
        elif rest == "expected one argument":
            rest = "expected one, found none"
        raise UsageError(f"value in {flag}: {rest}")


def from_one(text: str) -> int:
    """A number from 1 on, for `type=`."""
    number = int(text)
    if number < 1:
        raise ArgumentTypeError(f"expected 1 or more, found {number}")
    return number


def action_of(args: Sequence[str], verb: str, actions: Mapping[str, Callable[[], ArgumentParser]]) -> str:
    """The second word of a verb that does several things.

    Raises:
        UsageError: it is none of them.
    """
    found = args[0] if args else ""
    if found not in actions:
        near = get_close_matches(found, actions, 1) or ["list"]
        raise UsageError(
            f"action in {program()} {verb}: expected one of {', '.join(actions)}, found {found[:60] or 'none'}."
            f" Try: {program()} {verb} {near[0]}"
        )
    return found

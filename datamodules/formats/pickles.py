"""What a pickle of plain values and arrays holds, without unpickling it: nothing in it is called or imported.

    FILE  ->  dict, list, tuple, str, bytes, numbers, NumPy arrays of numbers; anything else is refused

A pickle is a program. Here its instructions are walked through, and only those that build plain values are followed.
The three that NumPy needs for an array (make one, its type, its content) are noted as words, and an array is made of
them once shape, type and bytes fit together.
"""

import math
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datamodules.archive import check_memory
from datamodules.formats.source import damaged, reading

MOST_BYTES = 2**30  # of a file
MOST_STEPS = 3_000_000
COPIES = 4  # of a file's bytes, while it is read
MAKERS = {  # what a pickle names to build an array
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
}
LETTERS = ("b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")
VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
PLAIN = {
    *("BININT", "BININT1", "BININT2", "INT", "LONG1", "BINFLOAT", "FLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINUNICODE8"),
}
IGNORED = ("PROTO", "FRAME", "STOP")
MARK = object()


class Word(NamedTuple):
    """One of MAKERS."""

    name: str


class Dtype:
    """A type of numbers, noted."""

    def __init__(self, letters: str) -> None:
        self.letters, self.order = letters, "="


class Array:
    """An array, noted: its content comes later."""

    content: np.ndarray | None = None


class Refuses(ValueError):
    """The pickle does more than hold plain values."""


def read_plain(path: Path) -> Any:
    """The value in a pickle.

    Raises:
        ValueError: it is damaged, too large, or would make something else than plain values.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise damaged(path, "bytes", f"at most {MOST_BYTES}", size)
    check_memory(path, COPIES * size)
    with reading(path, "a pickle of plain values and arrays"):
        return finished(Machine(COPIES * size).run(path.read_bytes()))


class Machine:
    """Follows the instructions of a pickle that build plain values.

    Args:
        budget: bytes that arrays and texts made of others may have together: those of the file, but for its overhead.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        """The value."""
        for step, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if step == MOST_STEPS:
                raise Refuses(f"more than {MOST_STEPS} instructions")
            self.follow(opcode.name, argument)
        [value] = self.stack
        return value

    def follow(self, name: str, argument: Any) -> None:
        """One instruction."""
        if name in PLAIN:
            self.stack.append(argument)
        elif name in VALUES:
            self.stack.append(VALUES[name])
        elif name in EMPTY:
            self.stack.append(EMPTY[name]())
        elif name == "MARK":
            self.stack.append(MARK)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name not in IGNORED:
            build = getattr(self, f"do_{name.lower()}", None)
            if build is None:
                raise Refuses(f"the instruction {name}")
            build(argument)

    def spend(self, size: int) -> None:
        """Takes some of the budget."""
        self.budget -= size
        if self.budget < 0:
            raise Refuses("more bytes than the file has")

    def since_mark(self) -> list[Any]:
        """What was put on the stack since the last mark."""
        place = len(self.stack) - 1
        while self.stack[place] is not MARK:
            place -= 1
            if place < 0:
                raise Refuses("an end without a beginning")
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    def do_dict(self, _: Any) -> None:
        values = self.since_mark()
        self.stack.append(dict(zip(map(key, values[::2]), values[1::2], strict=True)))

    def do_list(self, _: Any) -> None:
        self.stack.append(self.since_mark())

    def do_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self.since_mark()))

    def do_tuple1(self, _: Any) -> None:
        self.stack[-1:] = [tuple(self.stack[-1:])]

    def do_tuple2(self, _: Any) -> None:
        self.stack[-2:] = [tuple(self.stack[-2:])]

    def do_tuple3(self, _: Any) -> None:
        self.stack[-3:] = [tuple(self.stack[-3:])]

    def do_setitem(self, _: Any) -> None:
        name, value = self.stack[-2:]
        del self.stack[-2:]
        expect(self.stack[-1], dict)[key(name)] = value

    def do_setitems(self, _: Any) -> None:
        values = self.since_mark()
        expect(self.stack[-1], dict).update(zip(map(key, values[::2]), values[1::2], strict=True))

    def do_append(self, _: Any) -> None:
        value = self.stack.pop()
        expect(self.stack[-1], list).append(value)

    def do_appends(self, _: Any) -> None:
        values = self.since_mark()
        expect(self.stack[-1], list).extend(values)

    def do_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(word(module, name))

    def do_stack_global(self, _: Any) -> None:
        module, name = self.stack[-2:]
        self.stack[-2:] = [word(module, name)]

    def do_reduce(self, _: Any) -> None:
        maker, arguments = self.stack[-2:]
        self.spend(sum(len(each) for each in expect(arguments, tuple) if isinstance(each, str)))
        self.stack[-2:] = [noted(expect(maker, Word).name, arguments)]

    def do_build(self, _: Any) -> None:
        state = expect(self.stack.pop(), tuple)
        begun = self.stack[-1]
        if isinstance(begun, Dtype):
            begun.order = str(state[1])
        else:
            self.spend(sum(len(each) for each in state if isinstance(each, str)))  # bytes are not copied
            expect(begun, Array).content = array_of(*state)


def expect(value: Any, kind: type) -> Any:
    """The value, if it is of this kind."""
    if type(value) is not kind:
        raise Refuses(f"{type(value).__name__} in the place of {kind.__name__}")
    return value


def key(value: Any) -> str | int:
    """A key of a dict."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str | int):
        raise Refuses(f"a key of type {type(value).__name__}")
    return value


def word(module: Any, name: Any) -> Word:
    """A name that a pickle may use; there are few."""
    if (module, name) not in MAKERS:
        raise Refuses(f"the name {str(module)[:60]}.{str(name)[:60]}")
    return Word(MAKERS[module, name])


def noted(maker: str, arguments: tuple[Any, ...]) -> Any:
    """What a call that arrays need stands for."""
    if maker == "dtype":
        letters = arguments[0] if arguments else None
        if letters not in LETTERS:
            raise Refuses(f"an array of type {str(letters)[:20]}")
        return Dtype(str(letters))
    if maker == "array":
        return Array()
    if maker == "encode" and len(arguments) in (1, 2) and arguments[1:] in ((), ("latin1",)):
        return str(arguments[0]).encode("latin-1")
    raise Refuses(f"a call of {maker}")


def array_of(version: Any, shape: Any, dtype: Any, fortran: Any, content: Any) -> np.ndarray:
    """An array from the state that NumPy writes."""
    kind = expect(dtype, Dtype)
    numbers = np.dtype(kind.letters).newbyteorder(kind.order if kind.order in "<>" else "=")
    sides = tuple(expect(side, int) for side in expect(shape, tuple))
    content = content.encode("latin-1") if isinstance(content, str) else expect(content, bytes)
    if min(sides, default=1) < 0 or math.prod(sides) * numbers.itemsize != len(content) or len(sides) > 8:
        raise Refuses(f"{len(content)} bytes for an array of shape {sides}")
    return np.frombuffer(content, numbers).reshape(sides, order="F" if fortran else "C")


def finished(value: Any) -> Any:
    """The value with arrays in the place of their notes: itself, or in a dict, as CIFAR has them."""
    if isinstance(value, Array):
        if value.content is None:
            raise Refuses("an array without content")
        return value.content
    if isinstance(value, Word | Dtype):
        raise Refuses("a name in the place of a value")
    if isinstance(value, dict):
        return {name: each if isinstance(each, dict) else finished(each) for name, each in value.items()}
    return value

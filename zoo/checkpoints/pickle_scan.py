"""What may stand in the pickle of a checkpoint: the few words that torch itself writes for tensors and plain values.

A pickle is a small program. torch's own reader (`weights_only=True`) keeps foreign code out of it, but still lets it
copy a long list a thousand times, or fill a dict with keys that all collide. So the program is gone through first, with
the kinds of values in place of the values, and what torch would not have written is refused.
"""

import pickletools
import re
from typing import Any

MOST_BYTES = 2**21  # a byte can stand for an object of 70; a network of a thousand layers needs a tenth of it
MOST_AXES = 8
TENSOR, PARAMETER, ORDERED = "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter", "an ordered dict"
NAMES = re.compile(rf"{TENSOR}|{PARAMETER}|collections OrderedDict|torch \w+Storage")
MARK = object()
PUSHED: dict[str, Any] = {  # the kinds of what some instructions put on the stack
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1"), int),
    **{"BINUNICODE": str, "BINFLOAT": float, "NONE": None, "NEWTRUE": bool, "NEWFALSE": bool},
    **{"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": (), "MARK": MARK},
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def check_pickle(code: bytes) -> None:
    """Raises ValueError for a program that torch would not have written."""
    if len(code) > MOST_BYTES:
        raise ValueError(f"{len(code):,} bytes of names and numbers beside the tensors, more than {MOST_BYTES:,}")
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for opcode, argument, _ in pickletools.genops(code):
            apply_opcode(opcode.name, argument, stack, memo)
    except (IndexError, KeyError) as error:
        raise ValueError("a pickle that uses what it does not hold") from error


def apply_opcode(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    """What one instruction does to the stack and the memo, in kinds of values."""
    if name in PUSHED:
        if name == "LONG1" and not -(2**63) <= argument < 2**63:
            raise ValueError("a whole number of more than 64 bits")
        stack.append(PUSHED[name])
    elif name in ("BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append("a dict again" if memo[argument] is dict else memo[argument])
    elif name in TUPLES:
        stack[-TUPLES[name] :] = [tuple(stack[-TUPLES[name] :])]
    elif name == "TUPLE":
        stack.append(tuple(since_mark(stack)))
    elif name == "GLOBAL":
        if not NAMES.fullmatch(argument):
            raise ValueError(f"the name {argument.replace(' ', '.')}, which no checkpoint of tensors needs")
        stack.append(argument)
    elif name == "BINPERSID":
        stack[-1] = "a storage"
    elif name == "REDUCE":
        arguments = stack.pop()
        stack[-1] = kind_of_call(stack[-1], arguments)
    elif name == "BUILD":
        # torch gives a state dict its versions like this; one long dict, given many times, would be copied each time
        if stack.pop() is not dict or stack[-1] != ORDERED:
            raise ValueError("attributes for something that has none")
    elif name in ("SETITEM", "SETITEMS"):
        items = since_mark(stack) if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
        if any(key is not str and key is not int for key in items[::2]):
            raise ValueError("a key that is neither a string nor a number")
    elif name == "APPENDS":
        since_mark(stack)
    elif name == "APPEND":
        stack.pop()
    elif (name, argument) not in (("PROTO", 2), ("STOP", None)):
        raise ValueError(f"the pickle instruction {name}, which torch does not write")


def since_mark(stack: list[Any]) -> list[Any]:
    """Takes off what lies above the last mark, and the mark."""
    items: list[Any] = []
    while (item := stack.pop()) is not MARK:
        items.append(item)
    return items[::-1]


def kind_of_call(name: Any, arguments: Any) -> str:
    """The kind of what a call makes; raises ValueError for a call that torch would not have written."""
    count = len(arguments) if isinstance(arguments, tuple) else -1
    if name == "collections OrderedDict" and count == 0:
        return ORDERED
    if name == PARAMETER and count == 3 and arguments[0] == "a tensor":
        return "a tensor"
    if name == TENSOR and count == 6:
        storage, start, shape, strides, _, hooks = arguments
        if storage == "a storage" and start is int and is_shape(shape) and is_shape(strides) and hooks == ORDERED:
            return "a tensor"
    raise ValueError(f"a call of {name.replace(' ', '.') if isinstance(name, str) else 'a value'} with other arguments")


def is_shape(kind: Any) -> bool:
    """Whether this is a tuple of a few whole numbers."""
    return isinstance(kind, tuple) and len(kind) <= MOST_AXES and all(side is int for side in kind)

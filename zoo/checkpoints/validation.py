"""Is it what it seems? What a checkpoint may hold, whoever wrote it.

Tensors and plain values, in the places where Lightning reads them, taking no more memory than the file has bytes.

    bytes -> plain_archive -> torch.load(weights_only=True) -> check_form

`weights_only` keeps code out. It does not keep out what only pretends to be large, layouts with which a fused optimiser
writes beyond a tensor's end, lists within lists that never end, or paths that a callback would delete later.
"""

import io
import math
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from torch import Tensor

from zoo.checkpoints.pickle_scan import check_pickle

REASONS = ("max_epochs", "max_steps", "max_time", "early stopping", "should_stop")  # why a training ends
CHECKSUMMED = "zoo_summed"  # key in checkpoints that have a checksum: where that is missing it has been cut off
KEYS_OF_DICTS = (
    *("state_dict", "callbacks", "loops", "hyper_parameters"),
    *("results", "tally", "row", "ending", "stop", "identity", "metrics"),
)
# what Lightning and the zoo read from a checkpoint, and what it must be
FORM: dict[str, type] = {
    **dict.fromkeys(KEYS_OF_DICTS, dict),
    **dict.fromkeys(("optimizer_states", "lr_schedulers", "parts"), list),
    **dict.fromkeys(("epoch", "global_step"), int),
    "pytorch-lightning_version": str,
}
NEEDED = ("state_dict", "epoch", "global_step", "pytorch-lightning_version")
VERSION = re.compile(r"([2-9]|[1-9]\d)(\.\d{1,4}){1,2}([.]?(a|b|rc|dev|post)\d{1,8})?")
# the members of torch's archive, under one folder
MEMBER = re.compile(
    r"(?!\.+/)[^/\\]+/(data\.pkl|data/\d+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id)"
)
MOST_MEMBERS = 20_000  # as an object, a member takes more memory than its 46 bytes in the file
MOST_VALUES, MOST_DEPTH = 2**18, 50  # a network of a thousand layers needs a tenth of it


def plain_archive(raw: bytes) -> io.BytesIO:
    """A copy of torch's archive, of members that were each read and checked here.

    A copy, because two readers of one archive need not agree on what is in it: torch's takes `DATA.PKL` for `data.pkl`.

    Raises:
        ValueError: it is something else, or can take more memory than the file has bytes.
    """
    if not raw.startswith(b"PK\3\4"):
        raise ValueError("a file that is not torch's archive" if raw else "an empty file")
    if raw.count(b"PK\1\2") > MOST_MEMBERS:
        raise ValueError(f"an archive of more than {MOST_MEMBERS:,} members")
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive, zipfile.ZipFile(copy, "w") as plain:
        members = archive.infolist()
        check_members(members, len(raw))
        for member in members:
            content = archive.read(member)
            if member.filename.endswith("/data.pkl"):
                check_pickle(content)
            plain.writestr(member.filename, content)
    copy.seek(0)
    return copy


def check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """Raises ValueError unless they are those of one archive of torch, each once, and fit into so many bytes."""
    names = [member.filename for member in members]
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"compressed content ({member.filename}), which torch does not write")
        if not MEMBER.fullmatch(member.filename):
            raise ValueError(f"the member {member.filename!r}, which torch does not write")
    if len(set(names)) < len(names) or len({name.partition("/")[0] for name in names}) > 1:
        raise ValueError("an archive that holds several of what it should hold one of")
    if sum(member.file_size for member in members) > size:
        raise ValueError("an archive whose members are larger than it")


def check_form(content: Any, *, checksummed: bool) -> None:
    """Raises ValueError unless this is what Lightning writes, with nothing in it that is not what it seems."""
    if type(content) is not dict or any(key not in content for key in NEEDED):
        raise ValueError(f"another kind of file (without {', '.join(NEEDED)}), not one that Lightning has written")
    for key, kind in FORM.items():
        if key in content and type(content[key]) not in ((dict, OrderedDict) if kind is dict else (kind,)):
            raise ValueError(f"{type(content[key]).__name__} where {key} should be {kind.__name__}")
    if CHECKSUMMED in content and not checksummed:
        raise ValueError("damage: its SHA-256 is cut off")
    for value in within(content):
        if isinstance(value, Tensor) and not is_whole(value):
            raise ValueError(f"a tensor {tuple(value.shape)} that is not stored in full")
    for key in ("epoch", "global_step"):
        if content[key] < 0:
            raise ValueError(f"{content[key]} as {key}")
    version = content["pytorch-lightning_version"]
    if not VERSION.fullmatch(version):  # what is from before 2.0, Lightning would rewrite after it has been checked
        raise ValueError(f"Lightning's version '{version[:20]}', which is not 2.0 or later")
    weights = content["state_dict"]
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()):
        raise ValueError("something else than tensors in its state_dict")
    if any(isinstance(value, Tensor) for value in within(content.get("hyper_parameters", {}))):
        raise ValueError("tensors in its hyper_parameters")
    for value in within(content.get("callbacks", {})):
        # callbacks keep paths of files they will delete; `dir::/home` is an address as well
        if isinstance(value, str) and ("://" in value or "::" in value or ".." in PurePath(value).parts):
            raise ValueError(f"the path '{value[:60]}' in the state of a callback")
    check_results(content)
    check_ending(content)


def check_results(content: dict[str, Any]) -> None:
    """Raises ValueError unless the results of the last epoch, if there are any, are named numbers."""
    results, row = content.get("results", {}), content.get("row")
    for split, result in results.items():
        if not are_numbers(result, ("accuracy", "loss", "n")):
            raise ValueError(f"no accuracy, loss and n as the results of {str(split)[:20]!r}")
    if row is not None and not (are_numbers(row, ("step", "epoch")) and type(row["step"]) is type(row["epoch"]) is int):
        raise ValueError("no step, epoch and other numbers as the row of the last epoch")


def check_ending(content: dict[str, Any]) -> None:
    """Raises ValueError unless what a checkpoint holds of the end of the training, if anything, has the right form."""
    steps = content.get("total_steps", 1)
    if type(steps) not in (int, float) or not 0 < steps < math.inf:
        raise ValueError("no number of steps as total_steps")
    for key in ("ending", "stop"):
        ending = content.get(key)
        if ending is None:
            continue
        message = ending.get("message")
        if ending.get("reason") not in REASONS or not isinstance(message, str) or len(message) > 300:
            raise ValueError(f"no reason and message as the {key}")
        if not (message.isprintable() and isinstance(ending.get("stopping"), dict | list | None)):
            raise ValueError(f"other than printable text and settings as the {key}")
    ending = content.get("ending")
    if ending is None:
        return
    counts = {name: ending.get(name) for name in ("epochs", "steps", "seconds")}
    if not (are_numbers(counts, ()) and all(0 <= count < math.inf for count in counts.values())):
        raise ValueError("no epochs, steps and seconds as the ending")
    if type(ending["epochs"]) is not int or ending["steps"] != content["global_step"]:
        raise ValueError("other epochs or steps as the ending")
    for name in ("row", "validated"):
        if ending.get(name) is not None and not are_numbers(ending[name], ()):
            raise ValueError(f"no numbers as the {name} of the ending")
    if ending.get("row") is not None and type(ending["row"].get("step")) is not int:
        raise ValueError("no step in the row of the ending")
    if ending.get("chosen") not in (None, "best.ckpt", "last.ckpt"):
        raise ValueError("no checkpoint of the run as the one that was chosen")


def are_numbers(value: Any, names: tuple[str, ...]) -> bool:
    """Whether this is a dict of numbers, with these among them."""
    return (
        isinstance(value, dict)
        and all(name in value for name in names)
        and all(isinstance(name, str) and type(number) in (int, float) for name, number in value.items())
    )


def is_whole(value: Tensor) -> bool:
    """Whether each number of a tensor has its own place in memory, without gaps, in whatever order of the axes."""
    places = 1
    for stride, side in sorted((stride, side) for stride, side in zip(value.stride(), value.shape, strict=True)):
        if side != 1 and stride != places:
            return value.numel() == 0
        places *= side
    return True


def within(content: Any) -> Iterator[Any]:
    """Everything inside nested dicts, lists and tuples, keys included; raises ValueError where that is too much.

    What is there several times comes several times: so does it for everyone who prints, copies or compares it.
    """
    stack = [(content, 0)]
    count = 0
    while stack:
        value, depth = stack.pop()
        if not isinstance(value, dict | list | tuple):
            yield value
            continue
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        count += len(inner)
        if count > MOST_VALUES or depth > MOST_DEPTH:
            raise ValueError(f"lists within lists, more than {MOST_DEPTH} deep or of more than {MOST_VALUES:,} values")
        stack.extend((item, depth + 1) for item in inner)

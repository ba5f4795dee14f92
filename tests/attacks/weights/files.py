"""Attacks by a file of weights whose header lies, or by what lies in its place."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from attacks.weights.corpus import Weights, attack
from tiny_weights import tensors_of
from zoo.weights.store import serialise

Header = dict[str, Any]


def parts(content: bytes) -> tuple[Header, bytes]:
    """Header and numbers of a file."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: Header | bytes, numbers: bytes, length: int | None = None) -> bytes:
    """A file of header and numbers, and of the length that it says it has."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + numbers


def headers(change: Callable[[Header], Any]) -> Callable[[Weights], None]:
    """Changes the header of a file, if it is to be hostile."""

    def spoil(scene: Weights) -> None:
        header, numbers = parts(scene.content)
        if scene.hostile:
            change(header)
        scene.content = joined(header, numbers)
        scene.save()

    return spoil


def entry(name: str, **changed: Any) -> Callable[[Header], Any]:
    """Changes what a header says of a tensor."""
    return lambda header: header[name].update(changed)


def listed(name: str, change: Callable[[Header], Any], inert: bool = False) -> None:
    """Puts a header that lies into the corpus."""
    spoil = headers(change)
    spoil.__name__ = name
    attack("ask hub" if name.startswith("numbers") else "ask", inert)(spoil)


listed("numbers_that_overlap", entry("1.weight", data_offsets=[0, 1024]))
listed("numbers_beyond_the_file", entry("1.weight", data_offsets=[2**40, 2**40 + 1024]))
listed("numbers_that_end_before_they_begin", entry("1.weight", data_offsets=[1024, 0]))
listed("offsets_that_are_no_numbers", entry("1.weight", data_offsets=["0", None]))
listed("offsets_below_zero", entry("1.weight", data_offsets=[-1024, 0]))
listed("a_shape_beyond_all_numbers", entry("1.weight", shape=[2**40, 2**40]))
listed("a_shape_of_another_size", entry("1.weight", shape=[4, 65]))
listed("a_shape_that_is_no_list", entry("1.weight", shape="4 64"))
listed("a_shape_of_yes_and_no", entry("1.weight", shape=[True, 256]))
listed("a_type_that_nobody_knows", entry("1.weight", dtype="F4_E2M1"))
listed("a_type_of_eight_bits", entry("1.weight", dtype="I8", shape=[16, 64]))
listed("a_type_of_sixteen_bits", entry("1.weight", dtype="BF16", shape=[8, 64]))
listed("another_type_than_the_card_says", entry("1.weight", dtype="F16", shape=[8, 64]))
listed("whole_numbers_for_weights", entry("1.weight", dtype="I64", shape=[2, 64]))
listed("a_key_of_its_own", entry("1.weight", hook="os.system"))
listed("a_tensor_less", lambda header: header.pop("1.bias"))
listed("a_tensor_of_another_name", lambda header: header.update({"9.weight": header.pop("1.weight")}))
listed("a_tensor_called_like_a_terminal", lambda header: header.update({"\x1b[2J": header.pop("1.weight")}))
listed("a_tensor_that_is_a_list", lambda header: header.update({"1.weight": []}))
listed("notes_of_its_own", lambda header: header.update(__metadata__={"format": "pt", "hook": "os.system"}), inert=True)


def files(make: Callable[[bytes], bytes], name: str) -> None:
    """Puts a file that is none into the corpus."""

    def spoil(scene: Weights) -> None:
        scene.content = make(scene.content) if scene.hostile else scene.content
        scene.save()

    spoil.__name__ = name
    attack("ask")(spoil)


files(lambda content: b"", "an_empty_file")
files(lambda content: content[:5], "a_file_of_five_bytes")
files(lambda content: content[:-1], "a_file_that_was_cut_off")
files(lambda content: content + b"\0" * 8, "a_file_with_more_at_its_end")
files(lambda content: joined(parts(content)[0], parts(content)[1], 10**9), "a_header_longer_than_the_file")
files(lambda content: joined(parts(content)[0], parts(content)[1], 2**63), "a_header_of_exabytes")
files(lambda content: joined(parts(content)[0], parts(content)[1], 0), "a_header_of_nothing")
files(lambda content: joined(b"[" * 2_000, parts(content)[1]), "a_header_of_lists_within_lists")
files(lambda content: joined(b"[]", parts(content)[1]), "a_header_that_is_a_list")
files(lambda content: joined(b"{\xff", parts(content)[1]), "a_header_that_is_no_text")
files(lambda content: joined(parts(content)[0] | {"x" * 10**6: 1}, parts(content)[1]), "a_header_of_megabytes")
files(lambda content: pickle.dumps({"1.weight": [1.0]}), "a_file_of_another_kind")


@attack("ask")
def a_header_that_says_a_tensor_twice(scene: Weights) -> None:
    """Says one place to whoever reads the first, and another to whoever reads the last."""
    header, numbers = parts(scene.content)
    raw = json.dumps(header)
    twice = raw[:-1] + ", " + json.dumps({"1.bias": header["1.bias"]})[1:]
    scene.content = joined(scene.either(twice, raw).encode(), numbers)
    scene.save()


def weights(name: str, value: float, benign: float) -> None:
    """Has one number among its weights that spoils each answer."""

    def spoil(scene: Weights) -> None:
        tensors = tensors_of()
        tensors["1.weight"][0, 0] = scene.either(value, benign)
        scene.content = serialise(tensors)
        scene.save()

    spoil.__name__ = name
    attack("ask hub")(spoil)


weights("a_weight_that_is_no_number", float("nan"), 0.0)
weights("a_weight_without_end", float("-inf"), -1e30)


@attack("ask")
def weights_of_another_network(scene: Weights) -> None:
    """Are those of a network of other widths."""
    tensors = tensors_of()
    scene.content = serialise({**tensors, "1.bias": torch.zeros(scene.either(5, 4))})
    scene.save()


def replaced(path: Path, make: Callable[[Path], Any]) -> None:
    """Puts something else in the place of a file."""
    path.unlink()
    make(path)


def places(name: str, file: str, make: Callable[[Weights, Path], Any]) -> None:
    """Has something in the place of a file that is none, or leads elsewhere."""

    def spoil(scene: Weights) -> None:
        if scene.hostile:
            replaced(scene.folder / file, lambda path: make(scene, path))

    spoil.__name__ = name
    attack("show ask" if file.endswith(".json") else "ask")(spoil)


places("a_card_that_is_a_link_to_others", "tiny.json", lambda scene, path: path.symlink_to(scene.thesis))
places("a_card_without_end", "tiny.json", lambda scene, path: path.symlink_to("/dev/zero"))
places("a_card_that_waits", "tiny.json", lambda scene, path: os.mkfifo(path))
places("a_card_that_is_a_folder", "tiny.json", lambda scene, path: path.mkdir())
places("weights_that_are_a_link_to_others", "tiny.safetensors", lambda scene, path: path.symlink_to(scene.thesis))
places("weights_without_end", "tiny.safetensors", lambda scene, path: path.symlink_to("/dev/zero"))
places("weights_that_wait", "tiny.safetensors", lambda scene, path: os.mkfifo(path))


@attack("show ask")
def two_cards_in_a_folder(scene: Weights) -> None:
    """Leaves it open which is meant."""
    if scene.hostile:
        for path in (scene.card_path, scene.path):
            path.with_stem("other").write_bytes(path.read_bytes())


@attack("show ask", inert=True)
def files_beside_the_card(scene: Weights) -> None:
    """Has a program, a graph and a configuration beside it, which nobody asked for."""
    for name in scene.either(("model.py", "hubconf.py", "tiny.onnx", "config.yaml", "tiny.pkl"), ()):
        (scene.folder / name).write_text(f"open({str(scene.home / 'canary')!r}, 'w')\n")

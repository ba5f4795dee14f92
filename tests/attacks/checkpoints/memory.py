"""Attacks on memory and time: a few bytes that are to become gigabytes, or hours."""

import io
import zipfile
from typing import Any

import numpy as np
import torch

from attacks.checkpoints.corpus import LARGE, attack
from attacks.checkpoints.instructions import get, put, text
from attacks.scene import Scene, members_of, summed, zipped


@attack("test")
def a_bytearray_of_gigabytes(scene: Scene) -> None:
    """Calls bytearray with a number, which torch allows."""
    scene.plant(b"cbuiltins\nbytearray\nJ" + (LARGE - 1).to_bytes(4, "little") + b"\x85R")


@attack("test")
def a_storage_of_gigabytes(scene: Scene) -> None:
    """Calls the constructor of a storage, which torch allows."""
    scene.plant(b"ctorch.storage\nUntypedStorage\n\x8a\x05" + (2 * LARGE).to_bytes(5, "little") + b"\x85R")


@attack("test")
def a_list_copied_often(scene: Scene) -> None:
    """Makes an ordered dict of one long list of pairs, again and again."""
    pairs = b"](" + b"".join(b"J" + i.to_bytes(4, "little") + b"N\x86" for i in range(20_000)) + b"e"
    start = b"(" + pairs + put(1) + b"ccollections\nOrderedDict\n" + put(2)
    scene.plant(start + (get(2) + get(1) + b"\x85R") * 1000 + b"t")


@attack("test")
def a_string_encoded_often(scene: Scene) -> None:
    """Encodes one long string, again and again."""
    start = b"(" + text("x" * 10**6) + put(1) + text("utf8") + put(2) + b"c_codecs\nencode\n" + put(3)
    scene.plant(start + (get(3) + get(1) + get(2) + b"\x86R") * 2000 + b"t")


@attack("test")
def attributes_copied_often(scene: Scene) -> None:
    """Gives many ordered dicts the same long dict of attributes."""
    items = b"".join(b"J" + i.to_bytes(4, "little") + b"N" for i in range(20_000))
    start = b"(}" + put(1) + b"(" + items + b"uccollections\nOrderedDict\n" + put(2)
    scene.plant(start + (get(2) + b")R" + get(1) + b"b") * 3000 + b"t")


@attack("test")
def a_shape_of_many_axes(scene: Scene) -> None:
    """Makes many tensors that share one shape of very many axes."""
    numel = scene.content["state_dict"]["net.1.weight"].numel()
    storage = text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"J" + numel.to_bytes(4, "little")
    start = b"((" + storage + b"tQ" + put(1) + b"(" + b"K\x01" * 100_000 + b"t" + put(2)
    start += b"ccollections\nOrderedDict\n)R" + put(3) + b"ctorch._utils\n_rebuild_tensor_v2\n" + put(4)
    tensor = get(4) + b"(" + get(1) + b"K\x00" + get(2) + get(2) + b"\x89" + get(3) + b"tR"
    scene.plant(start + tensor * 1500 + b"t")


@attack("test")
def lists_that_double(scene: Scene) -> None:
    """Nests fifty lists, each of which has the one before twice: two to the fifty when printed."""
    value: list[Any] = [1]
    for _ in range(45):
        value = [value, value]
    scene.content["hyper_parameters"]["in_shape"] = scene.either(value, (1, 28, 28))
    scene.content["state_dict"]["net.9.weight"] = torch.zeros(1)  # so that the message would print it
    if not scene.hostile:
        del scene.content["state_dict"]["net.9.weight"]
    scene.save()


@attack("fit")
def a_list_in_itself(scene: Scene) -> None:
    """Has no end."""
    value: list[Any] = []
    value.append(value)
    scene.content["hyper_parameters"]["optimizer"]["init_args"]["lr"] = scene.either(value, 0.001)
    scene.save()


@attack("test")
def a_thousand_floors(scene: Scene) -> None:
    """Nests more lists than Python can go into."""
    scene.plant(b"]" * 100_000 + b"a" * 99_999)


@attack("test")
def keys_that_collide(scene: Scene) -> None:
    """Fills a dict with whole numbers that all have the same hash: a quadratic time."""
    numbers = ((i * (2**61 - 1)).to_bytes(12, "little") for i in range(1, 100_000))
    scene.plant(b"}(" + b"".join(b"\x8a\x0c" + number + b"N" for number in numbers) + b"u")


@attack("test")
def a_number_of_too_many_digits(scene: Scene) -> None:
    """Has a number of classes that Python refuses to print."""
    scene.plant(b"\x8b" + (3000).to_bytes(4, "little") + b"\x7f" * 3000)


@attack("unlabelled")
def an_absurd_number_of_classes(scene: Scene) -> None:
    """Says that there are more classes than names for them fit into the memory."""
    path = scene.run.path / "own.npz"
    np.savez(path, test_images=np.zeros((2, 28, 28), np.uint8))
    scene.flags = ["--data", "Arrays", "--data.path", str(path)]
    scene.content["hyper_parameters"]["num_classes"] = scene.either(10**9, 10)
    scene.save()


@attack("test")
def a_deflated_member(scene: Scene) -> None:
    """Holds gigabytes of zeros as a few megabytes, which torch would inflate."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(scene.honest)) as honest, zipfile.ZipFile(out, "w") as archive:
        for name in honest.namelist():
            archive.writestr(name, honest.read(name))
        if scene.hostile:
            with archive.open(zipfile.ZipInfo("archive/data/99"), "w", force_zip64=True) as member:
                member.write(b"0")
            deflated = zipfile.ZipInfo("archive/data/98")
            deflated.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(deflated, bytes(2**26), compresslevel=9)
    scene.write(summed(out.getvalue()))


@attack("test")
def members_that_overlap(scene: Scene) -> None:
    """Lists the same bytes under thousands of names."""

    def overlap(archive: zipfile.ZipFile) -> None:
        first = archive.getinfo("archive/data/0")
        for i in range(scene.either(5000, 0)):
            again = zipfile.ZipInfo(f"archive/data/{100 + i}")
            again.header_offset, again.file_size, again.compress_size, again.CRC = (
                *(first.header_offset, first.file_size, first.compress_size),
                first.CRC,
            )
            archive.filelist.append(again)

    scene.write(zipped(members_of(scene.honest), overlap))


@attack("test")
def a_hundred_thousand_members(scene: Scene) -> None:
    """Has so many empty members that their list fills the memory."""
    extra = {f"archive/data/{100 + i}": b"" for i in range(scene.either(25_000, 1))}
    scene.write(zipped({**members_of(scene.honest), **extra}))

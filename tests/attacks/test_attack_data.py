"""Protects from data files of strangers in the formats that are read by name: refused in one line, or right.

    a file, damaged or hostile -> the data module -> no code of it run, little memory taken, a message in the form
                                  <what> in <file>: expected <x>, found <y>

Pixels that were changed and nothing else are no fault that can be seen. Parquet's files are cut only: its bits are read
by code of others.
"""

import bz2
import gzip
import io
import json
import pickle
import random
import re
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from PIL import Image

from conftest import gz, idx, random_images
from datamodules import Arrays
from datamodules.contents import read_contents
from datamodules.formats.mat_file import read_mat
from datamodules.formats.pickles import read_plain

FORM = re.compile(r".+ in .+: expected .+, found .+")
MOST_MEMORY = 2**26  # bytes; the honest files here need less than a hundredth of it
MOST_SECONDS = 20


@contextmanager
def modest() -> Iterator[None]:
    """Little memory, little time."""
    tracemalloc.start()
    began = time.monotonic()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    assert time.monotonic() - began < MOST_SECONDS


def refused(path: Path, **options: Any) -> str | None:
    """The message that refuses a path, in its form; None if it is taken."""
    try:
        module = Arrays(str(path), batch_size=4, **options)
        assert module.in_shape
        module.setup("fit")
    except (ValueError, OSError) as error:
        text = str(error)
        assert "\n" not in text
        assert FORM.fullmatch(text), text
        return text
    return None


def labels() -> dict[str, np.ndarray]:
    return {"train": np.arange(24) % 3, "test": np.arange(12) % 3}


def images(*shape: int) -> dict[str, np.ndarray]:
    return {split: random_images(len(each), *shape, seed=len(each)) for split, each in labels().items()}


def write_idx(folder: Path) -> None:
    for split, word in (("train", "train"), ("test", "t10k")):
        (folder / f"{word}-images-idx3-ubyte").write_bytes(idx(images(8, 6)[split]))
        (folder / f"{word}-labels-idx1-ubyte").write_bytes(idx(labels()[split].astype(np.uint8)))


def write_gz(folder: Path) -> None:
    write_idx(folder)
    for path in [*folder.iterdir()]:
        path.with_name(f"{path.name}.gz").write_bytes(gz(path.read_bytes()))
        path.unlink()


def write_tables(folder: Path) -> None:
    for split, each in images(4, 4).items():
        rows = [
            ",".join(map(str, [label, *image.reshape(-1)])) for label, image in zip(labels()[split], each, strict=True)
        ]
        (folder / f"{split}.csv").write_text(
            "\n".join(["label," + ",".join(f"pixel{k}" for k in range(16)), *rows]) + "\n"
        )


def write_svhn(folder: Path, compressed: bool = True) -> None:
    for split, each in images(8, 8, 3).items():
        values = {"X": np.moveaxis(each, 0, -1), "y": labels()[split][:, None].astype(np.uint8) + 1}
        scipy.io.savemat(folder / f"{split}_8x8.mat", values, do_compression=compressed)


def write_plain_svhn(folder: Path) -> None:
    write_svhn(folder, compressed=False)


def write_cifar(folder: Path) -> None:
    for split, each in images(3, 32, 32).items():
        values = {"data": each.reshape(len(each), -1), "labels": labels()[split].tolist()}
        (folder / split).write_bytes(pickle.dumps(values, 2))
    (folder / "meta").write_bytes(pickle.dumps({"label_names": ["a", "b", "c"]}, 2))


def write_records(folder: Path) -> None:
    for split, each in images(3, 32, 32).items():
        content = np.column_stack([labels()[split], each.reshape(len(each), -1)]).astype(np.uint8)
        (folder / f"{split}.bin").write_bytes(content.tobytes())


def write_usps(folder: Path) -> None:
    for split, name in (("train", "usps.bz2"), ("test", "usps.t.bz2")):
        lines = [f"{label + 1} " + " ".join(f"{k}:{label / 9}" for k in range(1, 257)) for label in labels()[split]]
        (folder / name).write_bytes(bz2.compress("\n".join(lines).encode()))


def write_parquet(folder: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    for split, each in images(8, 8).items():
        files = [io.BytesIO() for _ in each]
        for file, image in zip(files, each, strict=True):
            Image.fromarray(image).save(file, "png")
        table = pa.table({"image": [{"bytes": file.getvalue()} for file in files], "label": labels()[split]})
        pq.write_table(table, folder / f"{split}.parquet")


WRITERS = (
    write_idx, write_gz, write_tables, write_svhn, write_plain_svhn, write_cifar, write_records, write_usps,
    write_parquet,
)  # fmt: skip
each_format = pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__[6:])


@each_format
def test_files_that_end_too_early_are_refused(write: Callable[[Path], None], tmp_path: Path) -> None:
    """But a table or records that end with a row, which has all that it needs."""
    write(tmp_path)
    assert refused(tmp_path) is None
    path = max(tmp_path.iterdir(), key=lambda path: path.stat().st_size)
    whole = path.read_bytes()
    for k in range(24):
        path.write_bytes(whole[: len(whole) * k // 24])
        with modest():
            text = refused(tmp_path)
        at_a_row = write in (write_tables, write_records)
        assert text is not None or at_a_row, k


@each_format
def test_files_with_changed_bits_are_harmless(write: Callable[[Path], None], tmp_path: Path) -> None:
    if write is write_parquet:
        pytest.skip("read by code of others")
    write(tmp_path)
    path = max(tmp_path.iterdir(), key=lambda path: path.stat().st_size)
    whole = bytearray(path.read_bytes())
    drawn = random.Random(0)
    places = [*drawn.sample(range(200), 60), *(drawn.randrange(len(whole)) for _ in range(30))]
    with modest():
        for place in places:
            bit = 1 << drawn.randrange(8)
            whole[place] ^= bit
            path.write_bytes(whole)
            try:
                read_contents(tmp_path)  # a pixel is as good as another
            except (ValueError, OSError) as error:
                assert FORM.fullmatch(str(error)), str(error)
            whole[place] ^= bit


@pytest.mark.parametrize(
    "shape", [(2**31, 1000, 1000), (2**32 - 1,) * 3, (10**5, 100, 100), (0, 28, 28), (24, 8, 7)], ids=str
)
@pytest.mark.parametrize("packed", [False, True])
def test_idx_that_says_it_is_larger(shape: tuple[int, ...], packed: bool, tmp_path: Path) -> None:
    write_idx(tmp_path)
    content = struct.pack(">4B3I", 0, 0, 8, 3, *shape) + bytes(24 * 8 * 6)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(gz(content) if packed else content)
    with modest():
        assert refused(tmp_path)


def test_a_compressed_file_that_does_not_end(tmp_path: Path) -> None:
    """What is behind the last pixel is not unpacked."""
    write_idx(tmp_path)
    content = idx(images(8, 6)["train"]) + bytes(2**27)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(gzip.compress(content, 1))
    with modest():
        assert "found more" in (refused(tmp_path) or "")


def test_a_row_without_an_end(tmp_path: Path) -> None:
    write_tables(tmp_path)
    with (tmp_path / "train.csv").open("w") as file:
        for _ in range(40):
            file.write("1," * 2**19)
    with modest():
        assert refused(tmp_path)


def test_numbers_of_many_digits(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(f"1,2,3,4,{'9' * 5000}\n" * 3)
    with modest():
        assert refused(tmp_path / "train.csv")


# --- pickles


class Calls:
    """Opens a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


def hostile_pickles(canary: Path) -> dict[str, bytes]:
    """Each would open a file, or import, call or take something."""
    array = np.zeros(3, np.uint8)
    honest = {"data": array, "labels": [0]}
    named = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return {
        "a call": pickle.dumps({**honest, "more": Calls(canary)}, 2),
        "a call, protocol 4": pickle.dumps({**honest, "more": Calls(canary)}, 4),
        "a call, protocol 0": b"\x80\x02" + pickle.dumps(Calls(canary), 0),
        "an object of Python": pickle.dumps({**honest, "more": {1, 2}}, 2),
        "an array of objects": pickle.dumps({"data": np.array([None, "x"], object), "labels": [0]}, 2),
        "numpy's other functions": b"\x80\x02cnumpy.core.multiarray\nfromfile\n.",
        "a module": b"\x80\x02cos\nsystem\n.",
        "a name by pieces": b"\x80\x04\x8c\x08builtins\x8c\x04open\x93.",
        "an instance": b"\x80\x02(ios\nsystem\n.",
        "a new object": b"\x80\x02cnumpy\nndarray\n)\x81.",
        "an extension": b"\x80\x02\x82\x01.",
        "a place outside": b"\x80\x02P1\n.",
        "a content of another length": named + b"(K\x01M\xff\xff\x85cnumpy\ndtype\nU\x02u1\x85R\x89U\x01atb.",
        "a shape below zero": named + b"(K\x01J\xff\xff\xff\xff\x85cnumpy\ndtype\nU\x02u1\x85R\x89U\x00tb.",
        "an array without content": named + b".",
        "an end without a beginning": b"\x80\x02e.",
        "a list in itself as a key": b"\x80\x02]q\x00}q\x01h\x00h\x00s.",
        "nothing": b"\x80\x02.",
        "text without an end": b"\x80\x02X\xff\xff\xff\x7fabc.",
        "bytes without an end": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.",
        "no end": b"\x80\x02K\x01",
    }  # fmt: skip


@pytest.mark.parametrize("name", hostile_pickles(Path("x")))
def test_pickles_are_not_programs(name: str, tmp_path: Path) -> None:
    path, canary = tmp_path / "train", tmp_path / "canary"
    path.write_bytes(hostile_pickles(canary)[name])
    with modest(), pytest.raises(ValueError) as caught:
        read_plain(path)
    assert FORM.fullmatch(str(caught.value))
    assert not canary.exists()
    assert refused(path)


def test_plain_values_and_arrays_are_read(tmp_path: Path) -> None:
    arrays = {
        kind: np.asfortranarray((np.random.default_rng(0).random((3, 4, 5)) * 99).astype(kind))
        for kind in ("u1", "i1", ">i4", "<f8", ">u2", "bool", "f4")
    }
    value: dict[Any, Any] = {
        **arrays,
        "list": [1, "é", b"\xff", None, True, 2.5, 10**9],
        "tuple": (1, (2, 3)),
        b"key": "x",
    }
    for protocol in range(2, 5):
        (tmp_path / "p").write_bytes(pickle.dumps(value, protocol))
        found = read_plain(tmp_path / "p")
        assert found["list"] == value["list"]
        assert found["tuple"] == value["tuple"]
        assert found["key"] == "x"
        assert all(
            np.array_equal(found[kind], array) and found[kind].dtype == array.dtype for kind, array in arrays.items()
        )


def test_many_names_for_one_list_take_no_memory(tmp_path: Path) -> None:
    """Lists of lists of lists: a thousand million values, if each were made."""
    steps = b"".join(b"]q%c(" % k + b"h%c" % (k - 1) * 100 + b"e" for k in range(1, 20))
    (tmp_path / "train").write_bytes(b"\x80\x02]q\x00" + steps + b"}U\x04datah\x13s.")
    with modest():
        assert refused(tmp_path / "train")


def test_one_content_for_many_arrays_takes_no_memory(tmp_path: Path) -> None:
    """A text of a megabyte, of which thousands of arrays would be made."""
    text = b"X" + struct.pack("<I", 2**20) + b"x" * 2**20 + b"q\x00"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    content = array + b"(K\x01J" + struct.pack("<i", 2**20) + b"\x85cnumpy\ndtype\nU\x02u1\x85R\x89h\x00tb"
    (tmp_path / "train").write_bytes(b"\x80\x02" + text + b"](" + content * 2000 + b"e.")
    with modest():
        assert "more bytes than the file has" in (refused(tmp_path / "train") or "")


def test_labels_in_lists_of_lists_take_no_memory(tmp_path: Path) -> None:
    lists = b"".join(b"K%c]q%c(" % (k, k) + b"h%c" % (k - 1) * 100 + b"e" for k in range(1, 20))
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    array += b"(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nU\x02u1\x85R\x89T\x00\x0c\x00\x00" + bytes(3072) + b"tb"
    content = b"\x80\x02(K\x00]q\x00" + lists + b"U\x04data" + array + b"U\x06labelsh\x13d."
    (tmp_path / "train").write_bytes(content)
    with modest():
        assert "a list of whole numbers" in (refused(tmp_path / "train") or "")


@pytest.mark.parametrize("row", ["{},1.5,2,3,4\n", "a,{},2,3,4\n"])
def test_one_long_cell_makes_the_others_no_longer(row: str, tmp_path: Path) -> None:
    """As an array of text all cells would be as long as the longest."""
    short = row.format("1") * 50_000
    (tmp_path / "train.csv").write_text(short + row.format("1" * 50_000))
    with modest():
        refused(tmp_path / "train.csv")


def test_a_header_of_a_million_columns(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("," * 10**6 + "\n")
    with modest():
        assert "expected at most 200000" in (refused(tmp_path / "train.csv") or "")


# --- MATLAB


def element(kind: int, content: bytes, size: int | None = None) -> bytes:
    return struct.pack("<II", kind, len(content) if size is None else size) + content + bytes(-len(content) % 8)


def matlab(
    shape: tuple[int, ...], content: bytes, kind: int = 9, size: int | None = None, packed: bool = False
) -> bytes:
    """A file with one variable X."""
    inner = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    inner += element(1, b"X") + element(2, content, size)
    outer = element(14, inner)
    if packed:
        small = zlib.compress(outer, 1)
        outer = struct.pack("<II", 15, len(small)) + small
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + outer


@pytest.mark.parametrize("packed", [False, True])
def test_matlab_files_that_say_they_are_larger(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "train.mat"
    path.write_bytes(matlab((2, 3), bytes(6), packed=packed))
    assert read_mat(path)["X"].shape == (2, 3)
    cases = {
        "more numbers": matlab((2**30, 2**30), bytes(6), packed=packed),
        "less than none": matlab((-1, -6), bytes(6), packed=packed),
        "longer than the file": matlab((2, 3), bytes(6), size=2**31, packed=packed),
        "no numbers": matlab((2, 3), b"", packed=packed),
        "many axes": matlab((1,) * 500, bytes(1), packed=packed),
        "another length": matlab((2, 3), bytes(7), packed=packed),
    }
    for name, content in cases.items():
        path.write_bytes(content)
        with modest(), pytest.raises(ValueError) as caught:
            read_mat(path)
        assert FORM.fullmatch(str(caught.value)), name


def test_a_compressed_variable_that_does_not_end(tmp_path: Path) -> None:
    """As much is unpacked as its header says."""
    (tmp_path / "train.mat").write_bytes(matlab((2, 3), bytes(2**27), packed=True))
    with modest(), pytest.raises(ValueError):
        read_mat(tmp_path / "train.mat")


# --- Parquet


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"x" * 100], ids=repr)
def test_pictures_in_parquet_that_are_none(content: bytes, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"image": [{"bytes": content}] * 3, "label": [0, 1, 2]}), tmp_path / "train.parquet")
    with modest():
        assert "picture of row 0 in" in (refused(tmp_path) or "")
    pq.write_table(pa.table({"image": [{"bytes": None}] * 3, "label": [0, 1, 2]}), tmp_path / "train.parquet")
    assert refused(tmp_path)


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"info": 3}', '{"info": {"features": {"label": []}}}', "{", '{"info": {"features": [1]}}']
)
def test_what_hugging_face_says_may_be_anything(text: str, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    write_parquet(tmp_path)
    table = pq.read_table(tmp_path / "train.parquet")
    pq.write_table(table.replace_schema_metadata({"huggingface": text}), tmp_path / "train.parquet")
    with modest():
        refused(tmp_path)
    names = json.dumps({"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a"]}}}})
    pq.write_table(table.replace_schema_metadata({"huggingface": names}), tmp_path / "train.parquet")
    assert refused(tmp_path)
    assert pa

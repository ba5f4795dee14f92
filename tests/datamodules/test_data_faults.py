"""Protects from data that lies: a damaged or hostile file is harmless or refused in one line, never believed.

    a file, altered -> the data module -> exactly the original arrays, or ValueError / OSError in the form
                                          <what> in <file>: expected <x>, found <y>. Try: <command>

Everything else fails: other arrays, another exception (a traceback for the user), a file written outside, code run,
memory out of proportion. `pytest -s` prints how many cases there were and how they ended.
"""

import bz2
import io
import lzma
import os
import pickle
import random
import re
import socket
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
import pytest
import torchvision.datasets
import torchvision.datasets.utils

import datamodules.archive
import datamodules.download
from conftest import Server, Tiny, gz, idx, md5, npz_arrays, random_images
from datamodules import CIFAR10, MNIST, Arrays, FashionMNIST, ImageDataModule
from test_data import use_mirror

TinyIDX = Callable[[type[MNIST] | type[FashionMNIST]], Tiny]
FORM = re.compile(r".+ in .+: expected .+, found .+")
CUTS = 64  # a file is truncated at each so many-th of its length
MOST_MEMORY = 2**26  # bytes; the honest files here need less than a thousandth of it


class Verdict(NamedTuple):
    case: str
    message: str | None  # None: accepted, with exactly the original arrays


VERDICTS: list[Verdict] = []


@pytest.fixture(scope="module", autouse=True)
def summary() -> Iterator[None]:
    yield
    refused = [verdict.message for verdict in VERDICTS if verdict.message is not None]
    tries = sum("Try: " in message for message in refused)
    print(
        f"\n{len(VERDICTS)} cases: {len(VERDICTS) - len(refused)} harmless, {len(refused)} refused with file, expected"
        f" and found, {tries} of these with a command to try"
    )


def contents(module: ImageDataModule) -> dict[str, Any]:
    """All that a data module says of its data."""
    module.prepare_data()
    shape, classes = module.in_shape, list(module.classes)  # asked for first, as cli.py does
    module.setup("fit")
    parts = {split: module.part(split) for split in ("train", "test")}
    arrays = {split: (part.images.numpy(), part.labels.numpy()) for split, part in parts.items()}
    return {"shape": shape, "classes": classes, **arrays}


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    plain = a["shape"] == b["shape"] and a["classes"] == b["classes"]
    return plain and all(
        np.array_equal(x, y) for split in ("train", "test") for x, y in zip(a[split], b[split], strict=True)
    )


def judge(case: str, module: ImageDataModule, original: dict[str, Any]) -> str | None:
    """The message with which a data module refuses its files, or None if it gives exactly the original arrays."""
    try:
        found = contents(module)
    except (ValueError, OSError) as error:
        text = str(error)
        assert "\n" not in text, case
        assert FORM.fullmatch(text), (case, text)
        VERDICTS.append(Verdict(case, text))
        return text
    assert same(found, original), f"{case}: accepted with a different result"
    VERDICTS.append(Verdict(case, None))
    return None


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder, but for locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if path.suffix != ".lock"
    }


# --- ways to damage bytes


def truncations(content: bytes) -> Iterator[tuple[str, bytes]]:
    for k in range(CUTS):
        yield f"cut at {k}/{CUTS}", content[: len(content) * k // CUTS]


def flips(content: bytes, positions: Iterator[int] | range | list[int], seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """One bit of the byte at each position."""
    bits = random.Random(seed)
    for position in positions:
        bit = bits.randrange(8)
        yield (
            f"bit {bit} of byte {position}",
            content[:position] + bytes([content[position] ^ 1 << bit]) + content[position + 1 :],
        )


def anywhere(content: bytes, count: int, seed: int = 0) -> list[int]:
    return random.Random(seed).sample(range(len(content)), count)


def other_files(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield "one byte more", content + b"\0"
    yield "twice", content * 2
    yield "zeros", bytes(len(content))
    yield "text", b"<html>404 not found</html>"
    yield "compressed", gz(content)
    yield "a bomb", gz(bytes(10**7))


# --- public sets: files under their final names, and no network to fetch them anew


class Damage:
    """Puts damaged files in the place of one of a tiny data set, one after the other."""

    def __init__(self, tiny: Tiny, data: type[MNIST] | type[CIFAR10]) -> None:
        self.tiny, self.data = tiny, data
        self.original = contents(data(str(tiny.root), batch_size=4))

    def __call__(self, name: str, cases: Iterator[tuple[str, bytes]]) -> None:
        """Each case must be refused, with the file's name, and everything must still be there."""
        path = self.tiny.folder / name
        whole = path.read_bytes()
        for case, content in cases:
            path.write_bytes(content)
            before = snapshot(self.tiny.root)
            self.refused(f"{name}, {case}", str(path))
            assert snapshot(self.tiny.root) == before
        path.write_bytes(whole)
        assert same(contents(self.data(str(self.tiny.root), batch_size=4)), self.original)

    def refused(self, case: str, *words: str) -> None:
        text = judge(case, self.data(str(self.tiny.root), batch_size=4), self.original)
        assert text is not None, f"{case}: accepted"
        advice = f"{self.data.__name__} fetched" if "left as it is" in text else f"download --data {self.data.__name__}"
        for word in (*words, advice):
            assert word in text, (case, text)


@pytest.fixture
def damage_idx(tiny_idx: TinyIDX, monkeypatch: pytest.MonkeyPatch, closed_port: str) -> Damage:
    use_mirror(monkeypatch, closed_port)
    return Damage(tiny_idx(MNIST), MNIST)


@pytest.fixture
def damage_cifar10(tiny_cifar10: Tiny, monkeypatch: pytest.MonkeyPatch, closed_port: str) -> Damage:
    use_mirror(monkeypatch, closed_port)
    return Damage(tiny_cifar10, CIFAR10)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_idx(damage_idx: Damage, name: str) -> None:
    whole = damage_idx.tiny.files[name]
    header = 16 if "images" in name else 8
    damage_idx(name, truncations(whole))
    damage_idx(name, other_files(whole))
    for seed in range(4):
        damage_idx(name, flips(whole, range(header), seed))
    damage_idx(name, flips(whole, anywhere(whole, 20)))


def test_idx_with_counts_that_lie(damage_idx: Damage) -> None:
    images, labels = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
    counts = [0, 1, 39, 41, 40 * 784, 2**31 - 1, 2**31, 2**32 - 1]
    pixels = damage_idx.tiny.files[images][16:]
    damage_idx(images, ((f"{n} images", struct.pack(">4I", 0x803, n, 28, 28) + pixels) for n in counts))
    damage_idx(images, ((f"{n} rows", struct.pack(">4I", 0x803, 40, n, 28) + pixels) for n in counts))
    damage_idx(labels, ((f"{n} labels", struct.pack(">2I", 0x801, n) + bytes(40)) for n in counts))


def test_idx_of_something_else(damage_idx: Damage) -> None:
    """Right in form, wrong in content: labels out of range, and files that changed places."""
    files = damage_idx.tiny.files
    labels = np.arange(40, dtype=np.uint8) % 10
    wrong = {f"label {k}": idx(np.where(labels == 9, k, labels).astype(np.uint8)) for k in (0, 10, 255)}
    damage_idx("train-labels-idx1-ubyte", iter([*wrong.items(), ("reversed", idx(labels[::-1]))]))
    damage_idx("train-images-idx3-ubyte", iter([("those of the test", files["t10k-images-idx3-ubyte"])]))
    damage_idx("t10k-images-idx3-ubyte", iter([("the labels", files["t10k-labels-idx1-ubyte"])]))
    damage_idx("train-images-idx3-ubyte", iter([("other images", idx(random_images(40, 28, 28, seed=9)))]))


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_cifar10(damage_cifar10: Damage, name: str) -> None:
    whole = damage_cifar10.tiny.files[name]
    damage_cifar10(name, truncations(whole))
    damage_cifar10(name, other_files(whole))
    damage_cifar10(name, flips(whole, anywhere(whole, 40)))


class Malice:
    """A pickle that leaves a trace when it is read."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.canary}'",)


def test_pickles_are_not_run(damage_cifar10: Damage, tmp_path: Path) -> None:
    canary = tmp_path / "ran"
    for name in damage_cifar10.tiny.files:
        pickles = ((f"protocol {k}", pickle.dumps(Malice(canary), protocol=k)) for k in range(5))
        damage_cifar10(name, pickles)
    assert not canary.exists()
    pickle.loads(pickle.dumps(Malice(canary)))
    assert canary.exists()  # a canary that cannot sing would prove nothing


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop", "dangling", "device", "sparse"])
@pytest.mark.parametrize("damaged", ["damage_idx", "damage_cifar10"])
def test_things_that_are_no_data_files(damaged: str, kind: str, request: pytest.FixtureRequest) -> None:
    damage: Damage = request.getfixturevalue(damaged)
    name = next(name for name in damage.tiny.files if "train-images" in name or "data_batch" in name)
    path = damage.tiny.folder / name
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "sparse":
        path.touch()
        os.truncate(path, 2**36)
    else:
        path.symlink_to({"loop": path, "dangling": path.with_name("nothing"), "device": Path("/dev/zero")}[kind])
    tracemalloc.start()
    damage.refused(f"{name}, {kind}", str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MEMORY
    assert path.is_symlink() or path.exists()


# --- public sets: archives


def archives_of(tiny: Tiny) -> dict[str, bytes]:
    return {f"{name}.gz": gz(content) for name, content in tiny.files.items()}


@pytest.fixture
def mirrored_idx(tiny_idx: TinyIDX, monkeypatch: pytest.MonkeyPatch, server: Server) -> tuple[Tiny, Server]:
    """An empty folder, and a mirror with the archives of MNIST."""
    tiny = tiny_idx(MNIST)
    server.files.update(archives_of(tiny))
    use_mirror(monkeypatch, server.url)
    resources = [(name, md5(content)) for name, content in server.files.items()]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    original = tiny.root.with_name("original")
    tiny.root.rename(original)
    return tiny, server


def idx_original(tiny: Tiny) -> dict[str, Any]:
    return contents(MNIST(str(tiny.root.with_name("original")), batch_size=4))


def test_archives_of_a_bad_mirror(mirrored_idx: tuple[Tiny, Server]) -> None:
    """What has not the right MD5 is never unpacked, so a bomb stays as small as it came."""
    tiny, server = mirrored_idx
    original = idx_original(tiny)
    name = "train-images-idx3-ubyte.gz"
    whole = server.files[name]
    bomb = gz(bytes(2**27))
    cases = [*list(truncations(whole))[::8], *flips(whole, anywhere(whole, 20)), ("bomb", bomb), ("not gzip", b"none")]
    for case, content in cases:
        server.files[name] = content
        tracemalloc.start()
        text = judge(f"{name}, {case}", MNIST(str(tiny.root)), original)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert text is not None
        assert "corrupted" in text
        assert peak < MOST_MEMORY
        assert snapshot(tiny.root) == {}
    server.files[name] = whole
    assert judge("mirror repaired", MNIST(str(tiny.root), batch_size=4), original) is None


def test_a_bomb_that_lies_there_already(mirrored_idx: tuple[Tiny, Server]) -> None:
    tiny, _ = mirrored_idx
    original = idx_original(tiny)
    tiny.folder.mkdir(parents=True)
    (tiny.folder / "train-images-idx3-ubyte.gz").write_bytes(gz(bytes(2**27)))
    tracemalloc.start()
    assert judge("gz bomb in the folder", MNIST(str(tiny.root), batch_size=4), original) is None
    assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    tracemalloc.stop()
    assert (tiny.folder / "train-images-idx3-ubyte").read_bytes() == tiny.files["train-images-idx3-ubyte"]


def test_archives_that_lie_there_need_no_network(
    mirrored_idx: tuple[Tiny, Server], monkeypatch: pytest.MonkeyPatch, closed_port: str
) -> None:
    tiny, server = mirrored_idx
    original = idx_original(tiny)
    use_mirror(monkeypatch, closed_port)
    tiny.folder.mkdir(parents=True)
    for name, content in server.files.items():
        (tiny.folder / name).write_bytes(content)
    assert judge("archives in the folder", MNIST(str(tiny.root), batch_size=4), original) is None


TALK = {
    "no HTTP": b"what?\r\n\r\n",
    "error": b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n",
    "nothing": b"",
    "less than promised": b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n1234",
    "endless header": b"HTTP/1.1 200 OK\r\nX: " + bytes(99_999).replace(b"\0", b"x"),
    "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "silence": None,
}


@pytest.mark.parametrize("talk", TALK)
@pytest.mark.parametrize("data", [MNIST, CIFAR10])
def test_a_server_that_talks_nonsense(
    talk: str, data: type[MNIST] | type[CIFAR10], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed_port: str
) -> None:
    words = TALK[talk]
    monkeypatch.setattr(datamodules.download, "TIMEOUT", 0.1)
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        open_ends = []
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            open_ends.append(client)
            if words is not None:
                client.recv(4096)
                client.sendall(words)
                client.close()

    thread = Thread(target=answer, daemon=True)
    thread.start()
    use_mirror(monkeypatch, f"http://127.0.0.1:{listener.getsockname()[1]}/")
    text = judge(f"server says {talk}", data(str(tmp_path / "root")), {})
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    assert text is not None
    assert snapshot(tmp_path / "root") == {}


def member(name: str, content: bytes = b"canary", **attributes: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content) if "type" not in attributes else 0
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def escapes(outside: Path) -> dict[str, list[tuple[tarfile.TarInfo, bytes]]]:
    """Members that try to reach the folder `outside`."""
    up = "../" * 40 + str(outside).lstrip("/")
    link: dict[str, Any] = {"type": tarfile.SYMTYPE, "linkname": str(outside)}
    return {
        "parent": [member("../outside/canary")],
        "many parents": [member(f"{up}/canary")],
        "hidden parent": [member("cifar-10-batches-py/../../../outside/canary")],
        "absolute": [member(f"{outside}/canary")],
        "through a link": [member("link", **link), member("link/canary")],
        "through a relative link": [member("link", type=tarfile.SYMTYPE, linkname=up), member("link/canary")],
        "link in place of the folder": [member("cifar-10-batches-py", **link)],
        "hard link": [
            member("link", type=tarfile.LNKTYPE, linkname=f"{outside}/kept"),
            member("link", b"overwritten"),
        ],
        "character device": [member("device", type=tarfile.CHRTYPE, devmajor=1, devminor=5)],
        "block device": [member("device", type=tarfile.BLKTYPE, devmajor=7, devminor=0)],
        "pipe": [member("pipe", type=tarfile.FIFOTYPE)],
        "batch is a device": [member("cifar-10-batches-py/data_batch_1", type=tarfile.CHRTYPE, devmajor=1, devminor=5)],
        "batch is a link": [member("cifar-10-batches-py/data_batch_1", **link)],
    }


def plain_extraction(from_path: Any, to_path: Any, compression: str | None) -> None:
    """As older versions of torchvision unpack."""
    with tarfile.open(from_path) as archive:
        archive.extractall(to_path)


@pytest.mark.parametrize("extract", [torchvision.datasets.utils._extract_tar, plain_extraction])
def test_members_cannot_leave_the_folder(
    extract: Callable[..., None], tiny_cifar10: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    """Even with the right MD5: each archive is the published one as far as the code knows."""
    monkeypatch.setitem(torchvision.datasets.utils._ARCHIVE_EXTRACTORS, ".tar", extract)
    use_mirror(monkeypatch, server.url)
    original = contents(CIFAR10(str(tiny_cifar10.root), batch_size=4))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"kept")
    before = snapshot(tmp_path)
    for i, (case, members) in enumerate(escapes(outside).items()):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for info, content in members:
                archive.addfile(info, io.BytesIO(content))
            archive.add(tiny_cifar10.folder, arcname="cifar-10-batches-py")
        server.files["cifar-10-python.tar.gz"] = buffer.getvalue()
        monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", md5(buffer.getvalue()))
        root = tmp_path / f"root{i}"
        judge(f"tar, {case}", CIFAR10(str(root), batch_size=4), original)
        inside = {name for name in snapshot(tmp_path) if name.split("/")[0] == root.name}
        assert not [name for name in inside if "canary" in name or "link" in name or "device" in name], case
        assert {name: content for name, content in snapshot(tmp_path).items() if not name.startswith("root")} == before
    assert tarfile.TarFile.extraction_filter is None  # the default of the process is as it was


# --- the user's own archive


def npy(array: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version)
    return buffer.getvalue()


def npy_header(shape: Any, descr: Any = "|u1", fortran_order: Any = False) -> bytes:
    """A header that says what it is told to."""
    text = repr({"descr": descr, "fortran_order": fortran_order, "shape": shape}).encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text) + 1) + text + b"\n"


def zipped(members: dict[str, bytes] | list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content)
    return buffer.getvalue()


OWN: dict[str, np.ndarray] = {**npz_arrays(8, 6), "classes": np.array(["cat", "dog", "owl", "rare"])}
MEMBERS = {f"{name}.npy": npy(array) for name, array in OWN.items()}


class DamageArchive:
    """Writes one archive after the other under one name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "own.npz"
        self.path.write_bytes(zipped(MEMBERS))
        self.original = contents(Arrays(str(self.path), batch_size=4))

    def __call__(self, case: str, content: bytes) -> str | None:
        self.path.write_bytes(content)
        text = judge(f"npz, {case}", Arrays(str(self.path), batch_size=4), self.original)
        assert list(self.folder.iterdir()) == [self.path]
        return text

    def with_member(self, case: str, name: str, content: bytes) -> str | None:
        return self(case, zipped({**MEMBERS, f"{name}.npy": content}))


@pytest.fixture
def damage_archive(tmp_path: Path) -> DamageArchive:
    (tmp_path / "own").mkdir()
    return DamageArchive(tmp_path / "own")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_own_archive(damage_archive: DamageArchive, method: int) -> None:
    whole = zipped(MEMBERS, method)
    assert damage_archive("whole", whole) is None
    for case, content in [*truncations(whole), *other_files(whole)]:
        harmless = case in ("one byte more", "twice")  # to a zip file, what stands before or after it is nothing
        assert damage_archive(case, content) is not None or harmless, case
    index = whole.index(b"PK\1\2")
    for case, content in flips(whole, range(index, len(whole))):
        damage_archive(case, content)
    starts = [whole.index(name.encode()) for name in MEMBERS]
    for case, content in flips(whole, [start + k for start in starts for k in range(-30, 40, 2)]):
        damage_archive(case, content)
    for case, content in flips(whole, anywhere(whole, 150)):
        damage_archive(case, content)


@pytest.mark.parametrize("key", ["train_images", "train_labels", "test_images", "test_labels", "classes"])
def test_own_archive_whose_sums_are_right(damage_archive: DamageArchive, key: str) -> None:
    """The zip file is sound: only the array's own header is damaged."""
    content = MEMBERS[f"{key}.npy"]
    header = len(content) - OWN[key].nbytes
    for case, wrong in flips(content, range(header), seed=len(key)):
        damage_archive.with_member(f"header of {key}, {case}", key, wrong)


HEADERS: dict[str, bytes] = {
    "one image more": npy_header((31, 8, 6)),
    "one image less": npy_header((29, 8, 6)),
    "other sides": npy_header((30, 6, 8, 1, 1)),
    "huge": npy_header((10**6, 1000, 1000)),
    "more than 64 bits": npy_header((2**40, 2**40)),
    "overflow to the right size": npy_header((2**64 + 1440,)),
    "digits": npy_header((10**4000,) * 3),
    "negative": npy_header((-1, 8, 6)),
    "twice negative": npy_header((-30, -8, 6)),
    "no axes": npy_header(()),
    "many axes": npy_header((30, 8, 6) + (1,) * 100),
    "true": npy_header((30, 8, 6, True, True)),
    "float side": npy_header((30.0, 8, 6)),
    "text side": npy_header(("30", 8, 6)),
    "a list": npy_header([30, 8, 6]),
    "objects": npy_header((30, 8, 6), "|O"),
    "zero-width": npy_header((10**9,), "<U0"),
    "structure": npy_header((30, 8), [("a", "|u1", (6,))]),
    "subarray": npy_header((30, 8), ("|u1", (6,))),
    "nonsense type": npy_header((30, 8, 6), "|q9"),
    "type of code": npy_header((30, 8, 6), "__import__('os').system('touch canary')"),
    "order": npy_header((30, 8, 6), fortran_order="yes"),
    "no dictionary": b"\x93NUMPY\1\0\2\0[]",
    "unfinished": b"\x93NUMPY\1\0\4\0{'a'",
    "indented": b"\x93NUMPY\1\0\x08\0 {\n  1\n 2",
    "deep": b"\x93NUMPY\1\0\x88\x13" + b"(" * 5000,
    "long": b"\x93NUMPY\2\0" + struct.pack("<I", 20_000) + b" " * 20_000,
    "code": b"\x93NUMPY\1\0\x20\0__import__('os').system('true') ",
    "version 9": b"\x93NUMPY\x09\0" + bytes(2000),
    "no magic": b"NUMPY" + bytes(2000),
    "empty": b"",
    "nested archive": zipped(MEMBERS),
    "pickle": pickle.dumps({"a": 1}),
}


@pytest.mark.parametrize("key", ["train_images", "train_labels", "classes"])
def test_headers_that_lie(damage_archive: DamageArchive, key: str) -> None:
    data = MEMBERS["train_images.npy"][-1440:]
    tracemalloc.start()
    for case, header in HEADERS.items():
        assert damage_archive.with_member(f"{key}, {case}", key, header + data) is not None, case
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MEMORY


def altered(key: str, value: Any) -> dict[str, bytes]:
    return {**MEMBERS, f"{key}.npy": npy(np.asarray(value))}


LABELS, IMAGES = OWN["train_labels"], OWN["train_images"]
WRONG: dict[str, dict[str, bytes]] = {
    "a label too many": altered("train_labels", np.append(LABELS, 0)),
    "a label too few": altered("train_labels", LABELS[:-1]),
    "no labels": altered("train_labels", LABELS[:0]),
    "label of no class": altered("test_labels", np.full(12, 4)),
    "negative label": altered("test_labels", np.arange(12) - 1),
    "all labels negative": altered("train_labels", LABELS - 9),
    "beyond int64": altered("train_labels", np.full(30, 2**64 - 1, np.uint64)),
    "wraps to 0 in int64": altered("test_labels", np.full(12, 2**63, np.uint64)),
    "swapped bytes": altered("train_labels", LABELS.byteswap()),
    "fractions": altered("train_labels", LABELS + 0.5),
    "NaN": altered("train_labels", np.full(30, np.nan)),
    "truth": altered("train_labels", LABELS > 1),
    "dates": altered("train_labels", LABELS.astype("M8[s]")),
    "complex images": altered("train_images", IMAGES.astype(complex)),
    "signed images": altered("train_images", IMAGES.astype(np.int8)),
    "one image": altered("train_images", IMAGES[0]),
    "no image": altered("train_images", IMAGES[:0]),
    "scalar": altered("train_images", 3),
    "no columns": altered("test_images", OWN["test_images"][:, :, :0]),
    "other size": altered("test_images", OWN["test_images"][:, :, :5]),
    "no class names": altered("classes", np.array([], str)),
    "too few names": altered("classes", ["cat"]),
    "bytes as names": altered("classes", [b"cat", b"dog", b"owl", b"rare"]),
    "numbers that are no characters": altered("classes", np.array([2**31 - 1] * 4, np.uint32).view("<U1")),
    "half a character": altered("classes", np.array([0xD800] * 4, np.uint32).view("<U1")),
    "a table of names": altered("classes", [["cat", "dog"], ["owl", "rare"]]),
    "labels alone": {name: MEMBERS[name] for name in MEMBERS if name != "train_images.npy"},
    "empty labels alone": {
        name: content for name, content in altered("train_labels", LABELS[:0]).items() if name != "train_images.npy"
    },
    "nothing": {},
    "nested names": {f"own/{name}": content for name, content in MEMBERS.items()},
    "parent names": {f"../{name}": content for name, content in MEMBERS.items()},
    "absolute names": {f"/tmp/{name}": content for name, content in MEMBERS.items()},
    "names for a terminal": {f"\x1b[31m\n{name}": content for name, content in MEMBERS.items()},
    "a very long name": {"x" * 60_000: b""},
}


@pytest.mark.parametrize("case", WRONG)
def test_arrays_that_lie(damage_archive: DamageArchive, case: str) -> None:
    text = damage_archive(case, zipped(WRONG[case]))
    assert text is not None
    assert str(damage_archive.path) in text
    assert len(text) < 500
    assert text.isprintable()


def test_names_that_occur_twice(damage_archive: DamageArchive) -> None:
    for name in MEMBERS:
        for double in (name, name.removesuffix(".npy")):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("warnings.warn", lambda *args, **options: None)  # zipfile warns who writes that
                content = zipped([*MEMBERS.items(), (double, MEMBERS[name])])
            assert damage_archive(f"{double} twice", content) is not None


def test_pickles_in_an_archive_are_not_run(damage_archive: DamageArchive, tmp_path: Path) -> None:
    malice = np.array([Malice(tmp_path / "ran")] * 3, dtype=object)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, malice, allow_pickle=True)
    for name in ("train_images", "train_labels", "classes"):
        for case, content in (("array", buffer.getvalue()), ("bare", pickle.dumps(malice))):
            assert damage_archive.with_member(f"pickle as {name}, {case}", name, content) is not None
    assert damage_archive("a pickle alone", pickle.dumps(malice)) is not None
    assert damage_archive("an object array alone", buffer.getvalue()) is not None
    assert not (tmp_path / "ran").exists()


def test_links_among_the_members(damage_archive: DamageArchive, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("train_images.npy")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        for name in list(MEMBERS)[1:]:
            archive.writestr(name, MEMBERS[name])
    assert damage_archive("a symlink", buffer.getvalue()) is not None


# --- bombs


def zeros(size: int, start: bytes = b"") -> tuple[bytes, int]:
    """So many zero bytes after `start`, deflated without being made, and their CRC-32."""
    block = 2**20
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = squeeze.compress(start) + squeeze.flush(zlib.Z_FULL_FLUSH)
    one = squeeze.compress(bytes(block)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    crc = zlib.crc32(start)
    for _ in range(size // block):
        crc = zlib.crc32(bytes(block), crc)
    return first + one * (size // block) + squeeze.flush(), crc


def zip_with(name: str, content: bytes, size: int, crc: int, method: int) -> bytes:
    """A zip file with one member whose bytes are compressed already."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
        info = archive.getinfo(name)
        info.compress_type, info.file_size, info.CRC = method, size, crc
    whole = bytearray(buffer.getvalue())
    whole[8:10] = struct.pack("<H", method)
    whole[14:18] = struct.pack("<I", crc)
    return bytes(whole)


def inflating(start: bytes, size: int = 2**28) -> bytes:
    """A member that begins so and goes on with zeros."""
    content, crc = zeros(size, start)
    return zip_with("train_images.npy", content, len(start) + size, crc, zipfile.ZIP_DEFLATED)


def promising(size: int, start: bytes) -> bytes:
    """A member that is said to be so large, and begins as if."""
    return zip_with("train_images.npy", zeros(2**20, start)[0], len(start) + size, 0, zipfile.ZIP_DEFLATED)


def squeezed_by(compress: Callable[[bytes], bytes], method: int) -> bytes:
    content = MEMBERS["train_images.npy"] + bytes(2**24)
    return zip_with("train_images.npy", compress(content), len(content), zlib.crc32(content), method)


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "more than the header says": (lambda: inflating(MEMBERS["train_images.npy"]), "expected 1568 bytes"),
    "a long header": (lambda: inflating(b"\x93NUMPY\2\0" + struct.pack("<I", 2**28)), "reading array header"),
    "more than any memory": (lambda: promising(2**54, npy_header((2**14, 2**20, 2**20))), "bytes of memory"),
    "bzip2": (lambda: squeezed_by(bz2.compress, zipfile.ZIP_BZIP2), "found method 12"),
    "lzma": (lambda: squeezed_by(lzma.compress, zipfile.ZIP_LZMA), "found method 14"),
    "two million names": (
        lambda: zipped({**MEMBERS, "classes.npy": npy_header((2_000_000,), "<U1") + bytes(8_000_000)}, 8),
        "one name per class",
    ),
    "names without letters": (
        lambda: zipped({**MEMBERS, "classes.npy": npy_header((10**15,), "<U0")}),
        "one name per class",
    ),
    "thousands of members": (lambda: zipped({f"{i}.npy": b"" for i in range(4000)}), "missing"),
}


@pytest.mark.parametrize("case", BOMBS)
def test_bombs(damage_archive: DamageArchive, case: str) -> None:
    make, reason = BOMBS[case]
    content = make()
    assert len(content) < 2**20
    tracemalloc.start()
    text = damage_archive(f"bomb, {case}", content)
    assert text is not None
    assert reason in text
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MEMORY


def test_more_than_the_machine_has(damage_archive: DamageArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    total = sum(map(len, MEMBERS.values()))
    monkeypatch.setattr(datamodules.archive, "available_memory", lambda: total)
    assert damage_archive("just enough memory", zipped(MEMBERS)) is None
    monkeypatch.setattr(datamodules.archive, "available_memory", lambda: total - 1)
    assert damage_archive("not enough memory", zipped(MEMBERS)) is not None


# --- honest twins: unusual, but right


HONEST: dict[str, bytes] = {
    "columns first": zipped(altered("train_images", np.asfortranarray(IMAGES))),
    "big-endian labels": zipped(altered("train_labels", LABELS.astype(">i8"))),
    "unsigned labels": zipped(altered("test_labels", OWN["test_labels"].astype(np.uint64))),
    "format 2.0": zipped({name: npy(array, (2, 0)) for name, array in zip(MEMBERS, OWN.values(), strict=True)}),
    "deflated": zipped(MEMBERS, zipfile.ZIP_DEFLATED),
    "with other arrays": zipped({**MEMBERS, "notes.txt": b"mine", "weights.npy": npy(np.ones(9))}),
    "with objects elsewhere": zipped({**MEMBERS, "notes.npy": pickle.dumps({})}),
    "with a folder": zipped({"own/": b"", **MEMBERS}),
}


@pytest.mark.parametrize("case", HONEST)
def test_honest_archives(damage_archive: DamageArchive, case: str) -> None:
    assert damage_archive(case, HONEST[case]) is None


def test_black_images(tmp_path: Path) -> None:
    """They shrink to a thousandth, as bombs do."""
    path = tmp_path / "black.npz"
    images, labels = np.zeros((9000, 28, 28), np.uint8), np.arange(9000) % 10
    np.savez_compressed(path, train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("train_images.npy")
        assert info.file_size > 900 * info.compress_size
    found = contents(Arrays(str(path), batch_size=4))
    assert not found["train"][0].any()
    assert len(found["train"][1]) == 9000

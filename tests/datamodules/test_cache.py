"""Protects the folder of downloaded data: fetched once, whole or not there, and repaired when it is found damaged.

    processes on one folder -> a mirror on this machine that is slow where it hurts
                            -> each file is fetched once, and none is ever seen in part under its final name

The processes are forked, for starting Python with torch anew takes seconds. Wherever a file could be seen half-written,
in the middle of a download and of unpacking, the writer waits until the watcher has looked.
"""

import ctypes
import io
import multiprocessing
import os
import re
import shlex
import shutil
import signal
import tarfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

import pytest
import torchvision.datasets
import torchvision.datasets.utils

from cli import data_class
from conftest import Tiny, gz, idx, md5, random_images, write
from datamodules import CIFAR10, MNIST, FashionMNIST
from test_data import message, use_mirror
from zoo.commands.verbs import download

TinyIDX = Callable[[type[MNIST] | type[FashionMNIST]], Tiny]
fork = multiprocessing.get_context("fork")
PROCESSES = 8
PATIENCE = 60  # seconds, for what takes a fraction of one


class Cache(NamedTuple):
    """A folder that holds no data yet, and what it will hold."""

    data: type[MNIST] | type[CIFAR10]
    root: Path
    files: dict[str, bytes]  # under `root`: what is read
    archives: dict[str, bytes]  # under `root`: what is downloaded

    def prepare(self) -> None:
        """What each process does with the data before training."""
        module = self.data(str(self.root), batch_size=4)
        module.prepare_data()
        module.setup()

    def found(self) -> dict[str, bytes]:
        """What the folder holds, but for the lock and what was kept of damaged files."""
        paths = [path for path in self.root.rglob("*") if path.is_file() and path.suffix not in (".lock", ".damaged")]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths}

    def write(self, contents: dict[str, bytes]) -> None:
        for name, content in contents.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_bytes(content)

    @property
    def whole(self) -> dict[str, bytes]:
        return {**self.files, **self.archives}


@pytest.fixture(params=["MNIST", "CIFAR10"])
def cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Cache:
    if request.param == "MNIST":
        tiny = request.getfixturevalue("tiny_idx")(MNIST)
        folder, archives = "MNIST/raw", {f"MNIST/raw/{name}.gz": gz(content) for name, content in tiny.files.items()}
        sums = [(Path(name).name, md5(content)) for name, content in archives.items()]
        monkeypatch.setattr(torchvision.datasets.MNIST, "resources", sums)
    else:
        tiny = request.getfixturevalue("tiny_cifar10")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            archive.add(tiny.folder, arcname=tiny.folder.name)
        folder, archives = tiny.folder.name, {"cifar-10-python.tar.gz": buffer.getvalue()}
        monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", md5(buffer.getvalue()))
    files = {f"{folder}/{name}": content for name, content in tiny.files.items()}
    return Cache(MNIST if request.param == "MNIST" else CIFAR10, tiny.root.with_name("cache"), files, archives)


class Mirror:
    """Serves the archives of a cache, each in two halves with `pause` in between, and counts the downloads."""

    def __init__(self, cache: Cache, pause: Callable[[], None]) -> None:
        self.downloads: Counter[str] = Counter()
        files = {Path(name).name: content for name, content in cache.archives.items()}
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.strip("/")
                self.send_response(200)
                self.send_header("Content-Length", str(len(files[name])))
                self.end_headers()
                if self.headers["Method"] == "HEAD":  # torchvision only asks whether the address leads elsewhere
                    return
                mirror.downloads[name] += 1
                half = len(files[name]) // 2
                self.wfile.write(files[name][:half])
                self.wfile.flush()
                pause()
                self.wfile.write(files[name][half:])

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # of a client that was killed

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> "Mirror":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Watcher:
    """Looks at the final names all the time; `wrong` names those under which something unfinished stood."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.looks = fork.RawValue("l", 0)  # shared with the processes
        self.wrong: set[str] = set()
        self.done = Event()
        self.thread = Thread(target=self.watch, daemon=True)

    def watch(self) -> None:
        while not self.done.wait(0.001):
            for name, content in self.cache.whole.items():
                path = self.cache.root / name
                try:
                    if path.read_bytes() != content:
                        self.wrong.add(name)
                except FileNotFoundError:
                    pass
            self.looks.value += 1

    def wait_for_looks(self) -> None:
        """Returns when every name was looked at once from now on."""
        seen = self.looks.value
        while self.looks.value < seen + 2 and not self.done.wait(0.001):
            pass

    def __enter__(self) -> "Watcher":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.thread.join()


def pause_unpacking(monkeypatch: pytest.MonkeyPatch, pause: Callable[[], None]) -> None:
    """Calls `pause` whenever a file to be unpacked is open for writing and still empty."""
    openers = torchvision.datasets.utils._COMPRESSED_FILE_OPENERS
    open_gz, copy = openers[".gz"], tarfile.copyfileobj  # type: ignore[attr-defined]

    @contextmanager
    def slow_gz(*args: Any) -> Iterator[Any]:
        with open_gz(*args) as file:
            read = file.read
            file.read = lambda: (pause(), read())[1]  # type: ignore[func-returns-value]
            yield file

    def slow_copy(*args: Any) -> None:
        pause()
        copy(*args)

    monkeypatch.setitem(openers, ".gz", slow_gz)
    monkeypatch.setattr(tarfile, "copyfileobj", slow_copy)


class Child:
    """A process that does one thing; `outcome` is what went wrong, or an empty text."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.receiver, sender = fork.Pipe(duplex=False)
        self.process = fork.Process(target=self.run, args=(action, sender), daemon=True)
        self.process.start()
        sender.close()

    @staticmethod
    def run(action: Callable[[], None], sender: Any) -> None:
        try:
            action()
            sender.send("")
        except (ValueError, OSError) as error:
            sender.send(str(error))
        except BaseException:
            sender.send(traceback.format_exc())

    @property
    def outcome(self) -> str:
        assert self.receiver.poll(PATIENCE), "no answer"
        text = self.receiver.recv()
        self.process.join(PATIENCE)
        return text


class Flag:
    """Goes up once, for all processes. Unlike an Event it survives the death of one that waits for it."""

    def __init__(self) -> None:
        self.up = fork.RawValue("b", 0)

    def set(self) -> None:
        self.up.value = 1

    def wait(self) -> None:
        for _ in range(PATIENCE * 1000):
            if self.up.value:
                return
            time.sleep(0.001)
        raise AssertionError("it never came so far")


# --- many processes


def test_processes_that_start_together_fetch_once(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked = fork.RawValue("l", 0)
    with Watcher(cache) as watcher, Mirror(cache, watcher.wait_for_looks) as mirror:

        def pause() -> None:
            unpacked.value += 1
            watcher.wait_for_looks()

        use_mirror(monkeypatch, mirror.url)
        pause_unpacking(monkeypatch, pause)
        start = fork.Barrier(PROCESSES)

        def action() -> None:
            start.wait(PATIENCE)
            cache.prepare()

        children = [Child(action) for _ in range(PROCESSES)]
        assert [child.outcome for child in children] == [""] * PROCESSES
    assert mirror.downloads == {Path(name).name: 1 for name in cache.archives}
    assert unpacked.value == len(cache.files)
    assert watcher.wrong == set()
    assert cache.found() == cache.whole


@pytest.mark.parametrize("moment", ["download", "unpacking"])
def test_a_process_killed_midway_hinders_no_other(cache: Cache, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    midway, killed = Flag(), Flag()
    pauses = {"download": lambda: None, "unpacking": lambda: None}

    def until_killed() -> None:
        midway.set()
        killed.wait()

    pauses[moment] = until_killed
    with Watcher(cache) as watcher, Mirror(cache, pauses["download"]) as mirror:
        use_mirror(monkeypatch, mirror.url)
        pause_unpacking(monkeypatch, pauses["unpacking"])
        first = Child(cache.prepare)
        midway.wait()
        others = [Child(cache.prepare) for _ in range(PROCESSES - 1)]
        watcher.wait_for_looks()
        os.kill(first.process.pid or 0, signal.SIGKILL)
        first.process.join(PATIENCE)
        killed.set()
        assert [child.outcome for child in others] == [""] * len(others)
    assert first.process.exitcode == -signal.SIGKILL
    assert mirror.downloads.total() == len(cache.archives) + 1  # the one that was under way, once more
    assert watcher.wrong == set()
    assert cache.found() == cache.whole  # nothing of the killed process is left


def test_what_a_killed_process_left_is_no_data(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its unfinished files are thrown away, though torchvision would take them for whole."""
    cache.write({f".{cache.data.__name__}.part/{name}": b"unfinished" for name in cache.whole})
    with Mirror(cache, lambda: None) as mirror:
        use_mirror(monkeypatch, mirror.url)
        cache.prepare()
    assert cache.found() == cache.whole


# --- read-only folders


def without_privileges(action: Callable[[], None]) -> Callable[[], None]:
    """Root may write wherever it likes: the process gives that up first."""

    def obedient() -> None:
        header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None).capset(header, none) == 0
        action()

    return obedient


@pytest.fixture
def read_only(cache: Cache) -> Iterator[Callable[[], None]]:
    """Forbids to write in the folder, for the time of the test."""
    folders: list[Path] = []

    def forbid() -> None:
        folders.extend([cache.root, *(path for path in cache.root.rglob("*") if path.is_dir())])
        for folder in folders:
            folder.chmod(0o555)

    yield forbid
    for folder in folders:
        folder.chmod(0o755)


def test_a_read_only_folder_that_holds_the_data(
    cache: Cache, read_only: Callable[[], None], monkeypatch: pytest.MonkeyPatch, closed_port: str
) -> None:
    use_mirror(monkeypatch, closed_port)
    cache.write(cache.files)
    read_only()
    assert Child(without_privileges(cache.prepare)).outcome == ""
    assert {path.name for path in cache.root.iterdir()} == {name.split("/")[0] for name in cache.files}


def test_a_read_only_folder_without_the_data(
    cache: Cache, read_only: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.root.mkdir()
    read_only()
    with Mirror(cache, lambda: None) as mirror:
        use_mirror(monkeypatch, mirror.url)
        for root in (cache.root, cache.root / "deeper"):
            text = Child(without_privileges(cache._replace(root=root).prepare)).outcome
            assert text.count("\n") == 0
            for words in (str(root), "expected a readable file", "Permission denied", "--data.root DIR"):
                assert words in text
    assert not mirror.downloads
    assert list(cache.root.iterdir()) == []


# --- damaged files


def damaged(content: bytes) -> dict[str, bytes]:
    """What other tools, a full disk or a failing one leave under a final name."""
    return {
        "empty": b"",
        "half": content[: len(content) // 2],
        "too much": content + b"\0",
        "zeros": bytes(len(content)),
        "text": b"<html>404 not found</html>",
    }


def other(content: bytes) -> bytes:
    """A whole file of the same form, but another content."""
    return content[:-9] + bytes([content[-9] ^ 4]) + content[-8:]


@pytest.mark.parametrize("damage", damaged(bytes(9)))
def test_a_damaged_file_is_fetched_anew(cache: Cache, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Mirror(cache, lambda: None) as mirror:
        use_mirror(monkeypatch, mirror.url)
        for name, content in cache.files.items():
            cache.write({**cache.files, name: damaged(content)[damage]})
            for archive in cache.archives:
                (cache.root / archive).unlink(missing_ok=True)
            cache.prepare()
            assert cache.found() == cache.whole
            kept = cache.root / f"{name}.damaged"  # what is no mere piece of the file may be somebody's own
            assert kept.exists() == (damage in ("too much", "text"))
            assert not kept.exists() or kept.read_bytes() == damaged(content)[damage]
    assert set(mirror.downloads.values()) == {len(cache.files)}


def test_a_file_that_is_whole_but_other_is_left_as_it_is(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be somebody's own; the advice fetches the data set and keeps it."""
    with Mirror(cache, lambda: None) as mirror:
        use_mirror(monkeypatch, mirror.url)
        for name, content in cache.files.items():
            before = {**cache.files, **cache.archives, name: other(content)}
            cache.write(before)
            text = message(ValueError, cache.prepare, f"in {cache.root / name}: expected", "left as it is")
            assert cache.found() == before
            assert not mirror.downloads
        folder = re.search(r"Try: mv '(.+)' '(.+\.other)' to have \w+ fetched", text)
        assert folder
        Path(folder[1]).rename(folder[2])
        cache.prepare()
        assert {name: cache.found()[name] for name in cache.files} == cache.files
        assert Path(folder[2], *Path(name).parts[1:]).read_bytes() == other(content)


def test_files_of_another_data_set_are_told(tiny_idx: TinyIDX, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of Fashion-MNIST have the same names and sizes; an own set of them, another number of images."""
    mnist, fashion = tiny_idx(MNIST), tiny_idx(FashionMNIST)
    monkeypatch.setattr(MNIST, "sha256", dict.fromkeys(mnist.files, "0" * 64))
    shutil.rmtree(fashion.folder.parent)
    text = message(ValueError, MNIST(str(mnist.root)).prepare_data, "It is FashionMNIST's", "--data FashionMNIST")
    moved = re.search(r"Try: mv '(.+)' '(.+)' and --data FashionMNIST", text)
    assert moved
    Path(moved[1]).rename(moved[2])
    FashionMNIST(str(mnist.root), batch_size=4).prepare_data()
    write(mnist.folder, {**mnist.files, "train-images-idx3-ubyte": idx(random_images(7, 28, 28))})
    message(ValueError, MNIST(str(mnist.root)).prepare_data, "found (7, 28, 28)", "left as it is")


@pytest.mark.parametrize("damage", damaged(bytes(9)))
def test_without_a_network_a_damaged_file_is_named_and_kept(
    cache: Cache, damage: str, monkeypatch: pytest.MonkeyPatch, closed_port: str
) -> None:
    use_mirror(monkeypatch, closed_port)
    for name, content in cache.files.items():
        before = {**cache.files, name: damaged(content)[damage]}
        cache.write(before)
        command = f"Try: python cli.py download --data {cache.data.__name__} --data.root '{cache.root}'"
        text = message(ValueError, cache.prepare, f"in {cache.root / name}: expected", "Connection refused", command)
        assert cache.found() == before
    words = shlex.split(text.partition("Try: python cli.py download ")[2])
    with Mirror(cache, lambda: None) as mirror:  # now there is a network, and the advice is followed
        use_mirror(monkeypatch, mirror.url)
        download.run(words[:4], data_class)
    assert cache.found() == cache.whole


def test_a_damaged_file_stays_until_the_new_one_is_whole(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(iter(cache.files))
    before = {**cache.files, name: b"damaged"}
    cache.write(before)
    seen = []
    with Mirror(cache, lambda: seen.append((cache.root / name).read_bytes())) as mirror:
        use_mirror(monkeypatch, mirror.url)
        pause_unpacking(monkeypatch, lambda: seen.append((cache.root / name).read_bytes()))
        cache.prepare()
    assert len(seen) > len(cache.archives)
    assert set(seen) == {b"damaged"}
    assert cache.found() == cache.whole


def test_a_whole_archive_mends_without_a_network(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, closed_port: str
) -> None:
    use_mirror(monkeypatch, closed_port)
    cache.write({**cache.archives, next(iter(cache.files)): b"damaged"})
    cache.prepare()
    assert cache.found() == cache.whole


def test_content_is_checked_before_it_takes_its_place(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever torchvision holds for whole: here it is made to believe anything."""
    name, content = next(iter(cache.files.items()))
    before = {**cache.files, name: b"damaged"}
    cache.write(before)

    class Careless:
        def __init__(self, root: str, download: bool) -> None:
            cache._replace(root=Path(root)).write({**cache.whole, name: other(content)})

    for key, value in vars(cache.data.source).items():
        if not key.startswith("__"):
            setattr(Careless, key, value)
    Careless.__name__ = cache.data.__name__
    monkeypatch.setattr(cache.data, "source", Careless)
    message(ValueError, cache.prepare, str(cache.root / name), "fetching")
    assert cache.found() == before

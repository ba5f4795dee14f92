"""What the tests share: the real data where it lies, and writers of tiny files in the real formats."""

import copy
import gzip
import hashlib
import os
import pickle
import signal
import struct
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torchvision.datasets
from hypothesis import settings

import datamodules.cifar10
import datamodules.digits
import datamodules.mnist
from datamodules import CIFAR10, MNIST, FashionMNIST

ROOT = Path(__file__).resolve().parent.parent

torch.set_num_threads(1)  # the tensors are tiny: threads would only wait for each other, all the more under xdist

# the same examples in every run: a red test stays red until it is fixed
settings.register_profile("zoo", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("zoo")


@pytest.fixture(scope="session", autouse=True)
def digits_once() -> Iterator[None]:
    """The file inside scikit-learn is read once, not by each of a thousand runs."""
    digits = datamodules.digits.load_digits()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datamodules.digits.load_digits", lambda: copy.deepcopy(digits))
        yield


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs inside a test draw nothing, which takes longer than they train; those of a module's fixtures do."""
    monkeypatch.setattr("zoo.commands.cli.fitting.draw_run", lambda *args: None)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """A command that was told to stop ignores further signals until its process ends; here the process goes on."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test stands in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a zoo is installed; its configurations are those that the test puts there, as in a wheel."""
    package = tmp_path / "site/zoo"
    monkeypatch.setattr("zoo.config.config_files.PACKAGE", package)
    return package


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real data sets: $ZOO_DATA, else ../shared/data beside the repository."""
    folder = Path(os.environ.get("ZOO_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "MNIST" / "raw").is_dir():
        pytest.skip(f"no real data: {folder}/MNIST/raw is not there (set ZOO_DATA)")
    return folder


class Tiny(NamedTuple):
    """A tiny data set on disk. Images (N, C, H, W) uint8 and labels (N,) int64 are under `train` and `test`."""

    root: Path
    folder: Path  # where the files lie
    images: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    files: dict[str, bytes]  # name -> content


def random_images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    """IDX: two zero bytes, 8 for uint8, number of axes, each axis as a big-endian uint32, then the bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture
def tiny_idx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[type[MNIST] | type[FashionMNIST]], Tiny]:
    """Writes 40 + 20 images as MNIST or FashionMNIST; counts and sums of the code are set to those of these files."""

    def make(data: type[MNIST] | type[FashionMNIST]) -> Tiny:
        counts = {"train": ("train", 40), "test": ("t10k", 20)}
        images = {split: random_images(n, 1, 28, 28, seed=n) for split, (_, n) in counts.items()}
        labels = {split: np.arange(n) % 10 for split, (_, n) in counts.items()}
        arrays = {}
        for split, (name, _) in counts.items():
            arrays[f"{name}-images-idx3-ubyte"] = images[split][:, 0]
            arrays[f"{name}-labels-idx1-ubyte"] = labels[split].astype(np.uint8)
        monkeypatch.setattr(datamodules.mnist, "PARTS", counts)
        monkeypatch.setattr(data, "sha256", {name: sha256(array.tobytes()) for name, array in arrays.items()})
        tiny = Tiny(
            root=tmp_path / "data",
            folder=tmp_path / "data" / data.__name__ / "raw",
            images=images,
            labels=labels,
            files={name: idx(array) for name, array in arrays.items()},
        )
        write(tiny.folder, tiny.files)
        return tiny

    return make


@pytest.fixture
def tiny_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """Six batch files of 8 photographs each, pickled as CIFAR-10's are, and the sums of the code set to theirs."""
    count = 8
    names = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
    images = {split: random_images(count * len(files), 3, 32, 32, seed=len(files)) for split, files in names.items()}
    labels = {split: np.arange(count * len(files)) % 10 for split, files in names.items()}
    files = {"batches.meta": pickle.dumps({"label_names": list(CIFAR10.classes)}, protocol=2)}
    records: dict[str, list[str]] = {}
    for split, batches in names.items():
        records[split] = []
        for i, name in enumerate(batches):
            part = slice(i * count, (i + 1) * count)
            rows = images[split][part].reshape(count, 3072)
            files[name] = pickle.dumps({"data": rows, "labels": labels[split][part].tolist()}, protocol=2)
            record = b"".join(
                bytes([label]) + row.tobytes() for label, row in zip(labels[split][part], rows, strict=True)
            )
            records[split].append(sha256(record))
    source = torchvision.datasets.CIFAR10
    monkeypatch.setattr(datamodules.cifar10, "RECORDS", count)
    monkeypatch.setattr(CIFAR10, "sha256", records)
    monkeypatch.setattr(source, "train_list", [[name, md5(files[name])] for name in names["train"]])
    monkeypatch.setattr(source, "test_list", [[name, md5(files[name])] for name in names["test"]])
    monkeypatch.setattr(source, "meta", {**source.meta, "md5": md5(files["batches.meta"])})
    tiny = Tiny(tmp_path / "data", tmp_path / "data" / "cifar-10-batches-py", images, labels, files)
    write(tiny.folder, tiny.files)
    return tiny


def npz_arrays(*shape: int) -> dict[str, Any]:
    """The arrays of an archive: 30 + 12 images of this shape in three classes."""
    return {
        "train_images": random_images(30, *shape, seed=1),
        "train_labels": np.arange(30) % 3,
        "test_images": random_images(12, *shape, seed=2),
        "test_labels": np.arange(12) % 3,
    }


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., str]:
    """Writes an archive of 8 × 6 grey images; keywords replace its arrays, None leaves one out."""

    def make(**changed: Any) -> str:
        path = tmp_path / "own.npz"
        arrays = {**npz_arrays(8, 6), **changed}
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
        return str(path)

    return make


class Server(NamedTuple):
    """A mirror on this machine: what it serves and what it was asked for."""

    url: str
    files: dict[str, bytes]
    requested: list[str]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    files: dict[str, bytes] = {}
    requested: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/")
            requested.append(name)
            self.send_response(200 if name in files else 404)
            self.send_header("Content-Length", str(len(files.get(name, b""))))
            self.end_headers()
            self.wfile.write(files.get(name, b""))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield Server(f"http://127.0.0.1:{http.server_port}/", files, requested)
        http.shutdown()
        thread.join()


@pytest.fixture
def closed_port(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address at which nobody listens: what a machine without a network sees, only faster."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as http:
        return f"http://127.0.0.1:{http.server_port}/"


def gz(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)

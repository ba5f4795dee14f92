"""Protects the way from files to arrays: what is read is what is there, and what is wrong is said in one clear line."""

import io
import struct
import tarfile
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
import torchvision.datasets
from sklearn.datasets import load_digits

from conftest import Server, Tiny, gz, idx, md5, npz_arrays, random_images, write
from datamodules import CIFAR10, MNIST, Arrays, Digits, FashionMNIST, ImageDataModule

IDXClass = type[MNIST] | type[FashionMNIST]
TinyIDX = Callable[[IDXClass], Tiny]
NPZ = Callable[..., str]

NORMALISATIONS: list[Literal["none", "unit", "symmetric", "standard"]] = ["none", "unit", "symmetric", "standard"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, closed_port: str) -> None:
    """A damaged file is fetched anew where that can be done: not from the real mirrors."""
    use_mirror(monkeypatch, closed_port)


def use_mirror(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Lets torchvision download from this address."""
    for source in (torchvision.datasets.MNIST, torchvision.datasets.FashionMNIST):
        monkeypatch.setattr(source, "mirrors", [url])
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", url + "cifar-10-python.tar.gz")


def prepared(module: ImageDataModule, stage: str = "fit") -> ImageDataModule:
    """The data module as Lightning would have it before training."""
    module.prepare_data()
    module.setup(stage)
    return module


def message(error: type[Exception], action: Callable[[], Any], *words: str) -> str:
    """Runs what must fail and returns its message: one line with what was expected, what was found, and these words."""
    with pytest.raises(error) as caught:
        action()
    text = str(caught.value)
    assert "\n" not in text
    for word in ("expected", "found", *words):
        assert word in text, text
    return text


# --- the five data sets


@pytest.mark.parametrize("data", [MNIST, FashionMNIST])
def test_idx_files_are_read_as_written(tiny_idx: TinyIDX, data: IDXClass) -> None:
    tiny = tiny_idx(data)
    module = prepared(data(str(tiny.root), batch_size=4))
    for split in ("train", "test"):
        images, labels = module.part(split)
        assert np.array_equal(images.numpy(), tiny.images[split])
        assert np.array_equal(labels.numpy(), tiny.labels[split])
        assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
    assert (module.in_shape, module.num_classes, len(module.classes)) == ((1, 28, 28), 10, 10)
    assert {split: len(indices) for split, indices in module.splits.items()} == {"train": 36, "val": 4, "test": 20}


def test_cifar_batches_are_read_as_written(tiny_cifar10: Tiny) -> None:
    module = prepared(CIFAR10(str(tiny_cifar10.root), batch_size=4))
    for split in ("train", "test"):
        images, labels = module.part(split)
        assert np.array_equal(images.numpy(), tiny_cifar10.images[split])
        assert np.array_equal(labels.numpy(), tiny_cifar10.labels[split])
        assert images.is_contiguous()
    assert (module.in_shape, module.num_classes, len(module.classes)) == ((3, 32, 32), 10, 10)


@pytest.mark.parametrize(
    ("shape", "in_shape"), [((8, 6), (1, 8, 6)), ((8, 6, 1), (1, 8, 6)), ((8, 6, 3), (3, 8, 6))], ids=str
)
def test_arrays_are_read_as_written(npz: NPZ, shape: tuple[int, ...], in_shape: tuple[int, ...]) -> None:
    arrays = npz_arrays(*shape)
    module = prepared(Arrays(npz(**arrays), batch_size=4))
    assert (module.in_shape, module.num_classes, list(module.classes)) == (in_shape, 3, ["0", "1", "2"])
    for split in ("train", "test"):
        images, labels = module.part(split)
        height, width, channels = 8, 6, in_shape[0]
        written = arrays[f"{split}_images"].reshape(-1, height, width, channels)
        assert images.shape == (len(written), *in_shape)
        for c in range(channels):
            assert np.array_equal(images[:, c].numpy(), written[..., c])
        assert np.array_equal(labels.numpy(), arrays[f"{split}_labels"])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64])
def test_arrays_take_any_integer_labels(npz: NPZ, dtype: type) -> None:
    module = prepared(Arrays(npz(train_labels=(np.arange(30) % 3).astype(dtype)), batch_size=4))
    assert module.part("train").labels.dtype == torch.int64
    assert module.num_classes == 3


def test_arrays_take_their_class_names(npz: NPZ) -> None:
    module = Arrays(npz(classes=np.array(["cat", "dog", "owl", "rare"])))
    assert (list(module.classes), module.num_classes) == (["cat", "dog", "owl", "rare"], 4)
    module.setup()


@pytest.mark.parametrize("options", [{}, {"val_size": 9}, {"train_size": 9}, {"val_size": 9, "train_size": 9}], ids=str)
def test_predicting_needs_the_images_only(npz: NPZ, options: dict[str, Any]) -> None:
    # the options are those of the run whose model predicts
    path = npz(train_images=None, train_labels=None, test_labels=None)
    module = prepared(Arrays(path, known_classes=3, normalize="unit", **options), "predict")
    assert (module.in_shape, module.num_classes) == ((1, 8, 6), 3)
    (x, y, _) = next(iter(module.predict_dataloader()))
    assert x.shape == (12, 1, 8, 6)
    assert y.eq(-1).all()
    for stage, missing in (("test", "test_labels missing"), ("fit", "train_images, train_labels, test_labels missing")):
        message(ValueError, partial(Arrays(path, known_classes=3).setup, stage), path, missing)


def test_other_images_are_normalised_as_the_training_images(npz: NPZ) -> None:
    trained = prepared(Arrays(npz(), batch_size=4))
    x = trained.prepare_images(trained.part("test").images)
    other = Arrays(npz(train_images=None, train_labels=None), known_classes=3)
    other.load_state_dict(trained.state_dict())  # as Lightning does from a checkpoint
    other.setup("test")
    assert other.prepare_images(other.part("test").images).equal(x)


def test_shape_and_classes_are_plain_values(npz: NPZ) -> None:
    # they end up in checkpoints, which are loaded with weights_only=True
    module = Arrays(npz(classes=np.array(["cat", "dog", "owl"])))
    assert {type(name) for name in module.classes} == {str}
    assert {type(side) for side in module.in_shape} == {int}
    assert type(module.num_classes) is int


def test_digits_are_those_of_scikit_learn() -> None:
    module = prepared(Digits())
    train, test = module.part("train"), module.part("test")
    assert (module.in_shape, module.num_classes) == ((1, 28, 28), 10)
    assert (len(train.labels), len(test.labels)) == (1438, 359)
    labels = torch.cat([train.labels, test.labels])
    assert labels.bincount().equal(torch.from_numpy(load_digits().target).bincount())
    assert (test.labels.bincount() - labels.bincount() / 5).abs().max() < 1
    assert train.images.dtype == torch.uint8
    assert train.images[:, :, 4:24, 4:24].max() == 255
    frame = train.images.clone()
    frame[:, :, 4:24, 4:24] = 0
    assert not frame.any()
    pixels = torch.cat([train.images, test.images]).flatten(1)
    assert len(pixels.unique(dim=0)) == len(torch.from_numpy(load_digits().data).unique(dim=0))  # no image twice


# --- normalisation


@pytest.mark.parametrize("normalize", NORMALISATIONS)
def test_normalisation_is_one_function_for_all_splits(
    npz: NPZ, normalize: Literal["none", "unit", "symmetric", "standard"]
) -> None:
    module = prepared(Arrays(npz(**npz_arrays(8, 6, 3)), batch_size=4, normalize=normalize))
    pixels = module.part("train").images.double().transpose(0, 1).flatten(1) / 255  # (C, N·H·W) from 0 to 1
    mean, std = pixels.mean(1)[:, None, None], pixels.std(1, correction=0)[:, None, None]
    formula: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "none": lambda x: x,
        "unit": lambda x: x / 255,
        "symmetric": lambda x: x / 127.5 - 1,
        "standard": lambda x: (x / 255 - mean) / std,
    }
    for split in ("train", "val", "test"):
        for x, _, index in module.batches(split):
            assert x.dtype == torch.float32
            expected = formula[normalize](module.part(split).images[index].double())
            torch.testing.assert_close(x, expected.float(), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_standard_gives_zero_mean_and_unit_variance(npz: NPZ, channels: int) -> None:
    scales = np.array([1, 3, 9][:channels])  # channels of different spread
    images = random_images(50, 9, 7, channels) // scales.astype(np.uint8)
    module = Arrays(npz(train_images=images, train_labels=np.arange(50) % 3, test_images=images[:12]))
    module.setup()
    x = module.prepare_images(module.part("train").images).double().transpose(0, 1).flatten(1)
    assert x.mean(1).abs().max() < 1e-5
    assert (x.var(1, correction=0) - 1).abs().max() < 1e-4


def test_standard_on_digits() -> None:
    module = prepared(Digits())
    x = module.prepare_images(module.part("train").images).double()
    assert abs(x.mean()) < 1e-5
    assert abs(x.var(correction=0) - 1) < 1e-4


def test_constant_images_stay_finite(npz: NPZ) -> None:
    module = Arrays(npz(train_images=np.full((30, 8, 6), 37, np.uint8)))
    module.setup()
    assert module.prepare_images(module.part("train").images).abs().max() < 1e-4
    assert module.prepare_images(module.part("test").images).isfinite().all()


@pytest.mark.parametrize("data", [MNIST, FashionMNIST])
def test_statistics_of_the_real_sets(real_data: Path, data: IDXClass) -> None:
    if not (real_data / data.__name__ / "raw").is_dir():
        pytest.skip(f"no real {data.__name__}")
    content = (real_data / data.__name__ / "raw" / "train-images-idx3-ubyte").read_bytes()
    counts = np.bincount(np.frombuffer(content, np.uint8, offset=16), minlength=256)
    values = np.arange(256) / 255
    mean = (counts * values).sum() / counts.sum()
    std = np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum())
    ((stated_mean,), (stated_std,)) = data.statistics
    assert (stated_mean, stated_std) == (pytest.approx(mean, abs=1e-12), pytest.approx(std, abs=1e-12))


# --- permuted pixels


def test_shuffled_pixels_are_one_permutation_for_all_splits(npz: NPZ) -> None:
    path = npz(**npz_arrays(8, 6, 3))
    plain, shuffled = Arrays(path), Arrays(path, shuffle_pixels=7)
    plain.setup()
    shuffled.setup()
    # found from the training images alone: where the 90 values of a pixel went
    columns = plain.part("train").images.flatten(2).permute(2, 0, 1).flatten(1)  # (H·W, N·C)
    moved = shuffled.part("train").images.flatten(2).permute(2, 0, 1).flatten(1)
    permutation = (moved[:, None] == columns[None]).all(2).int().argmax(1)
    assert permutation.sort().values.equal(torch.arange(48))
    assert not permutation.equal(torch.arange(48))
    inverse = permutation.argsort()
    for split in ("train", "test"):
        images = shuffled.part(split).images
        assert images.flatten(2)[:, :, inverse].reshape(images.shape).equal(plain.part(split).images)
        assert shuffled.part(split).labels.equal(plain.part(split).labels)


def test_shuffled_pixels_depend_on_their_seed_only(npz: NPZ) -> None:
    def images(**options: Any) -> torch.Tensor:
        module = Arrays(npz(), **options)
        module.setup()
        return module.part("test").images

    assert images(shuffle_pixels=1).equal(images(shuffle_pixels=1, seed=5))
    assert not images(shuffle_pixels=1).equal(images(shuffle_pixels=2))


# --- broken files


def broken_idx(tiny: Tiny, data: IDXClass, name: str, content: bytes) -> Callable[[], Any]:
    (tiny.folder / name).write_bytes(content)
    return lambda: prepared(data(str(tiny.root), batch_size=4))


@pytest.mark.parametrize("data", [MNIST, FashionMNIST])
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_truncated_idx(tiny_idx: TinyIDX, data: IDXClass, name: str) -> None:
    tiny = tiny_idx(data)
    size = len(tiny.files[name])
    for content in (tiny.files[name][:-1], b""):
        action = broken_idx(tiny, data, name, content)
        message(ValueError, action, str(tiny.folder / name), f"{size} bytes", str(len(content)))


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"])
def test_altered_idx_byte(tiny_idx: TinyIDX, name: str) -> None:
    tiny = tiny_idx(MNIST)
    content = bytearray(tiny.files[name])
    content[-3] ^= 1
    message(ValueError, broken_idx(tiny, MNIST, name, bytes(content)), str(tiny.folder / name), "SHA-256")


@pytest.mark.parametrize(
    "header",
    [
        (0, 8, 3, 39, 28, 28),  # one image too few
        (0, 8, 3, 28, 40, 28),  # as many bytes, other images
        (0, 8, 3, 40, 14, 56),
        (0, 8, 2, 40, 28, 28),  # two axes
        (0, 8, 7, 40, 28, 28),  # seven axes
        (0, 9, 3, 40, 28, 28),  # signed bytes
        (0, 10, 3, 40, 28, 28),  # no such type
        (0, 13, 3, 40, 28, 28),  # float32
        (7, 8, 3, 40, 28, 28),  # the first two bytes are not zero
    ],
    ids=str,
)
def test_altered_idx_header(tiny_idx: TinyIDX, header: tuple[int, ...]) -> None:
    tiny, name = tiny_idx(MNIST), "train-images-idx3-ubyte"
    content = struct.pack(">HBB3I", *header) + tiny.files[name][16:]
    message(ValueError, broken_idx(tiny, MNIST, name, content), str(tiny.folder / name), "header")


def test_altered_idx_label_header(tiny_idx: TinyIDX) -> None:
    tiny, name = tiny_idx(MNIST), "train-labels-idx1-ubyte"
    content = struct.pack(">HBBI", 0, 8, 1, 41) + tiny.files[name][8:]
    message(ValueError, broken_idx(tiny, MNIST, name, content), str(tiny.folder / name), "header")


@pytest.mark.parametrize("name", ["data_batch_2", "test_batch", "batches.meta"])
def test_altered_cifar_batch(tiny_cifar10: Tiny, name: str) -> None:
    content = bytearray(tiny_cifar10.files[name])
    content[-30] ^= 1
    (tiny_cifar10.folder / name).write_bytes(content)
    text = message(
        ValueError, lambda: prepared(CIFAR10(str(tiny_cifar10.root))), str(tiny_cifar10.folder / name), "MD5"
    )
    others = set(tiny_cifar10.files) - {name}
    assert not any(str(tiny_cifar10.folder / other) in text for other in others)


def test_cifar_of_another_content(tiny_cifar10: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    # the files' MD5 is right, but what was decoded is not what was published
    monkeypatch.setattr(CIFAR10, "sha256", {**CIFAR10.sha256, "test": ["0" * 64]})
    message(ValueError, lambda: prepared(CIFAR10(str(tiny_cifar10.root))), str(tiny_cifar10.folder), "SHA-256")


LABELS = np.arange(30) % 3
FLOATS = random_images(30, 8, 6) / 255
NAN = np.where(FLOATS > 0.9, np.nan, FLOATS)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"test_labels": None}, ["test_labels missing"]),
        ({"train_labels": None}, ["train_labels"]),
        ({"train_images": None, "test_images": None}, ["train_images, test_images missing"]),
        ({"train_images": FLOATS}, ["train_images", "uint8", "float64"]),
        ({"train_images": NAN}, ["train_images", "uint8", "NaN"]),
        ({"train_images": random_images(30, 8, 6, 2)}, ["train_images", "(30, 8, 6, 2)"]),
        ({"train_images": random_images(30, 48)}, ["train_images", "(30, 48)"]),
        ({"test_images": random_images(12, 8, 7)}, ["test_images", "(8, 6, 1)", "(8, 7, 1)"]),
        ({"test_images": random_images(12, 8, 6, 3)}, ["test_images", "(8, 6, 1)", "(8, 6, 3)"]),
        ({"train_images": random_images(0, 8, 6), "train_labels": LABELS[:0]}, ["train_images", "(0, 8, 6)"]),
        ({"test_images": random_images(0, 8, 6), "test_labels": LABELS[:0]}, ["test_images", "(0, 8, 6)"]),
        ({"train_images": random_images(30, 0, 6)}, ["train_images", "(30, 0, 6)"]),
        ({"test_labels": np.full(12, 3)}, ["test_labels", "0 to 2", "3 to 3"]),
        ({"train_labels": LABELS - 1}, ["train_labels", "-1"]),
        ({"train_labels": LABELS, "classes": np.array(["a", "b"])}, ["train_labels", "0 to 1", "0 to 2"]),
        ({"train_labels": LABELS + 10**6}, ["train_labels", "1000002"]),
        ({"train_labels": LABELS[:29]}, ["train_labels", "(30,)", "(29,)"]),
        ({"classes": np.array("one name")}, ["classes"]),
        ({"train_images": np.array([{"a": 1}] * 30, dtype=object)}, ["plain arrays"]),
    ],
    ids=str,
)
def test_broken_arrays(npz: NPZ, changed: dict[str, Any], words: list[str]) -> None:
    path = npz(**changed)

    def use() -> None:
        module = Arrays(path, batch_size=4)
        assert len(module.in_shape) == 3  # cli.py asks for these two first
        assert isinstance(module.num_classes, int)
        prepared(module)

    message(ValueError, use, path, *words)


def test_files_that_are_no_archives(npz: NPZ, tmp_path: Path) -> None:
    whole = Path(npz()).read_bytes()
    single = io.BytesIO()
    np.save(single, LABELS)
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}], dtype=object), allow_pickle=True)
    contents = {
        "empty.npz": b"",
        "text.npz": b"train_images,train_labels\n",
        "cut.npz": whole[: len(whole) // 2],
        "single.npz": single.getvalue(),
        "pickled.npz": pickled.getvalue(),
        "zip.npz": b"PK\x03\x04 and no more",
    }
    write(tmp_path, contents)
    for name in contents:
        message(ValueError, Arrays(str(tmp_path / name)).setup, str(tmp_path / name))


def test_an_altered_byte_is_noticed_or_harmless(npz: NPZ) -> None:
    path = Path(npz())
    whole, arrays = path.read_bytes(), npz_arrays(8, 6)
    noticed = 0
    for position in range(0, len(whole), 5):
        content = bytearray(whole)
        content[position] ^= 0xFF
        path.write_bytes(content)
        module = Arrays(str(path), batch_size=4)
        try:
            module.setup("fit")
        except ValueError as error:
            noticed += 1
            assert str(path) in str(error)
            assert "\n" not in str(error)
        else:  # dates, attributes and the like
            for split in ("train", "test"):
                images, labels = module.part(split)
                assert np.array_equal(images[:, 0].numpy(), arrays[f"{split}_images"])
                assert np.array_equal(labels.numpy(), arrays[f"{split}_labels"])
    assert noticed > len(whole) / 5 / 2


def test_archive_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.npz", tmp_path):
        message(FileNotFoundError, Arrays(str(path)).setup, str(path), "--data.path")


def test_pickles_are_not_run(npz: NPZ, tmp_path: Path) -> None:
    class Malice:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    path = npz(classes=np.array([Malice()], dtype=object))
    message(ValueError, Arrays(path).setup, path)
    assert not (tmp_path / "ran").exists()


# --- numbers that do not fit


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, ["--data.batch_size", "at least 1", "0"]),
        ({"batch_size": -4}, ["--data.batch_size", "-4"]),
        ({"batch_size": 28}, ["--data.batch_size", "27", "28"]),
        ({"batch_size": 4, "val_size": -1}, ["--data.val_size", "-1"]),
        ({"batch_size": 4, "val_size": 30}, ["--data.val_size", "30"]),
        ({"batch_size": 4, "val_size": 31}, ["--data.val_size", "30", "31"]),
        ({"batch_size": 4, "train_size": 0}, ["--data.train_size", "at least 1"]),
        ({"batch_size": 4, "train_size": 28}, ["--data.train_size", "27", "28"]),
        ({"batch_size": 4, "train_size": 22, "val_size": 9}, ["--data.train_size", "21", "22"]),
        ({"batch_size": 4, "train_size": 3}, ["--data.batch_size", "3", "4"]),
    ],
    ids=str,
)
def test_numbers_that_do_not_fit(npz: NPZ, options: dict[str, Any], words: list[str]) -> None:
    path = npz()
    message(ValueError, lambda: prepared(Arrays(path, **options)), *words)


def test_a_large_batch_size_hinders_training_only(npz: NPZ) -> None:
    prepared(Arrays(npz(), batch_size=1000), "test")


# --- download


@pytest.mark.parametrize("data", [MNIST, FashionMNIST, CIFAR10])
def test_no_data_and_no_network(tmp_path: Path, data: type[MNIST] | type[CIFAR10]) -> None:
    root = str(tmp_path / "nowhere")
    text = message(FileNotFoundError, data(root).prepare_data, data.__name__, root, "Connection refused")
    assert f"python cli.py download --data {data.__name__} --data.root '{root}'" in text


def test_a_server_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def urlopen(*args: Any, **kwargs: Any) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    message(FileNotFoundError, MNIST(str(tmp_path)).prepare_data, str(tmp_path), "timed out")


@pytest.mark.parametrize("data", [MNIST, FashionMNIST])
def test_idx_download(
    tiny_idx: TinyIDX, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server, data: IDXClass
) -> None:
    tiny = tiny_idx(data)
    server.files.update({f"{name}.gz": gz(content) for name, content in tiny.files.items()})
    use_mirror(monkeypatch, server.url)
    monkeypatch.setattr(data.source, "resources", [(name, md5(content)) for name, content in server.files.items()])
    root = tmp_path / "new"
    module = prepared(data(str(root), batch_size=4))
    assert np.array_equal(module.part("train").images.numpy(), tiny.images["train"])
    for name, content in tiny.files.items():
        assert (root / data.__name__ / "raw" / name).read_bytes() == content
    assert set(server.requested) == set(server.files)

    server.requested.clear()
    prepared(data(str(root), batch_size=4))
    assert server.requested == []


def test_cifar_download(tiny_cifar10: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(tiny_cifar10.folder, arcname="cifar-10-batches-py")
    server.files["cifar-10-python.tar.gz"] = buffer.getvalue()
    use_mirror(monkeypatch, server.url)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", md5(buffer.getvalue()))
    root = tmp_path / "new"
    module = prepared(CIFAR10(str(root), batch_size=4))
    assert np.array_equal(module.part("train").images.numpy(), tiny_cifar10.images["train"])
    assert (root / "cifar-10-batches-py" / "data_batch_1").is_file()

    server.requested.clear()
    prepared(CIFAR10(str(root), batch_size=4))
    assert server.requested == []


def test_altered_download(tiny_idx: TinyIDX, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    tiny = tiny_idx(MNIST)
    server.files.update({f"{name}.gz": gz(content) for name, content in tiny.files.items()})
    use_mirror(monkeypatch, server.url)
    resources = [(name, md5(content)) for name, content in server.files.items()]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    first = resources[0][0]
    right, server.files[first] = server.files[first], gz(idx(random_images(40, 28, 28)))
    root = tmp_path / "new"
    message(FileNotFoundError, MNIST(str(root)).prepare_data, str(root), "corrupted")
    assert not [file for file in root.rglob("*") if "ubyte" in file.name]

    server.files[first] = right  # once the mirror is right again, so is the download
    prepared(MNIST(str(root), batch_size=4))


@pytest.mark.parametrize(
    ("made_with", "line"),
    [
        ({"normalize": "foo"}, "--data.normalize: expected one of none, .*, weights, found 'foo'"),
        ({"augment": ["flop"]}, "--data.augment: .* found 'flop'. Try: --data.augment flip"),
    ],
    ids=str,
)
def test_a_constructor_says_which_names_there_are(made_with, line):
    with pytest.raises(ValueError, match=line):
        Digits(**made_with)

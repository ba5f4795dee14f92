"""Protects the decoded pictures in ROOT/zoo-cache: decoded once, seen to be those of the folder, whole or made anew."""

import errno
import hashlib
import multiprocessing
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules import Folder
from datamodules.picture_files import cache as cache_file
from datamodules.picture_files import reading
from datamodules.picture_files.cache import total
from datamodules.picture_files.decode import decode
from picture_folders import draw, fill

Made = list[tuple[int, int, int]]
fork = multiprocessing.get_context("fork")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fill(tmp_path / "pictures", {"a": 20, "b": 20}, grey=True)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """The forms in which pictures have been decoded, one after the other."""
    forms: Made = []

    def counted(task: Any, *others: Any) -> Any:
        forms.append(task.form)
        return decode(task, *others)

    monkeypatch.setattr(reading, "decode", counted)
    return forms


def read(root: Path, **options: Any) -> Folder:
    module = Folder(str(root), root=str(root.parent / "data"), **options)
    module.setup("fit")
    return module


def held(root: Path) -> Path:
    [path] = (root.parent / "data/zoo-cache").glob("*.pictures")
    return path


def same(one: Folder, other: Folder) -> bool:
    pairs = [(one.part(split).images, other.part(split).images) for split in ("train", "test")]
    return (
        all(a.equal(b) for a, b in pairs) and one.statistics == other.statistics and one.identity() == other.identity()
    )


def test_pictures_are_decoded_once(root: Path, made: Made) -> None:
    first = read(root)
    again = read(root)
    assert made == [(1, 10, 12)]
    assert same(first, again)
    assert first.pictures.notes == again.pictures.notes
    for split in ("train", "test"):
        images = first.part(split).images.numpy()
        assert first.checked_sum(split) == hashlib.sha256(images.tobytes()).hexdigest()


def test_a_form_that_is_said_is_the_same_cache_as_one_that_is_found(root: Path, made: Made) -> None:
    """A run that goes on has in its config.yaml what the first start has found."""
    first = read(root)
    read(root, **{**first.settled, "size": tuple(first.settled["size"])})
    assert made == [(1, 10, 12)]
    read(root, size=8)
    read(root)
    read(root, size=8, channels=1)
    assert made == [(1, 10, 12), (1, 8, 8)]


def touch(path: Path) -> None:
    os.utime(path, ns=(0, 123_456_789))


@pytest.mark.parametrize(
    "change",
    [
        lambda root: draw(root / "a/new.png", 99, grey=True),
        lambda root: (root / "a/3.png").unlink(),
        lambda root: draw(root / "a/3.png", 99, grey=True),
        lambda root: (root / "a/3.png").rename(root / "b/33.png"),
        lambda root: touch(root / "a/3.png"),
    ],
    ids=["added", "removed", "changed", "moved", "touched"],
)
def test_a_changed_folder_is_decoded_anew(change: Callable[[Path], object], root: Path, made: Made) -> None:
    read(root)
    change(root)
    now = read(root)
    assert len(made) == 2
    assert same(now, read(root))
    assert len(made) == 2


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 16
    path.write_bytes(content)


def replaced(path: Path, by: Callable[[Path], object]) -> None:
    path.unlink()
    by(path)


@pytest.mark.parametrize(
    "damage",
    [
        *(lambda path, at=at: flip(path, at) for at in (0, 16, 30, 60, 300, 4096, 5000, -1)),
        *(lambda path, cut=cut: path.write_bytes(path.read_bytes()[:cut]) for cut in (0, 20, 100, 4096, 6000, -1)),
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
        lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(len(path.read_bytes()) - 4096)),
        lambda path: replaced(path, os.mkfifo),
        lambda path: replaced(path, lambda there: there.symlink_to("/dev/zero")),
        lambda path: replaced(path, lambda there: there.symlink_to(there)),
        lambda path: path.write_bytes(b"zoo pictures 1\n" + b"\xff" * 8 + path.read_bytes()[23:]),
    ],
)
def test_damage_is_seen_and_made_anew(damage: Callable[[Path], object], root: Path, made: Made) -> None:
    first = read(root)
    path = held(root)
    whole = path.read_bytes()
    damage(path)
    assert same(first, read(root))
    assert len(made) == 2
    assert held(root).read_bytes() == whole


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b"null", b'{"listing": 1}', b"[" * 100_000, b'{"form": [1e999, 1, 1], "listing": ""}'],
    ids=lambda text: text[:20].decode(),
)
def test_a_head_with_the_right_sum_that_says_nothing_is_made_anew(text: bytes, root: Path, made: Made) -> None:
    first, path = read(root), held(root)
    start = cache_file.MAGIC + len(text).to_bytes(8, "little") + hashlib.sha256(text).digest() + text
    path.write_bytes(start + bytes(-len(start) % 4096) + path.read_bytes()[4096:])
    assert same(first, read(root))
    assert len(made) == 2


def test_the_sum_of_pixels_changes_with_each_of_them() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8 * cache_file.WORDS + 13,), dtype=np.uint8)
    before = total(pixels)
    for place in (0, 1, 7, 8, 1000, len(pixels) - 1, len(pixels) - 14):
        for bit in (1, 128):
            pixels[place] ^= bit
            assert total(pixels) != before
            pixels[place] ^= bit
    pixels[:8], pixels[8:16] = pixels[8:16].copy(), pixels[:8].copy()
    assert total(pixels) != before


def test_what_is_written_to_the_images_stays_in_the_process(root: Path, made: Made) -> None:
    first = read(root)
    read(root).part("train").images.zero_()
    assert same(first, read(root))
    assert len(made) == 1


# --- writing


def test_a_disk_that_is_full_leaves_the_old_cache_and_the_run_goes_on(
    root: Path, made: Made, capfd: pytest.CaptureFixture[str]
) -> None:
    first, path = read(root), held(root)
    before = path.read_bytes()
    draw(root / "a/new.png", 99, grey=True)

    def within_limits() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
        assert len(read(root).part("train").images) > len(first.part("train").images)

    process = fork.Process(target=within_limits)
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert "expected to keep them for the next start, found" in capfd.readouterr().err
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir() if each.suffix == ".tmp"] == []


@pytest.mark.parametrize("step", ["mkdir", "lock", "write", "replace"])
def test_without_a_place_to_write_it_says_so_once(
    step: str, root: Path, made: Made, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    place = {"mkdir": Path, "lock": cache_file.FileLock, "write": Path, "replace": Path}[step]
    name = {"mkdir": "mkdir", "lock": "acquire", "write": "open", "replace": "replace"}[step]
    with monkeypatch.context() as patch:
        patch.setattr(place, name, fails)
        module = read(root)
    assert capsys.readouterr().err.count("this run goes on without") == 1
    assert same(module, read(root))
    assert len(made) == 2
    assert not [*(root.parent / "data/zoo-cache").glob(".*.tmp")]


def test_what_a_killed_process_has_left_is_removed(root: Path, made: Made) -> None:
    read(root)
    left = held(root).with_name(f".{held(root).name}.123-0123456789ab.tmp")
    left.write_bytes(b"half")
    others = left.with_name(".ffffffffffffffff-1x10x12.pictures.123-0123456789ab.tmp")
    others.write_bytes(b"of another folder")
    draw(root / "a/new.png", 99, grey=True)
    read(root)
    assert not left.exists()
    assert others.exists()


def test_of_two_processes_one_decodes_and_the_other_waits(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    both = fork.Barrier(2)
    decoding = fork.Event()

    def slowly(*args: Any) -> Any:
        with log.open("a") as file:
            file.write("decoded\n")
        decoding.wait(30)
        return decode(*args)

    def waits(text: str) -> None:
        assert "another process reads the pictures" in text
        decoding.set()

    monkeypatch.setattr(reading, "decode", slowly)
    monkeypatch.setattr(cache_file, "report", waits)

    def act() -> None:
        both.wait(30)
        module = read(root)
        assert len(module.part("train").labels) == 32

    processes = [fork.Process(target=act) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert log.read_text() == "decoded\n"


def test_a_folder_and_what_lies_deeper_have_caches_of_their_own(root: Path, made: Made) -> None:
    read(root)
    read(root, recursive=True)
    shutil.copytree(root, root.with_name("copy"))
    read(root.with_name("copy"))
    assert len(made) == 3
    read(root)
    read(root.with_name("copy"))
    assert len(made) == 3

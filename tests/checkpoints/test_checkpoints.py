"""Protects checkpoint files: whole or not at all, damage always noticed, the one before kept."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.checkpoints import storage as checkpoints
from zoo.checkpoints.checkpoint_io import SafeCheckpointIO
from zoo.checkpoints.storage import previous_of, read_checkpoint, serialised
from zoo.errors import UsageError
from zoo.files import temporary
from zoo.runs.folder import RunFolder, resumable

LINE = re.compile(r"checkpoint in .+: expected .+, found .+")


def content(value: float = 1.0) -> dict[str, object]:
    weights = torch.arange(300, dtype=torch.float32).reshape(20, 15) * value
    return {"state_dict": {"net.weight": weights}, "epoch": 2, "global_step": 30, "pytorch-lightning_version": "2.6.6"}


def same(a: dict[str, object], b: dict[str, object]) -> bool:
    left, right = a["state_dict"]["net.weight"], b["state_dict"]["net.weight"]  # type: ignore[index]
    return torch.equal(left, right) and all(a[key] == b[key] for key in ("epoch", "global_step"))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_what_is_saved_is_what_is_read(folder):
    SafeCheckpointIO().save_checkpoint(content(), folder.last)
    assert same(read_checkpoint(folder.last), content())
    assert same(torch.load(folder.last, weights_only=True), content())  # any other program reads it too
    assert [path.name for path in folder.checkpoints.iterdir()] == ["last.ckpt"]


def test_every_truncation_is_noticed(tmp_path):
    raw = serialised(content())
    path = tmp_path / "x.ckpt"
    for cut in sorted({*range(0, len(raw), max(1, len(raw) // 64)), *range(len(raw) - 80, len(raw))}):
        path.write_bytes(raw[:cut])
        with pytest.raises(ValueError, match=LINE):
            read_checkpoint(path)


def test_every_bit_flip_is_noticed_or_harmless(tmp_path):
    raw = serialised(content())
    path = tmp_path / "x.ckpt"
    random = np.random.default_rng(0)
    noticed = 0
    for bit in random.choice(len(raw) * 8, 1000, replace=False):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(changed)
        try:
            assert same(read_checkpoint(path), content())
        except ValueError as error:
            assert LINE.match(str(error)), error
            noticed += 1
    assert noticed == 1000


def test_a_sum_that_is_cut_off_is_noticed(tmp_path):
    raw = bytearray(serialised(content()))
    archive = raw[: -checkpoints.COMMENT]
    archive[-2:] = b"\0\0"  # a valid archive without a comment
    (tmp_path / "x.ckpt").write_bytes(archive)
    with pytest.raises(ValueError, match="SHA-256 is cut off"):
        read_checkpoint(tmp_path / "x.ckpt")


def test_a_checkpoint_of_lightning_itself_is_read(tmp_path):
    torch.save(content(), tmp_path / "plain.ckpt")
    assert same(read_checkpoint(tmp_path / "plain.ckpt"), content())


def test_the_one_before_is_kept(folder):
    plugin = SafeCheckpointIO(keep_previous=[folder.last])
    for value in (1.0, 2.0, 3.0):
        plugin.save_checkpoint(content(value), folder.last)
    assert same(read_checkpoint(folder.last), content(3.0))
    assert same(read_checkpoint(previous_of(folder.last)), content(2.0))


def test_without_hard_links_the_one_before_is_kept_too(folder, monkeypatch):
    def refuse(*args: object) -> None:
        raise PermissionError("no links on this file system")

    monkeypatch.setattr(os, "link", refuse)
    test_the_one_before_is_kept(folder)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "missing"])
def test_a_damaged_newest_gives_way_to_the_one_before(folder, damage):
    plugin = SafeCheckpointIO(keep_previous=[folder.last])
    plugin.save_checkpoint(content(1.0), folder.last)
    plugin.save_checkpoint(content(2.0), folder.last)
    raw = bytearray(folder.last.read_bytes())
    raw[500] ^= 4
    folder.last.unlink()
    if damage != "missing":
        folder.last.write_bytes({"cut": raw[:700], "flipped": raw, "empty": b""}[damage])
    path, warning = resumable(folder)
    assert path == previous_of(folder.last)
    assert same(read_checkpoint(path), content(1.0))
    if damage != "missing":
        assert warning
        assert str(folder.last) in warning
        assert str(path) in warning
    # the next save of the resumed run must not put the damaged file in place of the good one
    resumed = SafeCheckpointIO(keep_previous=[folder.last])
    resumed.load_checkpoint(path)
    resumed.save_checkpoint(content(3.0), folder.last)
    assert same(read_checkpoint(previous_of(folder.last)), content(1.0))
    assert resumable(folder) == (folder.last, None)


def test_two_damaged_ones_are_an_error_and_none_is_a_new_run(folder):
    assert resumable(folder) == (None, None)
    folder.checkpoints.mkdir(parents=True)
    for path in (folder.last, previous_of(folder.last)):
        path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match=LINE):
        resumable(folder)


@pytest.mark.parametrize("stage", ["write", "link", "rename"])
def test_a_save_that_fails_leaves_what_was_there(folder, stage, monkeypatch):
    plugin = SafeCheckpointIO(keep_previous=[folder.last])
    plugin.save_checkpoint(content(1.0), folder.last)
    full = OSError(28, "No space left on device")

    def write(path: Path, raw: bytes) -> None:
        path.write_bytes(raw[:100])
        raise full

    def fail(*args: object) -> None:
        raise full

    target, name = {
        "write": (checkpoints, "write_through"),
        "link": (checkpoints, "keep"),
        "rename": (Path, "replace"),
    }[stage]
    with monkeypatch.context() as broken:
        broken.setattr(target, name, write if stage == "write" else fail)
        with pytest.raises(OSError, match=r"expected room for 0\.0 MB, found .+ MB free .+ Try: make room") as caught:
            plugin.save_checkpoint(content(2.0), folder.last)
    assert str(folder.last) in str(caught.value)
    assert same(read_checkpoint(folder.last), content(1.0))
    assert not list(folder.path.rglob("*.tmp"))


def test_a_save_after_one_that_was_killed_between_its_two_renames_leaves_nothing(folder):
    """Both names are then those of one file, which a rename of the one to the other leaves alone."""
    SafeCheckpointIO(keep_previous=[folder.last]).save_checkpoint(content(1.0), folder.last)
    checkpoints.keep(folder.last, previous_of(folder.last))
    plugin = SafeCheckpointIO(keep_previous=[folder.last])
    plugin.load_checkpoint(folder.last)
    plugin.save_checkpoint(content(2.0), folder.last)
    assert not list(folder.path.rglob("*.tmp"))
    assert same(read_checkpoint(previous_of(folder.last)), content(1.0))
    assert same(read_checkpoint(folder.last), content(2.0))


def test_what_a_killed_save_left_is_swept_away(folder):
    folder.checkpoints.mkdir(parents=True)
    mine = temporary(folder.last).name
    for name in (mine, ".last.ckpt.4242.tmp", ".of_mine.tmp", "last.tmp"):
        (folder.checkpoints / name).write_bytes(b"half")
    folder.sweep()
    assert {path.name for path in folder.checkpoints.iterdir()} == {".of_mine.tmp", "last.tmp"}


@pytest.mark.parametrize("address", ["http://x.org/a.ckpt", "s3://b/a.ckpt", "memory://a.ckpt", "file:///a.ckpt"])
def test_an_address_is_refused(address, monkeypatch):
    import socket

    def opened(*args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", opened)
    for path in (Path(address), address):  # Path makes http:/x.org of it
        with pytest.raises(UsageError, match="expected a file on this machine"):
            read_checkpoint(Path(path))

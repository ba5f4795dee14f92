"""Protects users from folders of pictures that somebody brings: nothing outside is reached, nothing is waited for, no
memory is filled, and a picture that ends the process which reads it takes no other with it. One line says what is
wrong."""

import os
import signal
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attacks.recorder import alarm, peak
from cli import main
from datamodules.picture_files import decode as decoding
from datamodules.picture_files import find as finding
from picture_folders import draw, fill

SECONDS = 20
MEMORY = 200 * 2**20  # bytes
FIT = "--model MLP --model.hidden [4] --trainer.max_epochs 1 --trainer.accelerator cpu --figures false"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fill(tmp_path / "pictures", {"a": 12, "b": 12})


def refused(root: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """What `fit` says of the folder: one line, soon, and without a run."""
    begun, memory = time.monotonic(), peak()
    run = root.parent / "run"
    argv = ["fit", "--data", "Folder", "--data.path", str(root), "--data.root", str(root.parent / "data"), *flags]
    with alarm(3 * SECONDS), pytest.raises(SystemExit) as ended:
        main([*argv, *FIT.split(), "--run_dir", str(run)])
    assert ended.value.code in (1, 2)
    assert time.monotonic() - begun < SECONDS
    assert peak() - memory < MEMORY
    said = capsys.readouterr()
    [line] = said.err.splitlines()
    assert line.startswith("error: ")
    assert "expected" in line
    assert "found" in line
    assert not (run / "config.yaml").exists()
    return line


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def vast(path: Path, width: int, height: int) -> None:
    """A PNG that says it is large; of its pixels there are some."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b""))


@pytest.mark.parametrize(
    ("width", "height"), [(30_000, 30_000), (2**31 - 1, 2**31 - 1), (64_000_001, 1), (1, 70_000_000)]
)
def test_a_vast_picture_is_named(width: int, height: int, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vast(root / "a/vast.png", width, height)
    assert "a/vast.png" in refused(root, capsys)


@pytest.mark.parametrize("inside", ["a/x.png", "c", "c/x.png"])
@pytest.mark.parametrize("kind", ["absolute", "relative", "by another link"])
def test_a_link_that_leaves_the_folder_is_refused(
    inside: str, kind: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = draw(root.parent / "secret/x.png")
    to: Any = secret if inside.endswith(".png") else secret.parent
    link = root / inside
    link.parent.mkdir(exist_ok=True)
    if kind == "relative":
        to = os.path.relpath(to, link.parent)
    if kind == "by another link":
        (root.parent / "step").symlink_to(to)
        to = root.parent / "step"
    link.symlink_to(to)
    assert "expected one that stays in" in refused(root, capsys)


@pytest.mark.parametrize("to", [".", "..", "../a", "../.."])
def test_a_link_around_itself_is_refused(to: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "a/loop").symlink_to(to)
    assert "link in" in refused(root, capsys, "--data.recursive", "true")


def test_links_that_stay_inside_are_followed(root: Path) -> None:
    (root / "c").symlink_to("a")
    (root / "b/x.png").symlink_to("../a/1.png")
    found = finding.find(root)
    assert [np.bincount(found.labels).tolist(), found.classes] == [[12, 13, 12], ("a", "b", "c")]


def test_what_never_answers_is_left_out(root: Path) -> None:
    os.mkfifo(root / "a/pipe.png")
    (root / "a/zero.png").symlink_to("zero.png")
    with alarm(SECONDS):
        assert finding.find(root).left_out == {"no plain file": 1, "broken link": 1}


def test_a_pipe_that_takes_the_place_of_a_picture_is_no_picture(root: Path) -> None:
    (root / "a/1.png").unlink()
    os.mkfifo(root / "a/1.png")
    with alarm(SECONDS):
        assert decoding.read(str(root / "a/1.png")) == b""


def test_more_classes_than_a_network_can_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(finding.MOST_CLASSES + 1):
        (tmp_path / f"pictures/{k}").mkdir(parents=True)
    assert "at most 10,000, found 10,001" in refused(tmp_path / "pictures", capsys)


def test_folders_in_each_other_without_end(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "a" / "/".join("x" * 150)).mkdir(parents=True)
    assert "expected at most 100 in each other" in refused(root, capsys)


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\nb", "\u202egnp", os.fsdecode(b"caf\xe9")], ids=ascii)
def test_names_that_a_terminal_would_obey(name: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw(root / "a" / f"{name}.jpg").rename(root / "a" / f"{name}.png.png")
    (root / "a" / f"{name}.png.png").write_bytes(b"broken")
    line = refused(root, capsys)
    assert line.isprintable()
    (root / "a" / f"{name}.png.png").unlink()
    (root / "a").rename(root / name)
    assert "expected a class's name" in refused(root, capsys)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"


def test_no_other_program_is_started_for_a_picture(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow hands PostScript to Ghostscript, by the content, whatever the name."""
    (root / "a/1.png").write_bytes(POSTSCRIPT)
    started = root.parent / "started"
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *args, **kwargs: started.touch())
    assert "found EPS" in refused(root, capsys)
    assert not started.exists()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_picture_that_ends_its_process_takes_no_other_with_it(
    number: signal.Signals, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a hole in a decoder would; here the process does it to itself."""
    whole = decoding.quick

    def ends(content: bytes, *most: int) -> Any:
        if content == evil:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        return whole(content, *most)

    monkeypatch.setattr(decoding, "quick", ends)
    evil = (root / "b/7.png").read_bytes()
    assert "b/7.png: expected one that can be read, found one that ends the process" in refused(root, capsys)
    task = decoding.Task(root, [f"{c}/{k}.png" for c in "ab" for k in range(12)], (3, 10, 12), 24)
    decoded = decoding.decode(task, 2)
    assert decoded.states.tolist() == [decoding.DONE] * 19 + [decoding.ENDING] + [decoding.DONE] * 4


def test_a_process_that_is_killed_is_no_fault_of_the_picture(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "quick", lambda *args: os.kill(os.getpid(), signal.SIGKILL))
    assert "found it ended (SIGKILL)" in refused(root, capsys)


def test_more_than_the_memory_holds_is_said_before(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datamodules.picture_files.reading.available_memory", lambda: 1000)
    assert "expected what fits into the 1,000 bytes of memory that are free" in refused(root, capsys)

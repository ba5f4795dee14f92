"""Protects text files: UTF-8 on every machine, whole or not there, whatever their names."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import house
from zoo.files import folder_beside, whole_file

ROOT = Path(__file__).parents[2]


def test_text_is_read_and_written_in_utf_8(tmp_path: Path) -> None:
    """Also where the locale has another encoding: a name that is no ASCII is the same on every machine."""
    code = "import pathlib, zoo.files\nwith zoo.files.whole_file(pathlib.Path('x')) as f: f.write(chr(252))"
    assert not house.locale_texts()
    environment = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "x").read_bytes() == "ü".encode()


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "\N{PILE OF POO}" * 63])
def test_a_name_may_be_as_long_as_any(name: str, tmp_path: Path) -> None:
    with whole_file(tmp_path / name) as file:
        file.write("all of it")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_a_killed_process_leaves_is_removed_by_the_next_at_this_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = f"""
import os
from pathlib import Path
from zoo.files import folder_beside
with folder_beside(Path({str(out)!r})) as folder:
    (folder / "half").touch()
    os.kill(os.getpid(), {signal.SIGKILL})
"""
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    with folder_beside(tmp_path / "another"):
        assert left.exists()
    with folder_beside(out) as first, folder_beside(out) as second:  # of those at work each keeps its own
        assert {*tmp_path.iterdir()} == {first, second}
    assert not [*tmp_path.iterdir()]

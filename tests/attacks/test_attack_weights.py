"""Protects users from untrusted cards, weights, repositories and pictures: nothing in them is run, nothing else is
touched, and what is wrong with them is said in one line, soon, and in little memory."""

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attacks.recorder import CALLED, Recorder, alarm, files, peak
from attacks.scene import MODULE
from attacks.weights import ATTACKS
from attacks.weights.corpus import VERBS, Weights
from cli import main
from hub_server import Hub, client_of

LINE = re.compile(r"error: .+ in .+: expected .+, found .+")
SECONDS = 20  # a command takes a tenth of one; a machine may be busy
MEMORY = 200 * 2**20  # bytes
RECORDER = Recorder()


@pytest.fixture(scope="module")
def one_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with client_of(tmp_path_factory.mktemp("home")) as hub:
        yield hub


@pytest.fixture(autouse=True)
def hub(one_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """An empty hub."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    one_hub.clear()
    return one_hub


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory, one_hub: Hub) -> None:
    """The first commands import what they need."""
    scene = Weights(tmp_path_factory.mktemp("warm"), False, one_hub)
    for verb in VERBS:
        main(scene.words(verb))


def carried_out(scene: Weights, verb: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr; checks that nothing else was touched, soon, and in little memory."""
    from huggingface_hub import constants

    cache = scene.folder.with_name("cache")
    (scene.home / f"{MODULE}.py").write_text("raise SystemExit\n")
    before, folder, memory, begun = files(scene.home), files(scene.folder), peak(), time.monotonic()
    capsys.readouterr()
    code = 0
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(scene.home)
        patched.chdir(scene.folder)
        patched.setattr(constants, "HF_HUB_CACHE", str(cache))
        with alarm(SECONDS), RECORDER.on(cache, scene.folder) as escapes:
            try:
                main(scene.words(verb))
            except SystemExit as stop:
                code = int(str(stop.code or 0))
    out, err = capsys.readouterr()
    assert [escape for escape in escapes if verb != "hub" or escape.partition(" ")[0] not in CALLED] == []
    assert files(scene.home) == before
    assert files(scene.folder) == folder
    assert MODULE not in sys.modules
    assert peak() - memory < MEMORY
    assert time.monotonic() - begun < SECONDS
    return code, out, err


@pytest.mark.parametrize(
    ("attack", "verb"),
    [pytest.param(attack, verb, id=f"{attack.name}-{verb}") for attack in ATTACKS for verb in attack.verbs],
)
def test_an_attack_fails_and_its_twin_works(attack: Any, verb: str, tmp_path: Path, hub: Hub, capsys: Any) -> None:
    scene = Weights(tmp_path / "attack", True, hub)
    attack.spoil(scene)
    code, out, err = carried_out(scene, verb, capsys)
    assert out.replace("\n", "").isprintable()
    fetched = {line.rpartition("/")[2] for line in hub.requested if "/resolve/" in line}
    assert fetched <= {"tiny.json", "tiny.safetensors"}

    hub.clear()
    twin = Weights(tmp_path / "twin", False, hub)
    attack.spoil(twin)
    benign, expected, complaints = carried_out(twin, verb, capsys)
    assert benign == 0, complaints
    assert "error" not in complaints

    if attack.inert:
        assert (code, out.split()[-6:]) == (0, expected.split()[-6:]), err
    else:
        assert code in (1, 2)
        assert not out, out
        (line,) = err.splitlines()
        assert LINE.fullmatch(line), line
        assert line.isprintable()


def test_there_are_enough() -> None:
    assert len(ATTACKS) >= 100
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)

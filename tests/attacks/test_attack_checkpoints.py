"""Protects users from untrusted checkpoints and run folders: nothing in them is run, nothing else is touched, and
what is wrong with them is said in one line, soon, and within twice the memory of the file."""

import hashlib
import re
import sys
import time
from typing import Any

import pytest
from lightning.pytorch.cli import LightningCLI

import zoo
from attacks.checkpoints import ATTACKS
from attacks.recorder import Recorder, alarm, files, peak
from attacks.scene import MODULE, Scene
from cli import main
from datamodules import Digits
from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.folder import RunFolder

LINE = re.compile(r"error: .+ in .+: expected .+, found .+")
SECONDS = 20  # a command takes a third of one; a machine may be busy
MEMORY = 256 * 2**20  # bytes, beside twice those of the file
RECORDER = Recorder()


@pytest.fixture(autouse=True)
def same_and_fast(monkeypatch: pytest.MonkeyPatch, digits: Any) -> None:
    monkeypatch.setattr("zoo.commands.cli.fitting.draw_run", lambda *args: None)  # they cost more than the training
    monkeypatch.setattr("zoo.runs.result.git_commit", lambda: None)  # starts a process
    monkeypatch.setattr(Digits, "_images", digits)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


@pytest.fixture(scope="module")
def digits() -> Any:
    return Digits()._images


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of two epochs, of which last.ckpt is the only checkpoint."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "honest")
    data = "--data Digits --data.train_size 64 --data.val_size 32 --data.batch_size 32"
    model = "--model MLP --model.hidden [8] --model.schedule Cosine"
    trainer = "--trainer.accelerator cpu --trainer.max_epochs 2"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("zoo.commands.cli.fitting.draw_run", lambda *args: None)
        main([*f"fit {data} {model} {trainer}".split(), "--run_dir", str(folder.path)])
    for path in folder.checkpoints.iterdir():
        if path != folder.last:
            path.unlink()
    return folder


@pytest.fixture(scope="module")
def worked() -> dict[Any, Any]:
    """What came of twins: many attacks have the same."""
    return {}


def run(scene: Scene, verb: str) -> int:
    """Carries out the command; returns its exit code."""
    try:
        if verb == "load":
            zoo.MLP.load_from_checkpoint(scene.alone, weights_only=True)
        else:
            main(scene.words(verb))
    except SystemExit as stop:
        return int(stop.code or 0)
    except ValueError as error:  # of `load`, which has no command around it
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def outcome(scene: Scene, verb: str, out: str) -> Any:
    """What the command came to."""
    if verb == "fit":
        return hashlib.sha256(str(read_checkpoint(scene.run.last)["state_dict"]).encode()).hexdigest()
    if verb in ("predict", "beside", "unlabelled"):
        beside = {"beside": "predictions.csv", "unlabelled": "predictions-own.csv"}
        return (scene.alone.parent / beside[verb] if verb in beside else scene.run.predictions).read_text()
    if verb == "load":
        return None
    return [line for line in out.splitlines() if "%" in line]


def carried_out(scene: Scene, verb: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, Any]:
    """Exit code, stderr, and what the command came to; checks that it has touched nothing else, soon, in its memory."""
    word = scene.words(verb)[0]
    every = LightningCLI.subcommands()
    sizes = [path.stat().st_size for path in (scene.run.last, scene.alone) if path.is_file() and not path.is_symlink()]
    before, memory, start = files(scene.home), peak(), time.monotonic()
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in scene.environment.items():
            patched.setenv(name, value)
        # the parsers of the other verbs would be most of the time
        patched.setattr(LightningCLI, "subcommands", staticmethod(lambda: {word: every.get(word, set())}))
        patched.syspath_prepend(scene.home)
        patched.chdir(scene.alone.parent)
        with alarm(SECONDS), RECORDER.on(scene.run.path, scene.alone.parent) as escapes:
            code = run(scene, verb)
    captured = capsys.readouterr()
    assert escapes == []
    assert files(scene.home) == before
    assert MODULE not in sys.modules
    assert peak() - memory < 2 * max(sizes, default=0) + MEMORY
    assert time.monotonic() - start < SECONDS
    return code, captured.err, outcome(scene, verb, captured.out) if code == 0 else None


@pytest.mark.parametrize(
    ("attack", "verb"),
    [pytest.param(attack, verb, id=f"{attack.name}-{verb}") for attack in ATTACKS for verb in attack.verbs],
)
def test_an_attack_fails_and_its_twin_works(attack, verb, honest, worked, tmp_path, capsys):
    scene = Scene(tmp_path / "attack", honest, hostile=True)
    attack.spoil(scene)
    code, err, found = carried_out(scene, verb, capsys)

    twin = Scene(tmp_path / "twin", honest, hostile=False)
    attack.spoil(twin)
    same = (verb, str(twin.flags), str(files(twin.run.path)), twin.alone.read_bytes())
    if same not in worked:
        worked[same] = carried_out(twin, verb, capsys)
    benign, complaints, result = worked[same]
    assert benign == 0, complaints
    assert "error" not in complaints

    if attack.inert:
        assert (code, found) == (0, result), err
    else:
        assert code in (1, 2)
        lines = [line for line in err.splitlines() if not line.startswith("warning: weights in ")]  # best.ckpt is gone
        assert len(lines) == 1, err
        assert LINE.fullmatch(lines[0])
        assert lines[0].isprintable()


def test_there_are_enough():
    assert len(ATTACKS) >= 30
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)

"""Protects the user from an untrusted configuration: refused in one line, and nothing has happened.

tests/attacks/configs/NN-name.evil.yaml tries something; NN-name.good.yaml has the same shape, is harmless and works.
Both go through the command as it is, and everything the process does meanwhile is recorded.
"""

import pickle
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli import main

ROOT = Path(__file__).parents[2]
ATTACKS = ROOT / "tests/attacks"
NAMES = sorted(path.name.removesuffix(".evil.yaml") for path in (ATTACKS / "configs").glob("*.evil.yaml"))
FIT = ["fit", "--trainer.accelerator", "cpu", "--trainer.fast_dev_run", "true", "--run_dir", "refused"]
CHOSEN = "data: Digits\nmodel: {class_path: MLP, init_args: {hidden: [8]}}\n"
FORM = re.compile(r"error: .+ in .+: expected .+, found .+")
SECONDS, MEGABYTES = 20, 300  # for one refusal; it takes tenths of a second and nothing

# what a process can do to others, by the names of Python's audit events
DEEDS = {
    *("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn", "subprocess.Popen"),
    *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "urllib.Request", "ftplib.connect"),
    *("os.remove", "os.rmdir", "os.rename", "os.mkdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"),
    *("webbrowser.open", "pickle.find_class", "os.kill"),
}
deeds: list[str] | None = None  # None while nobody watches


def watch(event: str, args: tuple[Any, ...]) -> None:
    if deeds is None:
        return
    writes = event == "open" and (set(str(args[1] or "")) & set("wax+") or (args[2] or 0) & 0o103)
    if event in DEEDS or (writes and "__pycache__" not in str(args[0])) or (event == "import" and args[0] == "evil"):
        deeds.append(f"{event} {args}"[:200])


sys.addaudithook(watch)  # for ever: a hook cannot be taken off again


@contextmanager
def watched() -> Iterator[list[str]]:
    """Records the deeds of this process."""
    global deeds
    deeds = []
    try:
        yield deeds
    finally:
        deeds = None


class Reduced:
    """Pickled, it is a call."""

    def __reduce__(self) -> Any:
        return exec, ("open('CANARY', 'w')",)


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The first commands import what they need, and ask Python for its path once; no deeds of the configurations."""
    path = tmp_path_factory.mktemp("warm") / "config.yaml"
    path.write_text(CHOSEN)
    main([*FIT, "-c", str(path)])
    backend = ["--trainer.strategy", "DDPStrategy", "--trainer.strategy.process_group_backend", "gloo"]
    with pytest.raises(SystemExit):
        main([*FIT, "-c", str(path), *backend, "--print_config"])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user, with all that the configurations speak of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ATTACKS))
    monkeypatch.setenv("ZOO_SECRET", "hunter2")
    sys.modules.pop("evil", None)
    random = np.random.default_rng(0)
    arrays = {
        "train_images": random.integers(0, 256, (40, 8, 8), np.uint8),
        "train_labels": np.arange(40) % 4,
        "test_images": random.integers(0, 256, (8, 8, 8), np.uint8),
        "test_labels": np.arange(8) % 4,
    }
    np.savez(tmp_path / "own.npz", **arrays)  # type: ignore[arg-type]
    np.savez(tmp_path / "evil.npz", **{**arrays, "train_images": np.array(Reduced())})  # type: ignore[arg-type]
    for name in ("evil.ckpt", "evil.pt"):
        (tmp_path / name).write_bytes(pickle.dumps(Reduced()))
    (tmp_path / "more.yaml").write_text("seed_everything: 3\n")
    (tmp_path / "part.yaml").write_text("class_path: MLP\ninit_args: {hidden: [8]}\n")
    return tmp_path


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@contextmanager
def limited() -> Iterator[None]:
    """A refusal must come soon, and must not cost much memory."""

    def too_long(*args: object) -> None:
        pytest.fail(f"still busy after {SECONDS} s")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024


def check_refused(argv: list[str], folder: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """Runs a command that must be refused, and returns what it says."""
    before = files(folder)
    with limited(), watched() as done, pytest.raises(SystemExit) as stop:
        main(argv)
    assert done == []
    assert stop.value.code in (1, 2)
    assert files(folder) == before
    assert "evil" not in sys.modules
    out, err = capfd.readouterr()  # also what C writes
    assert "hunter2" not in out + err
    assert all(letter.isprintable() for letter in err.removesuffix("\n")), err
    assert FORM.fullmatch(err.removesuffix("\n")), err
    return err


def check_works(argv: list[str], folder: Path) -> None:
    before = files(folder)
    main(argv)
    assert files(folder) == before


@pytest.mark.parametrize("name", NAMES)
def test_an_attack_is_refused_and_leaves_nothing(name, folder, capfd):
    shutil.copy(ATTACKS / f"configs/{name}.evil.yaml", folder / "config.yaml")
    check_refused([*FIT, "-c", "config.yaml"], folder, capfd)


@pytest.mark.parametrize("name", NAMES)
def test_its_twin_works(name, folder):
    shutil.copy(ATTACKS / f"configs/{name}.good.yaml", folder / "config.yaml")
    check_works([*FIT, "-c", "config.yaml"], folder)


def test_there_are_enough_of_them():
    assert len(NAMES) >= 40
    assert len(list((ATTACKS / "configs").iterdir())) == 2 * len(NAMES)


# what is better not written out in this repository: a file's bytes, and those of its twin
BYTES = {
    "10 MB": (CHOSEN.encode() + b"# x\n" * 2_500_000, CHOSEN.encode() + b"# x\n" * 1_000),
    "many values": (
        CHOSEN.encode() + b"model.init_args.hidden: [" + b"8," * 40_000 + b"]",
        CHOSEN.encode() + b"model.init_args.hidden: [8, 8]",
    ),
    "no text": (bytes(range(256)), CHOSEN.encode()),
    "a null byte": (CHOSEN.encode() + b"\x00", CHOSEN.encode() + b"\n"),
    "another encoding": (CHOSEN.encode("utf-16"), CHOSEN.encode("utf-8-sig")),
    "a pickle": (pickle.dumps(Reduced()), CHOSEN.encode()),
}


@pytest.mark.parametrize("content", BYTES.values(), ids=BYTES)
def test_bytes(content, folder, capfd):
    path = folder / "config.yaml"
    path.write_bytes(content[0])
    assert "config.yaml" in check_refused([*FIT, "-c", "config.yaml"], folder, capfd)
    path.write_bytes(content[1])
    check_works([*FIT, "-c", "config.yaml"], folder)


@pytest.mark.parametrize(
    "place",
    ["http://127.0.0.1:9/x.yaml", "memory://x.yaml", "github://evil:repo@main/x.yaml", ".", "/dev/zero", "x\0.yaml"],
)
def test_places_that_hold_no_configuration(place, folder, capfd):
    check_refused([*FIT, "-c", place], folder, capfd)


def test_the_canaries_sing(folder):
    """Each kind of deed is seen when it is done."""
    with watched() as done:
        main([*FIT, "--data", "Digits", "--model", "evil.Model", "--allow_import", "evil"])
    assert (folder / "CANARY").read_text() == "imported"
    assert any(deed.startswith("import ('evil'") for deed in done)
    assert any(deed.startswith("open") and "CANARY" in deed for deed in done)
    with watched() as done:
        subprocess.run(["true"], check=True)
        shutil.rmtree(folder / "nothing", ignore_errors=True)
        with suppress(OSError), socket.socket() as client:
            client.connect(("127.0.0.1", 9))
        pickle.loads(pickle.dumps(Reduced()))
    assert {"subprocess.Popen", "shutil.rmtree", "socket.connect", "pickle.find_class"} <= {
        deed.split()[0] for deed in done
    }
    with pytest.raises(pytest.fail.Exception), limited():
        signal.raise_signal(signal.SIGALRM)
    with pytest.raises(AssertionError), limited():
        bytearray(2 * MEGABYTES * 2**20)

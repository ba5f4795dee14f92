"""Protects weights on the Hub: the real client, against a hub on this machine. Nothing but card and weights comes, what
does not fit goes nowhere, what was fetched is there without a network, and nobody waits for long."""

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from cli import main
from hub_server import Hub, client_of, sha256
from tiny_weights import card_of, tensors_of, tiny_weights
from zoo.weights.hub import fetch
from zoo.weights.hub.address import Address, address_of
from zoo.weights.hub.push import push
from zoo.weights.pages.readme import readme
from zoo.weights.store import serialise

PLACE = "hf://me/tiny"
IMAGES = np.arange(2 * 64, dtype=np.uint8).reshape(2, 8, 8)


@pytest.fixture(scope="module")
def one_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with client_of(tmp_path_factory.mktemp("home")) as hub:
        yield hub


@pytest.fixture
def hub(one_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """An empty hub, a client with an empty cache, and nobody is logged in."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    one_hub.clear()
    return one_hub


@pytest.fixture
def logged_in(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return tiny_weights(tmp_path / "tiny")


@pytest.fixture
def there(hub: Hub, tiny: Path) -> Hub:
    """The hub, with weights, and with files that are nobody's business."""
    others = {"README.md": b"# hello", "config.json": b"{}", "tiny.onnx": b"x", "model.py": b"x", "sub/a.json": b"{}"}
    hub.put("me/tiny", {**files_of(tiny), **others, "sub/a.safetensors": b"x"})
    return hub


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def unreachable(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Nobody listens where the client asks."""
    from huggingface_hub import HfApi

    monkeypatch.setattr(HfApi, "__init__", lambda self, made=HfApi.__init__: made(self, endpoint=url))


# what comes


def test_a_card_and_its_weights_come_and_nothing_else(there: Hub, tiny: Path) -> None:
    model = zoo.load(PLACE)
    assert (model(IMAGES) == zoo.load(tiny)(IMAGES)).all()
    fetched = {line.rpartition("/")[2] for line in there.requested if "/resolve/" in line}
    assert fetched == {"tiny.json", "tiny.safetensors"}


def test_it_comes_once(there: Hub) -> None:
    zoo.load(PLACE)
    there.requested.clear()
    zoo.load(Path(PLACE))  # a Path has one slash less
    assert not [line for line in there.requested if line.startswith("GET") and not line.startswith("GET /api/")]
    assert len(there.requested) <= 3


def test_the_revision_is_that_of_the_address(there: Hub, tmp_path: Path) -> None:
    first = there.commits["me/tiny"][0][0]
    there.put("me/tiny", files_of(tiny_weights(tmp_path / "second", seed=1)))
    new, old = zoo.load(PLACE)(IMAGES), zoo.load(f"{PLACE}@{first}")(IMAGES)
    assert (old == zoo.load(tmp_path / "tiny")(IMAGES)).all()
    assert (new == zoo.load(tmp_path / "second")(IMAGES)).all()
    there.put("me/tiny", files_of(tmp_path / "tiny"))  # the branch moves on, and so does who asks for it
    assert (zoo.load(PLACE)(IMAGES) == old).all()


def test_commands_take_the_address(there: Hub, capsys: Any, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    main(["weights", "show", PLACE])
    assert "tiny" in capsys.readouterr().out
    main(["weights", "show", f"{PLACE}@main", "--json"])
    assert json.loads(capsys.readouterr().out)["name"] == "tiny"
    main(["predict", PLACE, str(tmp_path / "a.png")])
    assert zoo.load(PLACE).predict(IMAGES[:1])[0] in capsys.readouterr().out


@pytest.mark.parametrize(
    "address",
    [
        *("hf://me", "hf://me/tiny/more", "hf://datasets/me", "hf://me/ti ny", "hf://../tiny", "hf://me/tiny@", "hf://"),
        *("hf://me/tiny@../../x", "hf://me/tiny@a b", "hf://-me/tiny", "hf://me/tiny?x=1", "hf://me/tiny\x1b[2J"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_before_anybody_is_asked(address: str, hub: Hub) -> None:
    with pytest.raises(ValueError, match=r"^address in weights: expected hf://USER/REPO or .*\. Try: "):
        zoo.load(address)
    assert not hub.requested


def test_addresses() -> None:
    assert address_of("hf://me/my.net-2@v1.0/x") == Address("me/my.net-2", "v1.0/x")
    assert str(address_of("hf:/me/tiny")) == PLACE


# who may


def told(capsys: Any, *words: str) -> tuple[int, str]:
    """Exit code and the one line of a command that fails."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([*words])
    (line, *others) = capsys.readouterr().err.splitlines()
    assert not others, [line, *others]
    assert line.startswith("error: ")
    assert line.isprintable()
    assert Hub.token not in line
    return int(str(stop.value.code)), line


def test_what_is_not_there_is_told(there: Hub, capsys: Any) -> None:
    code, line = told(capsys, "weights", "show", "hf://me/other")
    assert code == 2
    assert "weights in hf://me/other: expected a repository that you may read, found none. Try: hf auth login" in line
    code, line = told(capsys, "weights", "show", f"{PLACE}@{'1' * 40}")
    assert (code, "found none of this name. Try: hf://me/tiny" in line) == (2, True)


def test_a_private_repository_is_for_who_is_logged_in(there: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    there.private.add("me/tiny")
    assert "that you may read, found none" in told(capsys, "weights", "show", PLACE)[1]
    monkeypatch.setenv("HF_TOKEN", there.token)
    assert zoo.load(PLACE).classes == ["cat", "dog", "owl"]


@pytest.mark.parametrize(
    ("state", "headers", "said", "code"),
    [
        (403, {"X_Error_Code": "GatedRepo"}, "terms you have accepted", 2),
        (401, {}, "expected a token that may do this", 2),
        (404, {}, "found HTTP 404", 1),
        (418, {"X_Error_Message": "\x1b[2Jred"}, "found HTTP 418", 1),
    ],
)
def test_other_answers(state: int, headers: dict[str, str], said: str, code: int, there: Hub, capsys: Any) -> None:
    there.changed["/api/models/me/tiny"] = state, headers, b'{"error": "hf_secret"}'
    found, line = told(capsys, "weights", "show", PLACE)
    assert (found, said in line) == (code, True), line
    assert "secret" not in line
    assert "red" not in line.replace("expected", "")


def test_a_token_is_never_printed(there: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    there.private.add("me/tiny")
    for token in (Hub.token[:-1], "hf_\x01secret", "hf_sécret", "secret " * 300):
        monkeypatch.setenv("HF_TOKEN", token)
        assert token not in (line := told(capsys, "weights", "show", PLACE)[1])
        assert "secret" not in line
        assert "cret" not in line


def test_what_a_server_says_is_not_shown(there: Hub, capfd: Any) -> None:
    listed = b'{"id": "me/tiny", "sha": "x"}'
    there.changed["/api/models/me/tiny"] = 200, {"X_HF_Warning": "a; \x1b[31mpay me"}, listed
    with pytest.raises(ValueError, match="expected the Hub's list of files"):
        zoo.load(PLACE)
    assert not "".join(capfd.readouterr())


# without a network


def test_what_was_fetched_is_there_offline(there: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    commit = there.commits["me/tiny"][0][0]
    expected = zoo.load(PLACE)(IMAGES)
    there.requested.clear()
    offline(monkeypatch)
    for place in (PLACE, f"{PLACE}@main", f"{PLACE}@{commit}"):
        assert (zoo.load(place)(IMAGES) == expected).all()
    assert not there.requested
    assert not capsys.readouterr().err


def test_what_was_not_fetched_is_missed_offline(there: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    offline(monkeypatch)
    code, line = told(capsys, "weights", "show", PLACE)
    assert code == 1
    assert "or that they were fetched before, found neither (HF_HUB_OFFLINE). Try: with a network, without" in line
    assert not there.requested


@pytest.mark.parametrize("way", ["gone", "down", "busy"])
def test_a_hub_that_is_not_there(
    way: str, there: Hub, closed_port: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def break_it() -> None:
        if way == "gone":
            unreachable(monkeypatch, closed_port.rstrip("/"))
        else:
            state = {"down": 503, "busy": 429}[way]
            there.changed["/api/models/me/tiny"] = state, {"Retry_After": "3600"}, b""

    with monkeypatch.context():
        expected = zoo.load(PLACE)(IMAGES)
        break_it()
        begun = time.monotonic()
        assert (zoo.load(PLACE)(IMAGES) == expected).all()
        assert time.monotonic() - begun < 3
        assert capsys.readouterr().err.startswith(f"warning: weights in {PLACE}: the Hub is not there (")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", constants.HF_HUB_CACHE + "2")
    assert ", found neither (" in told(capsys, "weights", "show", PLACE)[1]


def test_one_that_does_not_go_on_is_left(there: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client would wait for an hour, as it is told to, and five times so."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    begun, hooks = time.monotonic(), get_session().event_hooks
    card = "/me/tiny/resolve/main/tiny.json"
    for state in (429, 500, 503):
        for request in (f"GET {card}", f"HEAD {card}"):
            there.changed = {request: (state, {"Retry_After": "3600"}, b"")}
            with pytest.raises(OSError, match=rf"weights in {PLACE}: expected the Hub to .*, found HTTP {state}"):
                zoo.load(PLACE)
    there.changed = {}
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    there.slow = {f"GET {card}": 5}
    with pytest.raises(OSError, match=r"expected the Hub to answer, found (no answer|ReadTimeout)"):
        zoo.load(PLACE)
    monkeypatch.setattr(fetch, "TIMEOUT", 0.3)
    there.slow = {"/api/models/me/tiny": 5}
    with pytest.raises(OSError, match=r"found neither \(ReadTimeout\)"):
        zoo.load(PLACE)
    assert time.monotonic() - begun < 8
    assert get_session().event_hooks == hooks


def test_without_the_client(tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for words in (["weights", "show", PLACE], ["weights", "push", str(tiny), "me/tiny"]):
        code, line = told(capsys, *words)
        assert (code, line.endswith("found none. Try: pip install huggingface_hub")) == (2, True)


# going there


def test_weights_are_pushed_and_come_back(hub: Hub, logged_in: None, tiny: Path, capsys: Any) -> None:
    (tiny / "diary.txt").write_text("dear diary")
    (tiny / "tiny.onnx").write_bytes(b"x")
    main(["weights", "push", str(tiny), "me/tiny"])
    assert "zoo.load('hf://me/tiny')" in capsys.readouterr().out
    _, files = hub.commits["me/tiny"][-1]
    assert set(files) == {"tiny.json", "tiny.safetensors", "README.md"}
    assert files["tiny.safetensors"] == (tiny / "tiny.safetensors").read_bytes()
    assert files["README.md"].decode() == readme(json.loads(files["tiny.json"]), "me/tiny")
    assert (zoo.load(PLACE)(IMAGES) == zoo.load(tiny)(IMAGES)).all()
    assert "me/tiny" not in hub.private
    push(str(tiny), PLACE)  # the same once more
    assert hub.commits["me/tiny"][-1][1] == files


def test_a_page_of_ones_own_goes_along(hub: Hub, logged_in: None, tiny: Path) -> None:
    (tiny / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n")
    push(str(tiny), "me/tiny", private=True)
    assert hub.commits["me/tiny"][-1][1]["README.md"] == b"---\nlicense: mit\n---\n# Mine\n"
    assert hub.private == {"me/tiny"}


def test_weights_of_the_zoo_may_be_pushed(hub: Hub, logged_in: None) -> None:
    push("quickstart", "me/quick")
    assert zoo.load("hf://me/quick").classes == zoo.load("quickstart").classes


def test_a_repository_of_other_weights_is_left_alone(there: Hub, logged_in: None, tmp_path: Path, capsys: Any) -> None:
    tiny_weights(tmp_path / "other", "other")
    before = [*there.commits["me/tiny"]]
    code, line = told(capsys, "weights", "push", str(tmp_path / "other"), "me/tiny")
    assert code == 2
    assert "expected a repository for these alone, found tiny. Try: another REPO" in line
    assert there.commits["me/tiny"] == before


def test_who_is_not_logged_in_pushes_nothing(hub: Hub, tiny: Path, capsys: Any) -> None:
    code, line = told(capsys, "weights", "push", str(tiny), "me/tiny")
    assert code == 2
    assert line.endswith("Try: hf auth login")
    assert not hub.commits


def test_a_hub_that_fails_while_it_is_pushed_to(hub: Hub, logged_in: None, tiny: Path, capsys: Any) -> None:
    for path in ("/api/repos/create", "/api/models/me/tiny", "/api/models/me/tiny/commit/main"):
        hub.clear()
        hub.changed[path] = 400, {}, b'{"error": "no"}'
        code, line = told(capsys, "weights", "push", str(tiny), "me/tiny")
        assert (code, "upload in hf://me/tiny: expected the Hub to do it, found HTTP 400" in line) == (1, True), line
        assert not hub.commits.get("me/tiny")


def test_what_cannot_be_loaded_is_not_pushed(
    hub: Hub, logged_in: None, tiny: Path, tmp_path: Path, capsys: Any
) -> None:
    weights = tiny / "tiny.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert "expected SHA-256" in told(capsys, "weights", "push", str(tiny), "me/tiny")[1]
    weights.write_bytes(kept)
    secret = tmp_path / "secret"
    secret.write_text("mine")
    (tiny / "README.md").symlink_to(secret)
    assert "found a link" in told(capsys, "weights", "push", str(tiny), "me/tiny")[1]
    for words in ([str(tmp_path / "nowhere"), "me/tiny"], [PLACE, "me/tiny"], [str(tiny), "me"], [str(tiny), "a/b@c"]):
        code, line = told(capsys, "weights", "push", *words)
        assert (code, "one that works" in line) == (2, False)
    assert not hub.requested


def test_a_run_is_saved_first(hub: Hub, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    line = told(capsys, "weights", "push", str(tmp_path / "run"), "me/tiny")[1]
    assert f"found a run. Try: zoo weights save {tmp_path}/run --out run-weights" in line


# what does not fit


def test_a_repository_without_just_one_card(hub: Hub, tmp_path: Path) -> None:
    both = files_of(tiny_weights(tmp_path / "tiny")) | files_of(tiny_weights(tmp_path / "other", "other"))
    for files, found in (
        (both, "other, tiny"),
        ({"tiny.json": both["tiny.json"]}, "none"),
        ({"sub/tiny.json": b"{}", "sub/tiny.safetensors": b""}, "none"),
        ({}, "none"),
    ):
        hub.put("me/tiny", files)
        with pytest.raises(ValueError, match=rf"expected one card NAME.json with .*, found {found}$"):
            zoo.load(PLACE)
    assert not [line for line in hub.requested if "/resolve/" in line]


def resized(name: str, size: Any) -> Any:
    def change(listed: dict[str, Any]) -> None:
        for each in listed["siblings"]:
            if each["rfilename"] == name:
                each["size"] = size

    return change


@pytest.mark.parametrize(
    ("name", "size"),
    [("tiny.json", 1_000_001), ("tiny.safetensors", 500_000_001), ("tiny.safetensors", None), ("tiny.json", "1")],
)
def test_a_size_that_cannot_be_is_refused_before_anything_comes(name: str, size: Any, there: Hub) -> None:
    there.relisted = resized(name, size)
    with pytest.raises(ValueError, match=rf"^{name} in hf://me/tiny: expected 1 to [\d,]+ bytes, found"):
        zoo.load(PLACE)
    assert not [line for line in there.requested if "/resolve/" in line]


@pytest.mark.parametrize("name", ["tiny.json", "tiny.safetensors"])
def test_a_file_of_another_size_than_listed_is_refused(name: str, there: Hub) -> None:
    there.relisted = resized(name, 7)
    with pytest.raises(
        ValueError, match=rf"^{name} in hf://me/tiny.*: expected 7 bytes of commit .*, as listed, found"
    ):
        zoo.load(PLACE)
    assert not [line for line in there.requested if line.startswith("GET") and line.endswith((name, "cdn/"))]


def test_more_than_was_listed_is_not_taken(there: Hub, tmp_path: Path) -> None:
    place = "GET /me/tiny/resolve/main/tiny.json"
    there.changed[place] = 200, {"Content_Length": "100000"}, b"x" * 100_000
    with pytest.raises((ValueError, OSError), match=r"as listed, found more|whole answers"):
        zoo.load(PLACE)
    assert not list(Path(tmp_path / "cache").rglob("tiny.json"))


def test_weights_of_another_sum_are_refused_before_they_come(there: Hub, tiny: Path) -> None:
    files = files_of(tiny)
    there.put("me/tiny", {**files, "tiny.safetensors": serialise(tensors_of(1))})
    with pytest.raises(ValueError, match=r"expected SHA-256 .*… as in tiny.json, found .*… on the Hub"):
        zoo.load(PLACE)
    assert not [line for line in there.requested if "/cdn/" in line]


def test_weights_that_were_changed_on_the_way_do_not_stay(there: Hub, tiny: Path) -> None:
    content = (tiny / "tiny.safetensors").read_bytes()
    place = f"GET /cdn/{sha256(content)}"
    there.changed[place] = 200, {}, content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(ValueError, match=r"out of the cache again. Try: the same once more"):
        zoo.load(PLACE)
    del there.changed[place]
    assert (zoo.load(PLACE)(IMAGES) == zoo.load(tiny)(IMAGES)).all()


def test_a_file_that_was_damaged_in_the_cache_comes_anew(there: Hub, tmp_path: Path) -> None:
    zoo.load(PLACE)
    (link,) = (tmp_path / "cache").rglob("tiny.safetensors")
    link.resolve().write_bytes(b"x")
    with pytest.raises(ValueError, match="out of the cache again"):
        zoo.load(PLACE)
    zoo.load(PLACE)


@pytest.mark.parametrize(
    "listed", [b"<html>welcome</html>", b"[1]", b'{"id": 1, "sha": "../..", "siblings": []}', b"{}", b"null"]
)
def test_what_is_no_list_of_files_is_told(listed: bytes, there: Hub) -> None:
    there.changed["/api/models/me/tiny"] = 200, {}, listed
    with pytest.raises(ValueError, match=r"^weights in hf://me/tiny: expected the Hub's list of files, found another"):
        zoo.load(PLACE)


def test_a_card_of_the_hub_is_checked_like_any(hub: Hub) -> None:
    content = serialise({name: tensor.double().to(torch.float16) for name, tensor in tensors_of().items()})
    card = {**card_of(), "sha256": sha256(content)}
    hub.put("me/tiny", {"tiny.json": json.dumps(card).encode(), "tiny.safetensors": content})
    with pytest.raises(ValueError, match=r"expected float32 \(F32\), as its card says, found F16"):
        zoo.load(PLACE)


# where it may not stand


@pytest.mark.parametrize(
    "line",
    [
        "data.init_args.root: hf://me/tiny",
        "trainer.default_root_dir: hf://me/tiny",
        "ckpt_path: ' HF://me/tiny'",
        "trainer.logger: {class_path: CSVLogger, init_args: {save_dir: 'simplecache::hf://me/tiny'}}",
        'model.init_args.hidden: "[hf://me/tiny]"',
    ],
)
def test_a_configuration_names_no_address(line: str, tmp_path: Path, hub: Hub, capsys: Any) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"data: Digits\nmodel: MLP\n{line}\n")
    code, said = told(capsys, "fit", "-c", str(path), "--run_dir", str(tmp_path / "run"))
    assert code == 2
    assert said.startswith(f"error: value in {path}, line 3, column ")
    assert ": expected one on this machine, found an address of the Hub (" in said
    assert not hub.requested
    assert not (tmp_path / "run").exists()


def test_the_cache_may_be_carried_elsewhere(there: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    zoo.load(PLACE)
    shutil.copytree(tmp_path / "cache", tmp_path / "copied", symlinks=True)
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "copied"))
    offline(monkeypatch)
    assert zoo.load(PLACE).classes == ["cat", "dog", "owl"]

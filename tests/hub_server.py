"""A Hugging Face Hub on this machine: the few calls that the real client makes for a model, and nothing more.

GET  /api/models/USER/REPO[/revision/REVISION]        the commit, and its files with their sizes
HEAD, GET /USER/REPO/resolve/REVISION/FILE            a file; large ones are sent on to /cdn/SHA256
POST /api/repos/create, /api/validate-yaml, …/preupload/…, ….git/info/lfs/objects/batch, …/commit/…; PUT /lfs/SHA256
"""

import base64
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, ClassVar

import pytest

Files = dict[str, bytes]


class Hub:
    """What it holds, and what it was asked.

    Attributes:
        commits: of each repository, the newest last: a name of 40 digits, and its files.
        private: repositories that only who shows `token` may see.
        requested: method and path of each request.
        changed: from a path to what is answered instead: state, headers, content.
        slow: from a path to the seconds before it is answered.
        relisted: changes the list of the files of a commit.
    """

    token = "hf_" + "a" * 34

    def __init__(self) -> None:
        self.url = ""
        self.stop = Event()
        self.errors: list[BaseException | None] = []
        self.requested: list[str] = []
        self.clear()

    def clear(self) -> None:
        """Nothing is there, and nothing was asked."""
        self.commits: dict[str, list[tuple[str, Files]]] = {}
        self.private: set[str] = set()
        self.large: Files = {}
        self.requested.clear()
        self.changed: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.slow: dict[str, float] = {}
        self.relisted: Callable[[dict[str, Any]], None] = lambda listed: None

    def put(self, repository: str, files: Files) -> str:
        """A new commit with just these files; returns its name."""
        commits = self.commits.setdefault(repository, [])
        held = [(name, sha256(content)) for name, content in sorted(files.items())]
        commit = hashlib.sha1(f"{repository} {len(commits)} {held}".encode()).hexdigest()
        commits.append((commit, files))
        return commit

    def at(self, repository: str, revision: str) -> tuple[str, Files] | None:
        """The commit that a branch or a name means."""
        commits = self.commits[repository]
        if revision == "main":
            return commits[-1] if commits else ("0" * 40, {})
        return next((each for each in commits if each[0] == revision), None)


def is_large(name: str) -> bool:
    return name.endswith(".safetensors")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_sum(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers for the hub of its server."""

    hub: Hub

    def answer(self, state: int, content: bytes | dict[str, Any] = b"", **headers: str) -> None:
        raw = json.dumps(content).encode() if isinstance(content, dict) else content
        self.send_response(state)
        sent = {"Content-Length": str(len(raw)), "Content-Type": "application/json"}
        for name, value in (sent | {key.replace("_", "-"): each for key, each in headers.items()}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def act(self) -> None:
        path = self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.requested.append(f"{self.command} {path}")
        for key in (f"{self.command} {path}", path):
            self.hub.stop.wait(self.hub.slow.get(key, 0))
            if key in self.hub.changed:
                state, headers, content = self.hub.changed[key]
                self.answer(state, content, **headers)
                return
        for pattern, make in self.ROUTES.items():
            if match := re.fullmatch(pattern, f"{self.command} {path}"):
                make(self, body, *match.groups())
                return
        self.answer(404, {"error": "nothing here"})

    do_GET = do_HEAD = do_POST = do_PUT = act

    def may_not_see(self, repository: str) -> bool:
        """Answers, if the repository is not there for whoever asks."""
        known = self.headers.get("authorization") == f"Bearer {self.hub.token}"
        if repository in self.hub.commits and (known or repository not in self.hub.private):
            return False
        self.answer(401 if not known else 404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        return True

    def listed(self, body: bytes, repository: str, revision: str | None) -> None:
        if self.may_not_see(repository):
            return
        found = self.hub.at(repository, revision or "main")
        if found is None:
            self.answer(404, {"error": "Revision not found"}, X_Error_Code="RevisionNotFound")
            return
        commit, files = found
        siblings: list[dict[str, Any]] = []
        for name, content in files.items():
            entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": git_sum(content)}
            if is_large(name):
                entry["lfs"] = {"size": len(content), "sha256": sha256(content), "pointerSize": 100}
            siblings.append(entry)
        answer = {"id": repository, "modelId": repository, "sha": commit, "siblings": siblings}
        self.hub.relisted(answer)
        self.answer(200, answer)

    def resolved(self, body: bytes, repository: str, revision: str, name: str) -> None:
        if self.may_not_see(repository):
            return
        commit, files = self.hub.at(repository, revision) or ("", {})
        if name not in files:
            self.answer(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            return
        content = files[name]
        if not is_large(name):
            self.answer(200, content, X_Repo_Commit=commit, ETag=f'"{git_sum(content)}"')
            return
        self.hub.large[sha256(content)] = content
        linked = {"X_Linked_Etag": f'"{sha256(content)}"', "X_Linked_Size": str(len(content))}
        place = f"{self.hub.url.replace('127.0.0.1', 'localhost')}/cdn/{sha256(content)}"
        self.answer(302, b"", Location=place, X_Repo_Commit=commit, **linked)

    def sent_on(self, body: bytes, name: str) -> None:
        assert "authorization" not in self.headers, "a token went to another host"
        self.answer(200, self.hub.large[name])

    def created(self, body: bytes) -> None:
        wanted = json.loads(body)
        if self.headers.get("authorization") != f"Bearer {self.hub.token}":
            self.answer(401, {"error": "Invalid username or password."})
            return
        repository = f"{wanted['organization']}/{wanted['name']}"
        if repository in self.hub.commits:
            self.answer(409, {"error": "You already created this model repo", "url": f"{self.hub.url}/{repository}"})
            return
        self.hub.commits[repository] = []
        if wanted.get("private") or wanted.get("visibility") == "private":
            self.hub.private.add(repository)
        self.answer(200, {"url": f"{self.hub.url}/{repository}", "name": repository, "id": "1"})

    def checked(self, body: bytes) -> None:
        self.answer(200, {"errors": [], "warnings": []})

    def planned(self, body: bytes, repository: str, revision: str) -> None:
        names = [each["path"] for each in json.loads(body)["files"]]
        modes = [{"path": n, "uploadMode": "lfs" if is_large(n) else "regular", "shouldIgnore": False} for n in names]
        self.answer(200, {"files": modes})

    def batched(self, body: bytes, repository: str) -> None:
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.hub.url}/lfs/{each['oid']}"}}}
            for each in json.loads(body)["objects"]
        ]
        self.answer(200, {"transfer": "basic", "objects": objects})

    def stored(self, body: bytes, name: str) -> None:
        assert sha256(body) == name
        self.hub.large[name] = body
        self.answer(200)

    def committed(self, body: bytes, repository: str, revision: str) -> None:
        if self.may_not_see(repository):
            return
        files = dict((self.hub.at(repository, revision) or ("", {}))[1])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
        commit = self.hub.put(repository, files)
        self.answer(
            200, {"success": True, "commitOid": commit, "commitUrl": f"{self.hub.url}/{repository}/commit/{commit}"}
        )

    ROUTES: ClassVar[dict[str, Callable[..., None]]] = {
        r"GET /api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?": listed,
        r"(?:GET|HEAD) /([^/]+/[^/]+)/resolve/([^/]+)/(.+)": resolved,
        r"GET /cdn/(\w+)": sent_on,
        r"POST /api/repos/create": created,
        r"POST /api/validate-yaml": checked,
        r"POST /api/models/([^/]+/[^/]+)/preupload/([^/]+)": planned,
        r"POST /([^/]+/[^/]+)\.git/info/lfs/objects/batch": batched,
        r"PUT /lfs/(\w+)": stored,
        r"POST /api/models/([^/]+/[^/]+)/commit/([^/]+)": committed,
    }  # fmt: skip

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub, while the block runs; that it could answer whatever it was asked is checked at its end."""
    hub = Hub()
    handler = type("HandlerOfHub", (Handler,), {"hub": hub})

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            if not isinstance(error := sys.exception(), ConnectionError):  # who asked has gone
                hub.errors.append(error)

    with Server(("127.0.0.1", 0), handler) as http:
        hub.url = f"http://127.0.0.1:{http.server_port}"
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield hub
        hub.stop.set()
        http.shutdown()
        thread.join()
    assert not hub.errors


def forget_client() -> None:
    """The client reads its environment when it is imported, so it is imported anew."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
        del sys.modules[name]


@contextmanager
def client_of(home: Path) -> Iterator[Hub]:
    """A hub that the client asks while the block runs, whatever the environment says.

    Args:
        home: where the client keeps what is its own.
    """
    with serving() as hub, pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith(("HF_", "HUGGINGFACE_"))]:
            patched.delenv(name)
        patched.setenv("HF_ENDPOINT", hub.url)
        patched.setenv("HF_HOME", str(home))
        patched.setenv("HF_HUB_DISABLE_XET", "1")  # which speaks no HTTP
        patched.setenv("no_proxy", "127.0.0.1,localhost")
        forget_client()
        yield hub
        forget_client()

"""A stand-in for the server of Weights & Biases on this machine: well, or sick in a chosen way.

    with WandbServer() as server: WANDB_BASE_URL=server.url …    ->  server.runs, server.files, server.received

It answers what W&B's client asks for a run: who am I, is there such a run, take this run, where to put files, and
takes rows and files. Of the rest it says that there is nothing.
"""

import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Self

KEY = "k3y" * 14  # of the form that W&B's keys have


class WandbServer:
    """The server, in a thread.

    Args:
        sick: what is wrong with which request, by the name of its query, or the first word of its path: `hang`,
            `drip`, `drop`, `html`, `list`, `redirect`, or an HTTP code.

    Attributes:
        url: its address.
        received: everything that came in: names of requests, headers and bodies.
        runs: variables of each request to take a run.
        files: content by name.
        rows: of the histories of all runs.
        pages: variables of each request to save a page.
    """

    def __init__(self, **sick: str) -> None:
        self.sick, self.over = sick, Event()
        self.received: list[tuple[str, str, bytes]] = []
        self.runs: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.rows: list[dict[str, Any]] = []
        self.pages: list[dict[str, Any]] = []
        self.target = ""  # of redirections

    def __enter__(self) -> Self:
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.over.set()  # lets go of those that hang
        self.http.shutdown()
        self.http.server_close()

    @property
    def everything(self) -> bytes:
        """All that came in, in one piece."""
        return b"\n".join(f"{name}\n{headers}\n".encode() + body for name, headers, body in self.received)

    def names(self) -> list[str]:
        return [name for name, _, _ in self.received]

    def answer(self, name: str, variables: dict[str, Any]) -> Any:
        """What a well server says to a query."""
        if name in ("Viewer", "GetDefaultEntity"):
            return {"viewer": {"id": "1", "entity": "me", "username": "me", "teams": {"edges": []}}}
        if name == "GetProjects":
            names = {"id": "1", "name": "small-image-zoo", "entityName": "me", "createdAt": "", "isBenchmark": False}
            edge = {"cursor": "", "node": {**names, "user": None, "__typename": "Project"}}
            return {"models": {"edges": [edge], "pageInfo": {"endCursor": None, "hasNextPage": False}}}
        if "spec" in variables:  # a page of a dashboard
            self.pages.append(variables)
            return {"upsertView": {"view": {"id": "1", "name": "page", "spec": "{}"}}}
        if name == "UpsertBucket":
            self.runs.append(variables)
            project = {"id": "1", "name": variables["project"], "entity": {"id": "1", "name": "me"}}
            bucket = {"id": "1", "name": variables["name"], "displayName": "run", "config": "{}", "project": project}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if name == "CreateRunFiles":
            places = [{"name": name, "uploadUrl": f"{self.url}/upload/{name}"} for name in variables["files"]]
            return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": places}}
        return {}


def handler_for(server: WandbServer) -> type[BaseHTTPRequestHandler]:
    """The handler of a server's requests."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            name, variables = self.path.split("/")[1], dict[str, Any]()
            if self.path == "/graphql":
                query = json.loads(body)
                found = re.search(r"(?:query|mutation)\s+(\w+)", query["query"])
                name, variables = found[1] if found else "", query.get("variables") or {}
            server.received.append((name, str(self.headers), body))
            if not self.suffer(name):
                self.take_rows(name, body)
                self.reply(200, json.dumps({"data": server.answer(name, variables)}))

        def take_rows(self, name: str, body: bytes) -> None:
            if name == "files":
                history = json.loads(body).get("files", {}).get("wandb-history.jsonl", {})
                server.rows += [json.loads(row) for row in history.get("content", [])]

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.received.append(("upload", str(self.headers), body))
            if not self.suffer("upload"):
                server.files[self.path.removeprefix("/upload/")] = body
                self.reply(200, "{}")

        def do_GET(self) -> None:
            server.received.append(("GET", str(self.headers), self.path.encode()))
            self.reply(404, "{}")

        def suffer(self, name: str) -> bool:
            """Does what is wrong with a request, if something is."""
            kind = server.sick.get(name, server.sick.get("all"))
            if kind is None:
                return False
            acts: dict[str, Callable[[], Any]] = {
                "hang": lambda: server.over.wait(60),
                "drip": self.drip,
                "drop": self.connection.close,
                "html": lambda: self.reply(200, "<html>Please log in to this network.</html>", "text/html"),
                "list": lambda: self.reply(200, "[1, 2]"),
                "nobody": lambda: self.reply(200, '{"data": {"viewer": null}}'),
                "redirect": lambda: self.reply(302, "", Location=f"{server.target}{self.path}"),
            }
            acts.get(kind, lambda: self.reply(int(kind), '{"errors": [{"message": "no"}]}'))()
            return True

        def drip(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            while not server.over.wait(0.05):
                self.wfile.write(b" ")

        def reply(self, code: int, text: str, kind: str = "application/json", **headers: str) -> None:
            self.send_response(code)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(text)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # the other side has left
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler

"""What a process does when it meets an attack: processes it starts, addresses it calls, files it changes."""

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attacks.scene import MODULE

STARTED = {
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "subprocess.Popen",
    "pty.spawn",
}
CALLED = {
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "socket.sendto",
    "urllib.Request",
    "http.client.connect",
}
CHANGED = {
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class TooLong(BaseException):
    """The command hangs."""


class Recorder:
    """Writes down what a process does beyond a folder: processes it starts, addresses it calls, files it changes."""

    def __init__(self) -> None:
        self.homes: list[Path] = []
        self.escapes: list[str] = []
        sys.addaudithook(self.hear)  # for good: there is no way to take one off

    @contextmanager
    def on(self, *homes: Path) -> Iterator[list[str]]:
        self.homes, self.escapes = [home.resolve() for home in homes], []
        try:
            yield self.escapes
        finally:
            self.homes = []

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.homes:
            return
        if event in STARTED | CALLED or (event == "import" and args[0] == MODULE):
            self.escapes.append(f"{event} {args}")
        elif event == "open" and isinstance(args[2], int) and args[2] & WRITING:
            self.look(event, args[:1])
        elif event == "os.symlink":  # a link leads from where it lies
            self.look(event, (args[1], os.path.join(os.path.dirname(args[1]), args[0])))  # noqa: PTH118, PTH120
        elif event in CHANGED or event.startswith("shutil."):
            self.look(event, args[:2])

    def look(self, event: str, places: tuple[Any, ...]) -> None:
        homes, self.homes = self.homes, []  # finding out where a path leads is not to be heard
        for place in places:
            if isinstance(place, str | bytes | os.PathLike) and place != os.devnull:
                path = Path(os.fsdecode(place)).absolute()
                # what is opened is where the path leads; what is renamed or deleted is the link itself
                real = (
                    Path(os.path.realpath(path)) if event == "open" else Path(os.path.realpath(path.parent), path.name)
                )
                if not any(real.is_relative_to(home) for home in homes):
                    self.escapes.append(f"{event} {path}")
        self.homes = homes


@contextmanager
def alarm(seconds: int) -> Iterator[None]:
    def ring(number: int, frame: Any) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def files(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    """What lies in a folder."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            str(path.readlink()) if path.is_symlink() else path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024

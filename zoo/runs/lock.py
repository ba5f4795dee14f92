"""A run folder has one owner at a time: the process that holds the lock on the file `.lock` in it.

    FolderLock(DIR).take()  …  release()      who comes second gets the name of the first, and has touched nothing

The system takes the lock back with its process, however that ends; a `.lock` that is left over is no obstacle. What
only reads a run (test, validate) shares the lock with others that read. Of the processes of one run the first one holds
it for all. Between machines it holds as far as the file system passes locks on: docs/cluster.md.
"""

import errno
import json
import os
import shlex
import socket
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from zoo.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NAME = ".lock"
LONGEST = 4096  # bytes that are read of what a holder says of itself: the folder may be untrusted
TRIES = 50  # a folder or lock that another process takes away in between is looked for again
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)
held: set[int] = set()  # descriptors of the locks of this process


class FolderInUse(ValueError):
    """Another process is at this run: nothing was written, exit code 1."""


class FolderLock:
    """The lock of one run folder.

    Args:
        path: the folder; it is made if it is not there, and what was made is known until the end.
        shared: only read it, beside others that do, and make nothing.

    Attributes:
        made: the folders that had to be made, the outermost first.
        held: whether the lock is really there; not where the file system has none.
    """

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        self.path, self.shared = path, shared
        self.file = path / NAME
        self.made: list[Path] = []
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this process holds the lock."""
        return self._descriptor is not None

    def take(self) -> str | None:
        """Takes the lock, or raises at once; returns a warning if the file system has no locks.

        Raises:
            FolderInUse: another process holds it.
            UsageError: something else has the name of the lock.
            OSError: the folder cannot be made or written to.
        """
        for _ in range(TRIES):
            if not self.shared:
                self.made += make_folders(self.path)
            try:
                descriptor = self._open()
            except FileNotFoundError:  # whoever had made the folder has taken it back
                if self.shared:
                    return None
                continue
            if descriptor is None:
                return None
            try:
                warning = self._lock(descriptor)
                if warning or still_names(self.file, descriptor):
                    if not warning:
                        self._descriptor = descriptor
                        held.add(descriptor)
                        self._say_who()
                    return warning
            finally:
                if self._descriptor is None:
                    os.close(descriptor)
        raise FolderInUse(
            f"run folder in --run_dir: expected one that stays, found {self.path} taken away again and again."
            " Try: another --run_dir"
        )

    def _open(self) -> int | None:
        """The open file; None if there is nothing to write to and only reading is wanted."""
        flags = os.O_CLOEXEC | os.O_NONBLOCK | getattr(os, "O_NOFOLLOW", 0)
        try:
            descriptor = os.open(self.file, flags | os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise UsageError(not_a_lock(self.file)) from error
            if not self.shared or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            try:  # a run of another user, or on a medium that cannot be written to
                descriptor = os.open(self.file, flags | os.O_RDONLY)
            except OSError:
                return None
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            os.close(descriptor)
            raise UsageError(not_a_lock(self.file))
        return descriptor

    def _lock(self, descriptor: int) -> str | None:
        """Locks the open file, or says why this cannot be."""
        if fcntl is None:
            return no_locks(self.path)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if self.shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise FolderInUse(
                    f"run folder in --run_dir: expected one that no other process is at, found {self.path} in use by"
                    f" {holder(descriptor)}. Try: the same when that has ended, or another --run_dir"
                ) from error
            if error.errno in NO_LOCKS:
                return no_locks(self.path)
            raise
        return None

    def _say_who(self) -> None:
        """Writes down who holds the lock, for those who come second."""
        command = shlex.join(["python", *sys.argv])[:500]
        about = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time(), "command": command}
        assert self._descriptor is not None
        with suppress(OSError):  # a full disk, or a file of another user: the lock holds without a note
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(about).encode(), 0)

    def release(self) -> None:
        """Gives the lock back, and takes its file away if nobody else uses it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        held.discard(descriptor)
        try:
            if self.shared:  # alone here by now?
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if still_names(self.file, descriptor):
                self.file.unlink()
        except OSError:  # others are at it still, or it is not ours to delete
            pass
        finally:
            os.close(descriptor)
        if not self.shared:
            self.unmake()

    def unmake(self) -> None:
        """Takes back the folders that were made for this lock, as far as they are empty."""
        for folder in reversed(self.made):
            with suppress(OSError):
                folder.rmdir()
        self.made.clear()


def make_folders(path: Path) -> list[Path]:
    """Makes a folder and those above it; returns what was not there before, the outermost first."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    made = []
    for folder in reversed(missing):
        try:
            folder.mkdir()
        except FileExistsError:
            if not folder.is_dir():
                raise
            continue
        except FileNotFoundError:
            if folder.parent.is_dir():  # /proc
                raise
            continue  # the one above has been taken back in between
        made.append(folder)
    return made


def in_use(path: Path) -> bool:
    """Whether another process is at the run in this folder."""
    lock = FolderLock(path, shared=True)
    try:
        lock.take()
    except FolderInUse:
        return True
    lock.release()
    return False


def still_names(file: Path, descriptor: int) -> bool:
    """Whether the open file still has this name: one that was deleted in between locks nothing."""
    try:
        found, opened = os.lstat(file), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)


def holder(descriptor: int) -> str:
    """Who holds the lock, in words; what its file says is checked, for it may be anybody's."""
    about: Any = None
    for _ in range(10):  # it may be about to say so
        try:
            about = json.loads(os.pread(descriptor, LONGEST, 0))
            break
        except (OSError, ValueError, RecursionError):
            time.sleep(0.02)
    try:
        pid, host, since, command = (about[key] for key in ("pid", "host", "since", "command"))
        if not (type(pid) is int and isinstance(host, str) and isinstance(command, str)) or pid <= 0:
            return "another process"
        begun = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(since)))
    except (TypeError, KeyError, IndexError, ValueError, OverflowError, OSError):
        return "another process"
    if host == socket.gethostname() and not alive(pid):  # of several that read, the last one wrote; it has gone
        return "another process"
    return f"pid {pid} on {host[:80]} since {begun} ({command[:200]})"


def alive(pid: int) -> bool:
    """Whether there is such a process on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def not_a_lock(file: Path) -> str:
    """The message if something else has the name of the lock."""
    return f"file in {file}: expected the lock of a run, found something else of this name. Try: rm '{file}'"


def no_locks(path: Path) -> str:
    """The message where the file system has no locks."""
    return f"the file system of {path} has no locks: start one command at a time on this run"


def close_inherited() -> None:
    """Closes the locks in a process that was forked from their holder: they shall not outlive that."""
    while held:
        with suppress(OSError):
            os.close(held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=close_inherited)

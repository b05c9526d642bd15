"""Whether the one port is free, and who has it where it is not."""

from __future__ import annotations

import errno
import socket
import sys
import time
from typing import Any

ORPHANS_S = 0.5 if sys.platform == "linux" else 2.0
"""How long workers whose master was killed may hold the port: on Linux they are told at once, elsewhere each second."""


class PortRefused(Exception):
    """The port can't be listened on; the text says why in one line."""


def check(host: str, port: int) -> None:
    """Returns when `host:port` can be bound. Raises PortRefused."""
    end = time.monotonic() + ORPHANS_S
    while (fault := _try(host, port)) is not None:
        if fault.errno != errno.EADDRINUSE:
            raise PortRefused(f"{_words(fault, host, port)}") from fault
        pid = _holder(port)
        if pid is None or not _is_orphan(pid) or time.monotonic() > end:
            raise PortRefused(
                f"PORT ({port}) is taken by {_name(pid)}: stop it or choose another port, for example PORT={port + 1}"
            ) from fault
        time.sleep(0.05)


def _try(host: str, port: int) -> OSError | None:
    try:
        addresses = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = addresses[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


def _words(fault: OSError, host: str, port: int) -> str:
    if isinstance(fault, socket.gaierror) or fault.errno == errno.EADDRNOTAVAIL:
        return f"HEADWAY_HOST ({host!r}) is no address of this machine, for example HEADWAY_HOST=127.0.0.1"
    if fault.errno == errno.EACCES:
        return f"PORT ({port}) may not be opened by this user, for example PORT=8000"
    return f"PORT ({port}) can't be opened on {host}: {fault.strerror}"


def _holder(port: int) -> int | None:
    """The process that listens on the port, as far as this user may see."""
    import psutil  # only where the start fails anyway

    try:
        for connection in psutil.net_connections("tcp"):
            if _listens(connection, port) and connection.pid:
                return _master(connection.pid)
    except psutil.AccessDenied:  # macOS shows only one's own, process by process
        for process in psutil.process_iter():
            try:
                if any(_listens(connection, port) for connection in process.net_connections("tcp")):
                    return _master(process.pid)
            except psutil.Error:
                continue
    return None


def _listens(connection: Any, port: int) -> bool:
    return connection.status == "LISTEN" and bool(connection.laddr) and connection.laddr.port == port


def _master(pid: int) -> int:
    """The parent where that is the same program: a server's workers hold its port too."""
    import psutil

    try:
        process = psutil.Process(pid)
        parent = process.parent()
        return parent.pid if parent and parent.cmdline() == process.cmdline() else pid
    except psutil.Error:
        return pid


def _is_orphan(pid: int) -> bool:
    """Whether it may be a worker about to end. Whose child it is says nothing: not only process 1 adopts orphans."""
    import psutil

    try:
        process = psutil.Process(pid)
        program = process.cmdline()
        return any("gunicorn" in part for part in program[:3]) and not _has_workers(process, program)
    except psutil.Error:
        return True  # it is gone already


def _has_workers(process: Any, program: list[str]) -> bool:
    import psutil

    for child in process.children():
        try:
            if child.cmdline() == program:
                return True
        except psutil.Error:
            continue
    return False


def _name(pid: int | None) -> str:
    import psutil

    if pid is None:
        return "a process of another user"
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"pid {pid}"

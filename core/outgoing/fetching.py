"""One HTTP request: to an address that was checked, without redirects, within a time and a size."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from core.config.allowed import HOST, named, parsed
from core.outgoing.cutting import cut_after
from core.outgoing.errors import OutgoingError, Refused
from core.outgoing.guard import Guard, Policy, standing, unreachable
from core.outgoing.masking import masked
from core.outgoing.names import Found, addresses, resolve
from core.version import VERSION

MOST_BYTES = 4 * 1024 * 1024
PIECE = 65_536
PORTS = {"http": 80, "https": 443}
USUAL = {"User-Agent": f"Headway/{VERSION}", "Accept": "*/*", "Accept-Encoding": "gzip", "Connection": "close"}
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Answer:
    """What a server said, of any status but a redirect. Names of `headers` are found however they are written; `body` is
    unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def fetch(
    url: str,
    *,
    policy: Policy,
    timeout_s: float,
    headers: Mapping[str, str] = NO_HEADERS,
    most_bytes: int = MOST_BYTES,
) -> Answer:
    """GET. `timeout_s` is for all of it: name, connection, answer; `most_bytes` counts before and after unpacking.

    No proxy of the environment is used: it would connect to an address that nobody checked. Raises OutgoingError; a
    redirect is one too, and says where it leads.
    """
    until = time.monotonic() + timeout_s
    place = _taken_apart(url)
    try:
        with _connected(place, policy, until) as bare, cut_after(bare.fileno(), until - time.monotonic()) as cut:
            try:
                answer = _asked(bare, place, headers, most_bytes)
            except (OSError, http.client.HTTPException, HTTPError, ValueError) as fault:
                if cut.made:
                    raise TimeoutError from fault
                raise
            if cut.made:  # An answer without a length ends where its connection does.
                raise TimeoutError
            return answer
    except OutgoingError:
        raise
    except (OSError, http.client.HTTPException, HTTPError, ValueError) as fault:
        raise OutgoingError(_words(fault, place, timeout_s)) from fault


@dataclass(frozen=True)
class _Place:
    """An address taken apart; `target` is what is asked for there."""

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def _taken_apart(url: str) -> _Place:
    """Raises Refused for an address that different readers read differently."""
    if re.search(r"[^\x21-\x7e]|\\", url):
        raise Refused("the address holds a space, a control character, a backslash or a letter beyond ASCII: escape it")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Refused("the address can't be read: its host or port is none") from None
    if parts.scheme not in PORTS:
        raise Refused("the address should begin with http:// or https://")
    if "@" in parts.netloc:
        raise Refused("the address holds a user or a password: send them in a header, such as Authorization")
    if port == 0 or not (re.fullmatch(HOST, host) or (parsed(host) is not None and "%" not in host)):
        raise Refused("the address names no host that can be asked")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Place(parts.scheme, host, port or PORTS[parts.scheme], target)


def _connected(place: _Place, policy: Policy, until: float) -> socket.socket:
    """A connection to the first address that takes one. Raises OSError."""
    found = resolve(place.host, place.port, until - time.monotonic())
    own = {entry: addresses(found) for entry in policy.allow if entry.host == named(place.host)}
    fault: OSError = TimeoutError()
    with standing(Guard(policy, own)):
        for each in found:
            try:
                return _connect(each, until - time.monotonic())
            except OSError as one:
                fault = one
    raise Refused(unreachable(str(place))) if isinstance(fault, Refused) else fault


def _connect(found: Found, left_s: float) -> socket.socket:
    if left_s <= 0:
        raise TimeoutError
    family, kind, protocol, _, address = found
    bare = socket.socket(family, kind, protocol)
    try:
        bare.settimeout(left_s)
        bare.connect(address)
    except BaseException:
        bare.close()
        raise
    return bare


def _asked(bare: socket.socket, place: _Place, headers: Mapping[str, str], most_bytes: int) -> Answer:
    connection = http.client.HTTPConnection(place.host, place.port)
    connection.sock = _secured(bare, place.host) if place.scheme == "https" else bare
    try:
        connection.request("GET", place.target, headers=_headers(headers))
        with connection.getresponse() as raw:
            if 300 <= raw.status < 400 and (leads := raw.headers.get("Location")):
                raise OutgoingError(
                    f"{place} answered {raw.status} and leads to {masked(leads)}: redirects are not followed, "
                    "so name that address itself"
                )
            return Answer(raw.status, urllib3.HTTPHeaderDict(raw.headers.items()), _body(raw, place, most_bytes))
    finally:
        connection.close()


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    headers = urllib3.HTTPHeaderDict(USUAL)
    headers.update(given)
    return dict(headers)


def _body(raw: http.client.HTTPResponse, place: _Place, most_bytes: int) -> bytes:
    """All of it, unpacked a piece at a time. Raises OutgoingError as soon as it is too much."""
    response = urllib3.HTTPResponse(
        raw, urllib3.HTTPHeaderDict(raw.headers.items()), raw.status, preload_content=False, original_response=raw,
        enforce_content_length=True, request_method="GET",
    )  # fmt: skip
    body = bytearray()
    while piece := response.read(PIECE, decode_content=True):
        body += piece
        if len(body) > most_bytes or response.tell() > most_bytes:
            raise OutgoingError(f"{place} answered more than {most_bytes:,} bytes")
    return bytes(body)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _secured(bare: socket.socket, host: str) -> ssl.SSLSocket:
    return _tls().wrap_socket(bare, server_hostname=host.removesuffix("."))


def _words(fault: Exception, place: _Place, timeout_s: float) -> str:
    """What went wrong, never in the words of a library, which may repeat an address."""
    if isinstance(fault, TimeoutError):
        return f"{place} did not answer in full within {timeout_s:g} s"
    if isinstance(fault, ConnectionRefusedError):
        return f"nothing listens at {place}"
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"the certificate of {place} is not trusted: {fault.verify_message}"
    if isinstance(fault, ssl.SSLError):
        return f"{place} speaks no TLS that could be agreed on"
    if isinstance(fault, http.client.HTTPException | HTTPError | ConnectionResetError | BrokenPipeError):
        return f"{place} broke off, or answered what is no HTTP"
    if isinstance(fault, OSError):
        return f"{place} can't be reached"
    return "a header holds what no header may"

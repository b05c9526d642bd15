"""Requests of Headway's own reach what they may, get an answer within their bounds, and say why where they don't."""

from __future__ import annotations

import gzip
import ipaddress
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from smtplib import SMTP

import pytest
import requests

from core.config import ConfigError, parse
from core.config import read as read_config
from core.config.allowed import Allowed, is_public
from core.fields import FieldError
from core.outgoing import OutgoingError, Policy, Refused, fetch, fetching, guarded, masked, policy_of
from core.settings import read
from core.site import Site
from tests.conftest import free_port
from tests.outside import Outside, answer
from tests.serving import ROOT
from tests.tls import TlsFront, certificate

NOTHING = Policy()
LONG_S = 20.0
"""More than anything here takes that is not to run into its limit."""


@pytest.fixture
def outside() -> Iterator[Outside]:
    server = Outside()
    yield server
    server.close()


def allowing(*entries: object) -> Policy:
    return Policy(tuple(Allowed.of(str(entry)) for entry in entries))


def resolving(monkeypatch: pytest.MonkeyPatch, *turns: str) -> list[str]:
    """Let the resolver answer one address a turn, the last one for ever. The names that were asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        address = turns[min(len(asked), len(turns)) - 1]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://127.1:{port}/",
        "http://127.255.255.254:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::ffff:7f00:1]:{port}/",
        "http://[::127.0.0.1]:{port}/",
        "http://[64:ff9b::7f00:1]:{port}/",
        "http://[2002:7f00:1::]:{port}/",
        "http://[::]:{port}/",
        "http://0:{port}/",
        "http://0.0.0.0:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://0x7f.1:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://LOCALHOST:{port}/",
        "https://localhost:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://[fd00::]:{port}/",
        "http://[fe80::1]:{port}/",
        "http://10.0.0.1:{port}/",
        "http://172.16.0.1:{port}/",
        "http://192.168.0.1:{port}/",
        "http://100.64.0.1:{port}/",
        "http://198.18.0.1:{port}/",
        "http://224.0.0.1:{port}/",
        "http://239.255.255.250:{port}/",
        "http://255.255.255.255:{port}/",
        "http://240.0.0.1:{port}/",
        "http://[ff02::1]:{port}/",
        "http://[fec0::1]:{port}/",
        "http://user@127.0.0.1:{port}/",
        "http://example.com@127.0.0.1:{port}/",
        "http://example.com:80@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}#@example.com/",
        "http://127.0.0.1:{port}\\@example.com/",
        "http://example.com\\@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}/\r\nHost: example.com",
        "http://127.0.0.1\r\n:{port}/",
        "http://127.0.0.1\t:{port}/",
        "http://127.0.0.1%00.example.com:{port}/",
        "http://127。0。0。1:{port}/",
        "http://①②⑦.⓪.⓪.①:{port}/",
        "http://ⓛocalhost:{port}/",
        "http://[fe80::1%25lo]:{port}/",
        "http://[::1%lo]:{port}/",
        "http://[::1/:{port}/",
        "http://:{port}/",
        "http:///path",
        "http:127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/_PING",
        "ftp://127.0.0.1:{port}/",
        "dict://127.0.0.1:{port}/",
        "unix:///var/run/docker.sock",
        "jar:http://127.0.0.1:{port}/",
        "",
    ],
)
def test_what_lies_inside_is_refused_however_it_is_written(url: str, outside: Outside) -> None:
    with pytest.raises(Refused):
        fetch(url.format(port=outside.port), policy=NOTHING, timeout_s=LONG_S)
    assert outside.connections == 0


@pytest.mark.parametrize("host", ["localhost.", "localhost.localdomain", "ip6-localhost", "xn--localhost-.invalid"])
def test_a_name_gets_nobody_inside_whether_this_machine_knows_it_or_not(host: str, outside: Outside) -> None:
    with pytest.raises(OutgoingError):
        fetch(f"http://{host}:{outside.port}/", policy=NOTHING, timeout_s=LONG_S)
    assert outside.connections == 0


@pytest.mark.parametrize("host", ["xn--80ak6aa92e.com", "rebind.example", "127.0.0.1.nip.example"])
def test_a_public_name_that_leads_inside_is_refused(
    host: str, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, "127.0.0.1")
    with pytest.raises(Refused, match=f'put "{host}:{outside.port}" into allow'):
        fetch(f"http://{host}:{outside.port}/", policy=NOTHING, timeout_s=LONG_S)
    assert outside.connections == 0


def test_a_name_that_resolves_to_something_else_a_moment_later_is_not_asked_again(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside.answers["/"] = answer("inside")
    asked = resolving(monkeypatch, "127.0.0.2", "127.0.0.1")
    with pytest.raises(OutgoingError, match=r"nothing listens at rebind\.example"):
        fetch(f"http://rebind.example:{outside.port}/", policy=allowing("127.0.0.2"), timeout_s=LONG_S)
    assert asked == ["rebind.example"]
    assert outside.connections == 0


def test_a_library_that_asks_the_resolver_again_is_held_to_the_address_it_connects_to(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving(monkeypatch, "93.184.215.14", "127.0.0.1")
    assert is_public(ipaddress.ip_address(str(socket.getaddrinfo("rebind.example", 80)[0][4][0])))
    with guarded(NOTHING) as guard, pytest.raises(requests.ConnectionError):
        requests.get(f"http://rebind.example:{outside.port}/", timeout=LONG_S)
    assert asked == ["rebind.example", "rebind.example"]
    assert guard.refused == [
        f'127.0.0.1:{outside.port} is not in the public network: to reach it, put "127.0.0.1:{outside.port}" into allow '
        "of [outgoing] in headway.toml"
    ]
    assert outside.connections == 0


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("93.184.215.14", True), ("8.8.8.8", True), ("172.32.0.1", True), ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True), ("64:ff9b::808:808", True), ("2002:808:808::", True),
        ("127.0.0.1", False), ("::ffff:10.0.0.1", False), ("64:ff9b::a00:1", False), ("2001:db8::1", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False), ("192.0.2.1", False), ("169.254.0.1", False), ("fc00::1", False),
    ],
)  # fmt: skip
def test_an_address_is_public_when_anybody_may_have_it(text: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(text)) is public


@pytest.mark.parametrize(
    "entry", ["127.0.0.1", "127.0.0.1:{port}", "127.0.0.0/8", "127.0.0.0/8:{port}", "localhost", "LocalHost.:{port}"]
)
@pytest.mark.parametrize("url", ["http://localhost:{port}/x?y=1#z", "http://127.0.0.1:{port}/x?y=1#z"])
def test_what_the_operator_names_is_reached(entry: str, url: str, outside: Outside) -> None:
    outside.answers["/x"] = answer("here")
    policy = allowing(entry.format(port=outside.port))
    url = url.format(port=outside.port)
    if "ocal" in entry.lower() and "127" in url:
        # A host's name allows what it leads to by that name. A guard, which sees addresses alone, allows it in any case.
        with pytest.raises(Refused):
            fetch(url, policy=policy, timeout_s=LONG_S)
    else:
        assert fetch(url, policy=policy, timeout_s=LONG_S).body == b"here"
        assert outside.asked[0].startswith(f"GET /x?y=1 HTTP/1.1\r\nHost: {url.split('/')[2]}\r\n")
    with guarded(policy) as guard:
        assert requests.get(url, timeout=LONG_S).text == "here"
    assert guard.refused == []


@pytest.mark.parametrize(
    "entry", ["127.0.0.1:{other}", "localhost:{other}", "10.0.0.0/8", "127.0.0.2", "example.invalid"]
)
def test_another_port_or_host_than_the_named_one_is_refused(entry: str, outside: Outside) -> None:
    policy = allowing(entry.format(other=outside.port - 1))
    with pytest.raises(Refused):
        fetch(f"http://localhost:{outside.port}/", policy=policy, timeout_s=LONG_S)
    with guarded(policy) as guard, pytest.raises(requests.ConnectionError):
        requests.get(outside.url, timeout=LONG_S)
    assert len(guard.refused) == 1
    assert outside.connections == 0


def test_an_ipv6_address_is_reached_where_it_is_allowed(outside: Outside) -> None:
    try:
        six = Outside("::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    six.answers["/"] = answer("six")
    policy = allowing(f"[::1]:{six.port}", "[::1]/128")
    assert fetch(f"http://[::1]:{six.port}/", policy=policy, timeout_s=LONG_S).body == b"six"
    six.close()


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("http://app.internal", "should be a host without scheme"),
        ("app.internal/metrics", "should be a host, an address or a network"),
        ("*.internal", "should be a host, an address or a network"),
        ("*", "should be a host, an address or a network"),
        ("10.0.0.7/8", "should begin where the network does: 10.0.0.0/8"),
        ("10.0.0.0/33", "should be a host"),
        ("10.0.0.300", "should be a host"),
        ("10.0.0", "should be a host"),
        ("app:0", "port from 1 to 65535"),
        ("app:65536", "port from 1 to 65535"),
        ("app:http", "should be a host"),
        ("user@app", "should be a host"),
        ("[fd00::7:8000", "should be a host"),
        ("app internal", "should be a host"),
    ],
)
def test_a_bad_entry_of_the_allow_list_stops_the_start(entry: str, fault: str, tmp_path: Path) -> None:
    text = f'[outgoing]\nallow = ["10.0.0.0/8", "{entry}"]\n'
    with pytest.raises(FieldError, match=r"outgoing\.allow\[1\]"):
        parse(text, {})
    file = tmp_path / "headway.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as stopped:
        read_config(read({"HEADWAY_CONFIG": str(file)}), {})
    assert fault in str(stopped.value)


def test_prometheus_is_reached_since_the_environment_names_it(site: Site, outside: Outside) -> None:
    settings = read({"PROMETHEUS_URL": f"http://LOCALHOST:{outside.port}/prometheus", "HEADWAY_TOKEN": "a-token-1234"})
    policy = policy_of(replace(site, settings=settings, config=parse('[outgoing]\nallow = ["10.0.0.0/8"]', {})))
    outside.answers["/"] = answer("it")
    assert fetch(f"http://localhost:{outside.port}/", policy=policy, timeout_s=LONG_S).body == b"it"
    assert policy.allow[0] == Allowed.of("10.0.0.0/8")
    with pytest.raises(Refused):
        fetch(f"http://localhost:{outside.port + 1}/", policy=policy, timeout_s=LONG_S)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Again", "308 For ever"])
@pytest.mark.parametrize("leads", ["/inside", "http://169.254.169.254/x", "//example.com/", "file:///etc/passwd"])
def test_a_redirect_is_an_error_that_says_where_it_leads(status: str, leads: str, outside: Outside) -> None:
    outside.answers["/"] = answer("", status=status, Location=leads)
    outside.answers["/inside"] = answer("got it")
    with pytest.raises(OutgoingError, match=f"answered {status[:3]} and leads to {leads}"):
        fetch(outside.url, policy=allowing("127.0.0.1"), timeout_s=LONG_S)
    assert len(outside.asked) == 1


def test_a_library_follows_a_redirect_to_inside_no_further_than_the_guard(outside: Outside) -> None:
    other = Outside("127.0.0.2")
    outside.answers["/"] = answer("", status="302 Found", Location=f"{other.url}/")
    other.answers["/"] = answer("inside")
    with guarded(allowing("127.0.0.1")) as guard, pytest.raises(requests.ConnectionError):
        requests.get(outside.url, timeout=LONG_S)
    assert len(outside.asked) == 1
    assert other.connections == 0
    assert "127.0.0.2" in guard.refused[0]
    other.close()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "said",
    [
        lambda outside: outside.silent,
        lambda outside: outside.slowly(b"x", OK + b"\r\n"),
        lambda outside: outside.slowly(b"x", OK + b"Content-Length: 100000\r\n\r\n"),
        lambda outside: outside.slowly(b"1\r\nx\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n"),
        lambda outside: outside.slowly(b"X: y\r\n", OK),
        lambda outside: outside.slowly(b"H"),
        lambda outside: outside.slowly(b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silence", "body", "body with length", "chunks", "headers", "status line", "for ever continuing"],
)
def test_an_answer_that_drips_is_cut_off_in_time(said: Callable[[Outside], object], outside: Outside) -> None:
    outside.answers["/"] = said(outside)  # type: ignore[assignment]
    with pytest.raises(OutgoingError, match=r"did not answer in full within 0\.3 s"):
        fetch(outside.url, policy=allowing("127.0.0.1"), timeout_s=0.3)


def test_a_tls_handshake_that_never_ends_is_cut_off_in_time(outside: Outside) -> None:
    with pytest.raises(OutgoingError, match=r"within 0\.3 s"):
        fetch(f"https://127.0.0.1:{outside.port}/", policy=allowing("127.0.0.1"), timeout_s=0.3)


def test_a_name_that_is_not_resolved_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait())
    with pytest.raises(OutgoingError, match=r"slow\.example was not resolved in time"):
        fetch("http://slow.example/", policy=NOTHING, timeout_s=0.2)
    over.set()


def _raw(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


@pytest.mark.parametrize(
    "said",
    [
        answer(b"x" * 1_000_001),
        OK + b"\r\n" + b"x" * 1_000_001,
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"fffff\r\n" + b"x" * 0xFFFFF + b"\r\n0\r\n\r\n",
        answer(gzip.compress(bytes(200_000_000), 9), Content_Encoding="gzip"),
        answer(gzip.compress(gzip.compress(bytes(200_000_000), 9)), Content_Encoding="gzip, gzip"),
        answer(_raw(bytes(200_000_000)), Content_Encoding="deflate"),
    ],
    ids=["length", "until the end", "chunks", "gzip bomb", "gzip in gzip", "deflate bomb"],
)
def test_an_answer_that_is_too_much_is_not_taken_in(said: bytes, outside: Outside) -> None:
    outside.answers["/"] = said
    with pytest.raises(OutgoingError, match="more than 1,000,000 bytes"):
        fetch(outside.url, policy=allowing("127.0.0.1"), timeout_s=LONG_S, most_bytes=1_000_000)


def test_an_endless_answer_is_given_up_at_its_limit(outside: Outside) -> None:
    outside.answers["/"] = outside.slowly(b"x" * 65_536, OK + b"\r\n", every_s=0)
    with pytest.raises(OutgoingError, match="more than 4,194,304 bytes"):
        fetch(outside.url, policy=allowing("127.0.0.1"), timeout_s=LONG_S)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        OK + b"Content-Length: 100\r\n\r\nshort",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab",
        OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        OK + b"X: y\r\n" * 200 + b"\r\n",
        answer(b"no gzip", Content_Encoding="gzip"),
    ],
)
def test_what_is_no_whole_answer_is_an_error(said: bytes, outside: Outside) -> None:
    outside.answers["/"] = said
    with pytest.raises(OutgoingError, match="broke off, or answered what is no HTTP"):
        fetch(outside.url, policy=allowing("127.0.0.1"), timeout_s=LONG_S)


def test_any_other_answer_comes_as_it_is(outside: Outside) -> None:
    outside.answers["/"] = answer(gzip.compress(b"packed"), status="503 Busy", Content_Encoding="gzip", Retry_After="7")
    got = fetch(
        outside.url,
        policy=allowing("127.0.0.1"),
        timeout_s=LONG_S,
        headers={"authorization": "Bearer abc", "accept": "x/y"},
    )
    assert (got.status, got.body, got.headers["retry-after"]) == (503, b"packed", "7")
    assert "authorization: Bearer abc\r\n" in outside.asked[0]
    assert outside.asked[0].lower().count("accept: ") == 1
    assert "User-Agent: Headway/" in outside.asked[0]


def test_no_proxy_of_the_environment_is_used(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Outside()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    outside.answers["/"] = answer("itself")
    assert fetch(outside.url, policy=allowing("127.0.0.1"), timeout_s=LONG_S).body == b"itself"
    assert proxy.connections == 0
    proxy.close()


def test_a_certificate_that_nobody_vouches_for_is_said_to_be_so(tmp_path: Path) -> None:
    with TlsFront(tmp_path / "nothing", *certificate(tmp_path)) as front, pytest.raises(OutgoingError) as told:
        fetch(f"https://127.0.0.1:{front.port}/", policy=allowing("127.0.0.1"), timeout_s=LONG_S)
    assert str(told.value) == f"the certificate of 127.0.0.1:{front.port} is not trusted: self-signed certificate"


def test_a_certificate_of_ones_own_is_trusted_where_ssl_cert_file_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    fetching._tls.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, context.wrap_socket(listener.accept()[0], server_side=True) as front:
            front.recv(65_536)
            front.sendall(answer("over TLS"))

    serving = threading.Thread(target=serve)
    serving.start()
    url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
    try:
        assert fetch(url, policy=allowing("127.0.0.1"), timeout_s=LONG_S).body == b"over TLS"
    finally:
        serving.join()
        fetching._tls.cache_clear()


@pytest.mark.parametrize("header", [{"X": "a\r\nEvil: yes"}, {"X\r\nEvil": "yes"}, {"X": "a\nb"}, {"X": "ü€"}])
def test_a_header_with_a_line_break_sends_nothing(header: dict[str, str], outside: Outside) -> None:
    with pytest.raises(OutgoingError, match="a header holds what no header may"):
        fetch(outside.url, policy=allowing("127.0.0.1"), timeout_s=LONG_S, headers=header)
    assert outside.asked == []


def test_errors_hold_no_secret(outside: Outside) -> None:
    outside.answers["/moved"] = answer(
        "", status="302 Found", Location="https://u:hush1@x.example/a?token=hush2&b=hush3#hush4"
    )
    outside.answers["/broken"] = b"hush5 hush6"
    nobody = f"http://127.0.0.1:{free_port()}"
    for url in (f"{outside.url}/moved", f"{outside.url}/broken", nobody, "http://10.0.0.1", "http://u:hush8@127.0.0.1"):
        with pytest.raises(OutgoingError) as told:
            fetch(
                f"{url}?key=hush9", policy=allowing("127.0.0.1"), timeout_s=LONG_S, headers={"Authorization": "hush0"}
            )
        assert "hush" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://app.example/metrics", "https://app.example/metrics"),
        ("https://u:p@app.example:8/a?b=c&d=e#f", "https://***@app.example:8/a?b=***&d=***"),
        ("https://app.example/?token", "https://app.example/?***"),
        ("https://app.example/\r\n\x1b[31m\u202ea b", "https://app.example/[31mab"),
        ("/path?x=y", "/path?x=***"),
        ("//app.example/a", "//app.example/a"),
        ("http://[::1", "an address that can't be read"),
    ],
)
def test_a_shown_address_is_masked(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert len(masked(f"https://app.example/{'x' * 5_000}")) == 200


def test_a_guard_holds_whatever_connects_and_only_where_it_stands(outside: Outside, tmp_path: Path) -> None:
    outside.answers["/"] = answer("here")
    got: list[str] = []
    with guarded(NOTHING) as guard:
        for connect in (
            lambda: socket.create_connection(("127.0.0.1", outside.port)),
            lambda: socket.create_connection(("localhost", outside.port)),
            lambda: SMTP("127.0.0.1", outside.port),
            lambda: urllib.request.urlopen(outside.url),
            lambda: requests.get(outside.url, timeout=LONG_S),
        ):
            with pytest.raises(OSError, match="is not in the public network"):
                connect()
        with socket.socket() as bare, pytest.raises(Refused):
            bare.connect_ex(("127.0.0.1", outside.port))
        with socket.socket() as bare, pytest.raises(Refused, match="network addresses and to nothing else"):
            bare.connect(("localhost", outside.port))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bare, pytest.raises(Refused):
            bare.sendto(b"x", ("127.0.0.1", outside.port))
        with (
            socket.socket(socket.AF_UNIX) as bare,
            pytest.raises(Refused, match="network addresses and to nothing else"),
        ):
            bare.connect(str(tmp_path / "socket"))
        before = len(guard.refused)
        other = threading.Thread(target=lambda: got.append(requests.get(outside.url, timeout=LONG_S).text))
        other.start()
        other.join()
        assert len(guard.refused) == before >= 9
    assert got == ["here"]
    assert requests.get(outside.url, timeout=LONG_S).text == "here"


UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import socket, sys, gevent, requests
from core.config.allowed import Allowed
from core.outgoing import OutgoingError, Policy, Refused, fetch, guarded
port = int(sys.argv[1])
here = Policy((Allowed.of(f"localhost:{port}"),))
turns = []
def count():
    while True:
        turns.append(1); gevent.sleep(0.01)
counting = gevent.spawn(count)
free = gevent.spawn(lambda: requests.get(f"http://127.0.0.1:{port}/").text)
def slow():
    try: fetch(f"http://localhost:{port}/slow", policy=here, timeout_s=0.5)
    except OutgoingError as e: return str(e)
def inside(): return fetch(f"http://localhost:{port}/", policy=here, timeout_s=20).body.decode()
def refused():
    with guarded(Policy()) as guard:
        for connect in (lambda: requests.get(f"http://localhost:{port}/"), lambda: socket.create_connection(("127.0.0.1", port))):
            try: connect(); return "connected"
            except OSError: gevent.sleep(0.05)
        return len(guard.refused)
some = [gevent.spawn(one) for one in (slow, inside, refused)]
gevent.joinall([*some, free], timeout=20)
print([one.value for one in some], free.value, len(turns) > 5)
"""


def test_under_gevent_a_guard_is_its_greenlets_and_nothing_waits_for_a_slow_server(outside: Outside) -> None:
    outside.answers["/"] = answer("here")
    outside.answers["/slow"] = outside.slowly(b"x", OK + b"\r\n")
    done = subprocess.run(
        [sys.executable, "-c", UNDER_GEVENT, str(outside.port)], cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    told = f"localhost:{outside.port} did not answer in full within 0.5 s"
    assert done.stdout == f"{[told, 'here', 2]} here True\n", done.stderr

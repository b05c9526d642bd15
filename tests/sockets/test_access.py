"""Who may join, and how the others are told what to do."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest

from tests.conftest import TOKEN, wait_until
from tests.serving import Answer, Server, ask
from tests.sockets.conftest import INGEST, READ, Agent, create, hears, report
from tests.sockets.raw import PATH, Raw

SIGN_IN = "Sign in: pass auth: {token} with the read or the admin token."
WRONG = "a-wrong-token-for-tests"


def refused(said: list[object]) -> tuple[object, object]:
    assert said[0] == "connect_error", said
    return said[1], said[2]


@pytest.mark.parametrize("token", [TOKEN, READ])
def test_a_token_that_may_read_lets_the_documented_client_in(closed_site: Server, agent: Agent, token: str) -> None:
    client = agent(closed_site, "let-in", token=token)
    hears(client)
    report(closed_site, create(closed_site, "let-in"), progress=5)
    assert client.value()[1]["progress"] == 5
    assert token not in closed_site.log()


def test_without_a_token_that_may_read_the_client_is_told_what_to_do(closed_site: Server, agent: Agent) -> None:
    assert refused(agent(closed_site, "a").value()) == (SIGN_IN, {"status": 401})
    said = f"This token is none of this site's. {SIGN_IN}"
    assert refused(agent(closed_site, "a", token=WRONG).value()) == (said, {"status": 401})
    said = "This token is for ingest. Use the read or the admin token."
    assert refused(agent(closed_site, "a", token=INGEST).value()) == (said, {"status": 403})
    assert WRONG not in closed_site.log() and INGEST not in closed_site.log()


@pytest.mark.parametrize("token", [7, {"a": 1}, ["x"], True, "x" * 9000, "\0", "\ud800"])
def test_a_token_that_can_be_none_is_a_wrong_one(closed_site: Server, raw: Callable[..., Raw], token: object) -> None:
    client = raw(closed_site)
    client.send(f"40{json.dumps({'token': token})}")
    assert "This token is none of this site's" in client.until("44")


def test_a_client_that_shows_nothing_is_closed_soon(closed_site: Server, raw: Callable[..., Raw]) -> None:
    began = time.monotonic()
    silent, refused_one = raw(closed_site), raw(closed_site)
    refused_one.send("40")
    assert "Sign in" in refused_one.until("44")
    assert refused_one.text() == "1" and refused_one.ended() is not None
    assert silent.text().startswith("0")
    assert silent.ended() is None
    assert time.monotonic() - began > 4


def test_a_token_in_a_header_is_as_good(closed_site: Server, raw: Callable[..., Raw]) -> None:
    raw(closed_site, Authorization=f"Bearer {READ}").joined("by-header")
    assert raw(closed_site, Authorization=f"Bearer {WRONG}").status == 401
    assert raw(closed_site, Authorization=f"Bearer {INGEST}").status == 403


class Browser:
    """What a browser keeps and sends: the session's cookie, its own origin, the token of the page's form."""

    def __init__(self, site: Server) -> None:
        self.site = site
        self.kept = SimpleCookie()

    def ask(self, method: str, path: str, body: str | None = None) -> Answer:
        headers = {"Cookie": self.cookie, "Origin": self.site.url, "Content-Type": "application/x-www-form-urlencoded"}
        answer = ask(self.site.port, method, path, body, headers)
        for given in answer.headers.get_all("Set-Cookie", []):
            self.kept.load(given)
        return answer

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={morsel.value}" for name, morsel in self.kept.items())

    def submit(self, page: str, to: str, **fields: str) -> Answer:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.ask("GET", page).text)
        assert token
        return self.ask("POST", to, urlencode({"csrf_token": token[1]} | fields))


def test_who_is_signed_in_joins_until_they_sign_out(closed_site: Server, raw: Callable[..., Raw]) -> None:
    browser = Browser(closed_site)
    assert browser.submit("/login", "/login", token=TOKEN).status == 303
    cookie = browser.cookie
    client = raw(closed_site, Cookie=cookie, Origin=closed_site.url).joined("signed-in")
    assert raw(closed_site, Cookie=cookie, Origin="https://evil.example").status == 403
    assert browser.submit("/dashboard/observability", "/logout").status == 303
    assert client.ended() is None
    late = raw(closed_site, Cookie=cookie, Origin=closed_site.url)
    late.send("40")
    assert SIGN_IN in late.until("44")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_foreign_page_is_refused_before_a_session_is_made(
    open_site: Server, closed_site: Server, transport: str
) -> None:
    path = f"/socket.io/?EIO=4&transport={transport}"
    for site in (open_site, closed_site):
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
            if site is open_site and "Origin" not in headers:
                continue  # a loopback's GET without an Origin is let through to the view, which refuses it as well
            answer = ask(site.port, "GET", path, headers=headers)
            assert (answer.status, answer.json()["title"]) == (403, "Unknown origin")


def test_a_listed_page_and_our_own_are_let_in(closed_site: Server, raw: Callable[..., Raw]) -> None:
    for origin in ("http://localhost:5173", closed_site.url):
        assert raw(closed_site, Origin=origin).joined("listed", token=READ).status == 101
    answer = ask(
        closed_site.port, "GET", "/socket.io/?EIO=4&transport=polling", headers={"Origin": "http://localhost:5173"}
    )
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:5173"


def test_strangers_of_one_address_are_bounded_and_those_who_show_a_token_are_not(
    closed_site: Server, raw: Callable[..., Raw]
) -> None:
    strangers = [raw(closed_site) for _ in range(60)]
    codes = [one.status for one in strangers]
    assert codes.count(503) >= 9 and codes.count(101) <= 51
    assert "Retry-After: 5" in strangers[-1].head
    raw(closed_site, Authorization=f"Bearer {READ}").joined("not-a-stranger")
    for one in strangers:
        one.close()
    wait_until(lambda: raw(closed_site).status == 101, what="room for strangers")


def test_many_wrong_tokens_must_wait_and_the_right_one_never(
    server: Callable[..., Server], raw: Callable[..., Raw]
) -> None:
    site = server()
    said = []
    for _ in range(31):
        one = raw(site)
        one.send('40{"token":"guess-guess"}')
        said.append(one.until("44"))
    assert "none of this site's" in said[29]
    assert re.search(r'"message":"Wait \d+ s, or send the right token."', said[30])
    assert raw(site).joined("right", token=TOKEN)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/socket.io", "socket.io-client 3 or 4"),
        ("/socket.io/?EIO=3&transport=polling", "socket.io-client 3 or 4"),
        ("/socket.io/?EIO=4&transport=websocket", "pass them on"),
        ("/socket.io/?EIO=4&transport=smoke", "websocket"),
        ("/socket.io/?EIO=4&transport=polling&j=1", "JSONP"),
        ("/socket.io/?EIO=4&transport=polling&sid=nobody", "Connect anew"),
        ("/socket.io/?EIO=4&transport=websocket&sid=", "pass them on"),
    ],
)
def test_what_is_no_request_for_a_socket_is_answered_as_a_problem(open_site: Server, path: str, says: str) -> None:
    answer = ask(open_site.port, "GET", path)
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert says in answer.json()["detail"]


def test_only_get_and_post_are_taken(open_site: Server) -> None:
    for method in ("HEAD", "PUT", "DELETE"):
        assert ask(open_site.port, method, "/socket.io/?EIO=4&transport=polling").status == 405
    assert ask(open_site.port, "GET", "/socket.io/?EIO=4&transport=polling&sid=").status == 200, "a new one"


def test_a_handshake_has_to_be_one(open_site: Server, raw: Callable[..., Raw]) -> None:
    assert raw(open_site, PATH, Sec_WebSocket_Version="8").status == 426
    assert raw(open_site, PATH, Sec_WebSocket_Key="short").status == 400
    assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in raw(open_site, PATH).head

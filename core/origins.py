"""Where a request came to and where it came from: our public address, and which other origins may call."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from werkzeug.middleware.proxy_fix import ProxyFix

from core.problems import Problem
from core.settings import Settings, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DEFAULT_PORTS = {"http": ":80", "https": ":443"}
ANY_HOST = frozenset({"/healthz", "/readyz", "/metrics"})
"""Platforms and Prometheus ask by the machine's own address, not by the public name; the answers hold no link."""


def origin_of(url: str) -> str:
    """The origin of a URL, as a browser writes it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{_host(parts.scheme, parts.netloc)}"


def _host(scheme: str, netloc: str) -> str:
    return netloc.lower().removesuffix(DEFAULT_PORTS.get(scheme, ""))


def _name(netloc: str) -> str:
    """The host of `host:port` or `[host]:port`, and what can't be one as it is."""
    name, colon, port = netloc.lower().rpartition(":")
    return name if colon and port.isdigit() else netloc.lower()


class PublicAddress:
    """WSGI: what the world calls us, from as many proxies as are trusted, and from HEADWAY_URL before all."""

    def __init__(self, app: WSGIApplication, settings: Settings) -> None:
        url = urlsplit(settings.url or "")
        self._scheme, self._prefix = url.scheme, url.path
        self._next = app
        # Neither port nor prefix: routers send X-Forwarded-Port beside a Host that is complete, and the prefix is ours.
        hops = settings.trusted_hops
        self._app = ProxyFix(self._visited, hops, hops, hops, 0, 0) if hops else self._settle

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._app(environ, start_response)

    def _visited(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # A proxy that is said to be there and is not lets through what a stranger wrote.
        if not is_address(environ.get("REMOTE_ADDR", "")):
            environ["REMOTE_ADDR"] = environ["werkzeug.proxy_fix.orig"]["REMOTE_ADDR"]
        return self._settle(environ, start_response)

    def _settle(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._scheme:
            environ["wsgi.url_scheme"] = self._scheme
        elif environ["wsgi.url_scheme"] != "https":
            environ["wsgi.url_scheme"] = "http"
        if self._prefix:
            path = environ.get("PATH_INFO", "")
            if path == self._prefix or path.startswith(self._prefix + "/"):  # else the proxy took it off already
                environ["PATH_INFO"] = path[len(self._prefix) :] or "/"
            environ["SCRIPT_NAME"] = self._prefix
        return self._next(environ, start_response)


class Origins:
    """Which hosts and origins are ours, which may call from elsewhere, and which may not."""

    def __init__(self, settings: Settings) -> None:
        self.listed = frozenset(origin_of(origin) for origin in settings.frontend_origins)
        self._ours = origin_of(settings.url) if settings.url else None
        self._open = not settings.auth

    def admit(self, environ: WSGIEnvironment) -> None:
        """Let a request pass that came to our address. Raises Problem 400 or 403."""
        if self._ours and self._here(environ) != self._ours and environ.get("PATH_INFO") not in ANY_HOST:
            raise Problem(400, "Unknown host", "This site is not served under that host name. Use its public address.")
        if self._open:
            self._admit_to_open(environ)

    def _admit_to_open(self, environ: WSGIEnvironment) -> None:
        # Any page on the web can send requests to loopback, and by DNS rebinding read the answers.
        seen = environ.get("werkzeug.proxy_fix.orig", environ).get("HTTP_HOST") or ""
        if not all(is_loopback(_name(host)) for host in (seen, environ.get("HTTP_HOST") or "")):
            raise Problem(
                403,
                "Only on this machine",
                "With HEADWAY_AUTH=off this site answers to localhost alone. Use http://localhost, or turn sign-in on.",
            )
        origin = environ.get("HTTP_ORIGIN")
        changes = environ["REQUEST_METHOD"] not in ("GET", "HEAD", "OPTIONS")
        if (origin is not None and not self.friendly(environ, origin)) or (changes and self.foreign(environ)):
            raise Problem(
                403,
                "Unknown origin",
                "This request was sent by a page of another site. Name that site's origin in FRONTEND_URL to allow it.",
            )

    def friendly(self, environ: WSGIEnvironment, origin: str) -> bool:
        """Whether a page of `origin` is ours or one that FRONTEND_URL names."""
        origin = origin.lower()
        if origin in self.listed:
            return True
        if self._ours:
            return origin == self._ours
        here = self._here(environ)
        # A proxy that we don't trust may have ended TLS: then we see http where the browser saw https.
        return origin in (here, here.replace("http://", "https://", 1))

    def foreign(self, environ: WSGIEnvironment) -> bool:
        """Whether a browser says that a page of another site made it send this request."""
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and self.friendly(environ, origin):
            return False
        site = environ.get("HTTP_SEC_FETCH_SITE")
        if site is not None:  # a browser's own word, which no page can forge, and no proxy's rewritten Host upsets
            return site not in ("same-origin", "none")
        return origin is not None

    def _here(self, environ: WSGIEnvironment) -> str:
        scheme = environ["wsgi.url_scheme"]
        return f"{scheme}://{_host(scheme, environ.get('HTTP_HOST') or '')}"


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # a zone, in which anything may stand, terminal codes too


def own_path(text: str | None, root: str = "") -> str:
    """`text` where it is a path of ours, below the prefix `root`; else our first page."""
    home = f"{root}/"
    if not text or len(text) > 2000 or not text.startswith(home):
        return home
    for read in (text, unquote(text)):
        path = read.partition("?")[0].partition("#")[0]
        if "//" in path or "\\" in read or not read.isprintable():
            return home
    return text

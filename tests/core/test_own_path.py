"""Where sign-in leads on to: paths of ours and nothing else."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.origins import own_path

ELSEWHERE = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "\\/evil.example", "https://evil.example",
    "https:evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "evil.example", "",
    "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example", "/%0d%0aSet-Cookie:x=1",
    "/\r\nSet-Cookie: x=1", "/%2f/evil.example", "/%5cevil.example", "/a//evil.example", "/%00", "/\x00", "/\u2028x",
    "/.//evil.example", "/..//evil.example", "?next=/x", "#x", "/" + "a" * 5000, "@evil.example", "/\ud800",
]  # fmt: skip


@pytest.mark.parametrize("text", [*ELSEWHERE, None], ids=repr)
def test_a_path_elsewhere_becomes_the_first_page(text: str | None) -> None:
    assert own_path(text) == "/"


@pytest.mark.parametrize(
    "text", ["/", "/dashboard/jobs?status=failed&agent=a%20b", "/jobs/7#stages", "/jobs/ü", "/a?u=http://x"]
)
def test_a_path_of_ours_is_kept(text: str) -> None:
    assert own_path(text) == text


@pytest.mark.parametrize(
    ("text", "path"), [("/ops/jobs", "/ops/jobs"), ("/jobs", "/ops/"), ("/opsies", "/ops/"), ("/ops", "/ops/")]
)
def test_below_a_prefix_only_what_is_below_it_is_ours(text: str, path: str) -> None:
    assert own_path(text, "/ops") == path


def as_a_browser_reads(location: str) -> str:
    """Where a browser goes: it drops tabs and line ends, trims, and takes a backslash for a slash."""
    cleaned = "".join(c for c in location if c not in "\t\r\n").strip("".join(map(chr, range(33)))).replace("\\", "/")
    return urljoin("https://headway.example/login", cleaned)


HOSTILE = st.text(st.sampled_from("/\\.:@?#%25cCfFaAdD0e \t\r\n\x00jxst") | st.characters(), max_size=40)


@given(HOSTILE | HOSTILE.map(lambda text: "/" + text))
@example("/\\/evil.example")
@example("//evil.example")
def test_whatever_is_asked_a_browser_stays_here(text: str) -> None:
    path = own_path(text)
    assert path.startswith("/")
    assert path.isprintable()
    went = urlsplit(as_a_browser_reads(path))
    assert (went.scheme, went.netloc) == ("https", "headway.example")
    assert not went.path.startswith("//")

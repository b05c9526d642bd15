"""The admin's token is made once, kept well, and compared without giving anything away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.settings import SettingError, Settings, read
from core.tokens import Tokens, admin_token, sign_in_link
from tests.visitors import ADMIN, BY_SCOPE, with_tokens

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fresh(tmp_path: Path) -> Settings:
    return read({"HEADWAY_DATA": str(tmp_path / "data")})


def test_the_first_start_makes_a_token_that_only_its_owner_can_read(fresh: Settings) -> None:
    token, made = admin_token(fresh)
    assert made
    assert len(token) >= 40
    assert (fresh.data / "token").stat().st_mode & 0o777 == 0o600


def test_later_starts_keep_it(fresh: Settings) -> None:
    token, _ = admin_token(fresh)
    assert admin_token(fresh) == (token, False)
    assert [path.name for path in fresh.data.iterdir()] == ["token"]


def test_a_given_token_is_taken_and_nothing_is_written(fresh: Settings) -> None:
    assert admin_token(replace(fresh, token=ADMIN)) == (ADMIN, False)
    assert not fresh.data.exists()


def test_processes_that_start_at_once_agree_on_one_token(fresh: Settings) -> None:
    script = (
        "import sys; from core.settings import read; from core.tokens import admin_token;"
        "sys.stdin.readline(); print(*admin_token(read({'HEADWAY_DATA': sys.argv[1]})))"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(fresh.data)], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(8)
    ]  # fmt: skip
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].split() for process in started]
    assert len({token for token, _ in answers}) == 1
    assert sorted(made for _, made in answers) == ["False"] * 7 + ["True"]


@pytest.mark.parametrize("content", [b"", b"\n", b"short\n", b"\xff\xfe-not-a-token-\x80\n"])
def test_a_damaged_token_file_stops_the_start_with_a_line_that_says_what_to_do(fresh: Settings, content: bytes) -> None:
    fresh.data.mkdir()
    (fresh.data / "token").write_bytes(content)
    with pytest.raises(SettingError, match=r"^HEADWAY_DATA .*delete it.*HEADWAY_TOKEN$"):
        admin_token(fresh)


def test_a_data_folder_that_can_not_be_made_stops_the_start_with_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match=r"^HEADWAY_DATA .*Not a directory.*HEADWAY_TOKEN$"):
        admin_token(read({"HEADWAY_DATA": str(tmp_path / "file" / "data")}))


def test_the_sign_in_link_bears_the_made_token_where_no_server_sees_it(fresh: Settings) -> None:
    token, _ = admin_token(fresh)
    assert sign_in_link(fresh) == f"http://127.0.0.1:8000/login#token={token}"


@pytest.mark.parametrize(
    ("changes", "link"),
    [
        ({"token": ADMIN}, "http://127.0.0.1:8000/login"),
        ({"token": ADMIN, "host": "0.0.0.0", "port": 9000}, "http://localhost:9000/login"),
        ({"token": ADMIN, "host": "[::]"}, "http://localhost:8000/login"),
        ({"token": ADMIN, "host": "::1"}, "http://[::1]:8000/login"),
        ({"token": ADMIN, "url": "https://headway.example/ops"}, "https://headway.example/ops/login"),
        ({"auth": False}, "http://127.0.0.1:8000/"),
    ],
)
def test_a_sign_in_link_without_a_made_token_shows_none(fresh: Settings, changes: dict[str, object], link: str) -> None:
    assert sign_in_link(replace(fresh, **changes)) == link  # type: ignore[arg-type]


@pytest.mark.parametrize("scope", BY_SCOPE)
def test_each_token_opens_its_scope(fresh: Settings, scope: str) -> None:
    assert Tokens(with_tokens(fresh)).match(BY_SCOPE[scope]) == scope


STRANGE: list[Callable[[str], str]] = [
    lambda token: "",
    lambda token: token[:-1],
    lambda token: token + "x",
    lambda token: token.upper(),
    lambda token: token + "\x00",
    lambda token: "ü" * len(token),
    lambda token: "\ud800" + token,
    lambda token: "𝒶" + token[1:],
    lambda token: token * 10_000,
]


@pytest.mark.parametrize("change", STRANGE)
def test_any_other_text_opens_nothing_and_breaks_nothing(fresh: Settings, change: Callable[[str], str]) -> None:
    tokens = Tokens(with_tokens(fresh))
    assert [tokens.match(change(token)) for token in BY_SCOPE.values()] == [None] * 4


def test_every_process_signs_alike_until_the_admin_token_changes(fresh: Settings) -> None:
    one, other = Tokens(with_tokens(fresh)), Tokens(with_tokens(fresh))
    assert one.secret == other.secret
    assert one.secret != Tokens(with_tokens(fresh, token="another-admin-token")).secret


def test_a_mark_names_a_token_without_showing_it(fresh: Settings) -> None:
    marks = Tokens(with_tokens(fresh)).marks
    assert len(set(marks.values())) == 4
    assert not any(token in mark or mark in token for token in BY_SCOPE.values() for mark in marks.values())

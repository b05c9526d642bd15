"""What is hidden of a broker's jobs before anything of them is stored."""

from __future__ import annotations

import time
from typing import Any

import pytest

from core.config import Logs, Masking, Redaction
from core.settings import read
from services.brokers.masking import Mask

TOKEN = "an-admin-token-of-the-site"
SETTINGS = read({"REDIS_URL": "redis://localhost", "HEADWAY_TOKEN": TOKEN})


def mask(logs: Logs | None = None, **told: Any) -> Mask:
    return Mask(Masking(**told), SETTINGS, logs or Logs())


def test_what_looks_like_a_secret_is_hidden_unless_that_is_switched_off() -> None:
    kwargs = {"password": "hunter2", "api_key": 12, "user": "ann", "n": 3, "deep": [{"Authorization": "Basic x"}]}
    assert mask().call(["ghp_" + "a" * 30, 4], kwargs) == {
        "args": ["***", 4],
        "kwargs": {"password": "***", "api_key": "***", "user": "ann", "n": 3, "deep": [{"Authorization": "***"}]},
    }
    assert mask(secrets=False).call([], kwargs) == {"kwargs": kwargs}


def test_counts_whose_name_holds_a_secrets_name_are_shown() -> None:
    assert mask().value({"max_tokens": 512, "password_age": 3}) == {"max_tokens": 512, "password_age": 3}


def test_the_sites_own_tokens_stand_nowhere() -> None:
    assert TOKEN not in mask().text(f"called with {TOKEN}")


def test_a_field_is_hidden_by_its_name_wherever_it_stands() -> None:
    hides = mask(fields=("card_*", "ssn"))
    told = {"Card_Number": "4111", "person": {"SSN": [1, 2], "name": "Ann"}, "scorecard_x": "4111"}
    assert hides.value(told) == {"Card_Number": "***", "person": {"SSN": "***", "name": "Ann"}, "scorecard_x": "4111"}
    assert hides.value("4111", "card_number") == "***"
    assert hides.text("app.pay(card_number='41 11', ssn=12, n=3) {'ssn': 'a\\'b', \"card_x\": \"5\"}") == (
        "app.pay(card_number=***, ssn=***, n=3) {'ssn': ***, \"card_x\": ***}"
    )


def test_patterns_of_the_broker_and_of_the_logs_are_taken_out_of_any_text() -> None:
    hides = mask(Logs(redact=(Redaction(r"\d{4}-\d{4}", "CARD"),)), patterns=(Redaction(r"[\w.]+@[\w.]+", "MAIL"),))
    assert hides.value(["ann@example.com paid by 1234-5678"]) == ["MAIL paid by CARD"]
    assert hides.text("to ann@example.com") == "to MAIL"


def test_arguments_and_results_are_not_stored_where_that_is_switched_off() -> None:
    hides = mask(arguments=False)
    assert hides.call([1], {"a": 2}) == {}
    assert hides.result({"id": 5}) is None
    assert hides.title("app.pay", "app.pay(5, card='4111')") == "app.pay"
    assert hides.title(None, "app.pay(5, card='4111')") == "app.pay"
    assert hides.title("app.pay", "Pay the bill") == "Pay the bill"
    assert mask().result({"id": 5}) == {"id": 5}


def test_a_title_is_the_description_with_its_secrets_hidden_else_the_function() -> None:
    assert mask().title("app.pay", "app.pay(5, password='hunter2')") == "app.pay(5, password='***')"
    assert mask().title("app.pay") == "app.pay"
    assert mask().title(None) is None


@pytest.mark.parametrize("lines", [1_500, 5_000])
@pytest.mark.parametrize("between", ["\n", ","])
def test_of_a_long_text_the_middle_is_left_out_and_no_secret_is_cut_in_two(lines: int, between: str) -> None:
    secret = "password=" + "hunter2" * 10
    told = "Traceback:\n" + f"{secret}{between}" * lines + "ValueError: at the end"
    shown = mask().text(told)
    assert len(shown) <= 16_000
    assert shown.startswith("Traceback:\n")
    assert shown.endswith("ValueError: at the end")
    assert "characters were cut" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize("characters", [60_000, 2_000_000])
@pytest.mark.parametrize("piece", ["x", "a=", '"', "\n", "card_", "card_='", 'password="\\', "://a"])
def test_a_text_made_to_take_long_takes_little(piece: str, characters: int) -> None:
    text = piece * (characters // len(piece))
    began = time.process_time()
    assert len(mask(fields=("card_*", "*_x")).text(text)) <= 16_000
    assert time.process_time() - began < 2


def test_what_a_store_cant_hold_is_left_out() -> None:
    assert mask().value({"a\0": "b\ud800\0"}) == {"a\ufffd": "b?\ufffd"}

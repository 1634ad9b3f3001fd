"""Idempotency keys: what is a key, and how long it is known."""

from __future__ import annotations

import pytest

from api_gateway import Request
from api_gateway.core.clock import ManualClock
from examples.checkout.idempotency import (
    Answer,
    IdempotencyKeys,
    KeyMissing,
    OtherBody,
    StillRunning,
    idempotency_key,
)

YES, NO = Answer(201, "application/json", b"{}"), Answer(502, "application/json", b"{}")


def asked(*values: str) -> Request:
    return Request("POST", "/", [("Idempotency-Key", value) for value in values])


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ('"8e03978e-40d5-43dd-bc93-6f1d3bd9dd16"', "8e03978e-40d5-43dd-bc93-6f1d3bd9dd16"),
        ("8e03978e-40d5-43dd-bc93-6f1d3bd9dd16", "8e03978e-40d5-43dd-bc93-6f1d3bd9dd16"),
        ('"with a space"', "with a space"),
        (f'"{"k" * 255}"', "k" * 255),
    ],
)
def test_a_key_is_a_string_in_quotes_or_without(value: str, key: str) -> None:
    assert idempotency_key(asked(value)) == key


@pytest.mark.parametrize(
    "value", ["", '""', '"', '"a', 'a"', "two words", '"a\\"b"', '"é"', '"a", "b"', "a,b", "k" * 256]
)
def test_anything_else_is_none(value: str) -> None:
    with pytest.raises(KeyMissing):
        idempotency_key(asked(value))


def test_none_and_two_are_no_key() -> None:
    for request in (asked(), asked("a", "a")):
        with pytest.raises(KeyMissing):
            idempotency_key(request)


def test_a_key_is_new_then_running_then_answered() -> None:
    keys = IdempotencyKeys(ManualClock())
    assert keys.known("k", b"body") is None
    keys.begin("k", b"body")
    with pytest.raises(StillRunning):
        keys.known("k", b"body")
    with pytest.raises(OtherBody):
        keys.known("k", b"other")
    assert keys.running == 1
    keys.finish("k", YES)
    assert keys.running == 0
    assert keys.known("k", b"body") == YES
    with pytest.raises(OtherBody):
        keys.known("k", b"other")


def test_an_answer_is_forgotten_when_its_time_is_over() -> None:
    clock = ManualClock()
    keys = IdempotencyKeys(clock, keep=10)
    keys.begin("k", b"body")
    keys.finish("k", NO)
    clock.advance(9.9)
    assert keys.known("k", b"body") == NO
    clock.advance(0.1)
    assert keys.known("k", b"body") is None


def test_of_too_many_answers_the_oldest_is_forgotten_and_what_runs_never_is() -> None:
    keys = IdempotencyKeys(ManualClock(), most=2)
    for key in ("running", "a", "b", "c"):
        keys.begin(key, b"body")
    for key in ("a", "b", "c"):
        keys.finish(key, YES)
    assert keys.known("a", b"body") is None
    assert keys.known("b", b"body") == keys.known("c", b"body") == YES
    with pytest.raises(StillRunning):
        keys.known("running", b"body")

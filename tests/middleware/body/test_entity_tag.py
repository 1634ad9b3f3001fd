"""Entity tags: the client's version and the service's, and the way between them."""

from __future__ import annotations

import pytest

from api_gateway.core.headers import Headers
from api_gateway.middleware.body.entity_tag import for_service, transformed_tag


@pytest.mark.parametrize(
    ("tag", "made"),
    [
        (b'"v7"', b'W/"v7-1a2b"'),
        (b'W/"v7"', b'W/"v7-1a2b"'),
        (b'""', b'W/"-1a2b"'),
        (b"v7", None),
        (b'"a"b"', None),
        (b'w/"a"', None),
        (b'"a b"', None),
    ],
)
def test_a_tag_becomes_weak_and_the_transforms_own(tag: bytes, made: bytes | None) -> None:
    assert transformed_tag(tag, b"1a2b") == made


@pytest.mark.parametrize(
    ("sent", "asked"),
    [
        ('W/"v7-1a2b"', 'W/"v7"'),
        ('W/"v7-1a2b", "x", W/"v8-1a2b"', 'W/"v7", "x", W/"v8"'),
        ('"v7"', '"v7"'),
        ('W/"v7-ffff"', 'W/"v7-ffff"'),
        ("*", "*"),
        ('W/"a-1a2b-1a2b"', 'W/"a-1a2b"'),
        ('W/"-1a2b"', 'W/""'),
        ('"broken-1a2b', '"broken-1a2b'),
    ],
)
def test_only_tags_made_here_are_translated_for_the_service(sent: str, asked: str) -> None:
    headers = for_service(Headers([("if-none-match", sent), ("if-match", 'W/"v7-1a2b"')]), b"1a2b")
    assert headers.get("if-none-match") == asked
    assert headers.get("if-match") == 'W/"v7-1a2b"'

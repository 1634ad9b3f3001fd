"""Canonical path: one spelling, reached in one step, or a 400."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from api_gateway.core import canonical_path as module
from api_gateway.core.canonical_path import canonical_path, decode_segment
from api_gateway.core.errors import BadRequest

# RFC 3986 section 3.3, less what the canonical form leaves no choice about.
_PCHAR = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-F]{2})"
_RFC_3986_PATH = re.compile(rf"/|(?:/{_PCHAR}+)+/?")
_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

_tricky = st.sampled_from(
    [
        "a",
        "B",
        "~",
        ".",
        "..",
        "...",
        "/",
        "//",
        "%2e",
        "%2E",
        "%2f",
        "%2F",
        "%5c",
        "%25",
        "%252e",
        "%c3%a9",
        "%C3%A9",
        "%61",
        "%3b",
        ";",
        "\\",
        "%00",
        "%1f",
        "%7F",
        "%c2%9b",
        "%zz",
        "%",
        "%4",
        "%c0%ae",
        "%ff",
        "[",
        '"',
        "{",
        "é",
        " ",
        "#",
        "?",
        "*",
        "+",
        ":",
        "@",
        "%2B",
        "%c0%af",
    ]
)
_hostile_paths = st.one_of(
    st.lists(_tricky, max_size=8).map(lambda parts: "/" + "".join(parts)),
    st.lists(_tricky, max_size=8).map("".join),
    st.text(max_size=20),
    st.text(max_size=20).map(lambda text: "/" + text),
)


@settings(max_examples=700)
@given(_hostile_paths)
def test_any_text_is_either_refused_or_brought_into_the_one_form(path: str) -> None:
    try:
        canonical = canonical_path(path)
    except BadRequest as refusal:
        event(refusal.detail[:30])
        return
    event("accepted")
    assert canonical_path(canonical) == canonical
    assert _RFC_3986_PATH.fullmatch(canonical)
    segments = canonical.split("/")[1:]
    assert "" not in segments[:-1]
    assert not {".", ".."} & set(segments)
    for segment in segments:
        for digits in re.findall("%(..)", segment):
            assert chr(int(digits, 16)) not in _UNRESERVED
        decoded = decode_segment(segment)
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", decoded)
        assert decoded.encode() == unquote_to_bytes(segment)
        # Whoever decodes and splits again, at any separator, finds nothing to climb with.
        assert not {".", ".."} & set(re.split(r"[/\\;]", decoded))


@settings(max_examples=250)
@given(_hostile_paths)
def test_the_fast_way_agrees_with_the_slow_way(path: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PLAIN", re.compile("(?!)"))
        try:
            slow: str | None = canonical_path(path)
        except BadRequest:
            slow = None
    try:
        fast: str | None = canonical_path(path)
    except BadRequest:
        fast = None
    assert fast == slow


@st.composite
def _two_spellings(draw: st.DrawFn) -> tuple[str, str]:
    segments = draw(st.lists(st.text('aZ9-._~"<[{/;=@é€ ', min_size=1, max_size=4), max_size=4))
    return tuple(  # type: ignore[return-value]  # two of them
        "".join("/" + draw(st.sampled_from(["", "./", "/", "x/../"])) + _spelt(draw, segment) for segment in segments)
        or "/"
        for _ in range(2)
    )


def _spelt(draw: st.DrawFn, segment: str) -> str:
    spelling = ""
    for character in segment:
        escaped = "".join(f"%{byte:02X}" for byte in character.encode())
        variants = [escaped, escaped.lower()]
        if character in _UNRESERVED + '"<[{':
            variants.append(character)
        spelling += draw(st.sampled_from(variants))
    return spelling


@settings(max_examples=250)
@given(_two_spellings())
def test_spellings_of_one_path_have_one_canonical_form(spellings: tuple[str, str]) -> None:
    outcomes = []
    for spelling in spellings:
        try:
            outcomes.append(canonical_path(spelling))
        except BadRequest as refusal:
            outcomes.append(refusal.detail)
    assert outcomes[0] == outcomes[1]


@settings(max_examples=300)
@given(st.text("ab.;/\\%é ", min_size=1))
def test_an_escaped_segment_is_data_and_decodes_to_itself(text: str) -> None:
    try:
        canonical = canonical_path("/p/" + quote(text, safe=""))
    except BadRequest:
        assert {".", ".."} & set(re.split(r"[/\\;]", text))
        return
    if text in (".", ".."):
        assert canonical in ("/p/", "/")
    else:
        assert decode_segment(canonical.removeprefix("/p/")) == text


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a/b/", "/a/b/"),
        ("/a/../b", "/b"),
        ("/a/./b", "/a/b"),
        ("/a/b/..", "/a/"),
        ("/a/..", "/"),
        ("/a/../", "/"),
        ("/a/.", "/a/"),
        ("/a/%2e%2e/b", "/b"),
        ("/a/.%2E/b", "/b"),
        ("//", "/"),
        ("//a///b//", "/a/b/"),
        ("//evil.test/a", "/evil.test/a"),
        ("/...", "/..."),
        ("/a..b/.hidden", "/a..b/.hidden"),
        ("/%61%7e", "/a~"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%5cb", "/a%5Cb"),
        ("/a;v=1/b", "/a;v=1/b"),
        ("/a%3Bv", "/a%3Bv"),
        ("/a%20b", "/a%20b"),
        ("/100%25", "/100%25"),
        ("/%252e%252e/a", "/%252e%252e/a"),
        ("/a%3Fb%23c", "/a%3Fb%23c"),
        ('/"<>^`{|}[]', "/%22%3C%3E%5E%60%7B%7C%7D%5B%5D"),
        ("/:@!$&'()*+,=", "/:@!$&'()*+,="),
    ],
)
def test_each_spelling_becomes_the_canonical_one(path: str, canonical: str) -> None:
    assert canonical_path(path) == canonical


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "begins with '/'"),
        ("a", "begins with '/'"),
        ("*", "begins with '/'"),
        ("http://a/b", "begins with '/'"),
        ("/..", "climbs above"),
        ("/../a", "climbs above"),
        ("/a/../../b", "climbs above"),
        ("/%2e%2e/a", "climbs above"),
        ("/a/%2e./..", "climbs above"),
        ("/a%00", "control character"),
        ("/a%0d%0aX-Evil:1", "control character"),
        ("/a%7f", "control character"),
        ("/a%c2%85b", "control character"),
        ("/%zz", "two hexadecimal digits"),
        ("/%", "two hexadecimal digits"),
        ("/%4", "two hexadecimal digits"),
        ("/%4/1", "two hexadecimal digits"),
        ("/%+1", "two hexadecimal digits"),
        ("/%u0041", "two hexadecimal digits"),
        ("/%c0%ae%c0%ae/a", "not UTF-8"),
        ("/%c0%af", "not UTF-8"),
        ("/%e0%80%af", "not UTF-8"),
        ("/%ed%a0%80", "not UTF-8"),
        ("/%ff", "not UTF-8"),
        ("/a\\b", "must be percent-encoded"),
        ("/a b", "must be percent-encoded"),
        ("/a#b", "must be percent-encoded"),
        ("/a\x00", "must be percent-encoded"),
        ("/a\n", "must be percent-encoded"),
        ("/a\r\nX: 1", "must be percent-encoded"),
        ("/é", "must be percent-encoded"),
        ("/..%2fadmin", "hides a dot segment"),
        ("/a/..%5cadmin", "hides a dot segment"),
        ("/a%2f..", "hides a dot segment"),
        ("/a%2F%2e%2e%2Fb", "hides a dot segment"),
        ("/..;/admin", "hides a dot segment"),
        ("/a/..;v=1/b", "hides a dot segment"),
        ("/a/.%3bx", "hides a dot segment"),
        ("/a;/..;", "hides a dot segment"),
    ],
)
def test_a_path_without_a_single_meaning_is_refused_with_its_reason(path: str, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason):
        canonical_path(path)


def test_a_clean_path_is_returned_as_the_very_same_object() -> None:
    path = "/api/users/42"
    assert canonical_path(path) is path


@pytest.mark.parametrize("path", ["/a" * 50_000 + " ", "/" * 100_000 + "%", "/" + "a" * 100_000 + ";/..;"])
def test_a_long_hostile_path_is_refused_without_backtracking(path: str) -> None:
    with pytest.raises(BadRequest):
        canonical_path(path)

"""Vary: requests agree only where no server could tell them apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.caching.vary import agrees, selecting_fields, vary_names
from api_gateway.core.headers import Headers
from tests.support.caching import Pairs


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["Foo, Bar"], ("bar", "foo")),
        (["Foo", "foo, BAR"], ("bar", "foo")),
        (["Foo,,"], ("foo",)),
        ([""], ()),
        ([], ()),
        (["*"], None),
        (["*, *"], None),
        (["", "*"], None),
        ([", *"], None),
        (["Foo, *"], None),
        (["*, Foo"], None),
        (["Accept Encoding"], None),
    ],
)
def test_the_names(lines: list[str], names: tuple[str, ...] | None) -> None:
    assert vary_names(Headers([("vary", line) for line in lines])) == names


@pytest.mark.parametrize(
    ("name", "one", "other", "same"),
    [
        ("foo", ["1"], ["1"], True),
        ("foo", ["1"], ["2"], False),
        ("foo", ["1"], [], False),  # 4.1: absent agrees with absent only
        ("foo", [], [], True),
        ("foo", [""], [], False),
        ("foo", ["1,2"], [" 1, 2 "], True),
        ("foo", ["1, 2"], ["1", "2"], True),
        ("foo", ["1, 2"], ["2, 1"], False),
        ("foo", ["a"], ["A"], False),
        ("foo", ["1,,2"], ["1,2"], False),
        ("foo", ['"a,b"'], ['"a, b"'], False),
        ("foo", ['"a,b", c'], ['"a,b",c'], True),
        ("foo", ['"a'], ['"a '], True),
        ("accept-encoding", ["gzip, br"], ["br,GZIP"], True),
        ("accept-encoding", ["gzip;q=1.0, br;q=0.50"], ["br; q=0.5, gzip"], True),
        ("accept-encoding", ["gzip, br;q=0.5"], ["gzip;q=0.5, br"], False),
        ("accept-encoding", ["gzip;q=0"], ["gzip"], False),
        ("accept-encoding", ["gzip, "], ["gzip"], True),
        ("accept-encoding", [""], [], False),
        ("accept-language", ["en-US, de"], ["en-us,de;q=1"], True),
        ("accept-language", ["en, de"], ["de, en"], False),  # servers break ties by order
        ("accept-language", ["en;q=0.8"], ["en;q=0.80"], True),
        ("user-agent", ["x (like, y)"], ["x (like,y)"], False),
        ("cookie", ["a=1, b=2"], ["a=1,b=2"], False),
        ("authorization", ["Bearer a"], ["Bearer b"], False),
        ("authorization", ["Bearer a"], ["Bearer a"], True),
    ],
)
def test_two_requests(name: str, one: list[str], other: list[str], *, same: bool) -> None:
    selecting = selecting_fields((name,), Headers([(name, line) for line in one]))
    assert agrees(selecting, Headers([(name, line) for line in other])) is same


def test_all_of_several_fields_must_agree() -> None:
    selecting = selecting_fields(("a", "b"), Headers({"a": "1", "b": "2"}))
    assert agrees(selecting, Headers({"b": "2", "a": "1", "c": "3"}))
    assert not agrees(selecting, Headers({"a": "1"}))


@pytest.mark.parametrize("name", ["authorization", "cookie", "x-api-key"])
def test_secrets_are_kept_as_digests(name: str) -> None:
    assert "hunter2" not in repr(selecting_fields((name,), Headers({name: "hunter2"})))


def test_a_request_agrees_with_itself() -> None:
    headers: Pairs = [("accept-encoding", "gzip;q=0.3,,br"), ("foo", '"a, ')]
    assert agrees(selecting_fields(("accept-encoding", "bar", "foo"), Headers(headers)), Headers(headers))


_pieces = st.lists(st.sampled_from(["gzip", "br", ";q=0", ";q=1", ";q=0.5", ",", " ", '"', "A", "*"])).map("".join)


def _meaning(value: str) -> dict[str, float]:
    """The weight of each coding; the last of a name wins, unless they contradict each other."""
    weights: dict[str, set[float]] = {}
    for member in value.lower().split(","):
        name, _, weight = member.replace(" ", "").partition(";q=")
        if name:
            weights.setdefault(name, set()).add(float(weight or 1))
    return {name: sum(found) + 10 * len(found) for name, found in weights.items()}


@given(
    st.lists(st.sampled_from(["gzip", "br", "GZIP;q=0", "br;q=1", "br; q=0.5", " zstd;q=0.50"]), max_size=4),
    st.lists(st.sampled_from(["gzip", "BR", "gzip;q=0", "br;q=1.0", "br;q=0.5", "zstd ;q=0.5"]), max_size=4),
)
def test_encodings_agree_only_if_they_mean_the_same(one: list[str], other: list[str]) -> None:
    first, second = ",".join(one), ",".join(other)
    selecting = selecting_fields(("accept-encoding",), Headers({"accept-encoding": first}))
    assert agrees(selecting, Headers({"accept-encoding": second})) == (_meaning(first) == _meaning(second))


@given(_pieces, _pieces)
def test_any_other_field_agrees_only_but_for_spaces_at_its_commas(one: str, other: str) -> None:
    if agrees(selecting_fields(("foo",), Headers({"foo": one})), Headers({"foo": other})):
        assert one.replace(" ", "") == other.replace(" ", "")

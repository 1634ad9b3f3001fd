"""The error tree: each class whole, and the docstring's drawing true."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest

from api_gateway.core import errors, upstream_errors
from api_gateway.core.errors import (
    ClientDisconnected,
    ClientError,
    ConfigurationError,
    GatewayError,
    MethodNotAllowed,
    NotFound,
    Unauthenticated,
)
from api_gateway.core.headers import Headers
from api_gateway.core.upstream_errors import ConnectFailed, ConnectTimeout, UpstreamError, UpstreamReset

_ABSTRACT = {GatewayError, ClientError, UpstreamError}


def _family(root: type[GatewayError]) -> list[type[GatewayError]]:
    return [root, *(member for child in root.__subclasses__() for member in _family(child))]


# Only the tree's own files: tests and plug-ins may add classes of their own.
ALL = [each for each in _family(GatewayError) if each.__module__ in (errors.__name__, upstream_errors.__name__)]
CONCRETE = [each for each in ALL if each not in _ABSTRACT]


def _make(kind: type[GatewayError]) -> GatewayError:
    if kind is MethodNotAllowed:
        return MethodNotAllowed(["GET"])
    return Unauthenticated("what happened", challenges=["Bearer"]) if kind is Unauthenticated else kind("what happened")


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn: dict[str, tuple[str, int | None]] = {}
    above = ["GatewayError"]
    for line in (errors.__doc__ or "").splitlines():
        branch = re.match(r"^    ((?:\|   |    )*)(?:\|-- |`-- )(\w+)(?:\s+(\d{3})\b)?", line)
        if branch:
            depth = len(branch.group(1)) // 4
            name = branch.group(2)
            drawn[name] = (above[depth], int(branch.group(3)) if branch.group(3) else None)
            above[depth + 1 :] = [name]
    written = {
        each.__name__: (each.__bases__[0].__name__, None if each in _ABSTRACT else each.status)
        for each in ALL
        if each is not GatewayError
    }
    assert drawn == written


@pytest.mark.parametrize("kind", CONCRETE)
def test_each_error_has_a_status_a_code_a_title_and_a_flag_of_its_own(kind: type[GatewayError]) -> None:
    assert HTTPStatus(kind.status)
    assert (400 <= kind.status < 500) is issubclass(kind, ClientError)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)
    assert kind.title
    assert kind.title != GatewayError.title or kind is errors.InternalError
    assert re.fullmatch(r"[A-Z]{2,4}", kind.flag), "'-' means that nobody failed"


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in CONCRETE]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("kind", CONCRETE)
def test_a_detail_is_kept_and_is_what_the_log_prints(kind: type[GatewayError]) -> None:
    error = _make(kind)
    assert error.detail == str(error) != ""


def test_an_error_without_detail_says_its_title() -> None:
    assert NotFound().detail == str(NotFound()) == NotFound.title


def test_headers_of_an_error_are_kept_and_empty_unless_given() -> None:
    assert NotFound("x", headers=Headers({"retry-after": "1"})).headers.get("retry-after") == "1"
    assert len(NotFound().headers) == 0


def test_allow_is_sorted() -> None:
    error = MethodNotAllowed(["PUT", "GET"])
    assert error.headers.get("allow") == "GET, PUT"
    assert error.detail == "This path accepts: GET, PUT."
    assert MethodNotAllowed([]).headers.get("allow") == ""


def test_nothing_was_sent_where_no_connection_was_made() -> None:
    assert not ConnectFailed("refused").sent
    assert not ConnectTimeout().sent
    assert UpstreamReset("cut").sent
    assert not UpstreamReset("cut", sent=False).sent


def test_a_client_that_left_and_a_bad_configuration_are_no_answers() -> None:
    assert not issubclass(ClientDisconnected, GatewayError)
    assert not issubclass(ConfigurationError, GatewayError)

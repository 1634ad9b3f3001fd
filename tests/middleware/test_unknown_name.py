"""Unknown name: says what there is."""

from __future__ import annotations

from api_gateway.middleware.unknown_name import UnknownName


def test_it_lists_what_there_is_in_order() -> None:
    error = UnknownName("function", "nwo", ["now", "merge"])
    assert str(error) == "unknown function 'nwo'; there are: merge, now"
    assert (error.kind, error.name, [*error.known]) == ("function", "nwo", ["now", "merge"])

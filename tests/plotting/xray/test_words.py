"""What is said of a row."""

import pytest

from api_gateway.core.xray.step import Step
from api_gateway.plotting.xray.rows import rows_of
from api_gateway.plotting.xray.words import LONGEST, line_for
from tests.support.xrays import step

SERVICE = step("service")
COPIES = {"http://a:1": {"in flight": 2, "weight": 1}, "http://b:1": {"in flight": 0, "weight": 1}}


def line(one: Step, endpoint: str = "") -> str:
    return line_for(next(rows_of(one)), endpoint)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        pytest.param(step("any", SERVICE), "only passed on", id="nothing"),
        pytest.param(step("any", step("more", SERVICE)), "only passed on: any, more", id="nothing, twice"),
        pytest.param(SERVICE, "answered 200", id="answered itself"),
        pytest.param(step("retry", SERVICE, SERVICE), "passed on 2 times", id="tries"),
        pytest.param(
            step("limit", status=None, outcome="raised RateLimited (429): wait, please"),
            "raised RateLimited (429)",
            id="raised, without the sentence for the client",
        ),
        pytest.param(
            step("boundary", SERVICE, outcome="passed on, made 503 of CircuitOpen"),
            "made 503 of CircuitOpen",
            id="made",
        ),
        pytest.param(
            step("limit", SERVICE, before={"ip": {"limit": 10, "remaining": 6}}, after={"ip": {"remaining": 5}}),
            "remaining 6 \u2192 5, limit 10",
            id="what changed, before what stayed",
        ),
        pytest.param(
            step("circuit", SERVICE, before={"calls": 5, "state": "closed", "rate": "50 %"}, after={"state": "open"}),
            "closed \u2192 open, calls 5, rate 50 %",
            id="the state first, numbers before texts",
        ),
        pytest.param(
            step("circuit", SERVICE, before={"by": {"a": {"calls": 2}}, "calls": 5}, after={"by": {"a": {"calls": 3}}}),
            "calls 5",
            id="no part of what is said",
        ),
        pytest.param(step("dry", SERVICE, before={"on": True, "share": 0.12345}), "on yes, share 0.123", id="forms"),
        pytest.param(
            step("router", SERVICE, before={"winner": "/a", "rejected": {"/b": "no"}}, found={"route": "/a"}),
            "chose /a, rejected 1",
            id="a route",
        ),
        pytest.param(
            step("router", status=None, outcome="raised NotFound (404): no", before={"winner": None, "rejected": {}}),
            "chose no route, rejected 0, raised NotFound (404)",
            id="no route",
        ),
        pytest.param(
            step("auth", SERVICE, found={"identity": "ann by api_key", "attempts": 1}),
            "identity ann by api_key",
            id="found out, but no counts",
        ),
        pytest.param(
            step("rewrite", SERVICE, request={"target": "/a -> /b", "headers added": ["x: 1"]}),
            "request's target /a -> /b, added x: 1",
            id="the request changed",
        ),
        pytest.param(
            step("cors", SERVICE, response={"headers removed": ["x: 1", "y: 2"]}), "removed x, y", id="the response"
        ),
    ],
)
def test_the_fact_that_decided_is_said(one: Step, said: str) -> None:
    assert line(one) == said


def test_a_service_says_whom_it_asked_and_what_all_had_in_flight() -> None:
    asked = step("service", before={"endpoints": COPIES}, found={"attempts": 1, "endpoint": "http://b:1"})
    assert line(asked, "http://b:1") == "chose b:1 (in flight 2 / 0), answered 200"


def test_a_service_that_asked_nobody_does_not_name_whom_another_one_asked() -> None:
    nobody = step("service", status=None, outcome="raised NoHealthyEndpoint (503): none", before={"endpoints": COPIES})
    assert line(nobody, "http://b:1") == "chose nobody, raised NoHealthyEndpoint (503)"


def test_a_line_has_room_for_whole_facts_only() -> None:
    names = {"a": "x" * 40, "b": "y" * 40, "c": "z"}
    assert line(step("any", SERVICE, found=names)) == f"a {'x' * 40}, c z"
    words = {"a": "word " * 40}
    assert len(line(step("any", SERVICE, found=words))) <= LONGEST
    assert line(step("any", SERVICE, found=words)).endswith(" ...")

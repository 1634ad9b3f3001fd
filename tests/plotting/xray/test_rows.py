"""Which steps of an X-ray get a row."""

from api_gateway.core.xray.step import Step
from api_gateway.plotting.xray.rows import only_passed_on, rows_of
from tests.support.xrays import step


def told(first: Step) -> list[tuple[list[str], int, int]]:
    return [([one.name for one in row.steps], row.depth, row.turn) for row in rows_of(first)]


def test_a_layer_that_decided_has_a_row_of_its_own() -> None:
    service = step("service")
    first = step("limit", step("router", service, before={"winner": "/"}), before={"remaining": 3})
    assert told(first) == [(["limit"], 0, 0), (["router"], 1, 0), (["service"], 2, 0)]


def test_layers_in_a_line_that_only_passed_on_share_a_row() -> None:
    first = step("metrics", step("log", step("limit", step("boundary", step("service")), found={"key": "a"})))
    assert told(first) == [(["metrics", "log"], 0, 0), (["limit"], 1, 0), (["boundary"], 2, 0), (["service"], 3, 0)]


def test_tries_are_counted_and_begin_rows_of_their_own() -> None:
    tries = [step("breaker", step("bulkhead", step("service", status=500), status=500), status=500) for _ in range(2)]
    assert told(step("retry", *tries, status=500)) == [
        (["retry"], 0, 0),
        (["breaker", "bulkhead"], 1, 1),
        (["service"], 2, 0),
        (["breaker", "bulkhead"], 1, 2),
        (["service"], 2, 0),
    ]


def test_each_step_is_in_exactly_one_row() -> None:
    parts = [step("retry", step("service", at=1, lasts=2), lasts=3), step("service"), step("fold", step("service"))]
    first = step("metrics", step("router", step("aggregator", *parts), before={"winner": "/"}))
    assert [one for row in rows_of(first) for one in row.steps] == [one for _, one in first.walk()]


def test_who_changed_the_outcome_did_not_only_pass_on() -> None:
    failing = step("service", status=None, outcome="raised ConnectFailed (502): nobody is there")
    through = step("bulkhead", failing, status=None, outcome="passed on, ConnectFailed came back", passed_back=True)
    boundary = step("error boundary", through, status=502, outcome="passed on, made 502 of ConnectFailed")
    assert only_passed_on(through)
    assert not only_passed_on(boundary)
    assert not only_passed_on(failing)


def test_a_failure_is_refused_by_one_and_failed_for_all_around() -> None:
    refusal = step("limit", status=None, outcome="raised RateLimited (429): too many")
    boundary = step("error boundary", refusal, status=429, outcome="passed on, made 429 of RateLimited")
    rows = list(rows_of(step("request id", boundary, status=429, found={"request_id": "7"})))
    assert [row.failed for row in rows] == [True, True, True]
    assert [row.refused for row in rows] == [False, True, True]
    assert not any(row.failed or row.refused for row in rows_of(step("service")))

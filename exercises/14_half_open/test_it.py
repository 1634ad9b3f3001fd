"""Half open is careful, decides by its own probes only, and always ends."""

from __future__ import annotations

from random import Random

from broken import CircuitBreaker, Permit

SECOND = 1_000_000_000


def opened_at(now: int) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for _ in range(5):
        permit = breaker.acquire(now)
        assert permit is not None, "closed, and nothing has failed five times in a row: calls must pass"
        breaker.report(permit, False, now)
    assert breaker.state == "open", f"after five failures in a row it must be open, and is {breaker.state}"
    return breaker


def permits(breaker: CircuitBreaker, now: int, callers: int = 1_000) -> list[Permit]:
    return [permit for _ in range(callers) if (permit := breaker.acquire(now)) is not None]


def test_an_open_circuit_lets_nothing_pass() -> None:
    breaker = opened_at(0)
    assert not permits(breaker, 30 * SECOND - 1), "the service is left alone for 30 s"
    assert permits(breaker, 30 * SECOND), "after 30 s it must be asked whether it is back"


def test_failures_must_come_in_a_row() -> None:
    breaker = CircuitBreaker()
    for succeeded in [False] * 4 + [True] + [False] * 4:
        [permit] = permits(breaker, 0, callers=1)
        breaker.report(permit, succeeded, 0)
    assert breaker.state == "closed", "a success in between begins the count anew"


def test_half_open_lets_a_few_probes_pass_and_not_a_crowd() -> None:
    passed = len(permits(opened_at(0), 30 * SECOND))
    assert passed == 3, f"1000 requests were waiting when the circuit went half open, and {passed} passed; probes are 3"


def test_all_probes_must_succeed_and_one_failure_is_enough() -> None:
    breaker = opened_at(0)
    first, second, third = permits(breaker, 30 * SECOND)[:3]
    breaker.report(first, True, 31 * SECOND)
    assert breaker.state != "closed", "one of three probes has succeeded, and it is closed already"
    breaker.report(second, True, 31 * SECOND)
    assert not permits(breaker, 31 * SECOND), "one probe is still out and decides: no others before that"
    breaker.report(third, False, 32 * SECOND)
    assert breaker.state == "open", f"a probe has failed: it must open again, and is {breaker.state}"
    assert not permits(breaker, 62 * SECOND - 1), "it must stay open for another 30 s from then"


def test_clients_that_leave_do_not_lock_the_service_out() -> None:
    breaker = opened_at(0)
    for permit in permits(breaker, 30 * SECOND):
        breaker.cancel(permit)
    again = permits(breaker, 31 * SECOND)
    assert len(again) == 3, f"three probes were cancelled, so there are three to give; {len(again)} of 1000 passed"
    for permit in again:
        breaker.report(permit, True, 32 * SECOND)
    assert breaker.state == "closed", "three probes have succeeded"


def test_news_from_before_the_outage_decide_nothing() -> None:
    for succeeded, probing in ((True, False), (False, False), (True, True), (False, True)):
        breaker = CircuitBreaker()
        old = [permit for permit in (breaker.acquire(0) for _ in range(9)) if permit is not None]
        for permit in old[:5]:
            breaker.report(permit, False, 0)
        probes = permits(breaker, 30 * SECOND) if probing else []
        state = breaker.state
        for permit in old[5:8]:
            breaker.report(permit, succeeded, 29 * SECOND)
        breaker.cancel(old[8])
        told = f"{'successes' if succeeded else 'failures'} of calls from before the outage came in"
        assert breaker.state == state, f"{told}: {state!r} became {breaker.state!r}"
        now = 30 * SECOND
        assert len(probes) + len(permits(breaker, now)) == 3, f"{told}, and changed when or how many probes pass"


def test_however_calls_end_few_probes_are_out_and_health_is_found() -> None:
    for seed in range(60):
        random, breaker, now = Random(seed), CircuitBreaker(), 0
        out: list[Permit] = []
        probes: set[Permit] = set()
        for step in range(600):
            now += random.randrange(2 * SECOND)
            before = breaker.state
            if random.random() < 0.5:
                if (permit := breaker.acquire(now)) is not None:
                    out.append(permit)
                    probes = {permit, *(probes if before == breaker.state else ())}
                    watching = breaker.state == "half open"
                    assert not watching or len(probes) <= 3, f"{len(probes)} probes are out at once (seed {seed})"
            elif out:
                permit = out.pop(random.randrange(len(out)))
                probes.discard(permit)
                if random.random() < 0.2:
                    breaker.cancel(permit)
                else:
                    breaker.report(permit, step % 200 > 100, now)
        for permit in out:
            breaker.cancel(permit)
        for _ in range(20):
            now += 10 * SECOND
            for permit in permits(breaker, now, callers=20):
                breaker.report(permit, True, now)
        state = breaker.state
        assert state == "closed", f"the service has been well for 200 s, and the circuit is {state} (seed {seed})"

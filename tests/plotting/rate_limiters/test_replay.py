from hypothesis import given
from hypothesis import strategies as st

from api_gateway.plotting.rate_limiters.replay import in_step, most_within, numbers_kept, replay
from api_gateway.rate_limiting import GCRA, LeakyBucketQueue
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS

SECOND = NANOSECONDS


def test_a_replay_keeps_what_the_limiter_said() -> None:
    limiter = GCRA(2, 1, 2)
    seen = replay(limiter, [0, 0, 0, SECOND])
    assert seen.verdicts == [True, True, False, True]
    assert seen.admitted == seen.left == [0, 0, SECOND]
    assert seen.refused == [0]
    assert seen.told_to_return == [SECOND // 2]
    assert limiter.acquire("client", SECOND, 0).remaining == 1


def test_what_a_queue_admits_leaves_when_its_turn_has_come() -> None:
    seen = replay(LeakyBucketQueue(2, 1, 1), [0, 0, 0])
    assert seen.admitted == [0, 0]
    assert seen.left == [0, SECOND // 2]


@given(st.lists(st.integers(0, 3 * SECOND)).map(sorted), st.sampled_from([0.1, 0.5, 1.0]))
def test_the_most_within_a_window_is_what_counting_each_window_says(times: list[int], seconds: float) -> None:
    window = round(seconds * SECOND)
    counts = [sum(start <= now < start + window for now in times) for start in times]
    assert most_within(times, seconds) == max(counts, default=0)


def test_limiters_in_step_take_the_same_at_once() -> None:
    for name, make in in_step(10, 1, 10).items():
        assert len(replay(make(), [5] * 30).admitted) == 10, name


def test_every_limiter_tells_how_many_numbers_it_keeps() -> None:
    kept = {}
    for name, make in in_step(3, 1, 3).items():
        limiter = make()
        replay(limiter, [1] * 5)
        kept[name] = numbers_kept(limiter)
    assert kept == {
        "fixed_window": 2,
        "sliding_window_log": 3,
        "sliding_window_counter": 3,
        "token_bucket": 2,
        "leaky_bucket": 2,
        "gcra": 1,
        "leaky_bucket_queue": 1,
    }

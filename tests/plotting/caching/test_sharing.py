import pytest

from api_gateway.plotting.caching.sharing import LANGUAGES, WAYS, Way, accounts, news, uncacheable


def test_the_seed_shows_everybody_the_account_of_the_first() -> None:
    found = accounts("the seed's cache", users=5, rounds=2)
    assert found.asked == 1
    assert len(found.got) == 10
    assert {whose for _, whose in found.got} == {found.got[0][0]}
    assert found.wrong() == 8


@pytest.mark.parametrize(("way", "asked"), [("this cache", 10), ("this cache, per: identity", 5)])
def test_this_cache_shows_nobody_another_s(way: Way, asked: int) -> None:
    found = accounts(way, users=5, rounds=2)
    assert found.wrong() == 0
    assert found.asked == asked


@pytest.mark.parametrize(("way", "wrong", "asked"), [(WAYS[0], 9, 1), (WAYS[1], 0, 4), (WAYS[2], 0, 4)])
def test_news_are_in_the_reader_s_language_if_vary_is_heeded(way: Way, wrong: int, asked: int) -> None:
    found = news(way)
    assert (found.wrong(), found.asked) == (wrong, asked)
    assert {who for who, _ in found.got} == set(LANGUAGES)


def test_behind_a_lock_everybody_waits_for_everybody() -> None:
    found = uncacheable(locked=True, clients=10)
    assert found.first == pytest.approx([0.2 * number for number in range(1, 11)])
    assert found.again == pytest.approx(found.first)


def test_behind_a_flight_all_go_at_once_and_the_next_time_nobody_waits() -> None:
    found = uncacheable(locked=False, clients=10)
    assert found.first == pytest.approx([0.2] + [0.4] * 9)
    assert found.again == pytest.approx([0.2] * 10)

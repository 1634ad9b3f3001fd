import pytest

from api_gateway.plotting.caching.popularity import (
    TABLES,
    LeastRecentlyUsed,
    OfTheGateway,
    Pages,
    Scan,
    best,
    che,
    hit_ratio,
    ratio_over_time,
    requests,
    zipf,
)

SHARES = zipf(1000, 0.9)


def test_the_second_page_is_asked_for_as_zipf_says() -> None:
    shares = zipf(100, 1.0)
    assert sum(shares) == pytest.approx(1)
    assert shares[0] / shares[1] == pytest.approx(2)
    drawn = requests(shares, 20_000)
    assert drawn.count(0) / 20_000 == pytest.approx(shares[0], rel=0.05)
    assert drawn == requests(shares, 20_000)


@pytest.mark.parametrize("table", [LeastRecentlyUsed(2), OfTheGateway(2)])
def test_a_page_is_there_once_it_was_asked_for_and_until_it_gives_way(table: Pages) -> None:
    assert [table.has(page) for page in (1, 1, 2, 3, 4, 5)] == [False, True, False, False, False, False]
    assert table.has(5)
    assert not table.has(2)


def test_the_one_not_used_for_the_longest_goes() -> None:
    table = LeastRecentlyUsed(2)
    assert [table.has(page) for page in (1, 2, 1, 3, 1, 2)] == [False, False, True, False, True, False]


@pytest.mark.parametrize("room", [20, 100, 300])
def test_che_knows_the_hit_ratio_of_a_least_recently_used_table(room: int) -> None:
    asked = requests(SHARES, 60_000)
    assert hit_ratio(LeastRecentlyUsed(room), asked) == pytest.approx(che(SHARES, room), rel=0.03)


def test_the_gateway_s_table_is_between_that_and_the_best() -> None:
    asked = requests(SHARES, 60_000)
    for room in (20, 100, 300):
        assert che(SHARES, room) + 0.02 < hit_ratio(OfTheGateway(room), asked) < best(SHARES, room)


def test_room_for_all_is_a_hit_each_time() -> None:
    assert best(SHARES, 1000) == pytest.approx(1)
    assert che(SHARES, 999) > 0.99


def test_a_crawler_costs_what_che_says_and_hardly_anything_at_the_gateway() -> None:
    asked = requests(SHARES, 60_000)
    scan = Scan(30_000, 20_000)
    ratios = {kind: ratio_over_time(table(50), asked, scan, 10_000) for kind, table in TABLES.items()}
    before, during = ratios["least recently used"][2], ratios["least recently used"][4]
    assert before == pytest.approx(che(SHARES, 50), abs=0.015)
    assert during == pytest.approx(che(SHARES, 50, crawled=1), abs=0.015)
    assert before - during > 0.08
    assert ratios["S3-FIFO"][2] - ratios["S3-FIFO"][4] < 0.03
    assert ratios["least recently used"][5] == pytest.approx(before, abs=0.02)

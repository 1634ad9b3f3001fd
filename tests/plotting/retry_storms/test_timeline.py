from api_gateway.plotting.retry_storms.laboratory import CAPACITY, Setup, storm
from api_gateway.plotting.retry_storms.timeline import ending, endings, storm_timeline
from tests.support.figures import stairs

STORMY, CALM = storm(Setup(3), seconds=80), storm(Setup(0), seconds=105)


def test_what_is_drawn_is_what_happened() -> None:
    figure, ends = storm_timeline({"3 retries": STORMY, "none": CALM}, "A storm")
    answers, calls = figure.axes
    assert stairs(answers) == [CALM.useful(), STORMY.useful()]
    assert stairs(calls) == [CALM.calls, STORMY.calls]
    assert ends == {"3 retries": ending(STORMY), "none": ending(CALM)}
    assert {text.get_text() for text in calls.texts} == {"3 retries", "none", "what it can do"}


def test_an_ending_is_counted_from_the_triggers_end() -> None:
    assert ending(STORMY).recovered is None
    assert ending(STORMY).goodput == 0
    assert ending(CALM).recovered == (CALM.recovered() or 0) - 70
    assert ending(CALM).amplification == CALM.amplification(95, 105)


def test_each_panel_says_how_it_ended() -> None:
    figure, ends = endings({"retries": STORMY, "none": CALM}, "Two of them")
    first, second = figure.axes
    assert f"never well again\n{STORMY.failed():,} requests failed" in {text.get_text() for text in first.texts}
    since = ends["none"].recovered
    assert f"well after {since:g} s\n{CALM.failed():,} requests failed" in {text.get_text() for text in second.texts}
    assert [line.get_ydata()[0] for line in first.lines] == [CAPACITY]  # type: ignore[index]  # drawn as two equal numbers
    assert stairs(first) == [STORMY.calls, STORMY.useful()]

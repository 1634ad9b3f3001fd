from itertools import count

import pytest

from benchmarks import restarts
from benchmarks.processes import Processes
from benchmarks.restarts import Instance, Restart, restart


class Named(Instance):
    """Writes down what is done to it."""

    def __init__(self, processes: Processes) -> None:
        super().__init__("named", processes)
        self.done: list[str] = []

    def start(self) -> None:
        self.done.append("started")

    def kill(self) -> None:
        self.done.append("killed")


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "DOWN", 0.0)
    monkeypatch.setattr(restarts, "BACK_IN_USE", 0.1)


def test_an_instance_is_back_when_it_has_answered_once_more() -> None:
    with Processes() as processes:
        instance = Named(processes)
        answers = count()
        found = restart(instance, lambda _: next(answers), ended=lambda: False)
        assert instance.done == ["killed", "started"]
        assert found.instance == "named"
        assert 0 <= found.back_after < 0.1


@pytest.mark.parametrize("ended", [True, False], ids=["the load ends first", "it takes too long"])
def test_an_instance_that_is_not_used_again_never_came_back(ended: bool) -> None:
    with Processes() as processes:
        assert restart(Named(processes), lambda _: 7, ended=lambda: ended) == Restart("named", float("inf"))


def test_an_instance_answers_on_its_port_again_after_a_kill() -> None:
    with Processes() as processes:
        instance = Instance("real", processes)
        instance.start()
        url = instance.url
        instance.kill()
        instance.start()
        assert instance.url == url

"""The classes and their order."""

from __future__ import annotations

from api_gateway.resilience.priority import PRIORITIES, Priority


def test_sheddable_goes_first_and_critical_last() -> None:
    assert sorted(PRIORITIES.values(), reverse=True) == [Priority.SHEDDABLE, Priority.DEFAULT, Priority.CRITICAL]


def test_each_class_is_found_by_its_label() -> None:
    assert {name: priority.label for name, priority in PRIORITIES.items()} == {
        "critical": "critical",
        "default": "default",
        "sheddable": "sheddable",
    }

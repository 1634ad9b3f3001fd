import os

import pytest

from benchmarks.machine import Machine, pinned, tool


def test_load_and_test_have_a_core_each() -> None:
    machine = Machine((2, 5, 7))
    assert (machine.load_core, machine.test_core) == (2, 5)


def test_without_pinning_there_are_no_cores_to_name() -> None:
    machine = Machine(())
    assert (machine.load_core, machine.test_core) == (None, None)
    with pinned(None):
        pass


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin processes to cores")
def test_pinning_lasts_for_the_block() -> None:
    before = os.sched_getaffinity(0)
    core = min(before)
    with pinned(core):
        assert os.sched_getaffinity(0) == {core}
    assert os.sched_getaffinity(0) == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin processes to cores")
def test_one_core_is_not_pinned_and_said() -> None:
    with pinned(min(os.sched_getaffinity(0))):
        machine = Machine.detect()
    assert machine.cores == ()
    assert "only one core" in machine.notes[0]


def test_a_missing_tool_is_none() -> None:
    assert tool("no-such-program-anywhere") is None


def test_what_the_machine_is_can_be_written() -> None:
    assert {"python", "event_loop", "pinned"} <= Machine.detect().as_json().keys()

"""Words: the one line that a picture says of a step, the fact that decided.

Rule: first what it did other than to pass on, then whom it chose, then the state that it decided by (what changed
before what stayed), then what it found out and changed. The first few of these, as far as they fit, in whole
facts.

What it does not do: know the layers. A router is known by its winner and a service by its endpoints; of all others
the facts are told as they name them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from api_gateway.core.xray.facts import Fact, Facts
from api_gateway.core.xray.step import Step
from api_gateway.plotting.xray.rows import Row

LONGEST = 58
"""Characters of a line."""
MOST = 3
"""Facts in a line."""
_APART = ", "
_CHOICES = {"endpoints", "rejected"}
_COUNTS = {"attempts", "service", "tried", "upstream_duration"}  # the inner steps show them


def line_for(row: Row, endpoint: str) -> str:
    """What is said of a row; `endpoint` is the one that was asked last."""
    step = row.step
    if not row.decided:
        names = textwrap.shorten(_APART.join(step.name for step in row.steps), LONGEST, placeholder=" ...")
        return "only passed on" if len(row.steps) == 1 else f"only passed on: {names}"
    said = [*_chosen(step, endpoint), *_verdict(step), *_state(step), *_found(step), *_changes(step)]
    return _fitting(list(dict.fromkeys(said)))


def short(url: str) -> str:
    """An endpoint's address without its scheme."""
    return url.rpartition("://")[2]


def _fitting(facts: Sequence[str]) -> str:
    """As many whole facts as there is room for; the first one in any case."""
    line = textwrap.shorten(facts[0], LONGEST, placeholder=" ...") if facts else ""
    for fact in facts[1:MOST]:
        if len(line) + len(_APART) + len(fact) <= LONGEST:
            line += _APART + fact
    return line


def _verdict(step: Step) -> Iterator[str]:
    did, _, came = step.outcome.partition(": ")[0].partition(", ")
    if not came:
        yield did
    elif not step.passed_back:
        yield came
    elif len(step.inner) > 1:
        yield did


def _chosen(step: Step, endpoint: str) -> Iterator[str]:
    rejected, endpoints = step.before.get("rejected"), step.before.get("endpoints")
    if isinstance(rejected, Mapping):
        yield f"chose {step.before.get('winner') or 'no route'}, rejected {len(rejected)}"
    if isinstance(endpoints, Mapping):
        counts = " / ".join(str(one.get("in flight")) for one in endpoints.values() if isinstance(one, Mapping))
        yield f"chose {short(endpoint)} (in flight {counts})" if "attempts" in step.found else "chose nobody"


def _state(step: Step) -> Iterator[str]:
    """The state of that name, what changed, then what did not: numbers before texts, what is outside before inside."""
    if not _CHOICES.isdisjoint(step.before):
        return
    after = dict(_leaves(step.after))
    became = [(path, was, after.get(path, was)) for path, was in _leaves(step.before)]
    became.sort(key=lambda fact: (fact[0] != ("state",), fact[1] == fact[2], len(fact[0]), not fact[1].isdigit()))
    outside = {name: min(len(path) for path, _, _ in became if path[-1] == name) for (*_, name), _, _ in became}
    for path, was, now in became:
        if len(path) > outside[path[-1]]:
            continue  # a part of what is said already
        told = was if was == now else f"{was} \u2192 {now}"
        yield told if path == ("state",) else f"{path[-1]} {told}"


def _leaves(facts: Facts, inside: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Facts, and those inside of facts, by the names on the way to them."""
    for name, fact in facts.items():
        if isinstance(fact, Mapping):
            yield from _leaves(fact, (*inside, name))
        elif isinstance(fact, str | int | float):
            yield (*inside, name), _text(fact)


def _text(fact: Fact) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return f"{fact:.3g}" if isinstance(fact, float) else str(fact)


def _found(step: Step) -> Iterator[str]:
    if _CHOICES.isdisjoint(step.before):
        known = {name: fact for name, fact in step.found.items() if name not in _COUNTS}
        yield from (f"{path[-1].replace('_', ' ')} {fact}" for path, fact in _leaves(known))


def _changes(step: Step) -> Iterator[str]:
    for changes, whose in ((step.request, "request"), (step.response, "response")):
        for name, fact in changes.items():
            if isinstance(fact, str):
                yield f"{whose}'s {name} {fact}"
            elif isinstance(fact, Sequence):
                names = ", ".join(str(line).partition(":")[0] for line in fact)
                yield f"{name.removeprefix('headers ')} {fact[0] if len(fact) == 1 else names}"

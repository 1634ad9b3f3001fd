"""Report: an X-ray in words, for a terminal.

    began     own       step
    0.1 ms    12 us     rate limit: passed on
                          by      everybody by client_ip: remaining 10 -> 9
                          changed response headers added ratelimit: ...

Rule: a line for each step, indented as deep as it lies, with when it began and how long it took itself; under it what
it decided by (with `->` where that had changed afterwards), what it found out, and what it changed.

What it does not do: leave anything out. A routing table of 10,000 routes has 9,999 rejections.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from api_gateway.core.xray.facts import Fact, Facts, duration
from api_gateway.core.xray.step import Step

_COLUMN = 10
_TITLE = len("response")
_DEEPEST = 2


def report(title: str, status: int, first: Step) -> str:
    """All steps from `first` on, in lines."""
    lines = [f"{title} -> {status} in {duration(first.duration)}", "", f"{'began':{_COLUMN}}{'own':{_COLUMN}}step"]
    for depth, step in first.walk():
        times = f"{duration(step.began):{_COLUMN}}{duration(step.own):{_COLUMN}}"
        lines.append(f"{times}{' ' * depth}{step.name}: {step.outcome}")
        lines += [f"{' ' * (2 * _COLUMN + depth)}  {line}" for line in _details(step)]
    return "\n".join(lines)


def _details(step: Step) -> Iterator[str]:
    facts = {
        "by": _state(step.before, step.after),
        "found": step.found,
        "request": step.request,
        "response": step.response,
    }
    for title, told in facts.items():
        yield from _hanging(title, _lines(told), _TITLE)


def _state(before: Facts, after: Facts) -> Facts:
    """The state, with what became of each fact that changed."""
    merged: dict[str, Fact] = {}
    for name in {**before, **after}:
        was, now = before.get(name), after.get(name, before.get(name))
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            merged[name] = _state(was, now)
        else:
            merged[name] = was if was == now else f"{_text(was)} -> {_text(now)}"
    return merged


def _lines(fact: Fact, depth: int = 0) -> list[str]:
    """A line for each fact, and for each fact inside one; what lies deeper stays on its line."""
    if isinstance(fact, Mapping) and depth < _DEEPEST:
        width = max(map(len, fact), default=0)
        return [line for name, value in fact.items() for line in _hanging(name, _lines(value, depth + 1), width)]
    if isinstance(fact, Sequence) and not isinstance(fact, str):
        return [_text(item) for item in fact]
    return [_text(fact)]


def _hanging(title: str, lines: Sequence[str], width: int) -> Iterator[str]:
    for index, line in enumerate(lines):
        yield f"{'' if index else title:{width}}  {line}"


def _text(fact: Fact) -> str:
    if isinstance(fact, Mapping):
        return ", ".join(f"{name} {_text(value)}" for name, value in fact.items())
    if isinstance(fact, Sequence) and not isinstance(fact, str):
        return ", ".join(_text(item) for item in fact)
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return "none" if fact is None else str(fact)

"""Mermaid, the part of it that the documents use: flowcharts, sequence and state diagrams, read line by line.

It knows less than the real parser, and refuses what it does not know: what passes here is simple enough to be drawn
everywhere.
"""

from __future__ import annotations

import re

_NAME = r"[A-Za-z]\w*"
_SHAPE = r'(?:\["[^"]*"\]|\[[^\[\]"(){}]*\]|\("[^"]*"\)|\{"[^"]*"\}|\[\("[^"]*"\)\])?'
_NODE = rf"{_NAME}{_SHAPE}"
_NODES = rf"{_NODE}(?: & {_NODE})*"
_EDGE = r"(?:-->|-\.->|==>|---|-\.-)(?:\|[^|]+\|)?"
_FLOW: tuple[re.Pattern[str], ...] = (
    re.compile(rf"{_NODES}(?: {_EDGE} {_NODES})*"),
    re.compile(rf'subgraph {_NAME}(?:\["[^"]*"\])?'),
    re.compile(r"end"),
    re.compile(r"direction (?:TB|TD|LR|RL|BT)"),
)
_MESSAGE = re.compile(rf"(?P<sender>{_NAME}) ?(?:->>|-->>|--x|-x|--\)|-\)) ?(?P<receiver>{_NAME}): .+")
_SEQUENCE: tuple[re.Pattern[str], ...] = (
    re.compile(rf"(?:participant|actor) {_NAME}(?: as .+)?"),
    _MESSAGE,
    re.compile(rf"Note (?:over|left of|right of) {_NAME}(?:, ?{_NAME})?: .+"),
    re.compile(r"(?:par|alt|opt|loop|and|else)(?: .+)?"),
    re.compile(r"end"),
    re.compile(r"autonumber"),
)
_STATE: tuple[re.Pattern[str], ...] = (
    re.compile(rf"(?:{_NAME}|\[\*\]) --> (?:{_NAME}|\[\*\])(?:: .+)?"),
    re.compile(r"direction (?:TB|TD|LR|RL|BT)"),
)
_OPENS = ("subgraph", "par", "alt", "opt", "loop")
_CLOSING = {")": "(", "]": "[", "}": "{"}


def problems(diagram: str) -> list[str]:
    """What is wrong with a diagram, each with its line; none for a good one."""
    lines = [(number, line.strip()) for number, line in enumerate(diagram.splitlines(), 1) if line.strip()]
    kind = lines[0][1] if lines else ""
    if re.fullmatch(r"(?:flowchart|graph) (?:TB|TD|LR|RL|BT)", kind):
        known = _FLOW
    elif kind == "sequenceDiagram":
        known = _SEQUENCE
    elif kind == "stateDiagram-v2":
        known = _STATE
    else:
        return [f"1: neither a flowchart nor a sequence or state diagram: {kind!r}"]
    found = [f"{number}: {line}" for number, line in lines[1:] if not any(form.fullmatch(line) for form in known)]
    found += [f"{number}: brackets: {line}" for number, line in lines[1:] if not _balanced(line)]
    return found + _strangers(lines[1:]) + _open_blocks(lines[1:])


def _balanced(line: str) -> bool:
    stack: list[str] = []
    for character in re.sub(r'"[^"]*"', "", line):
        if character in _CLOSING.values():
            stack.append(character)
        elif character in _CLOSING and (not stack or stack.pop() != _CLOSING[character]):
            return False
    return not stack and line.count('"') % 2 == 0


def _strangers(lines: list[tuple[int, str]]) -> list[str]:
    """Messages of who was not introduced, where anybody was: mostly a misspelt arrow or name."""
    introduced = {line.split()[1] for _, line in lines if line.startswith(("participant ", "actor "))}
    sent = [(number, _MESSAGE.match(line)) for number, line in lines]
    return [
        f"{number}: {name} is no participant"
        for number, message in sent
        if message and introduced
        for name in (message["sender"], message["receiver"])
        if name not in introduced
    ]


def _open_blocks(lines: list[tuple[int, str]]) -> list[str]:
    opened: list[int] = []
    for number, line in lines:
        if line.split()[0] in _OPENS:
            opened.append(number)
        elif line == "end":
            if not opened:
                return [f"{number}: an end without a beginning"]
            opened.pop()
    return [f"{number}: never ended" for number in opened]

"""The documents for study: what each must have, and how long it may be. `test_documents.py` checks what all share."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from api_gateway.rate_limiting.limiters import LIMITERS
from tests.support import mermaid
from tests.support.documents import CHILD, INTERVIEW, ROOT, WHITEBOARD, anchors, blocks, named_sources, text

PARTS = ("Why", "Trade-off", "Number", "Follow-up", "Proof")


def test_the_short_text_takes_30_seconds_to_say() -> None:
    assert 60 <= len(spoken("30 seconds")) <= 90


def test_the_longer_texts_take_two_and_five_minutes_to_say() -> None:
    """At 130 to 165 words a minute, the shorter texts included."""
    two = len(spoken("30 seconds")) + len(spoken("2 minutes"))
    assert 260 <= two <= 330
    assert 650 <= two + len(spoken("5 minutes")) <= 825


def spoken(heading: str) -> list[str]:
    """The words to say under a heading: what is quoted."""
    section = text(WHITEBOARD).split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    quoted = " ".join(line[1:].strip() for line in section.splitlines() if line.startswith(">"))
    return re.findall(r"\w[\w.,'%-]*", quoted)


def test_the_drawing_is_there_in_strokes_and_as_a_diagram() -> None:
    assert any("[1]" in drawing and "[5]" in drawing for drawing in blocks(WHITEBOARD, ""))
    assert [diagram for diagram in blocks(WHITEBOARD, "mermaid") if diagram.startswith("flowchart")]


def questions() -> dict[str, str]:
    """What is asked, and all that is said to it."""
    found = re.split(r"^### (Q\d+\. .+)$", text(INTERVIEW), flags=re.MULTILINE)
    return {title: body.split("\n## ", 1)[0] for title, body in zip(found[1::2], found[2::2], strict=True)}


@pytest.mark.parametrize("question", questions())
def test_every_answer_has_all_its_parts_and_a_proof(question: str) -> None:
    answer = questions()[question]
    assert re.match(r"\s*\*\*“[^”]+”\*\*\n", answer), "first the sentence to say"
    assert re.findall(r"^- \*\*([\w-]+)\.\*\*", answer, re.MULTILINE) == list(PARTS)
    proof = answer.split("- **Proof.**", 1)[1]
    assert re.search(r"\]\((?:src|examples|server|benchmarks)/", proof), "a file"
    assert re.search(r"::test_\w+`|§\d+\]\(notebooks/", proof), "a test or a section of a notebook"


def test_questions_are_numbered_without_gaps() -> None:
    numbers = [int(re.findall(r"\d+", title)[0]) for title in questions()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 30


def test_the_minutes_of_the_interview_add_up() -> None:
    rows = re.findall(r"^\| (\d+)\u2013(\d+) \|", text(INTERVIEW), re.MULTILINE)
    minutes = [(int(begin), int(end)) for begin, end in rows]
    assert (minutes[0][0], minutes[-1][1]) == (0, 45)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(minutes))


def test_the_child_hears_of_every_part_of_the_package() -> None:
    package = ROOT / "src" / "api_gateway"
    told = set(named_sources(CHILD))
    parts = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    assert parts - {path.split("/")[0] for path in told} == set()
    assert {f"rate_limiting/{name}.py" for name in LIMITERS} - told == set()
    for pattern in ("backend/*_load_balancer.py", "middleware/*.py"):
        concepts = {str(path.relative_to(package)) for path in package.glob(pattern) if _is_a_concept(path)}
        assert concepts - told == set()


def _is_a_concept(path: Path) -> bool:
    """Whether a file stands for something that a configuration or an interviewer would name."""
    if path.parent.name != "middleware":
        return True
    return path.stem in {
        "request_id", "logging_middleware", "metrics", "forwarded", "ip_filter", "header_filter", "cors",
        "security_headers", "body_limit", "deadline", "auth_middleware", "authorization", "request_validation",
        "rate_limit_middleware", "cache", "cache_flight", "transform", "load_shedding", "retry", "hedge", "fallback",
        "throttle", "circuit_breaking", "bulkhead", "remaining_deadline", "security_events",
    }  # fmt: skip


def test_headings_have_the_names_that_links_use(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Q1. What is it, and why?\n\n```\n# no heading\n```\n\n## The `gateway`\n\n## The gateway\n")
    assert anchors(page) == {"q1-what-is-it-and-why", "the-gateway", "the-gateway-1"}


@pytest.mark.parametrize(
    ("diagram", "expected"),
    [
        ('flowchart LR\n    a["the client"] -->|"asks"| b\n    b & c -.-> d("x")', []),
        ('flowchart TB\n    subgraph one["One"]\n        a --> b\n    end', []),
        ("sequenceDiagram\n    participant A as The client\n    actor B\n    A->>B: asks\n    B-->>A: ok", []),
        ("sequenceDiagram\n    par both\n        A->>B: asks\n    and\n        A->>C: asks\n    end", []),
        ("stateDiagram-v2\n    [*] --> closed\n    closed --> half_open: the time is over", []),
        ("stateDiagram-v2\n    closed -> open", ["2: closed -> open"]),
        ("pie\n    a", ["1: neither a flowchart nor a sequence or state diagram: 'pie'"]),
        ("", ["1: neither a flowchart nor a sequence or state diagram: ''"]),
        ("flowchart LR\n    a -> b", ["2: a -> b"]),
        ('flowchart LR\n    a["b" --> c', ['2: a["b" --> c', '2: brackets: a["b" --> c']),
        ('flowchart LR\n    subgraph one["One"]\n    a --> b', ["2: never ended"]),
        ("sequenceDiagram\n    A->>B", ["2: A->>B"]),
        ("sequenceDiagram\n    actor A\n    A-xxB: asks", ["3: xB is no participant"]),
        ("sequenceDiagram\n    A->>B: x\n    end", ["3: an end without a beginning"]),
    ],
)
def test_a_diagram_is_refused_for_what_is_wrong_with_it(diagram: str, expected: list[str]) -> None:
    assert mermaid.problems(diagram) == expected

"""The documents for study against the project: links, tests, files, commands, configurations, diagrams, arithmetic."""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import re
from pathlib import Path

import pytest

from api_gateway.rate_limiting.limiters import LIMITERS
from api_gateway.server import cli
from tests.support import mermaid
from tests.support.config_files import load_text
from tests.support.documents import (
    ROOT,
    anchors,
    blocks,
    broken_links,
    commands,
    completed,
    links,
    missing_sources,
    missing_tests,
    named_sources,
    prose,
    text,
)

WHITEBOARD, CHILD, INTERVIEW = "WHITEBOARD_30SEC.md", "EXPLAINED_LIKE_IM_5.md", "INTERVIEW.md"
DOCUMENTS = (WHITEBOARD, CHILD, INTERVIEW)
PARTS = ("Why", "Trade-off", "Number", "Follow-up", "Proof")

documents = pytest.mark.parametrize("document", DOCUMENTS)


@documents
def test_every_relative_link_leads_somewhere(document: str) -> None:
    assert links(document)
    assert broken_links(document) == []


@documents
def test_every_test_that_is_named_exists(document: str) -> None:
    assert missing_tests(document) == []


@documents
def test_every_file_that_is_named_exists(document: str) -> None:
    assert named_sources(document)
    assert missing_sources(document) == []


@documents
def test_every_section_of_a_notebook_that_is_named_exists(document: str) -> None:
    for words, target in links(document):
        if target.endswith(".ipynb"):
            source = (ROOT / target).with_suffix(".py").read_text(encoding="utf-8")
            for section in re.findall(r"§(\d+)", words):
                assert f"# ## {section}. " in source, f"{words}: {target} has no section {section}"


@documents
def test_every_command_exists(document: str) -> None:
    assert [command for command in commands(document) if not command_exists(command)] == []


def command_exists(words: list[str]) -> bool:
    """Whether a target, a subcommand or a module, with the benchmark that it names, is there."""
    if words[0] == "make":
        return re.search(rf"^{re.escape(words[1])}:", text("Makefile"), re.MULTILINE) is not None
    if words[0] == "api-gateway":
        return words[1] in _subcommands()
    module = ROOT.joinpath(*words[2].split("."))
    if words[2] == "benchmarks" and len(words) > 3:
        return f'"{words[3]}": _' in text("benchmarks/__main__.py")
    return words[2] == "pytest" or (module / "__main__.py").exists() or module.with_suffix(".py").exists()


def _subcommands() -> set[str]:
    actions = cli._parser()._actions  # argparse has no other way to ask
    return {name for action in actions if isinstance(action, argparse._SubParsersAction) for name in action.choices}


@documents
def test_every_configuration_is_valid(document: str) -> None:
    for example in blocks(document, "yaml"):
        load_text(completed(example))


@documents
def test_every_diagram_is_one(document: str) -> None:
    assert [problem for diagram in blocks(document, "mermaid") for problem in mermaid.problems(diagram)] == []


@documents
def test_every_calculation_comes_out_as_it_says(document: str) -> None:
    for number, block in enumerate(blocks(document, "python"), 1):
        exec(compile(block, f"{document}, python block {number}", "exec"), {})


@documents
def test_numbers_are_not_shouted_and_nothing_is_left_to_do(document: str) -> None:
    assert re.findall(r"(?<![\[!=])!(?![\[=])|TODO|TBD|FIXME", prose(document)) == []


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


QUOTED = [
    ("takes 1.4 s if the client asks in turn, and 0.2 s", "06_latency", "instead of in turn 1.4 s -> 0.2 s"),
    ("in 39 % without guards, in 100 % with", "04_failure_scenarios", "nothing 39%"),
    ("in 39 % without guards, in 100 % with", "04_failure_scenarios", "all three 100%"),
    ("0 % of its capacity was of use", "04_failure_scenarios", "expected wait resilience/expected_wait.py 0% 98%"),
    ("541 a second, of 556", "04_failure_scenarios", "5,000 0 541 556"),
    ("770 failed requests without anything", "04_failure_scenarios", "nothing 770"),
    ("54 with checks", "04_failure_scenarios", "health check 54"),
    ("0 with outlier detection and a retry", "04_failure_scenarios", "outlier detection, retry 0"),
    ("13 % while fresh", "04_failure_scenarios", "fail closed 13% 12% 0%"),
    ("100 % with cached identities for reads", "04_failure_scenarios", "reads only 100% 12% 0%"),
    ("1,211 requests at once and by 75 in stages", "04_failure_scenarios", "config/validate.py 1211 75"),
    ("62 % of requests failed within a minute", "04_failure_scenarios", "server/tls/expiry.py 62% 0%"),
    ("99.98 % with 10 s to notice", "04_failure_scenarios", "99 % 99.98 % answered; 99.99 % if noticed at once"),
    ("2.6 service times against 5.2", "03_load_balancing", "90% 10.0 5.2 2.6"),
    ("p95 of 20.6 s with round robin, 0.4 s", "03_load_balancing", "round_robin a turn 2.6 12 20.6 s"),
    ("p95 of 20.6 s with round robin, 0.4 s", "03_load_balancing", "power_of_two_choices two counts 1.8 7 0.4 s"),
    ("fixed window 20, log 10", "01_rate_limiters", "fixed_window 20 20"),
    ("fixed window 20, log 10", "01_rate_limiters", "sliding_window_log 10 10"),
    ("sliding counter 19, GCRA 19", "01_rate_limiters", "sliding_window_counter 10 19"),
    ("sliding counter 19, GCRA 19", "01_rate_limiters", "gcra 10 19"),
    ("whole limit each, 65 % too many", "02_distributed_rate_limiting", "whole limit each 65% 0% 0%"),
    ("a share each, 41 % wrongly refused", "02_distributed_rate_limiting", "a share each 0% 41% 0%"),
    ("leases of 5, a quarter wait", "02_distributed_rate_limiting", "leases of 5 0% 0% 25%"),
    ("never well again", "05_retry_storms", "retries alone never 4,819"),
    ("after 26 s; with a breaker, 2 s", "05_retry_storms", "retry budget, 10 % 26 s"),
    ("4,819 failed requests without, 822 with it", "05_retry_storms", "circuit breaker 2 s 822"),
    ("with a bounded queue, 0 s", "05_retry_storms", "bounded queue, 50 0 s"),
    ("256 calls", "05_retry_storms", "make 256 calls of one request"),
    ("p99.9 from 887 to 30 ms for 5 % more", "06_latency", "p99.9, hedged 887 ms -> 30 ms for 5% more calls"),
    ("348 ms and not 195", "06_latency", "averaged and true 195 ms, 348 ms"),
    ("10 ms where an open loop sees 1.7 s", "06_latency", "closed and open loop 10 ms, 1.7 s"),
    ("five service times, at 90 % ten", "06_latency", "80 % and 90 % busy 5 and 10 service times"),
    ("2.6 times the average", "06_latency", "the slowest of seven, beside the average 2.6 times"),
    ("in 21 of 24 requests; with a complete key, 0", "07_caching", "accounts shown to others, of 24 21 0"),
    ("46 % hits with LRU, 55 % with S3-FIFO", "07_caching", "hits with room for 5 % 46% 55%"),
    ("1,000 requests become 1", "07_caching", "1,000 at the instant of expiry 1,000 requests 1"),
    ("201 become 2.7", "07_caching", "refreshes by gateways that share a store 201 2.7"),
    ("400 errors in an outage become 0", "07_caching", "errors in 20 s of outage 400 0"),
    ("511 failed requests with Envoy as it comes", "08_defaults_museum", "Envoy, as it comes - 511 0 511"),
    ("3 calls to the dead one with nginx", "08_defaults_museum", "NGINX 0 s 0 0 3"),
]
"""What INTERVIEW.md says, the notebook that it is from, and the line there; `make notebooks` proves that line."""


@pytest.mark.parametrize(("said", "notebook", "line"), QUOTED)
def test_numbers_from_notebooks_are_those_that_they_print(said: str, notebook: str, line: str) -> None:
    assert said in " ".join(text(INTERVIEW).split())
    assert line in _printed(notebook)


@functools.cache
def _printed(notebook: str) -> str:
    """All text that a notebook's cells have printed, words apart by one space."""
    cells = json.loads(text(f"notebooks/{notebook}.ipynb"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    parts = [[*output.get("text", []), "\n", *output.get("data", {}).get("text/plain", [])] for output in outputs]
    return " ".join("".join("".join(part) + " " for part in parts).split())


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
        ("pie\n    a", ["1: neither a flowchart nor a sequence diagram: 'pie'"]),
        ("", ["1: neither a flowchart nor a sequence diagram: ''"]),
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


@pytest.mark.parametrize(
    ("command", "exists"),
    [
        ("make demo", True),
        ("make coffee", False),
        ("api-gateway explain gateway.yaml GET /", True),
        ("api-gateway complain", False),
        ("python -m benchmarks sustained", True),
        ("python -m benchmarks coffee", False),
        ("python -m notebooks.runner", True),
        ("python -m coffee", False),
    ],
)
def test_a_command_is_known_by_what_runs_it(command: str, exists: bool) -> None:
    assert command_exists(command.split()) is exists

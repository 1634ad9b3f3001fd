"""Loading: YAML narrowed, every problem at its place, secrets never shown."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.config.load import load_config
from api_gateway.config.problems import ConfigurationProblems
from tests.support.config_files import NO_ENVIRONMENT, load_text, problems_of, with_service

SEED_ROUTES = """\
routes:
  - path: /api/users/*
    service: user-service
    strip_prefix: true
    
  - path: /api/orders/*
    service: order-service
    
  - path: /api/*
    service: fallback-service
"""  # noqa: W293  # as it stands in the seed, blanks and all

SEED_SERVICES = """\
services:
  user-service: {endpoints: [http://127.0.0.1:9001]}
  order-service: {endpoints: [http://127.0.0.1:9002]}
  fallback-service: {endpoints: [http://127.0.0.1:9003]}
"""


def test_the_seeds_routes_load_verbatim() -> None:
    config = load_text(SEED_SERVICES + SEED_ROUTES)
    assert [(route.path, route.service, route.strip_prefix) for route in config.routes] == [
        ("/api/users/*", "user-service", True),
        ("/api/orders/*", "order-service", False),
        ("/api/*", "fallback-service", False),
    ]


def test_the_example_of_the_documentation_loads() -> None:
    config = load_config(Path(__file__).parents[2] / "examples" / "gateway.yaml", {"PORT": "8123"})
    assert config.listen.port == 8123
    assert len(config.routes) == 4


def test_every_problem_is_reported_at_once_in_the_order_of_the_file() -> None:
    text = textwrap.dedent("""\
        listen: {host: 127.0.0.1, port: 80800}
        lisen: 3
        services:
          users:
            endpoints: [http://h:1, ftp://x]
            timeout: {connect: 1 s}
        middleware:
          - requestid
        routes:
          - {path: /x, servise: users}
          - path: y
            service: userz
            strip_prefix: yes
        """)
    assert problems_of(text) == [
        "1:33: port 80800 is out of range; write a whole number from 0 to 65535",
        "2:1: unknown key 'lisen'; did you mean 'listen'?",
        "5:29: endpoint 'ftp://x' is not of the form http://host:port or https://host:port; "
        "write http://host:port or https://host:port, with a base path if need be",
        "6:24: expected a duration, not '1 s'; write a duration such as 250ms, 3s, 5m or 1h",
        "8:5: unknown middleware 'requestid'; did you mean 'request_id'?",
        "10:5: the key 'service' is missing; add 'service: ...'",
        "10:16: unknown key 'servise'; did you mean 'service'?",
        "11:11: path 'y': The request target must be a path that begins with '/'; "
        "write a path such as /users, /users/{id} or /users/*",
        "12:14: service 'userz' is not defined; define it under 'services'; did you mean 'users'?",
        "13:19: expected true or false, not 'yes'; write true or false",
    ]


def test_the_error_as_text_is_one_line_a_problem_with_the_files_name(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text("lisen: {}\n")
    with pytest.raises(ConfigurationProblems) as caught:
        load_config(path, {})
    assert str(caught.value).splitlines() == [
        f"{path}:1:1: the key 'routes' is missing; add 'routes: ...'",
        f"{path}:1:1: unknown key 'lisen'; did you mean 'listen'?",
    ]


# YAML, narrowed.


def test_a_key_that_is_there_twice_is_an_error_with_both_places() -> None:
    text = with_service("{path: /a, service: users}") + "services: {}\n"
    assert problems_of(text) == ["4:1: the key 'services' is there twice (line 1, column 1); remove one"]


@pytest.mark.parametrize("word", ["yes", "no", "NO", "on", "off", "Y", "n", "trueish", "nullable", "~x"])
def test_words_stay_words(word: str) -> None:
    assert (
        load_text(with_service(f"{{path: /a, service: users, query: {{v: {word}}}}}")).routes[0].query["v"].exact
        == word
    )


@pytest.mark.parametrize("text", ["1:30", "1_000", "0x10", "010", "1e3", "2026-01-01", ".5", "+-1", "1.2.3"])
def test_what_only_looks_like_a_number_stays_text(text: str) -> None:
    assert (
        load_text(with_service(f"{{path: /a, service: users, query: {{v: {text}}}}}")).routes[0].query["v"].exact
        == text
    )


@pytest.mark.parametrize(
    ("text", "shown"), [("5", "the number 5"), ("1.5", "the number 1.5"), ("true", "true"), ("", "nothing")]
)
def test_numbers_and_flags_are_no_texts(text: str, shown: str) -> None:
    (problem,) = problems_of(with_service(f"{{path: /a, service: users, query: {{v: {text}}}}}"))
    assert f"expected text, not {shown}; " in problem


def test_the_word_on_can_be_a_key() -> None:
    assert load_text(with_service("{path: /a, service: users, query: {on: x, NO: y, 1: z}}")).routes[
        0
    ].query.keys() == {
        "on",
        "NO",
        "1",
    }


def test_anchors_aliases_and_merges_work_and_report_where_the_value_stands() -> None:
    text = textwrap.dedent("""\
        services:
          a: &base
            endpoints: [http://h:1]
            timeout: &slow {request: 9s, idle: 9q}
          b: {<<: *base, timeout: *slow}
          c:
            <<: [{transport: httpx}, *base]
            timeout: {request: 1s}
        routes: [{path: /a, service: a}]
        """)
    (problem,) = problems_of(text)
    assert problem.startswith("4:40: '9q' has the unit 'q'")
    config = load_text(text.replace("9q", "9s"))
    assert config.services["b"] == config.services["a"]
    assert config.services["c"].transport == "httpx"
    assert config.services["c"].timeout.request == 1
    assert config.services["c"].endpoints == config.services["a"].endpoints


def test_aliases_that_unfold_to_billions_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (problem,) = problems_of("\n".join(lines))
    assert "aliases unfold to more than 100000 values" in problem


@pytest.mark.parametrize(
    "text", ["a: &a [*a]", "a: &a {<<: *a}", "a: &a {b: {<<: *a}}", "[" * 500, "a:\n" + "- " * 500]
)
def test_what_never_ends_is_refused(text: str) -> None:
    (problem,) = problems_of(text)[:1]
    assert re.search("nested too deeply|aliases unfold|not YAML|unknown key", problem)


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!secret", "!!binary", "!!set", "!!int"])
def test_tags_are_refused(tag: str) -> None:
    assert any("cannot be used here; remove it" in problem for problem in problems_of(f"listen: {tag} x\nroutes: []\n"))


def test_a_merge_of_something_else_is_refused() -> None:
    assert "3:5: '<<' takes a mapping, or a list of them; refer to one with *name" in [
        problem.replace("3:9", "3:5") for problem in problems_of("routes: []\nlisten:\n    <<: 5\n")
    ]


# Files that are no configuration at all.


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "1:1: the file is empty; it needs at least 'services' and 'routes'"),
        (b"# nothing\n", "1:1: the file is empty; it needs at least 'services' and 'routes'"),
        (b"\n - a\n", "2:2: expected a mapping at the top; begin with 'services:' and 'routes:'"),
        (b"hello", "1:1: expected a mapping at the top; begin with 'services:' and 'routes:'"),
        (b"a: b\nc: \xff", "2:4: not UTF-8; save the file in that encoding"),
        ("a: äö".encode() + b"\xff", "1:6: not UTF-8; save the file in that encoding"),
        (b"a: b\nc: \x07", "2:4: not YAML: the character U+0007 is not allowed; remove it"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_one_line(content: bytes, problem: str) -> None:
    assert problems_of(content) == [problem]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1, 2\n", "2:1"),
        ("a: b: c\n", "1:5"),
        ("\ta: 1\n", "1:1"),
        ("a: *nope\n", "1:4"),
        ("a: 1\n---\nb: 2\n", "2:1"),
        ('a: "x', "1:6"),
    ],
)
def test_bad_syntax_is_one_problem_at_its_place(text: str, place: str) -> None:
    (problem,) = problems_of(text)
    assert problem.startswith(f"{place}: not YAML: ")
    assert "\n" not in problem


def test_a_missing_file_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationProblems, match=r"nope\.yaml:1:1: cannot be read: No such file or directory"):
        load_config(tmp_path / "nope.yaml", {})


def test_a_directory_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationProblems, match="1:1: cannot be read: Is a directory"):
        load_config(tmp_path, {})


# The environment.


def test_variables_stand_for_text_numbers_and_flags_even_within_braces() -> None:
    text = (
        "listen: {host: ${HOST:-0.0.0.0}, port: ${PORT}}\n"
        "limits: {max_body: ${SIZE:-1MiB}}\n"
        "services: {users: {endpoints: ['http://${UPSTREAM}:9001']}}\n"
        "routes: [{path: '/a/*', service: users, strip_prefix: ${STRIP}}]\n"
    )
    config = load_text(text, {"PORT": "8123", "UPSTREAM": "users.internal", "STRIP": "true"})
    assert (config.listen.host, config.listen.port, config.limits.max_body) == ("0.0.0.0", 8123, 2**20)
    assert config.services["users"].endpoints[0].url == "http://users.internal:9001"
    assert config.routes[0].strip_prefix


def test_a_missing_variable_is_reported_once_where_it_stands() -> None:
    text = with_service("{path: /a, service: users}") + "listen: {port: ${NOPE}}\nadmin: {port: 0}\n"
    assert problems_of(text) == [
        "4:16: the environment variable NOPE is not set; set it, or give a default: ${NOPE:-...}"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "listen: {port: ${SECRET}}",
        "drain_timeout: ${SECRET}",
        "trusted_proxies: [${SECRET}]",
        "middleware: [${SECRET}]",
        "middleware: [{access_log: {format: ${SECRET}}}]",
        "limits: ${SECRET}",
        "services: {users: {endpoints: ['http://u:${SECRET}@h:1']}}",
        "services: {users: {endpoints: ['http://h:${SECRET}']}}",
        "services: {users: {endpoints: [http://h:1], load_balancer: ${SECRET}}}",
        "routes: [{path: '${SECRET}', service: users}]",
        "routes: [{path: /a, service: '${SECRET}'}]",
        "routes: [{path: /a, service: users, rewrite: '/{${SECRET}}'}]",
        "routes: [{path: /a, service: users, hosts: ['${SECRET}:1']}]",
        "routes: [{path: /a, service: users, headers: {a: {regex: '(${SECRET}'}}}]",
    ],
)
def test_a_value_from_the_environment_is_never_printed(line: str) -> None:
    complete = {
        "services": "services: {users: {endpoints: [http://h:1]}}",
        "routes": "routes: [{path: /a, service: users}]",
    }
    complete.pop(line.split(":")[0], None)
    problems = problems_of("\n".join([line, *complete.values()]), {"SECRET": "hunter2"})
    assert problems
    assert "hunter2" not in "\n".join(problems)
    assert "SECRET" in problems[0]


def test_a_file_with_the_stand_ins_of_braces_is_read_as_it_is() -> None:
    text = with_service("{path: /a, service: users, query: {v: '\ue000x\ue001'}}")
    assert load_text(text).routes[0].query["v"].exact == "\ue000x\ue001"


# All of the language.


def test_everything_of_the_language_in_one_file_is_good() -> None:
    example = (Path(__file__).parent / "everything.yaml").read_text()
    assert problems_of(example, {"INTROSPECT_SECRET": "secret"}) == []


# Properties.


@given(st.text(min_size=1).filter(str.strip))
def test_any_text_in_double_quotes_arrives_as_it_was_written(text: str) -> None:
    text = text.replace("${", "$")
    assert _read_back(yaml.safe_dump(text, default_style='"', width=10**6).strip()) == text


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1).filter(str.strip))
def test_any_text_in_single_quotes_arrives_as_it_was_written(text: str) -> None:
    text = text.replace("${", "$")
    assert _read_back("'" + text.replace("'", "''") + "'") == text


def _read_back(scalar: str) -> str | None:
    return load_text(with_service(f"{{path: /a, service: users, query: {{v: {scalar}}}}}")).routes[0].query["v"].exact


@given(st.text())
def test_any_text_as_a_file_is_answered_with_problems(text: str) -> None:
    try:
        content = text.encode()
    except UnicodeEncodeError:
        return
    assert problems_of(content)


@given(st.binary())
def test_any_bytes_as_a_file_are_answered_with_problems(content: bytes) -> None:
    assert problems_of(content)


_KEYS = [
    "listen",
    "port",
    "services",
    "users",
    "endpoints",
    "url",
    "routes",
    "path",
    "service",
    "hosts",
    "headers",
    "middleware",
    "access_log",
    "body_limit",
    "limits",
    "timeout",
    "query",
    "regex",
    "present",
    "aggregate",
]
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["/a", "users", "${X}", "http://h:1"])
)
_documents = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(_documents)
def test_any_document_is_a_configuration_or_has_problems_with_places(document: object) -> None:
    for problem in problems_of(yaml.safe_dump(document), NO_ENVIRONMENT):
        assert re.match(r"[1-9][0-9]*:[1-9][0-9]*: \S", problem)


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({}, "the environment variable KEY is not set; set it, or give a default: ${KEY:-...}"),
        (
            {"KEY": "short"},
            "'${KEY}' expands to a value that does not fit here; make one of at least 32 random bytes, not of words",
        ),
    ],
    ids=["not there", "too short"],
)
def test_a_secret_that_is_wrong_is_one_problem_and_not_two(environment: dict[str, str], problem: str) -> None:
    """A secret that was not there was said to be too short as well, at another place."""
    jwt = "{issuer: 'https://id.example', audience: a, algorithms: [HS256], secret: '${KEY}'}"
    text = f"middleware: [{{auth: {{any_of: [{{jwt: {jwt}}}]}}}}]\n" + with_service("{path: /a, service: users}")
    column = text.index("'${KEY}'") + 1
    assert problems_of(text, environment) == [f"1:{column}: {problem}"]

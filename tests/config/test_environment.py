"""Environment: variables in values, missing ones, and text that only looks like one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.config.environment import expand, expand_document
from api_gateway.config.problems import Refusal


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${A}", "one"),
        ("x${A}y${A}", "xoneyone"),
        ("${B:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${EMPTY}", ""),
        ("${A:-two}", "one"),
        ("${B:-}", ""),
        ("${B:-http://h:1/}", "http://h:1/"),
        ("${file:-two}", "two"),
        ("$${A}", "${A}"),
        ("^a$", "^a$"),
        ("$A", "$A"),
    ],
)
def test_a_variable_stands_for_its_value(text: str, result: str) -> None:
    assert expand(text, {"A": "one", "EMPTY": ""}) == result


def test_a_missing_variable_is_an_error_that_names_it() -> None:
    with pytest.raises(Refusal, match=r"variable NOPE and NADA is not set; set it, or give a default: \$\{NOPE:-...\}"):
        expand("${NOPE}${A}${NADA}${NOPE}", {"A": "one"})


@pytest.mark.parametrize("text", ["${", "${}", "${1A}", "${A", "a${2}", "${A:+x}"])
def test_a_variable_that_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="is not followed by a name"):
        expand(text, {"A": "one"})


def test_a_file_stands_for_its_text_without_the_last_line_end(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    for content, text in (
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b"a\nb\n\n", "a\nb\n"),
        (b"${A}", "${A}"),
    ):
        secret.write_bytes(content)
        assert expand(f"<${{file:{secret}}}>", {"A": "one"}) == f"<{text}>"


@pytest.mark.parametrize("content", [None, b"\xff", b"x" * (64 * 1024 + 1)])
def test_a_file_that_cannot_be_used_is_refused_without_its_content(tmp_path: Path, content: bytes | None) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(Refusal, match=r"the file .*secret (cannot be read|is longer)") as caught:
        expand(f"${{file:{secret}}}", {})
    assert "xxx" not in str(caught.value)


@given(st.text(st.characters(exclude_characters="$")))
def test_text_without_a_dollar_is_left_alone(text: str) -> None:
    assert expand(text, {}) == text


@given(st.text(), st.text())
def test_a_value_is_put_in_once_and_not_expanded_again(prefix: str, value: str) -> None:
    prefix = prefix.replace("$", "")
    assert expand(prefix + "${A}", {"A": value}) == prefix + value


@given(st.text())
def test_doubling_the_dollar_before_a_brace_escapes_any_text(text: str) -> None:
    text = text.replace("$$", "")
    assert expand(text.replace("${", "$${"), {}) == text


def test_values_are_expanded_and_keys_are_not() -> None:
    expansion = expand_document({"${A}": ["${A}", 1, None, {"b": "${NOPE}"}]}, {"A": "one"})
    assert expansion.document == {"${A}": ["one", 1, None, {"b": "${NOPE}"}]}
    assert expansion.originals == {("${A}", 0): "${A}"}
    assert [finding.path for finding in expansion.findings] == [("${A}", 3, "b")]

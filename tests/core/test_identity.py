"""Identity: what may stand in one, and whom its key tells apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.identity import LONGEST_SUBJECT, Identity

Names = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8)


@given(Names.filter(bool), Names, Names.filter(bool), Names)
def test_two_issuers_subjects_never_have_one_key(subject: str, issuer: str, other: str, other_issuer: str) -> None:
    one = Identity(subject, "jwt", issuer=issuer)
    two = Identity(other, "jwt", issuer=other_issuer)
    assert (one.key == two.key) == ((subject, issuer) == (other, other_issuer))


def test_the_same_name_proved_in_another_way_is_another_caller() -> None:
    assert Identity("42", "jwt").key != Identity("42", "api_key").key


@pytest.mark.parametrize(
    "name", ["", "a\r\nX-Admin: 1", "a\x00", "a\x85b", "a\u2028b", "\ud800", "x" * (LONGEST_SUBJECT + 1)]
)
def test_a_subject_that_could_break_a_header_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="identity"):
        Identity(name, "jwt")


@pytest.mark.parametrize("word", ["", "a b", "a,b\n", 'a"b', "a\\b", "ä"])
def test_a_scope_or_role_is_one_word(word: str) -> None:
    with pytest.raises(ValueError, match="scope"):
        Identity("anna", "jwt", scopes=frozenset({word}))
    with pytest.raises(ValueError, match="scope"):
        Identity("anna", "jwt", roles=frozenset({word}))


def test_a_name_in_another_script_is_a_name() -> None:
    assert Identity("Ольга", "jwt").subject == "Ольга"

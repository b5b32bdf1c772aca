"""Product search: every prefix of a product's words finds it, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.catalog.terms import PREFIX_MAX, WANTED_MAX, terms_of, wanted_terms


def finds(query: str, name: str) -> bool:
    wanted = wanted_terms(query)
    return bool(wanted) and set(wanted) <= set(terms_of(name))


@pytest.mark.parametrize(
    ("query", "name", "found"),
    [
        ("green", "Green tea 500g", True),
        ("TEA gr", "Green tea 500g", True),
        ("een", "Green tea", False),
        ("green coffee", "Green tea", False),
        ("ＧＲＥＥＮ", "green tea", True),
        ("straße", "STRASSE", True),
        ("绿茶", "有机绿茶 500克", True),
        ("茶", "有机绿茶", True),
        ("茶绿", "有机绿茶", False),
        ("green绿茶", "绿茶 (green tea)", True),
        ("!!! …", "Green tea", False),
        ("", "Green tea", False),
    ],
)
def test_a_query_finds_a_name(query: str, name: str, found: bool) -> None:
    assert finds(query, name) is found


@given(st.text(max_size=200))
def test_the_stored_terms_of_a_name_are_bounded(name: str) -> None:
    terms = terms_of(name)
    assert list(terms) == sorted(set(terms))
    assert all(0 < len(term) <= PREFIX_MAX for term in terms)
    assert len(wanted_terms(name)) <= WANTED_MAX


@given(st.lists(st.text("abäß1绿茶", min_size=1, max_size=30), min_size=1, max_size=6), st.data())
def test_every_name_is_found_by_itself_and_by_any_prefix_of_a_word(words: list[str], data: st.DataObject) -> None:
    name = " ".join(words)
    assert finds(name, name)
    word = data.draw(st.sampled_from(words))
    assert finds(word[: data.draw(st.integers(1, len(word)))], name)

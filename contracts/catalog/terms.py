"""What a product's name is found by: the beginnings of its words, and for Chinese, Japanese and Korean, where words
are not set apart, each character and each pair.

Both sides of the search are here: an equality in an index answers it, in the order of ids, however many names begin so.
"""

from __future__ import annotations

import re
from unicodedata import normalize

PREFIX_MAX = 16
"""Longer words are told apart by their first so many characters: that bounds what is stored of a name."""

WANTED_MAX = 16
"""What is asked for beyond so many terms makes the answer no smaller in practice, only the query longer."""

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_RUNS = re.compile(rf"([{_UNSPACED}]+)|((?:(?![{_UNSPACED}])[^\W_])+)")


def terms_of(name: str) -> tuple[str, ...]:
    """The terms of a name, each once, sorted."""
    terms: set[str] = set()
    for unspaced, word in _runs(name):
        terms |= {word[:length] for length in range(1, min(len(word), PREFIX_MAX) + 1)}
        terms |= {*unspaced, *_pairs(unspaced)}
    return tuple(sorted(terms))


def wanted_terms(query: str) -> tuple[str, ...]:
    """The terms that a name must have, all of them, to be found by the query; none for a query without any word."""
    wanted: dict[str, None] = {}
    for unspaced, word in _runs(query):
        wanted |= dict.fromkeys([word[:PREFIX_MAX]] if word else _pairs(unspaced) or [unspaced])
    return tuple(wanted)[:WANTED_MAX]


def _runs(text: str) -> list[tuple[str, str]]:
    return _RUNS.findall(normalize("NFKC", text).casefold())


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]

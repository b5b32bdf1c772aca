"""The search terms of a product's name: the prefixes of its words. Chinese, Japanese and Korean text has no spaces
between words, so there each character and each pair of characters is a term.

Both sides of the search are here: one equality in an index finds the products, in the order of their ids.
"""

from __future__ import annotations

import re
from unicodedata import normalize

PREFIX_MAX = 16
"""Only this many characters of a word count, which limits how much is stored for a name."""

WANTED_MAX = 16
"""Further terms of a query are ignored: in practice they only make it slower."""

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
    """The terms that a name must all have to match the query; none for a query without any word."""
    wanted: dict[str, None] = {}
    for unspaced, word in _runs(query):
        wanted |= dict.fromkeys([word[:PREFIX_MAX]] if word else _pairs(unspaced) or [unspaced])
    return tuple(wanted)[:WANTED_MAX]


def _runs(text: str) -> list[tuple[str, str]]:
    return _RUNS.findall(normalize("NFKC", text).casefold())


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]

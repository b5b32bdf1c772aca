"""Suggestions for an unknown name: the known names that are similar."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question to append to the sentence that refuses `name`, with a leading blank; empty if no name is similar."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    near = [by_folded[folded] for folded in get_close_matches(name.casefold(), by_folded)]
    return f" Did you mean {' or '.join(near)}?" if near else ""

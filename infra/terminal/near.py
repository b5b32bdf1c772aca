"""A name that is not known, and the known ones that a person may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question to put behind the sentence that refuses `name`, with a blank before it; empty where none is near."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    near = [by_folded[folded] for folded in get_close_matches(name.casefold(), by_folded)]
    return f" Did you mean {' or '.join(near)}?" if near else ""

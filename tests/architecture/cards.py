"""The cards of the workers: the docstrings of their packages."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module

ENTRIES = ("consumes", "publishes", "owns", "refuses", "proves")

_NAME = re.compile(r"[a-z]+(?:[-_][a-z]+)*\.[a-z]+(?:[-_][a-z]+)*")


def _text(worker: str) -> str:
    return import_module(f"workers.{worker}").__doc__ or ""


def summary(worker: str) -> str:
    """The card's first sentence: what the worker does."""
    return " ".join(_text(worker).partition("\n\n")[0].split())


@cache
def card(worker: str) -> dict[str, str]:
    """The entries of the worker's card, each as one line; of several `proves` entries, the last."""
    found = re.split(rf"^({'|'.join(ENTRIES)}) ", _text(worker), flags=re.MULTILINE)
    return {name: " ".join(entry.split()) for name, entry in zip(found[1::2], found[2::2], strict=True)}


def names_in(entry: str) -> set[str]:
    """The message types or collections that an entry names, without text in parentheses."""
    return set(_NAME.findall(re.sub(r"\([^)]*\)", "", entry)))

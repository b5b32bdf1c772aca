"""The invariants of the system: what each worker's audits prove, by its card, and what the message audit proves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module

from infra.operators import message_audit
from infra.runtime import roster

_PROVES = re.compile(r"^proves +(I[1-9][0-9]*): (.+(?:\n +.+)*)", re.MULTILINE)


def proved_by(worker: str) -> dict[str, str]:
    """The sentences on the worker's card that begin with `proves`, by invariant."""
    card = import_module(f"workers.{worker}").__doc__ or ""
    return {invariant: " ".join(sentence.split()) for invariant, sentence in _PROVES.findall(card)}


@cache
def invariants() -> Mapping[str, str]:
    """The sentence of each invariant, in order of number; if several audits prove parts of one, their parts joined."""
    parts: dict[str, list[str]] = {}
    for proved in (*map(proved_by, roster.names()), message_audit.PROVES):
        for invariant, sentence in proved.items():
            parts.setdefault(invariant, []).append(sentence)
    return {name: "; ".join(parts[name]) for name in sorted(parts, key=lambda name: int(name[1:]))}

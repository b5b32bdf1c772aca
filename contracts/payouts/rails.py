"""What each rail promises, as data: rules, adapters and people read the same table. A fifth rail is one entry here and
one adapter.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Rail:
    """`currencies`: what it sends; all if None. `whole_units`: currencies that it sends without decimals.

    `looks_up`: whether it can be asked what became of a key, and `key_kept` how long it recognises a key (for ever if
    None). Where it looks up, a key that is absent within that time was never paid. `answers`: whether its own calls,
    files or persons report the outcome. `awaits_payee`: the payee may have to confirm. `fails_after_paid`: a `failed`
    that follows `paid` is a return.
    """

    name: str
    answers: Literal["call", "file", "person"]
    looks_up: bool
    key_kept: timedelta | None = None
    currencies: Set[str] | None = None
    whole_units: Set[str] = frozenset()
    awaits_payee: bool = False
    fails_after_paid: bool = False
    remittance_max: int = 140


RAILS: Mapping[str, Rail] = MappingProxyType(
    {
        rail.name: rail
        for rail in (
            Rail("manual", answers="person", looks_up=False),
            Rail("iso20022", answers="file", looks_up=True, currencies=frozenset({"EUR"})),
            Rail(
                "wechat_pay",
                answers="call",
                looks_up=True,
                key_kept=timedelta(days=30),
                currencies=frozenset({"CNY"}),
                awaits_payee=True,
                remittance_max=32,
            ),
            Rail(
                "paypal",
                answers="call",
                looks_up=True,
                key_kept=timedelta(days=30),
                whole_units=frozenset({"HUF", "JPY", "TWD"}),
                awaits_payee=True,
                fails_after_paid=True,
                remittance_max=1000,
            ),
        )
    }
)

"""What the bank does with a payment, decided by its key alone: one seed and one key always make the same scenario."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Literal

OnSend = Literal[
    "accept",
    "refuse",
    "no_funds",
    "rate_limit",
    "commit_then_hang",
    "commit_then_500",
    "commit_then_cut",
    "hang_before_commit",
]
Ends = Literal["paid", "failed", "returned", "awaiting_then_paid", "awaiting_then_expired"]
Notices = Literal["once", "never", "twice", "late", "reordered", "forged", "wrong_amount"]


@dataclass(frozen=True)
class Scenario:
    """`on_send` happens to the first request with a key. `forgets`: the key is forgotten once the payment has ended."""

    on_send: OnSend = "accept"
    ends: Ends = "paid"
    notices: Notices = "once"
    forgets: bool = False


@dataclass
class Scenarios:
    """Those of a run: what is pinned for a key, else what the seed draws. Without a seed all is well."""

    seed: int | None = None
    pinned: dict[str, Scenario] = field(default_factory=dict)

    def of(self, key: str) -> Scenario:
        if key in self.pinned:
            return self.pinned[key]
        if self.seed is None:
            return Scenario()
        random = Random(sha256(f"{self.seed}/{key}".encode()).digest())
        sends: list[OnSend] = ["refuse", "commit_then_hang", "commit_then_500", "commit_then_cut", "hang_before_commit"]
        endings: list[Ends] = ["failed", "returned", "awaiting_then_paid", "awaiting_then_expired"]
        notices: list[Notices] = ["never", "twice", "late", "reordered", "forged", "wrong_amount"]
        return Scenario(
            on_send=random.choice(sends) if random.random() < 0.3 else "accept",
            ends=random.choice(endings) if random.random() < 0.3 else "paid",
            notices=random.choice(notices) if random.random() < 0.4 else "once",
            forgets=random.random() < 0.02,
        )

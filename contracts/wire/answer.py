"""The answer of the outside world to a call, as a performer's rule reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Outcome = Literal["done", "refused", "unavailable", "unknown"]
"""`done`: the other side confirmed it. `refused`: it will never take it as it is. `unavailable`: it was certainly not
done, and may be tried again. `unknown`: it may have been done."""

PAUSED = "paused"
"""The code of a call that was not made, as its destination did not answer those before."""

WITHHELD = "withheld"
"""The code of a call that was not made, as it is not wanted any more."""

RETRY_AFTER_MAX_S = 3600
"""The other side may postpone the next call by an hour, not by a day."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call ended with, by our own clock. `code` is for programs, `detail` says what to mend.

    `reference` is the other side's own id; `retry_after_s` is how long it asked us to wait; `facts` are values that it
    named, such as the `amount`, `currency` and `fee` of a payment, as decimal strings.
    """

    outcome: Outcome
    code: str
    detail: str
    at: datetime
    reference: str | None = None
    retry_after_s: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

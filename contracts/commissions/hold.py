"""What the hold of a commission must be, computed from its order and its terms, independently of the rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.commissions.view import Commission
from contracts.times import plus

NOTED_WITHIN = timedelta(days=1)
"""An after-sale opened this shortly before a release may not have reached the commission yet."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The hold by the order and its terms. `posted_at` is the time of the tick that released the commission; None if
    none did.
    """

    days: int
    completed_at: datetime | None
    after_sale_open: bool
    posted_at: datetime | None = None

    @property
    def over_at(self) -> datetime | None:
        """The end of the hold period, without regard to after-sales; None before completion."""
        return None if self.completed_at is None else plus(self.completed_at, timedelta(days=self.days))

    def faults(self, commission: Commission) -> Iterator[str]:
        """Yield a sentence for each way in which the commission contradicts its hold."""
        noted = commission.after_sale
        if commission.hold_days != self.days:
            yield f"is held for {commission.hold_days} days, its rules require {self.days}"
        if commission.completed_at != self.completed_at:
            yield f"was completed at {self.completed_at}, commissions: {commission.completed_at}"
        if self.after_sale_open != (noted is not None and noted.open):
            yield f"its after-sale is {'open' if self.after_sale_open else 'not open'}, the commission has {noted}"
        if commission.status == "released":
            yield from self._faults_of_release(commission)
        elif commission.released_at is not None:
            yield f"is held, but was released at {commission.released_at}"
        elif commission.release_at != (due := self._due_at(commission)):
            yield f"is to be released at {commission.release_at}, its hold gives {due}"

    def _due_at(self, commission: Commission) -> datetime | None:
        if self.over_at is None or self.after_sale_open:
            return None
        return self.over_at if commission.after_sale is None else max(self.over_at, commission.after_sale.since)

    def _faults_of_release(self, commission: Commission) -> Iterator[str]:
        noted, released_at = commission.after_sale, commission.released_at
        if self.over_at is None or released_at is None or released_at < self.over_at:
            yield f"was released before its hold of {self.days} days was over"
        elif self.posted_at is not None and self.posted_at < released_at:
            yield f"was to be released at {released_at}, and was released at {self.posted_at} already"
        elif noted is not None and noted.open and plus(noted.since, NOTED_WITHIN) < released_at:
            yield f"was released at {released_at}, but its after-sale has been open since {noted.since}"
        if commission.release_at is not None:
            yield f"is released, and to be released again at {commission.release_at}"

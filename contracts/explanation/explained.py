"""The shapes of an explanation: an order, its lines, each plan's result for each earner, and the hold.

Amounts in minor units; `as_object` is the form for programs, with amounts and rates as decimal strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from contracts.money import MINOR_DIGITS, RATE_SCALE, to_amount, to_rate
from contracts.orders.view import Line
from contracts.plans.sale import Earner
from contracts.rules.view import Limit, Reason

Kind = Literal["unilevel", "differential", "team_bonus", "fixed"]


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """The order as accepted. `upline` begins with the seller, `leader` led the seller's team, as of `placed_at`."""

    key: str
    status: str
    currency: str
    placed_at: datetime
    lines: tuple[Line, ...]
    upline: tuple[Earner, ...]
    leader: Earner | None = None
    reason: str | None = None

    @property
    def net_minor(self) -> int:
        return sum(line.net_minor for line in self.lines)


@dataclass(frozen=True, slots=True)
class Part:
    """What one plan gives one earner on one line: `amount_minor`, or nothing for a `reason`.

    The exact share is `base_minor` x rate, or `unit_minor` x quantity. If a limit cut it, `limit_minor` is that
    cap (or the line's pool), and `drawn_minor` what the earner had already got from the plan in the cap's period.
    `asked_minor` is the own sales that the plan requires, `own_sales_minor` the actual ones. In a differential plan
    `tier_rate_ppm` is the earner's own rate; `is_peer` is true if an upline paid below has the same rate.
    """

    line: int
    plan: str
    kind: Kind
    level: int
    distributor_id: int
    tier: str
    reason: Reason | None = None
    base_minor: int = 0
    quantity: int = 0
    rate_ppm: int = 0
    unit_minor: int = 0
    amount_minor: int = 0
    rounding: int = 0
    taken_back_minor: int = 0
    limited_by: Limit | None = None
    limit_minor: int | None = None
    drawn_minor: int = 0
    asked_minor: int | None = None
    own_sales_minor: int | None = None
    tier_rate_ppm: int | None = None
    is_peer: bool = False

    @property
    def exact_numerator(self) -> int:
        """The exact share before any limit, in minor units / RATE_SCALE."""
        return self.base_minor * self.rate_ppm + self.unit_minor * self.quantity * RATE_SCALE

    @property
    def cut_to_minor(self) -> int:
        """The whole minor units of the share after its limits, before rounding."""
        return self.amount_minor - self.rounding


@dataclass(frozen=True, slots=True)
class ExplainedLine:
    """A line and its parts: the paid ones as booked, then the unpaid ones."""

    order_line: Line
    pool_minor: int
    parts: tuple[Part, ...]

    @property
    def paid(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.reason is None)

    @property
    def unpaid(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.reason is not None)

    @property
    def paid_minor(self) -> int:
        return sum(part.amount_minor for part in self.parts)


@dataclass(frozen=True, slots=True)
class Person:
    """What one distributor got from the order in total, and how much of it was taken back."""

    distributor_id: int
    amount_minor: int
    taken_back_minor: int

    @property
    def remaining_minor(self) -> int:
        return self.amount_minor - self.taken_back_minor


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What one refund or cancellation took back, by distributor; positive amounts."""

    reference: str
    reason: str
    at: datetime
    account: Literal["held", "available"]
    by_distributor_minor: tuple[tuple[int, int], ...]

    @property
    def total_minor(self) -> int:
        return sum(amount for _, amount in self.by_distributor_minor)


@dataclass(frozen=True, slots=True)
class Hold:
    """Whether the rest is still held, and until when; `open_since` is when the open after-sale began."""

    status: Literal["held", "released"]
    hold_days: int
    completed_at: datetime | None
    release_at: datetime | None
    released_at: datetime | None
    open_since: datetime | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """`people` is ordered by level of their first entry."""

    order: OrderFacts
    seller_id: int
    rule_version: int
    title: str
    pool_rate_ppm: int
    lines: tuple[ExplainedLine, ...]
    people: tuple[Person, ...]
    taken_back: tuple[TakenBack, ...]
    hold: Hold
    pool_minor: int
    total_minor: int

    @property
    def remaining_minor(self) -> int:
        return sum(person.remaining_minor for person in self.people)

    @property
    def without_team(self) -> tuple[str, ...]:
        """The plans that pay a team's leader, if the seller was in no team."""
        return tuple(dict.fromkeys(p.plan for line in self.lines for p in line.parts if p.reason == "no_team"))


def order_facts(document: Mapping[str, Any]) -> OrderFacts:
    """The order in a document of `order_intake.orders`."""
    team = document.get("team")
    return OrderFacts(
        key=document["_id"],
        status=document["status"],
        currency=document["currency"],
        placed_at=document["placed_at"],
        lines=tuple(Line(**line) for line in document["lines"]),
        upline=tuple(Earner(**earner) for earner in document["upline"]),
        leader=Earner(0, team["leader_id"], team["leader_tier"], team["leader_active"]) if team else None,
        reason=document.get("reason"),
    )


def as_object(explanation: Explanation) -> dict[str, Any]:
    """The explanation for programs: `amount_minor` 274 is `amount` "2.74", `rate_ppm` 50000 is `rate` "0.05".

    Absent values are left out; each paid part also has its exact share, and each line and person their sums.
    """
    values: dict[str, Any] = _plain(explanation, explanation.order.currency)
    return values


def exact_share(part: Part, currency: str) -> Decimal:
    """The part's share before limits and rounding, exactly, in major units."""
    scaled = Decimal(part.exact_numerator).scaleb(-MINOR_DIGITS[currency] - 6)
    whole = to_amount(0, currency)
    short = scaled.normalize()
    return short if _digits(short) >= _digits(whole) else short.quantize(whole)


def _digits(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


_SUMS = {ExplainedLine: ("paid_minor",), Person: ("remaining_minor",), TakenBack: ("total_minor",)}


def _plain(value: Any, currency: str) -> Any:
    if is_dataclass(value):
        names = [field.name for field in fields(value)]
        values = {
            key: plain
            for name in (*names, *_SUMS.get(type(value), ()))
            if (item := getattr(value, name)) is not None
            for key, plain in [_named(name, item, currency)]
        }
        if isinstance(value, Part) and value.reason is None:
            values["exact"] = format(exact_share(value, currency), "f")
        if isinstance(value, Explanation):
            values["remaining"] = str(to_amount(value.remaining_minor, currency))
        return values
    if isinstance(value, tuple):
        return [_plain(item, currency) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _named(name: str, value: Any, currency: str) -> tuple[str, Any]:
    if name == "by_distributor_minor":
        shares = [{"distributor_id": who, "amount": str(to_amount(minor, currency))} for who, minor in value]
        return "shares", shares
    if name.endswith("_minor"):
        return name.removesuffix("_minor"), str(to_amount(value, currency))
    if name.endswith("_ppm"):
        return name.removesuffix("_ppm"), format(to_rate(value), "f")
    return name, _plain(value, currency)

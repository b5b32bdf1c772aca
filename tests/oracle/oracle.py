"""What an order pays, calculated as an accountant would by hand: one order, one line, one person at a time.

Every share is an exact fraction until the line is rounded, and what rounding kept back counts on the next line. Nothing
here is fast, and nothing is taken from the engine.

An order is a dict: `currency`, `lines` (each `line`, `product_id`, `category_id`, `quantity`, `net_minor`), `chain`
(the seller first; each `distributor_id`, `tier`, `active`) and `leader` (of the seller's team, the same shape, or
None). The books are the figures before the order: `own_sales` by distributor, `day` and `month` by (plan, distributor).
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from tests.oracle.reading import CAPS, Rules

Order = dict[str, Any]
Books = dict[str, dict[Any, int]]

Key = tuple[int, str, int, int]
"""Line, plan, level, distributor: at most one entry each. Without a team, level and distributor are 0."""


NOTHING = Fraction(0)


class Claim(NamedTuple):
    """An earner's claim on a plan for a line, before limits: an exact share, or the reason why there is none."""

    level: int
    distributor_id: int
    share: Fraction = NOTHING
    reason: str = ""
    basis: str = ""


@dataclass
class Answer:
    """`exact` is the share before limits, `basis` states where its rate came from; only for keys with an entry.

    `cut_below_minimum` has the keys whose share reached the plan's minimum before a cap or the pool cut it.
    """

    pools: dict[int, int] = field(default_factory=dict)
    entries: dict[Key, int] = field(default_factory=dict)
    unpaid: dict[Key, str] = field(default_factory=dict)
    exact: dict[Key, Fraction] = field(default_factory=dict)
    basis: dict[Key, str] = field(default_factory=dict)
    limited_by: dict[Key, str] = field(default_factory=dict)
    rounding: dict[Key, int] = field(default_factory=dict)
    cut_below_minimum: set[Key] = field(default_factory=set)


def recalculate(rules: Rules, order: Order, books: Books) -> Answer:
    """Lines in their order; on each line the plans in theirs; in each plan the chain from the seller upwards."""
    answer = Answer()
    from_this_order: dict[tuple[str, int], int] = {}
    kept_back: dict[tuple[str, int], Fraction] = {}
    for line in order["lines"]:
        pool = floor(line["net_minor"] * rules["pool_rate"])
        answer.pools[line["line"]] = pool
        left_in_pool = line["net_minor"] * rules["pool_rate"]
        shares: dict[Key, Fraction] = {}
        for plan in rules["plans"]:
            # The levels that were paid on this line: the next claim of a differential plan depends on them.
            paid_levels: set[int] = set()
            for claim in claims(plan, order, line, books, paid_levels):
                key = (line["line"], plan["name"], claim.level, claim.distributor_id)
                if claim.reason:
                    answer.unpaid[key] = claim.reason
                    continue
                account = (plan["name"], claim.distributor_id)
                before = from_this_order.get(account, 0)
                had = {
                    "entry": 0,
                    "order": before,
                    "day": before + books["day"].get(account, 0),
                    "month": before + books["month"].get(account, 0),
                }
                share, limit, reason = limited(plan, order["currency"], claim.share, had, left_in_pool)
                if reason:
                    answer.unpaid[key] = reason
                    if reason == "below_minimum" and claim.share >= plan["minimum"][order["currency"]]:
                        answer.cut_below_minimum.add(key)
                    continue
                paid_levels.add(claim.level)
                shares[key] = share
                left_in_pool -= share
                answer.exact[key] = claim.share
                answer.basis[key] = claim.basis
                answer.limited_by[key] = limit
        for key, amount in rounded_with_earlier_lines(shares, pool, kept_back).items():
            if amount == 0:
                answer.unpaid[key] = "rounded_to_nothing"
                for notes in (answer.exact, answer.basis, answer.limited_by):
                    del notes[key]
                continue
            answer.entries[key] = amount
            answer.rounding[key] = amount - floor(shares[key])
            account = (key[1], key[3])
            from_this_order[account] = from_this_order.get(account, 0) + amount
    return answer


def claims(
    plan: Rules, order: Order, line: dict[str, int], books: Books, paid_levels: Container[int]
) -> Iterator[Claim]:
    """The claims of each upline, or of the leader, on `plan` for `line`, by level.

    The caller pays or rejects each claim before it requests the next: `paid_levels` then has those that were paid.
    """
    if plan["plan"] == "team_bonus":
        yield claim_of_leader(plan, order, line, books)
        return
    reason = "" if covers(plan, line) else "not_covered"
    if not reason and plan["plan"] == "fixed" and order["currency"] not in plan["amounts"]:
        reason = "no_amount_in_currency"
    if reason:
        for level, upline in enumerate(order["chain"], start=1):
            yield Claim(level, upline["distributor_id"], reason=reason)
    elif plan["plan"] == "differential":
        yield from claims_by_tier(plan, order, line, books, paid_levels)
    else:
        yield from claims_by_level(plan, order, line, books)


def claims_by_level(plan: Rules, order: Order, line: dict[str, int], books: Books) -> Iterator[Claim]:
    """Unilevel and fixed. With compression, only qualified uplines count as levels of the plan."""
    counted = 0
    for level, upline in enumerate(order["chain"], start=1):
        distributor_id = upline["distributor_id"]
        reason = disqualified(plan, order, upline, books)
        if reason:
            yield Claim(level, distributor_id, reason=reason)
            continue
        counted += 1
        place = counted if plan["compression"] else level
        basis = "compressed" if place < level else ""
        if plan["plan"] == "fixed":
            listed = plan["amounts"][order["currency"]]
            base = line["quantity"]
        else:
            listed, chosen = rates_for(plan, line, upline["tier"])
            basis = f"rates of {chosen}, {basis}" if basis else f"rates of {chosen}"
            base = line["net_minor"]
        if place > len(listed):
            yield Claim(level, distributor_id, reason="beyond_last_level")
        elif listed[place - 1] == 0:
            yield Claim(level, distributor_id, reason="no_rate_at_level")
        else:
            yield Claim(level, distributor_id, listed[place - 1] * base, basis=basis)


def rates_for(plan: Rules, line: dict[str, int], tier: str) -> tuple[list[Fraction], str]:
    """The narrowest override: for the product, then for the category, then for neither; each first with the tier."""
    product_id, category_id = line["product_id"], line["category_id"]
    overrides = plan["overrides"]
    if (product_id, None, tier) in overrides:
        return overrides[product_id, None, tier], "product+tier"
    if (product_id, None, None) in overrides:
        return overrides[product_id, None, None], "product"
    if (None, category_id, tier) in overrides:
        return overrides[None, category_id, tier], "category+tier"
    if (None, category_id, None) in overrides:
        return overrides[None, category_id, None], "category"
    if (None, None, tier) in overrides:
        return overrides[None, None, tier], "tier"
    return plan["rates"], "plan"


def claims_by_tier(
    plan: Rules, order: Order, line: dict[str, int], books: Books, paid_levels: Container[int]
) -> Iterator[Claim]:
    """Differential: each gets its own rate minus the best paid below; the first with an equal rate, the peer rate.

    An unpaid claim has no effect on later ones.
    """
    best = NOTHING
    best_claimed = NOTHING
    peers_paid: set[Fraction] = set()
    peers_claimed: set[Fraction] = set()
    for level, upline in enumerate(order["chain"], start=1):
        distributor_id = upline["distributor_id"]
        rate = plan["rates"].get(upline["tier"], NOTHING)
        reason = disqualified(plan, order, upline, books)
        if reason:
            yield Claim(level, distributor_id, reason=reason)
        elif level > plan["levels_max"]:
            yield Claim(level, distributor_id, reason="beyond_last_level")
        elif rate == 0:
            yield Claim(level, distributor_id, reason="tier_without_rate")
        elif rate > best:
            basis = "difference" if best == best_claimed else "difference, above an unpaid one"
            best_claimed = max(best_claimed, rate)
            yield Claim(level, distributor_id, line["net_minor"] * (rate - best), basis=basis)
            if level in paid_levels:
                best = rate
        elif rate == best and plan["peer_rate"] > 0 and rate not in peers_paid:
            basis = "peer, after an unpaid peer" if rate in peers_claimed else "peer"
            peers_claimed.add(rate)
            yield Claim(level, distributor_id, line["net_minor"] * plan["peer_rate"], basis=basis)
            if level in paid_levels:
                peers_paid.add(rate)
        else:
            yield Claim(level, distributor_id, reason="not_above_tiers_below")


def claim_of_leader(plan: Rules, order: Order, line: dict[str, int], books: Books) -> Claim:
    """Team bonus. The leader is level 0, even if the leader is in the chain as well."""
    leader = order["leader"]
    if leader is None:
        return Claim(0, 0, reason="no_team")
    distributor_id = leader["distributor_id"]
    sells = distributor_id == order["chain"][0]["distributor_id"]
    if not covers(plan, line):
        return Claim(0, distributor_id, reason="not_covered")
    if sells and not plan["own_sales"]:
        return Claim(0, distributor_id, reason="own_sale")
    reason = disqualified(plan, order, leader, books)
    if reason:
        return Claim(0, distributor_id, reason=reason)
    if plan["rate"] == 0:
        return Claim(0, distributor_id, reason="no_rate_at_level")
    return Claim(0, distributor_id, line["net_minor"] * plan["rate"], basis="own sale" if sells else "team")


def covers(plan: Rules, line: dict[str, int]) -> bool:
    if not plan["categories"] and not plan["products"]:
        return True
    return line["category_id"] in plan["categories"] or line["product_id"] in plan["products"]


def disqualified(plan: Rules, order: Order, person: dict[str, Any], books: Books) -> str:
    """Why the plan's conditions exclude `person`, or "". The seller's own sales include this order."""
    if plan["active"] and not person["active"]:
        return "inactive"
    if order["currency"] in plan["own_sales_min"]:
        own_sales = books["own_sales"].get(person["distributor_id"], 0)
        if person["distributor_id"] == order["chain"][0]["distributor_id"]:
            own_sales += sum(line["net_minor"] for line in order["lines"])
        if own_sales < plan["own_sales_min"][order["currency"]]:
            return "own_sales_below_minimum"
    return ""


def limited(
    plan: Rules, currency: str, share: Fraction, had: dict[str, int], left_in_pool: Fraction
) -> tuple[Fraction, str, str]:
    """Return what the limits leave of `share`, the limit that cut it, and the reason if nothing is paid.

    `had` is what the distributor already got from the plan in the period of each cap. The minimum applies to the share
    after caps and pool.
    """
    limit = ""
    for per in CAPS:
        if currency in plan["caps"][per]:
            room = max(plan["caps"][per][currency] - had[per], NOTHING)
            if room < share:
                share, limit = room, per
    if left_in_pool < share:
        share, limit = left_in_pool, "pool"
    if share == 0 and limit:
        return share, limit, "pool_exhausted" if limit == "pool" else "cap_reached"
    if currency in plan["minimum"] and share < plan["minimum"][currency]:
        return NOTHING, "", "below_minimum"
    return share, limit, ""


def rounded_with_earlier_lines(
    shares: dict[Key, Fraction], pool: int, kept_back: dict[tuple[str, int], Fraction]
) -> dict[Key, int]:
    """Each share is rounded down; the missing units go where this and the earlier lines have kept back most.

    Those are the units that the fractions kept back add up to, rounded half up; never beyond the pool, never more than
    one for a share, and only for a share with a fraction from whom more was kept back than given in advance. Equals are
    served in the order of `shares`. `kept_back`, by plan and distributor, goes on to the next line.
    """
    amounts = {key: floor(share) for key, share in shares.items()}
    waiting: dict[Key, Fraction] = {}
    for key, share in shares.items():
        if share != amounts[key]:
            waiting[key] = kept_back.get((key[1], key[3]), NOTHING) + share - amounts[key]
    total = floor(sum(waiting.values(), Fraction(1, 2)))
    for key in sorted(waiting, key=lambda key: -waiting[key]):
        if total > 0 and waiting[key] > 0 and sum(amounts.values()) < pool:
            amounts[key] += 1
            waiting[key] -= 1
            total -= 1
        kept_back[key[1], key[3]] = waiting[key]
    return amounts


Back = dict[int, tuple[int, int]]
"""What refunds have given back so far of an order: money and units of each line that has a refund."""


def left_after(rules: Rules, answer: Answer, lines: list[dict[str, int]], back: Back) -> dict[Key, int]:
    """Return what refunds leave of each entry: it depends on their sums, not on their number.

    A share of money falls with the money refunded (with the units, if the line cost nothing), an amount per unit with
    the units; when all the money is refunded, nothing is left of either. In the order of the plans they share what is
    left of the line's pool. Millionths of a minor unit count, less does not; the rest is rounded as when it was earned.
    """
    left = dict(answer.entries)
    kinds = {plan["name"]: plan["plan"] for plan in rules["plans"]}
    kept_back: dict[tuple[str, int], Fraction] = {}
    for line in lines:
        if line["line"] not in back:
            continue
        money, units = fractions_left(line, *back[line["line"]])
        room = in_millionths(answer.pools[line["line"]] * money)
        shares = {}
        for key, amount in answer.entries.items():
            if key[0] == line["line"]:
                shares[key] = min(room, in_millionths(amount * (units if kinds[key[1]] == "fixed" else money)))
                room -= shares[key]
        left |= rounded_with_earlier_lines(shares, floor(answer.pools[line["line"]] * money), kept_back)
    return left


def fractions_left(line: dict[str, int], refunded_minor: int, refunded_quantity: int) -> tuple[Fraction, Fraction]:
    """Which part of a line's money is left, and which part of its units counts for an amount per unit."""
    units = 1 - Fraction(refunded_quantity, line["quantity"])
    money = 1 - Fraction(refunded_minor, line["net_minor"]) if line["net_minor"] else units
    return money, units if money else NOTHING


def in_millionths(share: Fraction) -> Fraction:
    return Fraction(floor(share * 1_000_000), 1_000_000)

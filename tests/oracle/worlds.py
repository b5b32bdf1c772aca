"""Orders for the comparison: real baskets, sold by a network generated from a seed, and the running books.

The network has tiers, inactive people, teams, leaders who sell, and chains deeper than any plan pays.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any

from infra.demo.baskets import Basket, baskets, products
from tests.oracle.documents import TIERS
from tests.oracle.oracle import Answer, Books, Order

CHAIN_MAX = 30
_UNKNOWN_CATEGORY = 1


def real_baskets(count: int) -> list[Basket]:
    """The first `count` baskets that a shop could order: no lines of quantity 0. Prices of 0 are among them."""
    return list(islice((basket for basket in baskets() if basket.orderable), count))


def categories_of_products() -> dict[int, int]:
    return {product.product_id: product.category_id for product in products()}


def best_selling(sold: Sequence[Basket], categories: dict[int, int], count: int) -> tuple[list[int], list[int]]:
    """The products and the categories on most lines, so that rules about them apply often."""
    by_product = Counter(line.product_id for basket in sold for line in basket.lines)
    by_category: Counter[int] = Counter()
    for product_id, lines in by_product.items():
        by_category[categories.get(product_id, _UNKNOWN_CATEGORY)] += lines
    return [one for one, _ in by_product.most_common(count)], [one for one, _ in by_category.most_common(count)]


class Network:
    """Distributors 1, 2, 3 …: each under an earlier one, or at the top. Two in three are in a team."""

    def __init__(self, size: int, seed: int) -> None:
        dice = Random(seed)
        self.people: dict[int, dict[str, Any]] = {}
        self.sponsor: dict[int, int | None] = {}
        self.team_leader: dict[int, int | None] = {}
        leaders = range(1, size // 8)
        for distributor_id in range(1, size + 1):
            # Half choose their sponsor among the latest, which makes deep chains; half among all.
            first = max(1, distributor_id - 6) if dice.random() < 0.5 else 1
            self.sponsor[distributor_id] = None if distributor_id <= 4 else dice.randint(first, distributor_id - 1)
            self.people[distributor_id] = {
                "distributor_id": distributor_id,
                "tier": dice.choices(TIERS, (5, 3, 2, 1))[0],
                "active": dice.random() >= 0.15,
            }
            self.team_leader[distributor_id] = dice.choice(leaders) if dice.random() < 0.67 else None
        for leader in leaders:
            if dice.random() < 0.5:
                self.team_leader[leader] = leader

    def chain(self, seller_id: int) -> list[dict[str, Any]]:
        chain: list[dict[str, Any]] = []
        above: int | None = seller_id
        while above is not None and len(chain) < CHAIN_MAX:
            chain.append(self.people[above])
            above = self.sponsor[above]
        return chain

    def order(self, basket: Basket, currency: str, categories: dict[int, int]) -> Order:
        """The basket as an order. One dollar is 100 yen, or one dinar with a third digit taken from the product."""
        seller_id = basket.household_id % len(self.people) + 1
        leader_id = self.team_leader[seller_id]
        lines = []
        for number, line in enumerate(basket.lines, start=1):
            cents = int(line.net.scaleb(2))
            lines.append(
                {
                    "line": number,
                    "product_id": line.product_id,
                    "category_id": categories.get(line.product_id, _UNKNOWN_CATEGORY),
                    "quantity": line.quantity,
                    "net_minor": cents * 10 + line.product_id % 10 * (cents > 0) if currency == "KWD" else cents,
                }
            )
        return {
            "key": basket.key,
            "currency": currency,
            "day": f"{basket.placed_at:%Y-%m-%d}",
            "month": f"{basket.placed_at:%Y-%m}",
            "lines": lines,
            "chain": self.chain(seller_id),
            "leader": None if leader_id is None else self.people[leader_id],
        }


@dataclass
class RunningBooks:
    """Sales and payments under a rule set so far: by currency, calendar day or month (UTC) and distributor."""

    sold: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    paid: defaultdict[tuple[str, str, int], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def before(self, order: Order) -> Books:
        """The figures of all possible earners of the order."""
        currency = order["currency"]
        books: Books = {"own_sales": {}, "day": {}, "month": {}}
        for person in (*order["chain"], order["leader"]):
            if person is None:
                continue
            earner = person["distributor_id"]
            books["own_sales"][earner] = self.sold[currency, order["month"], earner]
            for period in ("day", "month"):
                for plan, amount in self.paid[currency, order[period], earner].items():
                    books[period][plan, earner] = amount
        return books

    def enter(self, order: Order, answer: Answer) -> None:
        currency = order["currency"]
        seller_id = order["chain"][0]["distributor_id"]
        self.sold[currency, order["month"], seller_id] += sum(line["net_minor"] for line in order["lines"])
        for (_, plan, _, distributor_id), amount in answer.entries.items():
            self.paid[currency, order["day"], distributor_id][plan] += amount
            self.paid[currency, order["month"], distributor_id][plan] += amount


def refunds_of(line: dict[str, int], dice: Random) -> Iterator[tuple[int, int]]:
    """One to four refunds of a line, as sums of money and units; the last one often takes everything."""
    net_minor, quantity = line["net_minor"], line["quantity"]
    money = sorted(dice.randint(0, net_minor) for _ in range(dice.randint(0, 3)))
    units = sorted(dice.randint(0, quantity) for _ in money)
    yield from zip(money, units, strict=True)
    ending = dice.random()
    if ending < 0.6 or not money:
        yield net_minor, quantity
    elif ending < 0.8:
        yield net_minor, units[-1]

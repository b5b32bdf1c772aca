"""A rule set as a person writes it, in JSON or YAML. Each error names a place in the document.

Its meaning is `contracts.rules.terms.terms_of`; its JSON Schema is published as docs/rules.schema.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from contracts.fields import Amount, Code, Currency, MarketName, Rate, Zone, visible_name
from contracts.money import RATE_SCALE, to_rate, to_rate_ppm
from contracts.rules.plans import Part, Plan, UnilevelPlan
from contracts.rules.promise import Promise, TooManyKinds, highest_promise
from contracts.rules.view import DEFAULT_MARKET

Place = tuple[str | int, ...]
"""A place in a document: field names and list positions, outermost first."""

EXAMPLE: Mapping[str, Any] = {
    "title": "Autumn 2026",
    "market": "default",
    "pool_rate": "0.20",
    "hold_days": 7,
    "plans": [
        {
            "plan": "unilevel",
            "name": "direct",
            "rates": ["0.10", "0.05"],
            "overrides": [{"category_id": 7, "rates": ["0.08", "0.04"]}],
            "caps": [{"per": "order", "currency": "CNY", "amount": "500.00"}],
        }
    ],
    "targets": [{"reward": "monthly_sales", "currency": "CNY", "target": "10000.00", "bonus": "200.00"}],
}


class SalesTarget(Part):
    """A bonus for own paid sales (net) of a calendar month reaching `target`."""

    reward: Annotated[Code, Field(description="The reward's name.", examples=["monthly_sales"])]
    currency: Currency
    target: Annotated[Amount, Field(description="Net sales of the month to reach.", examples=["10000.00"])]
    bonus: Annotated[Amount, Field(description="Paid once for the month.", examples=["200.00"])]


class RuleDocument(Part):
    """What a network pays: its plans draw, in their order, on the closed pool of each order line."""

    part: ClassVar[int] = 1
    """What divides the limits of the comparison with the pool; see `highest_promise`."""

    title: Annotated[
        str,
        Field(min_length=1, max_length=200, description="A title for people.", examples=["Autumn 2026"]),
        AfterValidator(visible_name),
    ]
    market: MarketName = DEFAULT_MARKET
    pool_rate: Annotated[
        Rate, Field(description="The most that one order line pays in all, as a share of its net.", examples=["0.20"])
    ]
    hold_days: Annotated[
        int,
        Field(strict=True, ge=0, le=365, description="Days from an order's completion to the release of commissions."),
    ] = 7
    plans: Annotated[tuple[Plan, ...], Field(min_length=1, max_length=20, examples=[EXAMPLE["plans"]])]
    targets: Annotated[tuple[SalesTarget, ...], Field(max_length=100)] = ()
    zone: Annotated[Zone, Field(description="The time zone of IANA in which days and months begin.")] = "UTC"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Checks across fields: nothing is given twice, and the pool covers all that is promised."""
        wrong = [*self._repetitions(), *self._impossible_overrides()] or [*self._beyond_the_pool()]
        if wrong:
            raise ValidationError.from_exception_data(
                self.__class__.__name__,
                [
                    {"type": "value_error", "loc": place, "input": None, "ctx": {"error": ValueError(text)}}
                    for place, text in wrong
                ],
            )
        return self

    def _repetitions(self) -> Iterator[tuple[Place, str]]:
        names = [plan.name for plan in self.plans]
        for index in _repeated(names):
            yield ("plans", index, "name"), f"another plan is called {names[index]!r}; choose another name"
        targets = [(target.reward, target.currency) for target in self.targets]
        for index in _repeated(targets):
            yield ("targets", index), "the reward is listed twice for one currency; keep one of them"

    def _impossible_overrides(self) -> Iterator[tuple[Place, str]]:
        for number, plan in enumerate(self.plans):
            overrides = plan.overrides if isinstance(plan, UnilevelPlan) else ()
            keys = [(other.product_id, other.category_id, other.tier) for other in overrides]
            for index, (product_id, category_id, tier) in enumerate(keys):
                if product_id is not None and category_id is not None:
                    yield ("plans", number, "overrides", index), "give product_id or category_id, not both"
                elif product_id is None and category_id is None and tier is None:
                    what = "it overrides nothing; give product_id, category_id or tier, or change the plan's rates"
                    yield ("plans", number, "overrides", index), what
            for index in _repeated(keys):
                what = "another override is for the same product, category and tier; keep one of them"
                yield ("plans", number, "overrides", index), what

    def _beyond_the_pool(self) -> Iterator[tuple[Place, str]]:
        pool_ppm = to_rate_ppm(self.pool_rate)
        plans = [plan.promised() for plan in self.plans]
        try:
            alone = [(index, highest_promise([plan], part=self.part)) for index, plan in enumerate(plans)]
            together = highest_promise(plans, part=self.part)
        except TooManyKinds as error:
            yield ("plans",), str(error)
            return
        beyond = [(index, promise) for index, promise in alone if promise.rate_ppm > pool_ppm]
        for index, promise in beyond:
            yield ("plans", index), f"it may pay {_of_a_line(promise)}, more than pool_rate, {self.pool_rate}"
        if not beyond and together.rate_ppm > pool_ppm:
            parts = ", ".join(f"{name} {to_rate(ppm):f}" for name, ppm in together.by_plan_ppm.items() if ppm)
            yield (
                ("plans",),
                f"together they may pay {_of_a_line(together)} ({parts}), more than pool_rate, {self.pool_rate}",
            )


def errors_of(error: ValidationError) -> list[tuple[Place, str]]:
    """The errors of a document with their places, in its order: `(("plans", 1, "rates", 2), "… (got '1.5')")`."""
    found = []
    problems = error.errors(include_url=False)
    # A list whose items are all wrong is reported as too short as well.
    inside = {problem["loc"][:depth] for problem in problems for depth in range(len(problem["loc"]))}
    for problem in problems:
        if problem["type"] == "too_short" and problem["loc"] in inside:
            continue
        place = tuple(step for step in problem["loc"] if not str(step).startswith("plan."))
        got = problem.get("input")
        seen = f" (got {got!r})" if isinstance(got, str | int | float) and len(str(got)) <= 40 else ""
        found.append((place, problem["msg"].removeprefix("Value error, ") + seen))
    return found


def place_of(place: Place) -> str:
    """`plans.1.rates.2`, positions counted from 0; an error of the whole document has no place."""
    return ".".join(map(str, place)) or "the document"


def _repeated(keys: Sequence[object]) -> list[int]:
    """The positions of repeated keys."""
    first: dict[object, int] = {}
    return [index for index, key in enumerate(keys) if first.setdefault(key, index) != index]


def _of_a_line(promise: Promise) -> str:
    """The share that may be paid, and the kind of line, as text."""
    where = [
        *([f"product {promise.product_id}"] if promise.product_id else ()),
        *([f"category {promise.category_id}"] if promise.category_id else ()),
    ]
    rate = Decimal(promise.rate_ppm) / RATE_SCALE
    return f"{rate.normalize():f} of a line" + (f" of {' and '.join(where)}" if where else "")

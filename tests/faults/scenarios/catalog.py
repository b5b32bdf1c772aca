"""Products, categories and tags that are defined and removed."""

from __future__ import annotations

from contracts.catalog.v1 import DefineCategory, DefineProduct, DefineTag, RemoveCategory, RemoveTag
from tests.builders import CUP, CUPS, TEA, TEAS
from tests.faults.crash_scenario import Scenario, noise, say


def catalog() -> Scenario:
    tea = DefineProduct(product_id=TEA, name="tea", category_id=TEAS)
    organic = DefineTag(tag_id=3, name="organic")
    return Scenario(
        "catalog",
        (
            (say(tea), say(tea), say(tea, again=1), say(DefineProduct(product_id=CUP, name="cup", category_id=CUPS))),
            (say(DefineProduct(product_id=TEA, name="green tea", category_id=TEAS)), noise(tea.message_type)),
            (say(organic), say(organic, again=1), say(DefineCategory(category_id=9, name="pots"))),
            (
                say(DefineProduct(product_id=TEA, name="green tea", category_id=TEAS, tags=(3,))),
                say(DefineProduct(product_id=CUP, name="cup", category_id=CUPS, tags=(4,))),
            ),
            (say(RemoveTag(tag_id=3)), say(RemoveCategory(category_id=TEAS)), say(RemoveCategory(category_id=9))),
            (say(DefineProduct(product_id=TEA, name="green tea", category_id=TEAS)),),
            (say(RemoveTag(tag_id=3)), say(RemoveTag(tag_id=3), again=1)),
        ),
        frozenset(["defined", "unchanged", "refused", "removed"]),
        {},
        dead=1,
    )

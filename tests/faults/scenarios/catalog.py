"""Products, categories and tags that are defined and removed."""

from __future__ import annotations

from contracts.catalog.v1 import DefineCategory, DefineProduct, DefineTag, RemoveCategory, RemoveTag
from tests.builders import CUP, CUPS, TEA, TEAS
from tests.faults.crash_scenario import Scenario, noise, outgoing


def catalog() -> Scenario:
    tea = DefineProduct(product_id=TEA, name="tea", category_id=TEAS)
    organic = DefineTag(tag_id=3, name="organic")
    return Scenario(
        "catalog",
        (
            (
                outgoing(tea),
                outgoing(tea),
                outgoing(tea, again=1),
                outgoing(DefineProduct(product_id=CUP, name="cup", category_id=CUPS)),
            ),
            (outgoing(DefineProduct(product_id=TEA, name="green tea", category_id=TEAS)), noise(tea.message_type)),
            (outgoing(organic), outgoing(organic, again=1), outgoing(DefineCategory(category_id=9, name="pots"))),
            (
                outgoing(DefineProduct(product_id=TEA, name="green tea", category_id=TEAS, tags=(3,))),
                outgoing(DefineProduct(product_id=CUP, name="cup", category_id=CUPS, tags=(4,))),
            ),
            (
                outgoing(RemoveTag(tag_id=3)),
                outgoing(RemoveCategory(category_id=TEAS)),
                outgoing(RemoveCategory(category_id=9)),
            ),
            (outgoing(DefineProduct(product_id=TEA, name="green tea", category_id=TEAS)),),
            (outgoing(RemoveTag(tag_id=3)), outgoing(RemoveTag(tag_id=3), again=1)),
        ),
        frozenset(["defined", "unchanged", "refused", "removed"]),
        {},
        dead=1,
    )

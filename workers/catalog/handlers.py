"""Which message goes to which rule."""

from contracts.catalog.v1 import DefineCategory, DefineProduct, DefineTag, RemoveCategory, RemoveTag
from infra.runtime.worker import Worker, on
from workers.catalog.audit import audit
from workers.catalog.decide import (
    define,
    define_category,
    define_tag,
    refuse_unreadable_category,
    refuse_unreadable_product,
    refuse_unreadable_tag,
    remove_category,
    remove_tag,
)
from workers.catalog.repository import CatalogRepository

WORKER = Worker(
    name="catalog",
    repository=CatalogRepository,
    handlers=(
        on(DefineProduct, decide=define, refuse=refuse_unreadable_product),
        on(DefineCategory, decide=define_category, refuse=refuse_unreadable_category),
        on(RemoveCategory, decide=remove_category, refuse=refuse_unreadable_category),
        on(DefineTag, decide=define_tag, refuse=refuse_unreadable_tag),
        on(RemoveTag, decide=remove_tag, refuse=refuse_unreadable_tag),
    ),
    audits=(audit,),
)

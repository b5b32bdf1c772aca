"""Which message goes to which rule."""

from contracts.catalog.v1 import DefineCategory, DefineProduct, DefineTag, RemoveCategory, RemoveTag
from infra.runtime.worker import Worker, on
from workers.catalog.audit import audit
from workers.catalog.decide import define, define_category, define_tag, refuse_unreadable, remove_category, remove_tag
from workers.catalog.repository import CatalogRepository

WORKER = Worker(
    name="catalog",
    repository=CatalogRepository,
    handlers=(
        on(DefineProduct, decide=define, refuse=refuse_unreadable),
        on(DefineCategory, decide=define_category, refuse=refuse_unreadable),
        on(RemoveCategory, decide=remove_category, refuse=refuse_unreadable),
        on(DefineTag, decide=define_tag, refuse=refuse_unreadable),
        on(RemoveTag, decide=remove_tag, refuse=refuse_unreadable),
    ),
    audit=audit,
)

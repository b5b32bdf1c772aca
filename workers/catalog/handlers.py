"""Which message goes to which rule."""

from contracts.catalog.v1 import DefineProduct
from infra.runtime.worker import Worker, on
from workers.catalog.audit import audit
from workers.catalog.decide import define
from workers.catalog.repository import CatalogRepository

WORKER = Worker(
    name="catalog",
    repository=CatalogRepository,
    handlers=(on(DefineProduct, decide=define),),
    audit=audit,
)

"""Which message goes to which rule."""

from contracts.network.v1 import ChangeDistributor, RegisterDistributor, RegisterShop
from infra.runtime.worker import Worker, on
from workers.network.audit import audit
from workers.network.decide import change_distributor, register_distributor, register_shop
from workers.network.repository import NetworkRepository

WORKER = Worker(
    name="network",
    repository=NetworkRepository,
    handlers=(
        on(RegisterShop, decide=register_shop),
        on(RegisterDistributor, decide=register_distributor),
        on(ChangeDistributor, decide=change_distributor),
    ),
    audit=audit,
)

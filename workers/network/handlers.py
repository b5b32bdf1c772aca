"""Which message goes to which rule."""

from contracts.network import v1
from infra.runtime.worker import Worker, on
from workers.network import decide
from workers.network.audit import audit
from workers.network.repository import NetworkRepository

WORKER = Worker(
    name="network",
    repository=NetworkRepository,
    handlers=(
        on(v1.RegisterShop, decide=decide.register_shop),
        on(v1.RegisterDistributor, decide=decide.register_distributor),
        on(v1.ChangeDistributor, decide=decide.change_distributor),
        on(v1.MoveDistributor, decide=decide.move_distributor),
        on(v1.CreateTeam, decide=decide.create_team),
        on(v1.ChangeLeader, decide=decide.change_leader),
        on(v1.JoinTeam, decide=decide.join_team),
        on(v1.LeaveTeam, decide=decide.leave_team),
    ),
    audit=audit,
)

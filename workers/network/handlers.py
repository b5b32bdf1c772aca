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
        on(v1.RegisterShop, decide=decide.register_shop, refuse=decide.refuse_unreadable_shop),
        on(v1.RegisterDistributor, decide=decide.register_distributor, refuse=decide.refuse_unreadable_distributor),
        on(v1.ChangeDistributor, decide=decide.change_distributor, refuse=decide.refuse_unreadable_distributor),
        on(v1.MoveDistributor, decide=decide.move_distributor, refuse=decide.refuse_unreadable_distributor),
        on(v1.CreateTeam, decide=decide.create_team, refuse=decide.refuse_unreadable_team),
        on(v1.ChangeLeader, decide=decide.change_leader, refuse=decide.refuse_unreadable_team),
        on(v1.JoinTeam, decide=decide.join_team, refuse=decide.refuse_unreadable_team),
        on(v1.LeaveTeam, decide=decide.leave_team, refuse=decide.refuse_unreadable_team),
    ),
    audits=(audit,),
)

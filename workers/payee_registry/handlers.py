"""Which message goes to which rule."""

from contracts.payees import v1
from contracts.payouts.v1 import PayoutFailed, PayoutReturned
from infra.runtime.worker import Worker, on
from workers.payee_registry import decide, identities
from workers.payee_registry.audit import audit
from workers.payee_registry.repository import PayeeRepository

WORKER = Worker(
    name="payee_registry",
    repository=PayeeRepository,
    handlers=(
        on(v1.SetMethod, decide=decide.set_method, refuse=decide.refuse_unreadable),
        on(v1.RemoveMethod, decide=decide.remove_method, refuse=decide.refuse_unreadable),
        on(v1.AllowDuplicate, decide=decide.allow_duplicate, refuse=decide.refuse_unreadable),
        on(v1.WaiveCoolingOff, decide=decide.waive_cooling_off, refuse=decide.refuse_unreadable),
        on(v1.SubmitIdentity, decide=identities.submit_identity, refuse=decide.refuse_unreadable),
        on(v1.DecideIdentity, decide=identities.decide_identity, refuse=decide.refuse_unreadable),
        on(PayoutFailed, decide=decide.switch_off),
        on(PayoutReturned, decide=decide.switch_off),
    ),
    audits=(audit,),
)

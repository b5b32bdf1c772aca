"""Methods that are set, refused as duplicates, allowed, waived and switched off, and identities that are decided."""

from __future__ import annotations

from contracts.payees.v1 import AllowDuplicate, RemoveMethod, WaiveCoolingOff
from tests.faults.crash_scenario import Scenario, garbled, noise, outgoing
from tests.unit.payees import ACCOUNT, ANOTHER, OTHER, PAYEE, a_decision, a_failure, a_set, an_identity


def payee_registry() -> Scenario:
    first, replaced, identity = a_set(of=OTHER), a_set(ANOTHER, of=OTHER, method_id="m-2"), an_identity()
    return Scenario(
        "payee_registry",
        (
            (
                outgoing(first),
                outgoing(first),
                outgoing(first, again=1),
                outgoing(identity),
                outgoing(identity, again=1),
                outgoing(RemoveMethod(distributor_id=4, by="ann")),
                garbled("payee.set-method.v1", distributor_id=PAYEE),
                noise(first.message_type),
            ),
            (outgoing(a_set()), outgoing(a_decision()), outgoing(a_decision(), again=1)),
            (outgoing(_allowance("bob")), outgoing(_allowance("bob"), again=1), outgoing(_allowance("ann"))),
            (outgoing(_allowance("cai")),),
            (outgoing(a_set(), again=1), outgoing(replaced)),
            (outgoing(_waiver("bob")), outgoing(_waiver("ann")), outgoing(a_failure()), outgoing(a_failure(), again=1)),
            (outgoing(_waiver("cai")), outgoing(a_failure(code="rejected", distributor_id=OTHER))),
            (outgoing(RemoveMethod(distributor_id=OTHER, by="ann")),),
            (outgoing(a_failure(distributor_id=OTHER)),),
        ),
        frozenset(
            (
                *("method_set", "method_removed", "unchanged", "refused", "duplicate", "approved", "allowed"),
                *("waived", "switched_off", "not_the_account", "method_replaced"),
                *("identity_submitted", "identity_decided"),
            )
        ),
        {},
        dead=1,
    )


def _allowance(by: str) -> AllowDuplicate:
    return AllowDuplicate(distributor_id=PAYEE, fingerprint=ACCOUNT, by=by)


def _waiver(by: str) -> WaiveCoolingOff:
    return WaiveCoolingOff(distributor_id=OTHER, method_id="m-2", by=by)

"""Messages and states of payees, for the tests of their rules. Sealed values are made up: no rule opens them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from contracts.payees.fields import PayoutMethod
from contracts.payees.v1 import DecideIdentity, SetMethod, SubmitIdentity
from contracts.payouts.v1 import PayoutFailed, PayoutReturned
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message, Payload
from tests.builders import NOW, message
from workers.payee_registry import decide, identities
from workers.payee_registry.model import State

PAYEE, OTHER = 2, 3
ACCOUNT, ANOTHER = "a" * 64, "b" * 64
HOUR = timedelta(hours=1)


def sealed(name: str) -> str:
    return f"sealed-2:payee-2-1:{name.ljust(8, 'A')}"


def a_method(account: str = ACCOUNT, **fields: Any) -> PayoutMethod:
    usual: dict[str, Any] = {
        "method_id": f"m-{account[0]}",
        "rail": "iso20022",
        "currency": "EUR",
        "country": "DE",
        "holder": sealed("ann"),
        "destination": sealed(account[:4]),
        "hint": "•••• 3000",
    }
    return PayoutMethod(**{**usual, **fields})


def a_set(account: str = ACCOUNT, *, of: int = PAYEE, by: str = "ann", **fields: Any) -> SetMethod:
    return SetMethod(distributor_id=of, method=a_method(account, **fields), fingerprint=account, by=by)


def an_identity(identity_id: str = "i-1", by: str = "ann", **fields: Any) -> SubmitIdentity:
    usual: dict[str, Any] = {
        "distributor_id": PAYEE,
        "kind": "person",
        "legal_name": sealed("name"),
        "id_type": "cn_ric",
        "id_number": sealed("number"),
        "id_hint": "•••• 002X",
        "country": "CN",
        "tax_residence": "CN",
    }
    return SubmitIdentity(identity_id=identity_id, by=by, **{**usual, **fields})


def a_decision(state: str = "verified", by: str = "bob", **fields: Any) -> DecideIdentity:
    return DecideIdentity(**{"distributor_id": PAYEE, "identity_id": "i-1", "state": state, "by": by, **fields})


def a_failure(kind: type[PayoutFailed] | type[PayoutReturned] = PayoutFailed, **fields: Any) -> Any:
    usual: dict[str, Any] = {
        "payout_id": f"default/2026-10/{PAYEE}/EUR",
        "attempt": 1,
        "distributor_id": PAYEE,
        "amount": "10.00",
        "currency": "EUR",
        "rail": "iso20022",
        "at": NOW + HOUR,
        "code": "account_closed",
        "detail": "AC04",
        "method_id": "m-a",
    }
    return kind(**{**usual, **fields})


RULES: dict[str, Any] = {
    "payee.set-method.v1": decide.set_method,
    "payee.remove-method.v1": decide.remove_method,
    "payee.allow-duplicate.v1": decide.allow_duplicate,
    "payee.waive-cooling-off.v1": decide.waive_cooling_off,
    "payee.submit-identity.v1": identities.submit_identity,
    "payee.decide-identity.v1": identities.decide_identity,
    "payout.failed.v1": decide.switch_off,
    "payout.returned.v1": decide.switch_off,
}


def received(payload: Payload, at: datetime = NOW) -> Message[Any]:
    return message(payload).received(at)


def handled(state: State, payload: Payload, at: datetime = NOW) -> Decision[State]:
    decision: Decision[State] = RULES[payload.message_type](state, received(payload, at))
    return decision


def after(*payloads: Payload, at: datetime = NOW) -> State:
    """The state after messages that were all accepted."""
    state = State()
    for payload in payloads:
        decision = handled(state, payload, at)
        assert decision.outcome != "refused", decision.publish
        state = decision.state
    return state


def reason_of(decision: Decision[State]) -> str:
    """The reason of a refusal, the only message."""
    [refused] = decision.publish
    reason: str = refused.reason  # type: ignore[attr-defined]
    return reason

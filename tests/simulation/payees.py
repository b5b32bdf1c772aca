"""Payees of a run: methods that several distributors set at the same time, and persons who allow, waive and decide."""

from __future__ import annotations

import random

from contracts.payees.v1 import AllowDuplicate, RemoveMethod, WaiveCoolingOff
from tests.simulation.traffic import Traffic
from tests.simulation.world import TRAFFIC_S
from tests.unit.payees import ACCOUNT, ANOTHER, a_decision, a_set, an_identity

_PERSONS = ("ann", "bob", "cai")


def send_payees(traffic: Traffic) -> None:
    """A generator of its own, so that what else a seed sends stays the same."""
    rng = random.Random(f"payees/{traffic.moments}")
    within_s = rng.choice((0.001, TRAFFIC_S))
    for number in range(rng.choice((0, 2, 6))):
        whose, account, by = rng.choice((1, 2, 3)), rng.choice((ACCOUNT, ANOTHER)), rng.choice(_PERSONS)
        set_method = a_set(account, of=whose, by=by, method_id=f"m-{number}")
        traffic.send(set_method, within_s=within_s, times=rng.choice((1, 1, 2)))
        if rng.random() < 0.5:
            for person in _PERSONS[: rng.choice((1, 2, 3))]:
                allowance = AllowDuplicate(distributor_id=whose, fingerprint=account, by=person)
                traffic.send(allowance, within_s=within_s, times=rng.choice((1, 2)))
                waiver = WaiveCoolingOff(distributor_id=whose, method_id=f"m-{number}", by=person)
                traffic.send(waiver, within_s=within_s)
        if rng.random() < 0.3:
            traffic.send(RemoveMethod(distributor_id=whose, by=by), within_s=within_s)
        if rng.random() < 0.3:
            traffic.send(an_identity(f"i-{number}"), within_s=within_s, times=2)
            traffic.send(a_decision(identity_id=f"i-{number}"), within_s=within_s)

"""Every fault, in the order of the trials: those that need servers of their own late, the longest last."""

from __future__ import annotations

from tests.faults import nemesis_faults_messages, nemesis_faults_network, nemesis_faults_outside, nemesis_faults_servers
from tests.faults.nemesis_fault import Fault

_ORDER = ("direct", "proxied", "replica_set", "cluster")

FAULTS: tuple[Fault, ...] = tuple(
    sorted(
        (
            *nemesis_faults_servers.FAULTS,
            *nemesis_faults_messages.FAULTS,
            *nemesis_faults_outside.FAULTS,
            *nemesis_faults_network.FAULTS,
        ),
        key=lambda fault: (fault.name == "backlog", _ORDER.index(fault.servers)),
    )
)

"""What AMQP does not show of queues: whether each has a leader, and what a policy adds to its arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.operators.findings import Finding, ok, problem
from infra.ports.messaging import BrokerUnavailable
from infra.ports.topology import QueueState

PART = "RabbitMQ"
_CHECK = "leaders"
_HARMFUL = ("dead-letter-exchange", "message-ttl", "max-length", "max-length-bytes", "delivery-limit", "expires")
"""What drops messages, or gives those of a shop to the broker's own dead-lettering, which a forged header ends."""


async def look_at_queues(management_url: str | None, names: Iterable[str]) -> list[Finding]:
    if management_url is None:
        return [ok(PART, _CHECK, "AMQP does not show them; set RABBITMQ_MANAGEMENT_URL to check them.")]
    try:
        found = await BrokerAdmin(management_url).queues()
    except BrokerUnavailable as error:
        return [problem(PART, _CHECK, f"They cannot be read: {error}.")]
    return queue_findings({name: found[name] for name in names if name in found})


def queue_findings(found: Mapping[str, QueueState]) -> list[Finding]:
    """A queue without a leader takes nothing and gives nothing, and only its node can elect one."""
    findings = []
    if lost := [name for name, queue in found.items() if not queue.has_leader]:
        detail = (
            f"{', '.join(lost)} takes and gives no message, because it has no leader. Start the nodes that are away; "
            "if all run, restart the node that RabbitMQ's log names (`tributary up` does for the local stack)."
        )
        findings.append(problem(PART, _CHECK, detail))
    for name, queue in found.items():
        if harmful := [key for key in _HARMFUL if key in queue.policy]:
            detail = f"A policy sets {', '.join(harmful)} for {name}, so the broker drops its messages; remove it."
            findings.append(problem(PART, "policies", detail))
    return findings or [ok(PART, _CHECK, f"Each of {len(found)} queues has one, and no policy drops messages.")]

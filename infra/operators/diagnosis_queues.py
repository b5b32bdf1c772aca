"""What AMQP does not show of queues: whether each has a leader, and what a policy adds to its arguments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.operators.findings import Finding, ok, problem
from infra.ports.messaging import BrokerUnavailable
from infra.ports.topology import Policy

PART = "RabbitMQ"
_CHECK = "leaders"
_HARMFUL = ("dead-letter-exchange", "message-ttl", "max-length", "max-length-bytes", "delivery-limit", "expires")
"""What drops messages, or gives those of a shop to the broker's own dead-lettering, which a forged header ends."""


async def look_at_queues(management_url: str | None, names: Iterable[str]) -> list[Finding]:
    if management_url is None:
        return [ok(PART, _CHECK, "AMQP does not show them; set RABBITMQ_MANAGEMENT_URL to check them.")]
    declared = set(names)
    admin = BrokerAdmin(management_url)
    try:
        leaders, policies = await admin.leaders(), await admin.policies()
    except BrokerUnavailable as error:
        return [problem(PART, _CHECK, f"They cannot be read: {error}.")]
    return queue_findings({name: leads for name, leads in leaders.items() if name in declared}, policies)


def queue_findings(leaders: Mapping[str, bool], policies: Iterable[Policy]) -> list[Finding]:
    """A queue without a leader takes nothing and gives nothing, and only its node can elect one."""
    findings = []
    if lost := [name for name, leads in leaders.items() if not leads]:
        detail = (
            f"{', '.join(lost)} takes and gives no message, because it has no leader. Start the nodes that are away; "
            "if all run, restart the node that RabbitMQ's log names (`tributary up` does for the local stack)."
        )
        findings.append(problem(PART, _CHECK, detail))
    for policy in policies:
        harmful = [key for key in _HARMFUL if key in policy.definition]
        concerned = [name for name in leaders if _matches(policy, name)]
        if harmful and concerned:
            more = f" and {len(concerned) - 1} more" if len(concerned) > 1 else ""
            detail = (
                f"The policy {policy.name} sets {', '.join(harmful)} for {concerned[0]}{more}, so the broker drops "
            )
            findings.append(problem(PART, "policies", f"{detail}messages; remove it."))
    return findings or [ok(PART, _CHECK, f"Each of {len(leaders)} queues has one, and no policy drops messages.")]


def _matches(policy: Policy, name: str) -> bool:
    """Also where only the broker can read the pattern."""
    try:
        return re.search(policy.pattern, name) is not None
    except re.error:
        return True

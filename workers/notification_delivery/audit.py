"""I9: no call is left without an answer. Its message is redelivered until the answer is committed."""

from __future__ import annotations

from infra.auditing.audit import Read, Report
from infra.auditing.calls import check_calls


async def audit(read: Read, report: Report) -> None:
    await check_calls(read, report, "notification_delivery", "I9")

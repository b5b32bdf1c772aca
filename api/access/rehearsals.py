"""Rehearsals for people who ask over HTTP: what stored orders would have paid under other rules, or another sponsor.

They run aside, one at a time: a second one is told to come back, for each takes a core for itself.
"""

from __future__ import annotations

from typing import Any

from api.http.problems import Problem, Reason
from infra.gateway.subprocesses import AlreadyBusy, Failed, Subprocess, TookTooLong

TOO_LONG = "rehearsal_too_long"

REASONS = {
    TOO_LONG: Reason(
        422,
        "So many orders cannot be gone through in one request; ask for fewer days, or use the command line.",
        "订单过多，无法在一次请求中处理，请缩短时间范围，或使用命令行。",
    )
}


async def rehearse(subprocess: Subprocess, asked: dict[str, Any], *, refused: str) -> dict[str, Any]:
    """The figures. Raises Problem busy, rehearsal_too_long, and `refused` with why it cannot be rehearsed."""
    try:
        told = await subprocess(asked)
    except TookTooLong:
        raise Problem(TOO_LONG) from None
    except (AlreadyBusy, Failed):
        raise Problem("busy", headers={"Retry-After": "10"}) from None
    if "refused" in told:
        raise Problem(refused, detail=told["refused"])
    return told

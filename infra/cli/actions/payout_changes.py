"""`tributary payouts propose`, `approve`, `reject`, `hold`, `release`, `resolve`, `confirm`: commands of a person."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from contracts.payouts.v1 import (
    ApproveBatch,
    ConfirmResolution,
    HoldPayouts,
    ProposeBatch,
    RejectBatch,
    ReleasePayouts,
    ResolvePayout,
)
from contracts.payouts.view import Payout
from infra.cli.actions.changing import change, command_of, who, whole_digest
from infra.payouts.reading import batch_with, payout_with
from infra.rehearsal.stored_rules import opened
from infra.terminal.environment import EXIT_BREACH, one_sentence_on_failure, refuse, settings_for


class Proposal(NamedTuple):
    """A batch as it was typed."""

    batch_id: str
    market: str
    period: str | None
    rail: str | None
    statement_ids: tuple[str, ...]


def propose(proposal: Proposal, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    change(stack, command_of(ProposeBatch, **proposal._asdict(), proposed_by=who(by)), wait, as_json)


def approve(
    batch_id: str, digest: str, by: str | None, distributor: int | None, wait: float, stack: str, *, as_json: bool
) -> None:
    whole = whole_digest(f"batch {batch_id}", digest, stack, lambda store: batch_with(store, batch_id))
    fields = {"batch_id": batch_id, "digest": whole, "approved_by": who(by)}
    change(stack, command_of(ApproveBatch, **fields, approver_distributor_id=distributor), wait, as_json)


def reject(batch_id: str, reason: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    change(stack, command_of(RejectBatch, batch_id=batch_id, reason=reason, rejected_by=who(by)), wait, as_json)


def hold(distributor: int, reason: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    change(stack, command_of(HoldPayouts, distributor_id=distributor, reason=reason, by=who(by)), wait, as_json)


def release(distributor: int, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    change(stack, command_of(ReleasePayouts, distributor_id=distributor, by=who(by)), wait, as_json)


def resolve(
    payout_id: str,
    outcome: str,
    evidence: str,
    attempt: int | None,
    by: str | None,
    wait: float,
    stack: str,
    *,
    as_json: bool,
) -> None:
    fields = {"payout_id": payout_id, "attempt": attempt or _newest_attempt(payout_id, stack), "outcome": outcome}
    change(stack, command_of(ResolvePayout, **fields, evidence=evidence, by=who(by)), wait, as_json)


def confirm(
    payout_id: str,
    outcome: str,
    attempt: int | None,
    by: str | None,
    distributor: int | None,
    wait: float,
    stack: str,
    *,
    as_json: bool,
) -> None:
    fields = {"payout_id": payout_id, "attempt": attempt or _newest_attempt(payout_id, stack), "outcome": outcome}
    change(stack, command_of(ConfirmResolution, **fields, by=who(by), by_distributor_id=distributor), wait, as_json)


def _newest_attempt(payout_id: str, stack: str) -> int:
    async def read() -> Payout | None:
        async with opened(settings_for(stack)) as store:
            return await payout_with(store, payout_id)

    with one_sentence_on_failure():
        payout = asyncio.run(read())
    if payout is None:
        refuse(f"There is no payout {payout_id}; `tributary payouts list` shows all.", EXIT_BREACH)
    if not payout.attempts:
        refuse(f"Payout {payout_id} was never sent; it is {payout.state}.", EXIT_BREACH)
    return payout.live.number

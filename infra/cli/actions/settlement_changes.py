"""`tributary settle close`, `propose-terms`, `approve-terms`, `adjust`, `approve-adjustment`: commands of a person."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

from contracts.settlement.v1 import ApproveAdjustment, ApproveTerms, ClosePeriod, ProposeAdjustment, ProposeTerms
from infra.cli.actions.changing import change, command_of, moment_given, who, whole_digest
from infra.cli.actions.rule_file import read_terms
from infra.rehearsal.stored_rules import opened
from infra.statements.known import Unknown, unknown_in
from infra.statements.reading import adjustment_with, terms_with
from infra.terminal.environment import EXIT_BREACH, agree, one_sentence_on_failure, refuse, settings_for


class Adjusting(NamedTuple):
    """An adjustment as it was typed."""

    adjustment_id: str
    market: str
    distributor_id: int
    currency: str
    amount: str
    reason: str
    note: str
    kind: str


def close(
    period: str,
    market: str,
    distributor: int | None,
    by: str | None,
    wait: float,
    stack: str,
    *,
    final: bool,
    yes: bool,
    as_json: bool,
) -> None:
    fields = {"market": market, "period": period, "distributor_id": distributor, "final": final, "by": who(by)}
    command = command_of(ClosePeriod, **fields)
    whose = f"distributor {distributor}" if distributor is not None else f"market {market}"
    agree(f"close {period} of {whose}, with statements that never change", yes=yes)
    change(stack, command, wait, as_json)


def propose_terms(
    version: int, file: Path, effective_from: str | None, by: str | None, wait: float, stack: str, *, as_json: bool
) -> None:
    terms = read_terms(file)
    fields = {"terms_version": version, "proposed_by": who(by), "terms": terms}
    command = command_of(ProposeTerms, **fields, effective_from=moment_given(effective_from))
    change(stack, command, wait, as_json)


def approve_terms(version: int, digest: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    read = f"terms {version}"
    whole = whole_digest(read, digest, stack, lambda store: terms_with(store, version))
    fields = {"terms_version": version, "approved_by": who(by), "digest": whole}
    change(stack, command_of(ApproveTerms, **fields), wait, as_json)


def adjust(adjusting: Adjusting, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    command = command_of(ProposeAdjustment, **adjusting._asdict(), proposed_by=who(by))

    async def find_unknown() -> Unknown | None:
        async with opened(settings_for(stack)) as store:
            return await unknown_in(store, adjusting.market, adjusting.distributor_id)

    with one_sentence_on_failure():
        unknown = asyncio.run(find_unknown())
    if unknown is not None:
        refuse(unknown.detail, EXIT_BREACH)
    change(stack, command, wait, as_json)


def approve_adjustment(
    adjustment_id: str, digest: str, by: str | None, distributor: int | None, wait: float, stack: str, *, as_json: bool
) -> None:
    read = f"adjustment {adjustment_id}"
    whole = whole_digest(read, digest, stack, lambda store: adjustment_with(store, adjustment_id))
    fields = {"adjustment_id": adjustment_id, "digest": whole, "approved_by": who(by)}
    change(stack, command_of(ApproveAdjustment, **fields, approver_distributor_id=distributor), wait, as_json)

"""The rules about exchange rates: two persons, one base for each source, never older than known, no silent jump."""

from __future__ import annotations

from dataclasses import replace

from contracts.approvals import unchecked_detail
from contracts.exchange_rates.digests import table_digest
from contracts.exchange_rates.v1 import (
    ApproveRates,
    Jump,
    PublishRates,
    RatesApproved,
    RatesProposed,
    RatesRefused,
    RatesRejected,
    RejectRates,
    StatedRate,
)
from contracts.exchange_rates.view import SPREAD_MAX_PPM, RateTable, jumps
from contracts.money import to_rate, to_rate_ppm
from contracts.times import CLOCK_SKEW_MAX, plus
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.exchange_rates.model import State

refuse_unreadable = Refusing[PublishRates | ApproveRates | RejectRates](RatesRefused, "table_id")

Result = Decision[State] | NotYet[State]


def publish(state: State, message: Message[PublishRates]) -> Result:
    """Store the proposal, with the jumps that its proposer confirms. The same id with another content is refused."""
    command = message.data
    rates = {stated.currency: stated.rate for stated in command.rates}
    spread_ppm = to_rate_ppm(command.spread)
    digest = table_digest(
        command.source, command.base, command.as_of, rates, spread_ppm, confirm_jump=command.confirm_jump
    )
    known = state.tables.get(command.table_id)
    if known is not None:
        if known.digest == digest:
            return Decision(state, outcome="duplicate")
        detail = f"table_id: {known.table_id} is another table, which never changes; choose another id."
        return _refuse(state, known.table_id, "conflict", detail)
    if command.as_of > plus(message.received_at, CLOCK_SKEW_MAX):
        detail = f"as_of: {command.as_of.isoformat()} is in the future; give the time that the rates are of."
        return _refuse(state, command.table_id, "time_in_future", detail)
    source = state.sources.get(command.source)
    table = RateTable(
        table_id=command.table_id,
        source=command.source,
        base=command.base,
        as_of=command.as_of,
        rates=rates,
        spread_ppm=spread_ppm,
        confirm_jump=command.confirm_jump,
        digest=digest,
        state="proposed",
        proposed_by=command.proposed_by,
        proposed_at=message.received_at,
        proposed_os_user=command.os_user,
        jumps=tuple(jumps(rates, source.last_rates)) if source is not None else (),
    )
    if refusal := _unfit(state, table):
        return _refuse(state, table.table_id, *refusal)
    event = RatesProposed(
        table_id=table.table_id,
        source=table.source,
        base=table.base,
        as_of=table.as_of,
        digest=digest,
        jumps=tuple(Jump(**jump._asdict()) for jump in table.jumps),
        proposed_by=table.proposed_by,
        os_user=command.os_user,
    )
    return Decision(state.with_table(table), (event,), "proposed")


def approve(state: State, message: Message[ApproveRates]) -> Result:
    """A second person approves exactly this table. It is compared again with the newest one, which may be another."""
    command = message.data
    known = state.tables.get(command.table_id)
    if known is None:
        return _unknown(state, command.table_id)
    if known.digest != command.digest:
        detail = f"digest: table {known.table_id} has the digest {known.digest}, not the given one; read it again."
        return _refuse(state, known.table_id, "digest_mismatch", detail)
    if known.proposed_by.casefold() == command.approved_by.casefold():
        detail = f"approved_by: {command.approved_by} has proposed the table; let another person read and approve it."
        return _refuse(state, known.table_id, "same_person", detail)
    if known.state == "approved":
        return Decision(state, outcome="duplicate")
    if known.state == "rejected":
        return _decided(state, known)
    if unchecked := unchecked_detail(command.independent_of, [known.proposed_by], command.approved_by):
        return _refuse(state, known.table_id, "changed_meanwhile", unchecked)
    if refusal := _unfit(state, known):
        return _refuse(state, known.table_id, *refusal)
    approved = replace(
        known,
        state="approved",
        decided_by=command.approved_by,
        decided_at=message.received_at,
        decided_os_user=command.os_user,
    )
    event = RatesApproved(
        table_id=known.table_id,
        source=known.source,
        base=known.base,
        as_of=known.as_of,
        rates=tuple(StatedRate(currency=currency, rate=rate) for currency, rate in known.rates.items()),
        spread=to_rate(known.spread_ppm),
        digest=known.digest,
        approved_by=command.approved_by,
        os_user=command.os_user,
    )
    return Decision(state.with_newest(approved), (event,), "approved")


def reject(state: State, message: Message[RejectRates]) -> Result:
    """Any person may reject a table that is not approved, its proposer too. The first decision stays."""
    command = message.data
    known = state.tables.get(command.table_id)
    if known is None:
        return _unknown(state, command.table_id)
    if known.state == "rejected":
        return Decision(state, outcome="duplicate")
    if known.state == "approved":
        return _decided(state, known)
    rejected = replace(
        known,
        state="rejected",
        decided_by=command.rejected_by,
        decided_at=message.received_at,
        decided_os_user=command.os_user,
        reject_reason=command.reason,
    )
    event = RatesRejected(
        table_id=known.table_id,
        source=known.source,
        reason=command.reason,
        rejected_by=command.rejected_by,
        os_user=command.os_user,
    )
    return Decision(state.with_table(rejected), (event,), "rejected")


def _unfit(state: State, table: RateTable) -> tuple[str, str] | None:
    """Why the table cannot follow the newest one of its source: reason and sentence."""
    if table.spread_ppm > SPREAD_MAX_PPM:
        detail = f"spread: {to_rate(table.spread_ppm):f} is more than {to_rate(SPREAD_MAX_PPM):f}; give a lower one."
        return "implausible", detail
    newest = state.sources.get(table.source)
    if newest is None:
        return None
    if table.base != newest.base:
        detail = f"base: tables of {table.source} have the base {newest.base}; take another source for another base."
        return "base_differs", detail
    if table.as_of <= newest.as_of:
        detail = f"as_of: table {newest.table_id} is of {newest.as_of.isoformat()}; give rates of a later time."
        return "older_than_known", detail
    found = tuple(jumps(table.rates, newest.last_rates))
    if found and not table.confirm_jump:
        first = found[0]
        detail = (
            f"rates: {first.currency} goes from {first.before} to {first.rate}, by more than a tenth; correct it, or "
            "propose the table with confirm_jump."
        )
        return "implausible", detail
    if found != table.jumps:
        detail = f"table_id: table {newest.table_id} was approved since, and the jumps are others; propose it again."
        return "implausible", detail
    return None


def _unknown(state: State, table_id: str) -> NotYet[State]:
    detail = f"table_id: there is no table {table_id}; propose it."
    return NotYet("unknown_table", _refuse(state, table_id, "unknown_table", detail))


def _decided(state: State, table: RateTable) -> Decision[State]:
    detail = f"table_id: {table.table_id} was {table.state} by {table.decided_by}; propose another table."
    return _refuse(state, table.table_id, "already_decided", detail)


def _refuse(state: State, table_id: str, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (RatesRefused(table_id=table_id, reason=reason, detail=detail),), "refused")

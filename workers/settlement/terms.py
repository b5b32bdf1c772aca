"""The rules about terms: two persons approve them, and they begin where a period ends, or, where none is open, with the
period of their own that contains now, in which nothing is booked yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from contracts.approvals import unchecked_detail
from contracts.calendar import ALWAYS, Since, span_at
from contracts.money import MoneyError
from contracts.rules.view import PROPOSAL_LIFE
from contracts.settlement.digests import digest_of
from contracts.settlement.terms import terms_of
from contracts.settlement.v1 import ApproveTerms, ProposeTerms, TermsApproved, TermsProposed, TermsRefused
from contracts.settlement.view import TermsVersion
from contracts.times import plus
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.settlement.model import Result, State
from workers.settlement.periods import INSTANT, schedules

AHEAD_MAX = timedelta(days=5 * 366)
"""A later beginning is a typing error, and near the end of the calendar it has no period."""

refuse_unreadable = Refusing[ProposeTerms | ApproveTerms](TermsRefused, "terms_version")


def propose_terms(state: State, message: Message[ProposeTerms]) -> Result:
    """Store a draft. Until it is approved other terms replace it; then it never changes."""
    command = message.data
    version = command.terms_version
    try:
        terms = terms_of(command.terms, command.effective_from)
    except MoneyError as error:
        return _refuse(state, version, "amount_precision", f"{error}.")
    if command.effective_from is not None and command.effective_from > plus(message.received_at, AHEAD_MAX):
        detail = f"effective_from: {command.effective_from.isoformat()} is over five years ahead; give an earlier day."
        return _refuse(state, version, "time_in_future", detail)
    digest = digest_of(terms)
    known = state.terms.get(version)
    if known is not None and known.digest == digest and (known.since or not _has_expired(known, message.received_at)):
        return Decision(state, outcome="duplicate")
    if known is not None and known.since is not None:
        detail = f"terms_version: {version} is approved and never changes; take the next number."
        return _refuse(state, version, "conflict", detail)
    draft = TermsVersion(
        version,
        terms.market,
        digest,
        terms,
        command.proposed_by,
        message.received_at,
        proposed_os_user=command.os_user,
    )
    event = TermsProposed(
        terms_version=version,
        market=terms.market,
        digest=digest,
        proposed_by=command.proposed_by,
        os_user=command.os_user,
    )
    return Decision(state.with_terms(draft), (event,), "proposed")


def approve_terms(state: State, message: Message[ApproveTerms]) -> Result:
    """A second person approves exactly these terms. They hold from the end of the period that contains their date, or
    that runs now if that is later.
    """
    command, now = message.data, message.received_at
    version = command.terms_version
    known = state.terms.get(version)
    if known is None:
        detail = f"terms_version: terms {version} were not proposed; propose them."
        return NotYet("not_proposed", _refuse(state, version, "not_proposed", detail))
    if known.digest != command.digest:
        detail = f"digest: terms {version} have the digest {known.digest}, not the given one; read them again."
        return _refuse(state, version, "digest_mismatch", detail)
    if known.proposed_by.casefold() == command.approved_by.casefold():
        detail = f"approved_by: {command.approved_by} has proposed the terms; let another person read and approve them."
        return _refuse(state, version, "same_person", detail)
    if known.since is not None:
        return Decision(state, outcome="duplicate")
    if unchecked := unchecked_detail(command.independent_of, [known.proposed_by], command.approved_by):
        return _refuse(state, version, "changed_meanwhile", unchecked)
    if _has_expired(known, now):
        detail = f"terms_version: the proposal of {known.proposed_at.isoformat()} has expired; propose the terms again."
        return _refuse(state, version, "proposal_expired", detail)
    since = _since(state, known, now)
    approved = replace(
        known, approved_by=command.approved_by, approved_at=now, since=since, approved_os_user=command.os_user
    )
    event = TermsApproved(
        terms_version=version,
        market=known.market,
        digest=known.digest,
        approved_by=command.approved_by,
        since=since,
        os_user=command.os_user,
    )
    return Decision(state.with_approved(approved), (event,), "approved")


def _since(state: State, proposed: TermsVersion, now: datetime) -> datetime:
    """Where the terms begin: where a period of the market ends, after every period that is open already. Where none is
    open, they begin with a period of their own.
    """
    earliest = max(now, proposed.terms.effective_from or now)
    ends = [known.ends_at for known in state.periods.values() if known.market == proposed.market]
    if not any(end > now for end in ends):
        return _own_beginning(state, proposed, earliest, ends)
    span = span_at(earliest, schedules(state, proposed.market))
    return max([earliest if span.starts_at == earliest else span.ends_at, *ends])


def _own_beginning(state: State, proposed: TermsVersion, earliest: datetime, ends: Sequence[datetime]) -> datetime:
    """Where the terms' own period begins that contains `earliest`.

    In a zone west of the one before, the earlier terms would have a period of that name for the hours until then, and
    the own one would get the name of the next. So these hours belong to it.
    """
    known, schedule = schedules(state, proposed.market), proposed.terms.schedule
    own = span_at(earliest, [(ALWAYS, schedule)])
    since = max([own.starts_at, *ends])
    if span_at(since, sorted([*known, (since, schedule)], key=_by_time)).name == own.name:
        return since
    before = span_at(max(since, ALWAYS + INSTANT) - INSTANT, known)
    return max([before.starts_at, *ends])


def _by_time(since: Since) -> datetime:
    return since[0]


def _has_expired(known: TermsVersion, now: datetime) -> bool:
    return plus(known.proposed_at, PROPOSAL_LIFE) < now


def _refuse(state: State, version: int, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (TermsRefused(terms_version=version, reason=reason, detail=detail),), "refused")

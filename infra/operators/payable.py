"""The payable statements of the time before payouts ran, as the events from which payouts are made.

A payout has the id of its statement, so none is made twice, however often this is repeated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from contracts.money import to_amount
from contracts.payouts.view import PAYOUTS
from contracts.settlement.v1 import StatementClosed
from contracts.settlement.view import DEFAULT_TERMS, STATEMENTS, TERMS, Statement, TermsVersion
from contracts.wire.envelope import Message, derived_id, message_of
from infra.auditing.audit import Read, together
from infra.runtime.repository import Codec

SOURCE = "hand-over"

_STATEMENTS_AT_ONCE = 500

_statements = Codec(Statement, key="statement_id")
_terms = Codec(TermsVersion, key="terms_version")


async def payable(read: Read) -> AsyncIterator[Message[StatementClosed]]:
    """The event of every payable statement that has no payout."""
    versions = _terms.by_key(await read.find(TERMS, {}))
    approvals = {number: version.terms.approvals for number, version in versions.items()}
    async for documents in together(read.stream(STATEMENTS, {"outcome": "payable"}), _STATEMENTS_AT_ONCE):
        ids = [document["_id"] for document in documents]
        known = {found["_id"] for found in await read.find(PAYOUTS, {"_id": {"$in": ids}}, fields=("_id",))}
        for document in documents:
            if document["_id"] not in known:
                statement = _statements.to_entity(document)
                yield of_statement(statement, approvals.get(statement.terms_version, DEFAULT_TERMS.approvals))


def of_statement(statement: Statement, approvals: int) -> Message[StatementClosed]:
    """The event as it was at its close, without the account of its tax."""
    fields: dict[str, Any] = {"approvals": approvals, "final": statement.is_final}
    for name in StatementClosed.model_fields.keys() - fields.keys():
        if hasattr(statement, f"{name}_minor"):
            fields[name] = to_amount(getattr(statement, f"{name}_minor"), statement.currency)
        elif hasattr(statement, name):
            fields[name] = getattr(statement, name)
    closed = StatementClosed(**fields)
    return message_of(StatementClosed)(
        id=derived_id(SOURCE, closed.message_type, statement.statement_id),
        source=SOURCE,
        type=closed.message_type,
        time=statement.closed_at,
        subject=closed.about(),
        data=closed,
    )

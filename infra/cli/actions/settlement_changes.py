"""`tributary settle close`, `propose-terms`, `approve-terms`, `adjust`, `approve-adjustment`: commands of a person."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from contracts.network.view import DISTRIBUTORS
from contracts.rules.view import DEFAULT_MARKET, MARKETS
from contracts.settlement.v1 import ApproveAdjustment, ApproveTerms, ClosePeriod, ProposeAdjustment, ProposeTerms
from contracts.settlement.view import PERIODS, TERMS
from infra.adapters.mongo import MongoStore
from infra.cli.actions.changing import change, command_of, digest_given, moment_given, who
from infra.cli.actions.rule_file import read_terms
from infra.ports.store import Reader
from infra.rehearsal.stored_rules import opened
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


class _WithDigest(Protocol):
    @property
    def digest(self) -> str: ...


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
    whole = _whole_digest(read, digest, stack, lambda store: terms_with(store, version))
    fields = {"terms_version": version, "approved_by": who(by), "digest": whole}
    change(stack, command_of(ApproveTerms, **fields), wait, as_json)


def adjust(adjusting: Adjusting, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    command = command_of(ProposeAdjustment, **adjusting._asdict(), proposed_by=who(by))

    async def unknown() -> str | None:
        async with opened(settings_for(stack)) as store:
            return await unknown_in(store, adjusting)

    with one_sentence_on_failure():
        sentence = asyncio.run(unknown())
    if sentence is not None:
        refuse(sentence, EXIT_BREACH)
    change(stack, command, wait, as_json)


async def unknown_in(read: Reader, adjusting: Adjusting) -> str | None:
    """The sentence for a market or a distributor that does not exist: such an adjustment would open an account for no
    one. None if both are known.
    """
    market, distributor_id = adjusting.market, adjusting.distributor_id
    places: list[tuple[str, dict[str, object]]] = [(MARKETS, {"_id": market})]
    places += [(name, {"market": market}) for name in (PERIODS, TERMS)]
    known = market == DEFAULT_MARKET or any([await read.find(*place, limit=1, fields=("_id",)) for place in places])
    if not known:
        return f"There is no market {market}: no rules, terms or period name it. See `tributary rules list`."
    if not await read.find(DISTRIBUTORS, {"_id": distributor_id}, limit=1, fields=("_id",)):
        return f"There is no distributor {distributor_id}; look the number up in GET /api/distributors."
    return None


def approve_adjustment(
    adjustment_id: str, digest: str, by: str | None, distributor: int | None, wait: float, stack: str, *, as_json: bool
) -> None:
    read = f"adjustment {adjustment_id}"
    whole = _whole_digest(read, digest, stack, lambda store: adjustment_with(store, adjustment_id))
    fields = {"adjustment_id": adjustment_id, "digest": whole, "approved_by": who(by)}
    change(stack, command_of(ApproveAdjustment, **fields, approver_distributor_id=distributor), wait, as_json)


def _whole_digest(
    name: str, digest: str, stack: str, find: Callable[[MongoStore], Awaitable[_WithDigest | None]]
) -> str:
    """The full digest of what is stored, which must begin with `digest`; a full one is returned unchecked."""
    begin = digest_given(digest)
    if len(begin) == 64:
        return begin

    async def read() -> _WithDigest | None:
        async with opened(settings_for(stack)) as store:
            return await find(store)

    with one_sentence_on_failure():
        found = asyncio.run(read())
    if found is None:
        refuse(f"There is no {name}; propose it first.", EXIT_BREACH)
    if not found.digest.startswith(begin):
        refuse(
            f"refused: digest_mismatch: {name} has the digest {found.digest}, not the one that you have read; read it "
            "again.",
            EXIT_BREACH,
        )
    return found.digest

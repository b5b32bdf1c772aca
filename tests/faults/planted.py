"""Plausible bugs, each planted from outside into one process, to prove that the crash points detect them.

The system has no code for this: a bug replaces a function of the running code in one child process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Set
from dataclasses import replace
from typing import Any, Literal, TypeVar
from uuid import uuid4

from bson.codec_options import CodecOptions

from infra.adapters import amqp_properties
from infra.adapters.mongo import MongoStore
from infra.adapters.mongo_transaction import MongoTransaction
from infra.ports.messaging import Delivery
from infra.ports.store import Document, Transaction
from infra.runtime import performer
from infra.runtime.batch import BatchLoop, Committed
from infra.runtime.fold import Work
from infra.runtime.journal import Emitted, Journal, Known
from workers.commission_calculation import decide as commissions

T = TypeVar("T")


def _put(owner: object, name: str, bug: object) -> None:
    setattr(owner, name, bug)


def acknowledge_first() -> None:
    """The delivery is acknowledged before its batch is committed."""
    handle = BatchLoop.handle

    async def hasty(loop: BatchLoop, deliveries: list[Delivery], works: list[Work]) -> None:
        await loop._inbox.acknowledge(deliveries)
        await handle(loop, [], works)

    _put(BatchLoop, "handle", hasty)


def publish_first() -> None:
    """The events are published before the transaction that caused them is committed."""
    commit = BatchLoop._commit

    async def hasty(loop: BatchLoop, tx: Transaction, works: list[Work]) -> Committed:
        committed = await commit(loop, tx, works)
        await loop._publish(committed)
        return committed

    _put(BatchLoop, "_commit", hasty)


def forget_the_journal() -> None:
    """No message is recognised as handled before."""

    def nothing(_: Journal, found: Iterable[Document], keys: Set[str]) -> dict[str, Known]:
        return {}

    _put(Journal, "known", nothing)


def never_replay() -> None:
    """A repeat is recognised, but the events that it emitted are not published again."""

    async def nothing(_: Journal, tx: Transaction, keys: Set[str]) -> list[Emitted]:
        return []

    _put(Journal, "emitted_by", nothing)


def invent_posting_ids() -> None:
    """A posting gets a random id, so that a repeat creates another posting."""
    post = commissions.post

    def invented(*arguments: Any) -> Any:
        return replace(post(*arguments), posting_id=str(uuid4()))

    _put(commissions, "post", invented)


def write_outside_transactions() -> None:
    """Every write takes effect at once: a crash leaves a batch half written."""

    class Loose(MongoTransaction):
        def _add_writes(self, kind: Literal["insert", "update"], collection: str, statements: list[Document]) -> None:
            super()._add_writes(kind, collection, statements)
            self._run(*self._unwritten)
            self._unwritten.clear()

        async def _send(self, *commands: Document, commits: bool = False) -> list[Document]:
            return self._run(*commands)

        def _run(self, *commands: Document) -> list[Document]:
            utc = CodecOptions[Document](tz_aware=True)
            return [self._database.delegate.command(command, codec_options=utc) for command in commands]

    async def loose(store: MongoStore, work: Callable[[Transaction], Awaitable[T]]) -> T:
        return await work(Loose(store._database, None, together=True, decimals=False))

    _put(MongoStore, "transact", loose)


def leave_decoding_to_the_library() -> None:
    """A property that the client library cannot decode ends the connection of its consumer."""
    _put(amqp_properties, "_read_one_by_one", amqp_properties._decode_properties)


def send_without_looking() -> None:
    """A message that is redelivered after a crash is sent again without a look-up."""
    _put(performer, "step_of", lambda *_: "send")


BUGS = {
    "acknowledge-first": acknowledge_first,
    "publish-first": publish_first,
    "forget-the-journal": forget_the_journal,
    "never-replay": never_replay,
    "invent-posting-ids": invent_posting_ids,
    "write-outside-transactions": write_outside_transactions,
    "leave-decoding-to-the-library": leave_decoding_to_the_library,
    "send-without-looking": send_without_looking,
}

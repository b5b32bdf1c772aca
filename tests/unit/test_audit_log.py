"""The verification of the audit log, and what a writer of the database can do to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from api.storage.audit_key import AuditKey
from api.storage.audit_log import HEAD_REPAIRED, SEALED, AuditLog, Entry, Head, document_of, head_of
from api.storage.audit_verify import verify
from api.storage.message_changes import MessageChanges
from api.storage.repository import AUDIT, AUDIT_HEAD, COLLECTIONS
from infra.ports.store import JOURNALS, Document, StoreConflict, StoreUnavailable
from infra.runtime import roster
from infra.runtime.journal import Emitted, Handled, Journal, Record, to_document
from tests.workflow.in_memory import InMemoryStore, ManualTime

NOW = datetime(2026, 11, 22, 12, 0, 0, 123_000, tzinfo=UTC)
KEY = AuditKey("a secret of the API that the database does not have")


class _Log:
    """A store with only these entries."""

    def __init__(self, documents: Sequence[dict[str, Any]]) -> None:
        self.documents = documents

    async def stream(
        self, collection: str, where: Mapping[str, Any], *, sort: Any = (), fields: Any = ()
    ) -> AsyncIterator[dict[str, Any]]:
        for document in sorted(self.documents, key=lambda document: document["_id"]):
            yield document


def a_log(length: int = 5, key: AuditKey | None = None) -> tuple[list[dict[str, Any]], Head]:
    documents, head = [], Head()
    for number in range(length):
        who = {"kind": "admin", "subject": "u1", "client": None}
        entry = Entry(
            who, "user.changed", f"user/{number}", "r1", before={"n": 2**53 + number}, after={"名": [1.5, None]}
        )
        documents.append(document_of(entry, head, NOW, key))
        head = Head(documents[-1]["_id"], documents[-1]["hash"])
    return documents, head


class TestAudit:
    async def test_an_untouched_log_is_valid(self) -> None:
        documents, head = a_log()
        verified = await verify(_Log(documents), head, [Head(3, documents[2]["hash"])])
        assert (verified.head, verified.breaches) == (head, [])
        assert (await verify(_Log([]), Head())).breaches == []

    @pytest.mark.parametrize("field", ["at", "who", "action", "target", "correlation", "before", "after", "previous"])
    async def test_a_changed_entry_is_detected(self, field: str) -> None:
        documents, head = a_log()
        documents[2] = {**deepcopy(documents[2]), field: NOW.replace(year=2020) if field == "at" else {"n": 1}}
        assert "entry 3 is not what was written" in (await verify(_Log(documents), head)).breaches

    async def test_a_changed_entry_with_a_new_hash_is_detected_in_the_next(self) -> None:
        documents, head = a_log()
        entry = Entry({"kind": "admin"}, "nothing.happened", "user/2", "r1")
        documents[2] = document_of(entry, Head(2, documents[1]["hash"]), NOW)
        breaches = (await verify(_Log(documents), head)).breaches
        assert breaches == ["entry 4 does not follow entry 3: one of them was changed"]

    @pytest.mark.parametrize("strange", [{"_id": "zzz"}, {"_id": 2.5}, {"_id": 9, "at": "text"}, {"_id": 9}])
    async def test_a_document_that_is_no_entry_is_a_breach(self, strange: dict[str, Any]) -> None:
        class Mixed(_Log):
            async def stream(self, *_: Any, **__: Any) -> AsyncIterator[dict[str, Any]]:
                for document in (*self.documents, strange):
                    yield document

        documents, head = a_log()
        [breach] = (await verify(Mixed(documents), head)).breaches
        assert "is no entry: another hand wrote it" in breach

    async def test_a_missing_entry_and_a_missing_end_are_detected(self) -> None:
        documents, head = a_log()
        assert (await verify(_Log(documents[:2] + documents[3:]), head)).breaches[0] == "entries 3 to 3 are missing"
        [breach] = (await verify(_Log(documents[:4]), head)).breaches
        assert breach == "the log ends with entry 4, but its head is entry 5"

    async def test_a_rewritten_log_is_detected_by_a_recorded_head(self) -> None:
        documents, _ = a_log()
        recorded = Head(3, documents[2]["hash"])
        rewritten, head = [], Head()
        for document in documents:
            entry = Entry({}, "nothing.happened", document["target"], "r1")
            rewritten.append(document_of(entry, head, NOW))
            head = Head(rewritten[-1]["_id"], rewritten[-1]["hash"])
        assert (await verify(_Log(rewritten), head)).breaches == []
        assert "is not in the log" in (await verify(_Log(rewritten), head, [recorded])).breaches[0]


class TestKeyed:
    """With a key, a writer of the database neither rewrites nor cuts the log unseen."""

    async def test_a_keyed_log_is_valid(self) -> None:
        documents, head = a_log(key=KEY)
        assert (await verify(_Log(documents), _keyed(head), key=KEY)).breaches == []

    async def test_a_log_that_was_rewritten_and_hashed_again_is_detected(self) -> None:
        rewritten, head = a_log()
        [_, breach] = (await verify(_Log(rewritten), head, key=KEY)).breaches
        assert breach.startswith("entries 1 to 5 have no code by this secret")

    async def test_a_code_is_of_one_entry_alone(self) -> None:
        documents, head = a_log(1, key=KEY)
        forged = document_of(Entry({}, "nothing.happened", "user/9", "r1"), Head(), NOW)
        forged["mac"] = documents[0]["mac"]
        breaches = (await verify(_Log([forged]), _keyed(head), key=KEY)).breaches
        assert any("entries 1 to 1 have no code" in breach for breach in breaches)

    async def test_an_end_that_was_cut_off_with_a_mended_head_is_detected(self) -> None:
        documents, _ = a_log(key=KEY)
        cut = Head(3, documents[2]["hash"], mac=documents[2]["mac"])
        [breach] = (await verify(_Log(documents[:3]), cut, key=KEY)).breaches
        assert breach == "the head of the log has no code by this secret: entries may be gone from its end"

    @pytest.mark.parametrize("key", [None, KEY])
    async def test_a_missing_head_is_detected(self, key: AuditKey | None) -> None:
        documents, _ = a_log(key=key)
        [breach] = (await verify(_Log(documents), None, key=key)).breaches
        assert breach == "the head of the log is missing: entries may be gone from its end"

    async def test_an_older_state_that_was_put_back_is_detected_by_the_heads_of_the_json_log(self) -> None:
        documents, head = a_log(key=KEY)
        older = _keyed(Head(3, documents[2]["hash"]))
        assert (await verify(_Log(documents[:3]), older, key=KEY)).breaches == []
        [breach] = (await verify(_Log(documents[:3]), older, [Head(3, documents[2]["hash"]), head], KEY)).breaches
        assert breach == f"entry 5 with hash {head.hash} is not in the log"

    async def test_a_seal_covers_entries_of_the_time_without_a_key(self) -> None:
        documents, head = a_log()
        seal = document_of(Entry({}, SEALED, "audit", "r2"), head, NOW, KEY)
        sealed = _keyed(Head(6, seal["hash"]))
        assert (await verify(_Log([*documents, seal]), sealed, key=KEY)).breaches == []

    async def test_a_seal_without_the_key_covers_nothing(self) -> None:
        documents, head = a_log()
        seal = document_of(Entry({}, SEALED, "audit", "r2"), head, NOW)
        [breach] = (await verify(_Log([*documents, seal]), _keyed(Head(6, seal["hash"])), key=KEY)).breaches
        assert "entries 1 to 6" in breach


def _keyed(head: Head) -> Head:
    return replace(head, mac=KEY.of_head(head.number, head.hash))


class _Store(InMemoryStore):
    """In memory; fails on demand, as a database that conflicts for ever or is away."""

    def __init__(self) -> None:
        journals = [Journal(name, 30).collection for name in roster.names()]
        super().__init__((*COLLECTIONS, *journals))
        self.failure: Exception | None = None

    async def transact(self, work: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        return await super().transact(work)

    def entries(self) -> list[Document]:
        return self.table(AUDIT.name).find({}, (("_id", 1),))


def an_entry(message: str = "api/admin/1/k1") -> Entry:
    who = {"kind": "admin", "subject": "u1", "client": None}
    return Entry(who, "product.define.v1", "product/1", "r1", after={"message": message, "outcome": "defined"})


@pytest.fixture
def store() -> _Store:
    return _Store()


@pytest.fixture
def log(store: _Store) -> AuditLog:
    return AuditLog(store, ManualTime(NOW), KEY)  # type: ignore[arg-type]


class TestAppending:
    async def test_a_new_head_is_a_line_of_the_json_log(self, store: _Store, log: AuditLog) -> None:
        with structlog.testing.capture_logs() as lines:
            await log.append(an_entry())

            async def work(tx: Any) -> None:
                await log.append_in(tx, an_entry("m2"))

            await log.transact(work)
        heads = [(line["number"], line["hash"]) for line in lines if line["event"] == "audit_head"]
        assert heads == [(entry["_id"], entry["hash"]) for entry in store.entries()]

    async def test_a_missing_head_stops_nothing_and_stays_visible(self, store: _Store, log: AuditLog) -> None:
        await log.append(an_entry())
        store.table(AUDIT_HEAD.name).remove("head")
        await log.append(an_entry("m2"))

        assert [entry["action"] for entry in store.entries()][1:] == [HEAD_REPAIRED, "product.define.v1"]
        [breach] = (await verify(store, await head_of(store), key=KEY)).breaches
        assert breach.startswith("before entry 2 the head of the log was removed or changed")

    async def test_a_head_of_an_earlier_entry_stops_nothing_either(self, store: _Store, log: AuditLog) -> None:
        for number in range(3):
            await log.append(an_entry(f"m{number}"))
        first = store.entries()[0]
        store.table(AUDIT_HEAD.name).put({"_id": "head", "number": 1, "hash": first["hash"]})
        await log.append(an_entry("m9"))
        assert [entry["_id"] for entry in store.entries()] == [1, 2, 3, 4, 5]

    async def test_entries_that_were_cut_off_leave_a_gap(self, store: _Store, log: AuditLog) -> None:
        for number in range(3):
            await log.append(an_entry(f"m{number}"))
        store.table(AUDIT.name).remove(3)
        await log.append(an_entry("m9"))
        breaches = (await verify(store, await head_of(store), key=KEY)).breaches
        assert "entries 3 to 3 are missing" in breaches

    async def test_a_new_entry_gives_no_code_to_a_head_that_another_hand_wrote(
        self, store: _Store, log: AuditLog
    ) -> None:
        """The end is cut off and the head mended, all but its code, which the next entry would make."""
        for number in range(3):
            await log.append(an_entry(f"m{number}"))
        second = store.entries()[1]
        store.table(AUDIT.name).remove(3)
        for mac in ("0" * 64, second["mac"], None):
            table = store.table(AUDIT_HEAD.name)
            table.put({"_id": "head", "number": 2, "hash": second["hash"], **({"mac": mac} if mac else {})})
            await log.append(an_entry("m9"))
            breaches = (await verify(store, await head_of(store), key=KEY)).breaches
            assert any("the head of the log was removed or changed" in breach for breach in breaches), mac
            for entry in store.entries()[2:]:
                store.table(AUDIT.name).remove(entry["_id"])

    async def test_a_replaced_entry_is_noticed_by_a_process_that_knew_it(self, store: _Store, log: AuditLog) -> None:
        for number in range(2):
            await log.append(an_entry(f"m{number}"))
        table = store.table(AUDIT_HEAD.name)
        table.put({"_id": "head", "number": 2, "hash": "f" * 64, "mac": KEY.of_head(2, "f" * 64)})
        with structlog.testing.capture_logs() as lines:
            await log.state_head()
        assert [line["event"] for line in lines] == ["the audit log was cut off", "audit_head"]

    async def test_a_log_from_before_the_key_goes_on(self, store: _Store, log: AuditLog) -> None:
        await AuditLog(store, ManualTime(NOW)).append(an_entry())  # type: ignore[arg-type]
        await log.append(an_entry("m2"))
        assert [entry["action"] for entry in store.entries()] == ["product.define.v1"] * 2

    async def test_a_process_that_knows_a_later_head_says_so(self, store: _Store, log: AuditLog) -> None:
        for number in range(3):
            await log.append(an_entry(f"m{number}"))
        second = store.entries()[1]
        for number in (2, 3):
            store.table(AUDIT.name).remove(number)
        store.table(AUDIT_HEAD.name).put({"_id": "head", "number": 1, "hash": second["previous"]})
        with structlog.testing.capture_logs() as lines:
            await log.state_head()
        [line] = [line for line in lines if line["event"] == "the audit log was cut off"]
        assert (line["known"], line["found"], line["log_level"]) == (3, 1, "error")

    @pytest.mark.parametrize("failure", [StoreConflict("for ever"), StoreUnavailable("away")])
    async def test_a_change_that_is_done_does_not_fail_by_the_log(
        self, store: _Store, log: AuditLog, failure: Exception
    ) -> None:
        store.failure = failure
        await log.append_done(an_entry(), repeated=False)
        assert store.entries() == []

        store.failure = None
        await log.append_late()
        await log.append_late()
        assert [entry["action"] for entry in store.entries()] == ["product.define.v1"]


class TestMessages:
    """Changes that came as messages are copied from the journals, once each."""

    def journal(self, store: _Store, worker: str, queue: str, at: datetime, *handled: Handled, **more: Any) -> None:
        record = to_document(Record(worker, queue, at, handled=handled, **more))
        record["_id"] = f"{queue}/{at}/{handled[0].id}"
        store.table(JOURNALS + worker).put(record)

    async def test_a_command_at_the_broker_has_an_entry_with_its_sender(self, store: _Store, log: AuditLog) -> None:
        approved = Handled("urn:shop:evil/7", "rules.approve.v1", "rules/666", "c1", "approved")
        event = Emitted("urn:shop:evil/7", "e1", "rules.approved.v1", b'{"data": {"approved_by": "bob"}}')
        self.journal(store, "rule_book", "rule_book.rules.approve", NOW, approved, emitted=(event,))

        changes = MessageChanges(store, log, ManualTime(NOW))  # type: ignore[arg-type]
        assert (await changes.copy(), await changes.copy()) == (1, 0)
        [entry] = store.entries()
        assert entry["who"] == {"kind": "message", "subject": "urn:shop:evil", "client": None}
        assert (entry["action"], entry["target"]) == ("rules.approve.v1", "rules/666")
        assert (entry["after"]["outcome"], entry["after"]["event"]) == ("approved", {"approved_by": "bob"})
        assert (await verify(store, await head_of(store), key=KEY)).breaches == []

    async def test_refusals_repeats_and_orders_have_none(self, store: _Store, log: AuditLog) -> None:
        refused = Handled("s/1", "rules.approve.v1", "rules/1", "c1", "refused")
        event = Emitted("s/1", "e1", "rules.refused.v1", b'{"data": {}}')
        self.journal(store, "rule_book", "rule_book.rules.approve", NOW, refused, emitted=(event,))
        again = Handled("s/2", "product.define.v1", "product/1", "c1", "unchanged")
        self.journal(store, "catalog", "catalog.product.define", NOW, again)
        placed = Handled("s/3", "order.place.v1", "order/s/1", "c1", "accepted")
        self.journal(store, "order_intake", "order_intake.order.place", NOW, placed)
        assert await MessageChanges(store, log, ManualTime(NOW)).copy() == 0  # type: ignore[arg-type]

    async def test_the_entry_that_the_api_wrote_is_not_doubled(self, store: _Store, log: AuditLog) -> None:
        await log.append(an_entry())
        defined = Handled("api/admin/1/k1", "product.define.v1", "product/1", "r1", "defined")
        self.journal(store, "catalog", "catalog.product.define", NOW - timedelta(minutes=2), defined)
        assert await MessageChanges(store, log, ManualTime(NOW)).copy() == 0  # type: ignore[arg-type]

    async def test_an_entry_that_the_api_could_not_write_is_made_up_for(self, store: _Store, log: AuditLog) -> None:
        """Also a message at the broker that pretends to come from the API."""
        defined = Handled("api/admin/1/k1", "product.define.v1", "product/1", "r1", "defined")
        self.journal(store, "catalog", "catalog.product.define", NOW, defined)
        time = ManualTime(NOW)
        changes = MessageChanges(store, log, time)  # type: ignore[arg-type]
        assert await changes.copy() == 0
        time.advance_to(NOW + timedelta(minutes=2))
        assert await changes.copy() == 1


async def test_a_process_that_lacks_the_key_of_a_keyed_log_is_known(store: _Store, log: AuditLog) -> None:
    keyless = AuditLog(store, ManualTime(NOW))  # type: ignore[arg-type]
    assert not await keyless.lacks_key()
    await keyless.append(an_entry())
    assert not await keyless.lacks_key()
    await log.append(an_entry("m2"))
    assert await keyless.lacks_key()
    assert not await log.lacks_key()

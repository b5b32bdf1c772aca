"""How the audit log is written, and what of it a writer of the database cannot hide."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from api.identity.repository import USERS
from api.storage.audit_key import AuditKey
from api.storage.audit_log import HEAD_REPAIRED, AuditLog, Entry, Head, head_of
from api.storage.audit_verify import verify
from api.storage.message_changes import MessageChanges
from api.storage.repository import AUDIT, AUDIT_HEAD, COLLECTIONS
from infra.ports.store import JOURNALS, Document, StoreConflict, StoreUnavailable
from infra.runtime import roster
from infra.runtime.journal import Emitted, Handled, Journal, Record, to_document
from tests.workflow.in_memory import InMemoryStore, ManualTime

NOW = datetime(2026, 11, 22, 12, 0, 0, 123_000, tzinfo=UTC)
KEY = AuditKey("a secret of the API that the database does not have")


class _Store(InMemoryStore):
    """In memory; fails on demand, as a database that conflicts for ever or is away."""

    def __init__(self) -> None:
        journals = [Journal(name, 30).collection for name in roster.names()]
        super().__init__((*COLLECTIONS, USERS.collection, *journals))
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

    async def test_appends_of_a_process_queue_and_conflict_with_nothing(self, store: _Store, log: AuditLog) -> None:
        """Each needs the number after the last. First come, first served: who comes while others wait is the last."""
        at_work, conflicts, order = 0, 0, list[str]()

        async def change(name: str) -> None:
            async def work(tx: Any) -> None:
                nonlocal at_work, conflicts
                at_work += 1
                conflicts += at_work > 1
                await asyncio.sleep(0)
                await log.append_in(tx, an_entry(name))
                at_work -= 1

            await log.transact(work)
            order.append(name)

        await asyncio.gather(*(change(f"m{number}") for number in range(20)), log.append(an_entry("appended")))

        assert conflicts == 0
        assert order == [f"m{number}" for number in range(20)]
        assert len(store.entries()) == 21

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
        assert [lines[0]["event"], lines[-1]["event"]] == ["the audit log was cut off", "audit_head"]

    async def test_a_log_that_was_put_back_to_an_earlier_state_is_noticed_for_ever(
        self, store: _Store, log: AuditLog
    ) -> None:
        """The older head has a valid code, and the next entry could take the number of the one that is gone."""
        for looks_first in (False, True):
            await log.append(an_entry("m1"))
            older = await head_of(store)
            assert older is not None
            await log.append(an_entry("m2"))
            _put_back(store, older)
            if looks_first:
                await log.state_head()
            await log.append(an_entry("m3"))
            actions = [entry["action"] for entry in store.entries()]
            assert actions[-2:] == [HEAD_REPAIRED, "product.define.v1"]
            breaches = (await verify(store, await head_of(store), key=KEY)).breaches
            assert f"entries {older.number + 1} to {older.number + 1} are missing" in breaches

    async def test_a_log_that_another_process_went_on_writing_after_it_was_put_back_is_noticed(
        self, store: _Store, log: AuditLog
    ) -> None:
        await log.append(an_entry("m1"))
        older = await head_of(store)
        assert older is not None
        await log.append(an_entry("m2"))
        _put_back(store, older)
        unaware = AuditLog(store, ManualTime(NOW), KEY)  # type: ignore[arg-type]
        for message in ("m3", "m4"):
            await unaware.append(an_entry(message))
        assert (await verify(store, await head_of(store), key=KEY)).breaches == []
        await log.append(an_entry("m5"))
        assert HEAD_REPAIRED in [entry["action"] for entry in store.entries()]

    async def test_other_processes_write_without_a_repair(self, store: _Store, log: AuditLog) -> None:
        other = AuditLog(store, ManualTime(NOW), KEY)  # type: ignore[arg-type]
        for number in range(6):
            await (log, other)[number % 2].append(an_entry(f"m{number}"))
            await log.state_head()
        assert [entry["action"] for entry in store.entries()] == ["product.define.v1"] * 6

    async def test_a_transaction_from_before_the_last_entry_begins_again(self, store: _Store, log: AuditLog) -> None:
        """It reads a head that this process knows to be old; that is no breach."""
        await log.append(an_entry("m1"))
        before = await head_of(store)
        assert before is not None
        await log.append(an_entry("m2"))

        class _Early:
            """Reads as of before the last entry."""

            async def find(self, collection: str, *_: Any, **__: Any) -> list[Document]:
                if collection == AUDIT.name:
                    return store.entries()[:1]
                return [{"_id": "head", "number": before.number, "hash": before.hash, "mac": before.mac}]

        with structlog.testing.capture_logs() as lines, pytest.raises(StoreConflict):
            await log.append_in(_Early(), an_entry("m3"))  # type: ignore[arg-type]
        assert lines == []

    @pytest.mark.parametrize("users", [1, 2])
    async def test_a_log_that_is_gone_is_noticed_where_there_are_users(
        self, store: _Store, log: AuditLog, users: int
    ) -> None:
        """The first user and the first entry come in one transaction; after it, nothing there is no new log."""
        for number in range(users):
            store.table(USERS.name).put({"_id": f"u{number}"})
        await log.append(an_entry())
        assert (HEAD_REPAIRED in [entry["action"] for entry in store.entries()]) == (users > 1)

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


def _put_back(store: _Store, older: Head) -> None:
    for entry in store.entries():
        if entry["_id"] > older.number:
            store.table(AUDIT.name).remove(entry["_id"])
    store.table(AUDIT_HEAD.name).put({"_id": "head", "number": older.number, "hash": older.hash, "mac": older.mac})


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

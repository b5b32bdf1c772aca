"""The verification of the audit log: what it finds, with a key and without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from api.storage.audit_key import AuditKey
from api.storage.audit_log import SEALED, Entry, Head, document_of
from api.storage.audit_verify import verify

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

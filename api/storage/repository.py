"""The collections of the API itself; identity has its own."""

from __future__ import annotations

from infra.ports.store import Collection, Index

AUDIT = Collection(
    "api.audit",
    "every change, by number; each entry has the hash of its predecessor and a code by a key",
    (
        Index((("who.subject", 1), ("_id", -1)), "changes by a principal, newest first"),
        Index((("target", 1), ("_id", -1)), "changes of a thing, newest first"),
        Index((("correlation", 1),), "changes of a request"),
        Index((("after.message", 1),), "whether a message has its entry", sparse=True),
    ),
)
AUDIT_HEAD = Collection(
    "api.audit_head", "the number and the hash of the last audit entry, and how far the journals were read for it"
)
COUNTERS = Collection("api.counters", "the last number assigned, by noun")
MESSAGES = Collection(
    "api.messages",
    "every command sent, by source and id, to recognise a repeat and to look up the outcome",
    (Index((("at", 1),), "retention, as long as the journals'", expire_after_s=30 * 86_400),),
)

COLLECTIONS = (AUDIT, AUDIT_HEAD, COUNTERS, MESSAGES)

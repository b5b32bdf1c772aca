"""The collections of the API itself, beside those of identity."""

from __future__ import annotations

from infra.ports.store import Collection, Index

AUDIT = Collection(
    "api.audit",
    "every change made through the API, by number; each entry carries the hash of the one before",
    (
        Index((("who.subject", 1), ("_id", -1)), "what somebody did, newest first"),
        Index((("target", 1), ("_id", -1)), "what happened to something, newest first"),
        Index((("correlation", 1),), "what a request changed"),
    ),
)
AUDIT_HEAD = Collection("api.audit_head", "the number and the hash of the last audit entry")
COUNTERS = Collection("api.counters", "the last number given out, by noun")
MESSAGES = Collection(
    "api.messages",
    "every command sent, by source and id: what it was, so that a repeat is known and its outcome can be asked for",
    (Index((("at", 1),), "retention, as long as the journals'", expire_after_s=30 * 86_400),),
)

COLLECTIONS = (AUDIT, AUDIT_HEAD, COUNTERS, MESSAGES)

"""The collections of the API itself, beside those of identity."""

from __future__ import annotations

from infra.runtime.store import Collection, Index

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

COLLECTIONS = (AUDIT, AUDIT_HEAD, COUNTERS)

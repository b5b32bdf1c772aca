"""Translates the errors of MongoDB's driver into those of the store's port."""

from __future__ import annotations

import re

from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError, OperationFailure, PyMongoError

from infra.ports.store import SnapshotTooOld, StoreConflict, StoreUnavailable

_DUPLICATE_KEY = 11000
_TOO_LARGE = frozenset({4568, 10334, 17419, 17420})
"""A document grew beyond 16 MB: by one result, by several, or in a later stage."""

_BAD_VALUE = 2
_NO_SUM = "Failed to apply $inc"
"""How the server begins its message where 64 bits do not hold a sum; the code alone says less."""

_NOT_KEPT = frozenset({239, 246})
"""SnapshotTooOld, and SnapshotUnavailable, which a restarted server returns."""

_UNAVAILABLE_CODES = frozenset(
    {
        6,  # HostUnreachable
        7,  # HostNotFound
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        189,  # PrimarySteppedDown
        262,  # ExceededTimeLimit
        9001,  # SocketException
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11602,  # InterruptedDueToReplStateChange
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
        14031,  # OutOfDiskSpace
        43,  # CursorNotFound: the server was restarted
        237,  # CursorKilled
        11601,  # Interrupted
    }
)


class StoreRefused(Exception):
    """The store refuses this command: the user may not run it, or it does not apply."""


class SumTooLarge(StoreConflict):
    """A sum exceeds 64 bits; retry, as amounts are added as decimals for a while."""


class AnswersTooLarge(StoreConflict):
    """The combined results do not fit into one document; retry, as queries are sent separately for a while."""


def translate(error: PyMongoError) -> Exception:
    """Sort the driver's errors: those to retry at once, those to wait for, and the rest."""
    codes = {getattr(error, "code", None)}
    if isinstance(error, BulkWriteError):
        codes |= {item.get("code") for item in (error.details or {}).get("writeErrors", ())}
    if isinstance(error, DuplicateKeyError) or _DUPLICATE_KEY in codes:
        # Two replicas inserted the same document: the loser reads the winner's on its next try.
        return StoreConflict(short(error))
    if _BAD_VALUE in codes and _NO_SUM in str(error):
        return SumTooLarge(short(error))
    if codes & _TOO_LARGE:
        return AnswersTooLarge(short(error))
    if isinstance(error, ConnectionFailure) or codes & _UNAVAILABLE_CODES:
        return StoreUnavailable(short(error))
    if error.has_error_label("UnknownTransactionCommitResult"):
        return StoreUnavailable(short(error))
    if isinstance(error, OperationFailure) and error.has_error_label("TransientTransactionError"):
        return StoreConflict(short(error))
    if codes & _NOT_KEPT:
        return SnapshotTooOld(short(error))
    return error


def to_refused(error: PyMongoError) -> Exception:
    translated = translate(error)
    return StoreRefused(short(error)) if translated is error else translated


def short(error: Exception) -> str:
    """The driver's message, without its notes on timeouts that are not the cause."""
    return re.sub(r" \(configured timeouts: [^)]*\)", "", str(error).split(", Timeout:")[0])[:300]

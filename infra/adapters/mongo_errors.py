"""What goes wrong at MongoDB, in the words of the runtime."""

from __future__ import annotations

import re

from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError, OperationFailure, PyMongoError

from infra.ports.store import SnapshotTooOld, StoreConflict, StoreUnavailable

_DUPLICATE_KEY = 11000
_TOO_LARGE = frozenset({4568, 10334, 17419, 17420})
"""What a document comes to that grows beyond 16 MB: by one answer, by several, or by what is made of them."""

_NOT_KEPT = frozenset({239, 246})
"""SnapshotTooOld, and SnapshotUnavailable: what a restarted server says."""

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
    """The store answers, but not this: the user may not ask it, or it does not apply."""


class AnswersTooLarge(StoreConflict):
    """What was asked together does not fit into one document; from now on it is asked singly, so run it again."""


def translate(error: PyMongoError) -> Exception:
    """Sort the driver's errors into those worth running again at once, those worth waiting for, and the rest."""
    codes = {getattr(error, "code", None)}
    if isinstance(error, BulkWriteError):
        codes |= {item.get("code") for item in (error.details or {}).get("writeErrors", ())}
    if isinstance(error, DuplicateKeyError) or _DUPLICATE_KEY in codes:
        # Two replicas made the same document: the loser reads the winner's on its next run.
        return StoreConflict(short(error))
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
    """What the driver says, without its advice on timeouts that are not the cause."""
    return re.sub(r" \(configured timeouts: [^)]*\)", "", str(error).split(", Timeout:")[0])[:300]

"""The books of the bank, in SQLite: what it took, and what it credited to whom."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

State = Literal["accepted", "awaiting", "paid", "failed", "returned"]

_TABLES = """
CREATE TABLE IF NOT EXISTS payments (
  id INTEGER PRIMARY KEY, rail TEXT, key TEXT, payee TEXT, minor INTEGER, currency TEXT, note TEXT, state TEXT,
  reason TEXT, requests INTEGER DEFAULT 1, forgotten INTEGER DEFAULT 0, UNIQUE (rail, key));
CREATE TABLE IF NOT EXISTS entries (
  id INTEGER PRIMARY KEY, rail TEXT, key TEXT, payee TEXT, minor INTEGER, currency TEXT, at TEXT, reason TEXT);
"""


@dataclass(frozen=True)
class Ordered:
    """What a dialect has read in a request."""

    rail: str
    key: str
    payee: str
    minor: int
    currency: str
    note: str


@dataclass(frozen=True)
class Payment:
    id: int
    rail: str
    key: str
    payee: str
    minor: int
    currency: str
    note: str
    state: State
    reason: str | None
    requests: int


@dataclass(frozen=True)
class Entry:
    """A movement: `minor` is positive if the payee got it, negative if it came back."""

    id: int
    key: str
    payee: str
    minor: int
    currency: str
    at: str
    reason: str | None


_PAYMENT = "id, rail, key, payee, minor, currency, note, state, reason, requests"


class Book:
    """Each change is a transaction of its own: a bank that is killed has lost nothing that it answered."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript(_TABLES)

    def take(self, order: Ordered, state: State = "accepted") -> Payment:
        """The payment with this key: a new one, or the one that is there."""
        with self._change():
            self._db.execute(
                "INSERT INTO payments (rail, key, payee, minor, currency, note, state) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (rail, key) DO UPDATE SET requests = requests + 1",
                (*astuple(order), state),
            )
        found = self.find(order.rail, order.key)
        assert found is not None
        return found

    def find(self, rail: str, key: str) -> Payment | None:
        return next(iter(self._payments("rail = ? AND key = ? AND NOT forgotten", rail, key)), None)

    def numbered(self, rail: str, number: int) -> Payment | None:
        return next(iter(self._payments("rail = ? AND id = ? AND NOT forgotten", rail, number)), None)

    def in_state(self, *states: State) -> list[Payment]:
        return self._payments(f"state IN ({', '.join('?' * len(states))})", *states)

    def move(self, payment: Payment, state: State, reason: str | None = None) -> Payment:
        """To another state. To be paid is to be credited, once; to be returned takes the same amount back."""
        sign = {"paid": 1, "returned": -1}.get(state, 0)
        with self._change():
            self._db.execute("UPDATE payments SET state = ?, reason = ? WHERE id = ?", (state, reason, payment.id))
            if sign:
                at = datetime.now(UTC).isoformat(timespec="seconds")
                self._db.execute(
                    "INSERT INTO entries (rail, key, payee, minor, currency, at, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (payment.rail, payment.key, payment.payee, sign * payment.minor, payment.currency, at, reason),
                )
        return self._payments("id = ?", payment.id)[0]

    def forget(self, payment: Payment) -> None:
        """As after the time for which a rail keeps its keys: the same key is a new payment then."""
        with self._change():
            self._db.execute(
                "UPDATE payments SET forgotten = 1, key = key || '/' || id WHERE id = ?",
                (payment.id,),
            )

    def credited(self, payee: str, currency: str | None = None) -> int:
        """What the payee has: the oracle of every test."""
        return sum(e.minor for e in self.entries(payee) if currency in (None, e.currency))

    def credits(self, key: str) -> int:
        """How often a key was credited: more than once is a double payment."""
        return sum(1 for entry in self.entries() if entry.key == key and entry.minor > 0)

    def entries(self, payee: str | None = None, rail: str | None = None) -> list[Entry]:
        rows = self._db.execute(
            "SELECT id, key, payee, minor, currency, at, reason FROM entries "
            "WHERE (?1 IS NULL OR payee = ?1) AND (?2 IS NULL OR rail = ?2) ORDER BY id",
            (payee, rail),
        )
        return [Entry(*row) for row in rows]

    def payments(self) -> list[Payment]:
        return self._payments("1")

    def _payments(self, where: str, *values: object) -> list[Payment]:
        rows = self._db.execute(f"SELECT {_PAYMENT} FROM payments WHERE {where} ORDER BY id", values)  # noqa: S608
        return [Payment(*row) for row in rows]

    @contextmanager
    def _change(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

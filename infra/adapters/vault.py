"""The vault: AES-256-GCM with one key per payee, which a master key wraps.

Payee and field are associated data, so that a sealed value opens nowhere else. The nonce is a keyed digest of the value
under a key that serves nothing else: equal values of a payee are sealed alike, different ones under different nonces.
"""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, b64encode
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.ports.store import Reader, Store, StoreConflict, Transaction
from infra.ports.time import Time
from infra.ports.vault import CannotOpen
from infra.vault.master import KEY_BYTES, NONCE_BYTES, MasterKeys
from infra.vault.repository import FINGERPRINTS, KEYS, DataKey, key_id_of, to_document, to_key

CACHED_S = 60.0
"""How long a process keeps a key: an erased payee's values open nowhere after a minute."""

CACHED_MAX = 10_000
_SCHEME = "sealed-2"
_TRIES_MAX = 8


class _Known(NamedTuple):
    """A key in clear: the first half seals, the second makes nonces."""

    key_id: str
    distributor_id: int | None
    key: bytes
    until: float


class ReadableStore(Store, Reader, Protocol): ...


class Opener:
    """Opens, and needs to read only."""

    def __init__(self, reader: Reader, master: MasterKeys, time: Time) -> None:
        self._reader = reader
        self._master = master
        self._time = time
        self._known: dict[str, _Known] = {}

    async def open(self, field: str, distributor_id: int, sealed: str) -> str:
        scheme, _, rest = sealed.partition(":")
        key_id, _, text = rest.partition(":")
        if scheme != _SCHEME or not text:
            raise CannotOpen("not_sealed", f"{field} of distributor {distributor_id} is not a sealed value.")
        known = await self._key(key_id)
        try:
            raw = b64decode(text)
            associated = _associated(key_id, field, distributor_id)
            plain = AESGCM(known.key[:KEY_BYTES]).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], associated)
        except (InvalidTag, ValueError):
            detail = f"{field} of distributor {distributor_id} was sealed for another payee or field, or was changed."
            raise CannotOpen("not_this_payee", detail) from None
        return plain.decode()

    async def _key(self, key_id: str) -> _Known:
        known = self._known.get(key_id)
        if known is not None and known.until > self._time.monotonic():
            return known
        self._known.pop(key_id, None)
        found = await self._reader.find(KEYS, {"_id": key_id}, limit=1)
        if not found:
            raise CannotOpen("unknown_key", f"{KEYS} has no key {key_id}; restore that collection from its backup.")
        return self._remembered(to_key(found[0]))

    def _remembered(self, key: DataKey) -> _Known:
        if key.wrapped is None:
            raise CannotOpen("payee_erased", f"The key {key.key_id} was erased; what was sealed under it is gone.")
        until = self._time.monotonic() + CACHED_S
        known = _Known(key.key_id, key.distributor_id, self._master.unwrap(key.wrapped, key.key_id), until)
        if len(self._known) >= CACHED_MAX:
            self._known.clear()
        self._known[key.key_id] = known
        return known


class KeyVault(Opener):
    """Seals and opens; the first value of a payee makes the payee's key."""

    def __init__(self, store: ReadableStore, master: MasterKeys, time: Time) -> None:
        super().__init__(store, master, time)
        self._store = store
        self._newest: dict[int, str] = {}

    async def seal(self, field: str, distributor_id: int, plain: str) -> str:
        known = await self._newest_key(distributor_id)
        associated = _associated(known.key_id, field, distributor_id)
        value = plain.encode()
        nonce = hmac.digest(known.key[KEY_BYTES:], associated + b"\x1f" + value, "sha256")[:NONCE_BYTES]
        sealed = AESGCM(known.key[:KEY_BYTES]).encrypt(nonce, value, associated)
        return f"{_SCHEME}:{known.key_id}:{b64encode(nonce + sealed).decode()}"

    async def fingerprint(self, plain: str) -> str:
        try:
            known = await self._key(FINGERPRINTS)
        except CannotOpen as error:
            if error.code != "unknown_key":
                raise
            known = await self._made(FINGERPRINTS, None, 1)
        return hmac.digest(known.key, plain.encode(), "sha256").hex()

    async def rotate(self, distributor_id: int) -> str:
        """Make a new key for what is sealed from now on; its id. Other processes use it within a minute."""
        for _ in range(_TRIES_MAX):
            newest = await self._stored(distributor_id)
            number = newest.number + 1 if newest is not None else 1
            try:
                return (await self._insert(key_id_of(distributor_id, number), distributor_id, number)).key_id
            except StoreConflict:
                continue
        raise StoreConflict(f"the keys of distributor {distributor_id}")

    async def _newest_key(self, distributor_id: int) -> _Known:
        cached = self._known.get(self._newest.get(distributor_id, ""))
        if cached is not None and cached.until > self._time.monotonic():
            return cached
        newest = await self._stored(distributor_id)
        if newest is not None and newest.wrapped is not None:
            known = self._remembered(newest)
        else:
            number = newest.number + 1 if newest is not None else 1
            known = await self._made(key_id_of(distributor_id, number), distributor_id, number)
        if len(self._newest) >= CACHED_MAX:
            self._newest.clear()
        self._newest[distributor_id] = known.key_id
        return known

    async def _stored(self, distributor_id: int) -> DataKey | None:
        newest = (("distributor_id", 1), ("number", -1))
        found = await self._store.find(KEYS, {"distributor_id": distributor_id}, sort=newest, limit=1)
        return to_key(found[0]) if found else None

    async def _made(self, key_id: str, distributor_id: int | None, number: int) -> _Known:
        """A new key, or the one that another process has made meanwhile."""
        try:
            return self._remembered(await self._insert(key_id, distributor_id, number))
        except StoreConflict:
            return await self._key(key_id)

    async def _insert(self, key_id: str, distributor_id: int | None, number: int) -> DataKey:
        wrapped = self._master.wrap(os.urandom(2 * KEY_BYTES), key_id)
        key = DataKey(key_id, distributor_id, number, wrapped, self._time.now())

        async def insert(tx: Transaction) -> None:
            if await tx.find(KEYS, {"_id": key_id}, limit=1, fields=("_id",)):
                raise StoreConflict(key_id)
            await tx.insert(KEYS, [to_document(key)])

        await self._store.transact(insert)
        return key


def _associated(key_id: str, field: str, distributor_id: int) -> bytes:
    return f"{key_id}|{field}|{distributor_id}".encode()

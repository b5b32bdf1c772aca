"""The keys that sign access tokens. A new key is published before it signs, an old one until its last token expires.

Every process reloads the keys periodically, and, at a limited rate, when a token names an unknown key: so keys rotate
without a restart. Where there is a secret, only keys with a valid proof are used: an attacker who can write to the
database can neither add a key, nor restore a retired one by changing it. Keys that were stored readable retire at the
first start with a secret.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from api.identity.model import SigningKey
from api.identity.opaque import is_same
from api.identity.repository import KEYS
from api.storage.protocols import Documents
from infra.ports.store import Reader, StoreUnavailable, Transaction
from infra.ports.time import Time
from infra.runtime.conflicts import transact
from infra.sealing import CannotUnseal, is_sealed, proof_of, seal, unseal
from infra.settings import Settings

log = structlog.get_logger()

ALGORITHM = "ES256"
PUBLISHED_FOR_S = 300
"""How long others may cache the published keys; a new key waits this long before it signs."""

_LOOK_AGAIN_AFTER_S = 5.0
_CLOCK_SKEW_S = 60


class NoSigningKey(Exception):
    """No key in the database can be decrypted with this process's secret."""


@dataclass(frozen=True, slots=True)
class _Opened:
    key: SigningKey
    private: ec.EllipticCurvePrivateKey | None
    public: ec.EllipticCurvePublicKey


def signing_at(keys: Sequence[SigningKey], now: datetime) -> SigningKey | None:
    """The newest key that may sign now."""
    begun = [key for key in keys if key.signs_from <= now and (key.retires_at is None or key.retires_at > now)]
    return max(begun, key=lambda key: (key.signs_from, key.created_at), default=None)


def rotated(keys: Sequence[SigningKey], new: SigningKey, now: datetime, outlives_s: float) -> list[SigningKey]:
    """The keys to write when `new` is added: the others retire `outlives_s` after it starts to sign. With a negative
    `outlives_s` they retire at once. A retired key loses its private half.
    """
    changed = []
    ends = now if outlives_s < 0 else new.signs_from + timedelta(seconds=outlives_s)
    for key in keys:
        retires_at = min(key.retires_at or ends, ends)
        after = replace(key, retires_at=retires_at, private="" if retires_at <= now else key.private)
        if after != key:
            changed.append(after)
    return [*changed, new]


class KeyRing:
    def __init__(self, store: Documents, time: Time, settings: Settings) -> None:
        self._store = store
        self._time = time
        self._settings = settings
        self._secret = settings.identity_secret.get_secret_value() if settings.identity_secret else None
        self._opened: dict[str, _Opened] = {}
        self._ignored: frozenset[str] = frozenset()
        self._ends: dict[str, datetime] = {}
        self._loaded_at = float("-inf")
        self._loading = asyncio.Lock()

    async def prepare(self) -> None:
        """Make the first key where this process can sign with none."""
        if self._secret is None:
            log.warning("private keys are stored readable: set TRIBUTARY_IDENTITY_SECRET outside of development")
        else:
            await self._retire_readable()
        await self._load()
        if self._signing() is None:
            await self.rotate(at_once=True, retire_others=False)

    async def signing(self) -> tuple[str, ec.EllipticCurvePrivateKey]:
        """The id and the private half of the current signing key."""
        await self._load_if_older_than(self._settings.key_refresh_s)
        if (chosen := self._signing()) is None:
            raise NoSigningKey
        return chosen

    async def verifying(self, kid: str) -> ec.EllipticCurvePublicKey | None:
        """The public half of a key that has not retired. An unknown id reloads the keys, at a limited rate."""
        await self._load_if_older_than(self._settings.key_refresh_s)
        if kid not in self._opened:
            await self._load_if_older_than(_LOOK_AGAIN_AFTER_S)
        opened = self._opened.get(kid)
        if opened is None or (opened.key.retires_at is not None and opened.key.retires_at <= self._time.now()):
            return None
        return opened.public

    async def published(self) -> dict[str, Any]:
        """The JWK set (RFC 7517) of current, previous and next signing keys."""
        await self._load_if_older_than(self._settings.key_refresh_s)
        now = self._time.now()
        alive = (o.key for o in self._opened.values() if o.key.retires_at is None or o.key.retires_at > now)
        newest_first = sorted(alive, key=lambda key: key.created_at, reverse=True)
        return {"keys": [{**key.public, "kid": key.kid, "use": "sig", "alg": ALGORITHM} for key in newest_first]}

    async def rotate(self, *, at_once: bool = False, retire_others: bool = True) -> SigningKey:
        """Add a key. `at_once`: it signs now, and the others, possibly stolen, retire now."""
        now = self._time.now()
        new = self._make(now, now if at_once else now + timedelta(seconds=PUBLISHED_FOR_S))
        outlives_s = self._settings.key_refresh_s + self._settings.access_token_life_s + _CLOCK_SKEW_S

        async def work(tx: Transaction) -> None:
            known = [key for key in await _stored(tx) if self._is_trusted(key)] if retire_others else []
            for key in rotated(known, new, now, -1 if at_once else outlives_s):
                await KEYS.replace(tx, self._proven(key))

        await transact(self._store, self._time, work)
        await self._load()
        log.info("signing key added", kid=new.kid, signs_from=new.signs_from.isoformat())
        return new

    async def _retire_readable(self) -> None:
        """Retire keys that were stored readable; prove those that this secret opens, from before there were proofs."""

        async def work(tx: Transaction) -> list[str]:
            now = self._time.now()
            retired = []
            for key in await _stored(tx):
                if key.private and not is_sealed(key.private):
                    ended = replace(key, private="", retires_at=min(key.retires_at or now, now))
                    await KEYS.replace(tx, self._proven(ended))
                    retired.append(key.kid)
                elif not key.proof and self._opens(key):
                    await KEYS.replace(tx, self._proven(key))
            return retired

        for kid in await transact(self._store, self._time, work):
            log.warning("signing key retired, because it was stored readable", kid=kid)

    def _opens(self, key: SigningKey) -> bool:
        """Whether the private half was sealed with this secret, and the public half belongs to it."""
        if not key.private:
            return False
        try:
            return _public_jwk(self._private(key).public_key()) == key.public
        except (CannotUnseal, ValueError):
            return False

    def _proven(self, key: SigningKey) -> SigningKey:
        return key if self._secret is None else replace(key, proof=proof_of(_proven_text(key), self._secret))

    def _is_trusted(self, key: SigningKey) -> bool:
        return self._secret is None or is_same(key.proof, proof_of(_proven_text(key), self._secret))

    def _private(self, key: SigningKey) -> ec.EllipticCurvePrivateKey:
        """Raises CannotUnseal."""
        loaded = serialization.load_pem_private_key(unseal(key.private, self._secret, name=key.kid), password=None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise CannotUnseal(f"{key.kid} is no key of an elliptic curve")
        return loaded

    def _make(self, now: datetime, signs_from: datetime) -> SigningKey:
        private = ec.generate_private_key(ec.SECP256R1())
        kid = uuid4().hex
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return SigningKey(
            kid=kid,
            private=seal(pem, self._secret, name=kid),
            public=_public_jwk(private.public_key()),
            created_at=now,
            signs_from=signs_from,
        )

    def _signing(self) -> tuple[str, ec.EllipticCurvePrivateKey] | None:
        usable = [opened.key for opened in self._opened.values() if opened.private is not None]
        chosen = signing_at(usable, self._time.now())
        private = self._opened[chosen.kid].private if chosen else None
        return (chosen.kid, private) if chosen and private else None

    async def _load_if_older_than(self, age_s: float) -> None:
        if self._time.monotonic() - self._loaded_at > age_s:
            async with self._loading:
                if self._time.monotonic() - self._loaded_at > age_s:
                    await self._load_or_keep()

    async def _load_or_keep(self) -> None:
        """While the store is away, the loaded keys stay in use: requests without the store are still answered."""
        try:
            await self._load()
        except StoreUnavailable:
            if not self._opened:
                raise
            self._loaded_at = self._time.monotonic()

    async def _load(self) -> None:
        stored = await _stored(self._store)
        keys = [self._as_last_seen(key) for key in stored if self._is_trusted(key)]
        ignored = frozenset(key.kid for key in stored) - {key.kid for key in keys}
        if ignored - self._ignored:
            log.warning("signing keys ignored, because this process's secret did not make them", kids=sorted(ignored))
        self._ignored = ignored
        known = self._opened
        self._opened = {
            key.kid: replace(known[key.kid], key=key)
            if key.kid in known and known[key.kid].key.private == key.private
            else self._open(key)
            for key in keys
        }
        self._loaded_at = self._time.monotonic()

    def _as_last_seen(self, key: SigningKey) -> SigningKey:
        """The key, which retires no later than this process has seen: an older copy, with its proof, may come back."""
        seen = self._ends.get(key.kid)
        ends = min((at for at in (seen, key.retires_at) if at is not None), default=None)
        if ends is None:
            return key
        if key.retires_at is None or ends < key.retires_at:
            log.error("a signing key that retires was put back as it was before", kid=key.kid)
            key = replace(key, retires_at=ends, private="" if ends <= self._time.now() else key.private)
        self._ends[key.kid] = ends
        return key

    def _open(self, key: SigningKey) -> _Opened:
        public = ECAlgorithm(ECAlgorithm.SHA256).from_jwk(json.dumps(key.public))
        assert isinstance(public, ec.EllipticCurvePublicKey)
        private = None
        if key.private:
            try:
                private = self._private(key)
            except CannotUnseal as error:
                log.warning("signing key not usable here", kid=key.kid, reason=str(error))
        return _Opened(key, private, public)


def _public_jwk(public: ec.EllipticCurvePublicKey) -> dict[str, str]:
    jwk: dict[str, str] = json.loads(ECAlgorithm.to_jwk(public))
    jwk.pop("key_ops", None)
    return jwk


def _proven_text(key: SigningKey) -> str:
    """All fields but the proof, each in one way only: the store keeps times to the millisecond."""
    times = [at and at.isoformat(timespec="milliseconds") for at in (key.created_at, key.signs_from, key.retires_at)]
    return json.dumps([key.kid, key.private, key.public, *times], sort_keys=True)


async def _stored(reader: Reader) -> list[SigningKey]:
    """All keys; what is not one is ignored."""
    found = []
    for document in await reader.find(KEYS.name, {"_id": {"$gt": ""}}):
        try:
            found.append(KEYS.entity_of(document))
        except ValueError:
            log.warning("not a signing key", id=str(document["_id"])[:64])
    return found

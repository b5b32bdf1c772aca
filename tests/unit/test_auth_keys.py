"""Write access to the database is not enough to sign: only keys that the secret has proven are used."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from pydantic import SecretStr

from api.identity.model import SigningKey, User
from api.identity.principal import InvalidToken, Principal
from api.identity.repository import COLLECTIONS, KEYS
from api.identity.tokens.keys import KeyRing
from api.identity.tokens.tokens import LEEWAY_S, OwnTokens
from infra.sealing import seal, unseal
from infra.settings import Settings
from tests.workflow.in_memory import InMemoryStore, ManualTime

SECRET = "4f1c07a95be3d268-4f1c07a95be3d268"
ANN = User("ann", "ann@example.com", "hash", ("ROLE_ADMIN",), datetime(2026, 11, 1, tzinfo=UTC))


class Processes:
    """Processes on one database."""

    def __init__(self) -> None:
        self.time = ManualTime(datetime.now(UTC).replace(microsecond=0))
        self.store = InMemoryStore(COLLECTIONS)

    async def start(self, secret: str | None = SECRET) -> tuple[KeyRing, OwnTokens]:
        settings = Settings(identity_secret=SecretStr(secret) if secret else None)
        keys = KeyRing(self.store, self.time, settings)  # type: ignore[arg-type]
        await keys.prepare()
        return keys, OwnTokens(keys, settings, self.time)

    async def stored(self) -> list[SigningKey]:
        return await KEYS.all(self.store, {"_id": {"$gt": ""}})

    async def put(self, *keys: SigningKey) -> None:
        for key in keys:
            await self.store.transact(lambda tx, key=key: KEYS.replace(tx, key))  # type: ignore[misc]


@pytest.fixture
def processes() -> Processes:
    return Processes()


async def token_of(tokens: OwnTokens) -> str:
    return await tokens.for_user(ANN, "tributary", None)


def pair() -> tuple[ec.EllipticCurvePrivateKey, bytes, dict[str, str]]:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = json.loads(ECAlgorithm.to_jwk(private.public_key()))
    public.pop("key_ops", None)
    return private, pem, public


def forged(private: Any, kid: str, like: str, **changes: Any) -> str:
    claims = jwt.decode(like, options={"verify_signature": False})
    return jwt.encode({**claims, **changes}, private, "ES256", {"kid": kid, "typ": "at+jwt"})


async def refused(tokens: OwnTokens, token: str) -> str:
    with pytest.raises(InvalidToken) as error:
        await tokens.verify(token)
    return error.value.reason


async def test_a_secret_that_comes_later_retires_the_readable_key_and_removes_it(processes: Processes) -> None:
    _, before = await processes.start(secret=None)
    [readable] = await processes.stored()
    own = await token_of(before)
    assert readable.private.startswith("plain:")

    keys, tokens = await processes.start()
    stolen: Any = serialization.load_pem_private_key(unseal(readable.private, None, name=readable.kid), None)
    assert await refused(tokens, own) == "unknown key"
    assert await refused(tokens, forged(stolen, readable.kid, own)) == "unknown key"
    assert [key.private for key in await processes.stored() if key.kid == readable.kid] == [""]
    assert readable.kid not in {key["kid"] for key in (await keys.published())["keys"]}
    assert isinstance(await tokens.verify(await token_of(tokens)), Principal)

    # A process without the secret that starts afterwards makes no key that the others accept.
    _, careless = await processes.start(secret=None)
    processes.time.advance_to(processes.time.now() + timedelta(seconds=61))
    assert await refused(tokens, await token_of(careless)) == "unknown key"


async def test_a_key_that_was_put_into_the_database_is_not_trusted(processes: Processes) -> None:
    keys, tokens = await processes.start()
    [own] = await processes.stored()
    private, pem, public = pair()
    planted = [
        replace(own, kid="public-only", private="", public=public, proof=""),
        replace(own, kid="copied-proof", private="", public=public),
        replace(own, kid="readable", private=seal(pem, None, name="readable"), public=public, proof=""),
        replace(own, kid="other-secret", private=seal(pem, SECRET + "x", name="other-secret"), public=public, proof=""),
        replace(own, kid="copied-private", public=public, proof=""),
    ]
    await processes.put(*planted)
    processes.time.advance_to(processes.time.now() + timedelta(seconds=61))
    like = await token_of(tokens)
    for running in (tokens, (await processes.start())[1]):
        for key in planted:
            assert await refused(running, forged(private, key.kid, like)) == "unknown key", key.kid
    assert [key["kid"] for key in (await keys.published())["keys"]] == [own.kid]


async def test_a_key_whose_public_half_was_exchanged_is_not_trusted(processes: Processes) -> None:
    _, tokens = await processes.start()
    [own] = await processes.stored()
    private, _, public = pair()
    like = await token_of(tokens)
    for changed in (replace(own, public=public), replace(own, public=public, proof="")):
        await processes.put(changed)
        _, after = await processes.start()
        assert await refused(after, forged(private, own.kid, like)) == "unknown key"


async def test_a_retired_key_cannot_be_brought_back(processes: Processes) -> None:
    keys, tokens = await processes.start()
    [stolen] = await processes.stored()
    pem = unseal(stolen.private, SECRET, name=stolen.kid)
    own = await token_of(tokens)
    await keys.rotate(at_once=True)
    [retired] = [key for key in await processes.stored() if key.kid == stolen.kid]
    assert (retired.private, retired.retires_at) == ("", processes.time.now())
    for changed in (replace(retired, retires_at=None), replace(retired, retires_at=None, proof="")):
        await processes.put(changed)
        _, after = await processes.start()
        private = serialization.load_pem_private_key(pem, None)
        assert await refused(after, forged(private, stolen.kid, own)) == "unknown key"


async def test_an_older_copy_of_a_retired_key_is_not_used_by_a_process_that_saw_its_end(processes: Processes) -> None:
    """With its proof and its private half, as a backup has it."""
    keys, tokens = await processes.start()
    _, other = await processes.start()
    [copy] = await processes.stored()
    own = await token_of(tokens)
    await keys.rotate(at_once=True)
    processes.time.advance_to(processes.time.now() + timedelta(seconds=61))
    assert await refused(other, own) == "unknown key"
    await processes.put(copy)
    processes.time.advance_to(processes.time.now() + timedelta(seconds=61))
    for running in (tokens, other):
        assert await refused(running, own) == "unknown key"
        assert jwt.get_unverified_header(await token_of(running))["kid"] != copy.kid
    assert copy.kid not in {key["kid"] for key in (await keys.published())["keys"]}


async def test_sealed_keys_from_before_proofs_stay_in_use(processes: Processes) -> None:
    _, tokens = await processes.start()
    [own] = await processes.stored()
    token = await token_of(tokens)
    await processes.put(replace(own, proof=""))
    _, after = await processes.start()
    assert isinstance(await after.verify(token), Principal)
    assert len(await processes.stored()) == 1


async def test_keys_survive_rotations_and_restarts(processes: Processes) -> None:
    keys, tokens = await processes.start()
    token = await token_of(tokens)
    await keys.rotate()
    for running in (tokens, (await processes.start())[1]):
        assert isinstance(await running.verify(token), Principal)


async def test_what_is_no_key_is_ignored(processes: Processes) -> None:
    await processes.start()
    for document in ({"_id": "x"}, {"_id": "y", "private": 7, "public": []}):
        await processes.store.transact(lambda tx, document=document: tx.insert(KEYS.name, [document]))  # type: ignore[misc]
    _, tokens = await processes.start()
    assert isinstance(await tokens.verify(await token_of(tokens)), Principal)


async def test_a_token_that_lives_longer_than_ours_is_refused(processes: Processes) -> None:
    _, tokens = await processes.start()
    [own] = await processes.stored()
    private = serialization.load_pem_private_key(unseal(own.private, SECRET, name=own.kid), None)
    like = await token_of(tokens)
    now = int(processes.time.now().timestamp())
    for life_s in (365 * 86_400, 601 + LEEWAY_S, 0, -10):
        token = forged(private, own.kid, like, iat=now, exp=now + life_s)
        assert await refused(tokens, token) in ("lives too long", "ExpiredSignatureError")
    assert await refused(tokens, forged(private, own.kid, like, iat=str(now))) in ("no time", "InvalidIssuedAtError")
    assert isinstance(await tokens.verify(forged(private, own.kid, like, iat=now, exp=now + 600)), Principal)

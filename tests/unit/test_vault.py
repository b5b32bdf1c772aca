"""Sealing: what opens where, what rotation and erasing leave, and the sentence about a missing master key."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.payees.view import PAYEES
from contracts.payouts.view import PAYOUTS
from infra.adapters.vault import CACHED_S, KeyVault, Opener
from infra.operators.payee_keys import NotErased, erase, missing_master, overview, rewrap
from infra.payees.accounts import GivenMethod, sealed_method
from infra.payees.identities import GivenIdentity, sealed_identity
from infra.ports.store import Collection
from infra.ports.vault import CannotOpen
from infra.vault.master import MasterKeys, add_key, keys_in
from infra.vault.repository import COLLECTION, KEYS
from tests.workflow.in_memory import InMemoryStore, ManualTime

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ANN, BOB = 2, 3
IBAN = "DE89370400440532013000"


class Place:
    """A store, a file of master keys, and the clock."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "master.keys"
        self.store = InMemoryStore((COLLECTION, Collection(PAYEES, "payees"), Collection(PAYOUTS, "payouts")))
        self.time = ManualTime(NOW)
        add_key(self.file, NOW)

    def master(self) -> MasterKeys:
        return MasterKeys(str(self.file))

    def vault(self) -> KeyVault:
        return KeyVault(self.store, self.master(), self.time)

    def opener(self) -> Opener:
        """Another process, which only reads."""
        return Opener(self.store, self.master(), self.time)

    async def opens(self, sealed: str, whose: int = ANN, field: str = "destination") -> str:
        return await self.opener().open(field, whose, sealed)

    async def refusal(self, sealed: str, whose: int = ANN, field: str = "destination") -> str:
        with pytest.raises(CannotOpen) as error:
            await self.opens(sealed, whose, field)
        assert IBAN not in str(error.value)
        return error.value.code


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_another_process_opens_what_was_sealed(place: Place) -> None:
    sealed = await place.vault().seal("destination", ANN, IBAN)

    assert re.fullmatch(r"sealed-2:payee-2-1:[A-Za-z0-9+/]+={0,2}", sealed)
    assert await place.opens(sealed) == IBAN


async def test_equal_values_are_sealed_alike_and_others_are_not(place: Place) -> None:
    """So that a repeated request is the same command."""
    vault = place.vault()
    first = await vault.seal("destination", ANN, IBAN)

    assert await place.vault().seal("destination", ANN, IBAN) == first
    others = [
        await vault.seal("holder", ANN, IBAN),
        await vault.seal("destination", BOB, IBAN),
        await vault.seal("destination", ANN, IBAN + "1"),
    ]
    nonces = {value.rpartition(":")[2][:16] for value in (first, *others)}
    assert len(nonces) == 4


async def test_edge_46_a_value_copied_to_another_payee_or_field_does_not_open(place: Place) -> None:
    vault = place.vault()
    sealed = await vault.seal("destination", ANN, IBAN)
    await vault.seal("destination", BOB, IBAN)

    assert await place.refusal(sealed, BOB) == "not_this_payee"
    assert await place.refusal(sealed.replace("payee-2-1", "payee-3-1"), BOB) == "not_this_payee"
    assert await place.refusal(sealed, field="holder") == "not_this_payee"


async def test_a_changed_value_does_not_open(place: Place) -> None:
    sealed = await place.vault().seal("destination", ANN, IBAN)
    head, _, text = sealed.rpartition(":")

    assert await place.refusal(f"{head}:{'B' if text[0] == 'A' else 'A'}{text[1:]}") == "not_this_payee"
    for damaged in ("AAAA", "AAAAA"):
        assert await place.refusal(f"{head}:{damaged}") == "not_this_payee"
    assert await place.refusal("plain") == "not_sealed"
    assert await place.refusal(f"sealed-2:payee-9-1:{text}") == "unknown_key"


@given(st.text(min_size=1, max_size=320))
def test_any_text_opens_as_it_was(text: str) -> None:
    async def run(place: Place) -> None:
        sealed = await place.vault().seal("holder", ANN, text)
        assert await place.opens(sealed, field="holder") == text

    place = Place.__new__(Place)
    place.store, place.time = InMemoryStore((COLLECTION,)), ManualTime(NOW)
    place.master = lambda: _in_memory  # type: ignore[method-assign]
    asyncio.run(run(place))


class _InMemoryMaster(MasterKeys):
    def _read(self) -> None:
        self._keys = {"m": b"k" * 32}


_in_memory = _InMemoryMaster(None)


async def test_fingerprints_find_equal_accounts_of_any_payee(place: Place) -> None:
    first, second = await place.vault().fingerprint(IBAN), await place.vault().fingerprint(IBAN)

    assert first == second
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert await place.vault().fingerprint(IBAN + "1") != first


async def test_two_processes_make_one_key(place: Place) -> None:
    sealed = await asyncio.gather(*(place.vault().seal("destination", ANN, IBAN) for _ in range(5)))

    assert len(set(sealed)) == 1
    assert len(await place.store.find(KEYS, {"distributor_id": ANN})) == 1


async def test_what_a_payee_gives_is_sealed_by_field(place: Place) -> None:
    given = GivenMethod("iso20022", "EUR", "DE", "Ann Weber", IBAN)
    method, fingerprint = await sealed_method(place.vault(), ANN, "m-1", given)
    person = GivenIdentity("person", "Li Na", "passport", "G12345678", "CN", "CN", "w9", "536-90-4399")
    identity = await sealed_identity(place.vault(), ANN, "i-1", person, by="ann")

    assert (method.hint, fingerprint) == ("•••• 3000", await place.vault().fingerprint(IBAN))
    assert await place.opens(method.destination) == IBAN
    assert await place.opens(method.holder, field="holder") == "Ann Weber"
    assert await place.opens(identity.legal_name, field="legal_name") == "Li Na"
    assert await place.opens(identity.id_number, field="id_number") == "G12345678"
    assert await place.opens(identity.tin or "", field="tin") == "536904399"
    shown = repr(given) + repr(person) + repr(method) + repr(identity)
    assert [value for value in (IBAN, "Ann Weber", "G1234", "sealed-2") if value in shown] == []


class TestRotation:
    async def test_a_new_key_seals_and_the_old_one_still_opens(self, place: Place) -> None:
        vault = place.vault()
        old = await vault.seal("destination", ANN, IBAN)
        assert await vault.rotate(ANN) == "payee-2-2"
        assert await vault.seal("destination", ANN, IBAN) == old
        await place.time.sleep(CACHED_S)
        new = await vault.seal("destination", ANN, IBAN)

        assert new.startswith("sealed-2:payee-2-2:")
        assert (await place.opens(old), await place.opens(new)) == (IBAN, IBAN)

    async def test_a_new_master_key_changes_no_sealed_value(self, place: Place) -> None:
        running, reading = place.vault(), place.opener()
        sealed = await running.seal("destination", ANN, IBAN)
        before = await running.fingerprint(IBAN)
        newest = add_key(place.file, NOW)
        assert await rewrap(place.store, place.master(), place.time) == 2
        assert await rewrap(place.store, place.master(), place.time) == 0

        # Processes that run since before read the file again.
        assert await reading.open("destination", ANN, sealed) == IBAN
        assert await running.seal("destination", ANN, IBAN) == sealed
        assert (await overview(place.store, place.master())).under == {newest: 2}
        # The old key can leave the file; a backup of the wrapped keys then opens nothing.
        place.file.write_text(place.file.read_text().splitlines()[-1] + "\n")
        assert await place.opens(sealed) == IBAN
        assert await place.vault().fingerprint(IBAN) == before


class TestErasing:
    async def test_what_was_sealed_opens_nowhere_a_minute_later(self, place: Place) -> None:
        vault, reading = place.vault(), place.opener()
        old = await vault.seal("destination", ANN, IBAN)
        await vault.rotate(ANN)
        of_bob = await vault.seal("destination", BOB, IBAN)
        await reading.open("destination", ANN, old)
        assert await erase(place.store, place.time, ANN, ("ann", "bob")) == 2
        assert await erase(place.store, place.time, ANN, ("ann", "bob")) == 0

        assert await place.refusal(old) == "payee_erased"
        await place.time.sleep(CACHED_S)
        with pytest.raises(CannotOpen):
            await reading.open("destination", ANN, old)
        assert await place.opens(of_bob, BOB) == IBAN
        kept = await place.store.find(KEYS, {"distributor_id": ANN})
        assert [key["erased_by"] for key in kept] == [["ann", "bob"]] * 2
        assert not any("wrapped" in key for key in kept)
        # Who comes back has a new key.
        again = await place.vault().seal("destination", ANN, IBAN)
        assert again.startswith("sealed-2:payee-2-3:")

    @pytest.mark.parametrize("state", ["sending", "sent", "awaiting_payee", "doubtful"])
    async def test_edge_34_nothing_is_erased_while_money_is_under_way(self, place: Place, state: str) -> None:
        sealed = await place.vault().seal("destination", ANN, IBAN)
        place.store.table(PAYOUTS).put({"_id": "default/2026-10/2/EUR", "distributor_id": ANN, "state": state})
        with pytest.raises(NotErased, match=state):
            await erase(place.store, place.time, ANN, ("ann", "bob"))

        assert await place.opens(sealed) == IBAN

    async def test_nothing_is_erased_while_there_is_a_method(self, place: Place) -> None:
        await place.vault().seal("destination", ANN, IBAN)
        place.store.table(PAYEES).put({"_id": ANN, "method": {"rail": "manual"}})

        with pytest.raises(NotErased, match="tributary payees remove 2"):
            await erase(place.store, place.time, ANN, ("ann", "bob"))


class TestMasterKey:
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o444])
    async def test_a_file_that_others_may_read_is_refused(self, place: Place, mode: int) -> None:
        sealed = await place.vault().seal("destination", ANN, IBAN)
        place.file.chmod(mode)

        assert await place.refusal(sealed) == "master_key_exposed"
        with pytest.raises(CannotOpen, match="chmod 600"):
            await place.vault().seal("destination", BOB, IBAN)

    async def test_edge_45_a_missing_master_key_is_named(self, place: Place) -> None:
        sealed = await place.vault().seal("destination", ANN, IBAN)
        [lost] = keys_in(place.file)
        assert await missing_master(place.store, place.master()) is None
        place.file.unlink()
        assert await place.refusal(sealed) == "no_master_key"
        add_key(place.file, NOW)

        assert await place.refusal(sealed) == "master_key_missing"
        assert lost in str(await missing_master(place.store, place.master()))
        with pytest.raises(CannotOpen):
            await place.vault().seal("destination", ANN, IBAN)

    async def test_edge_45_a_wrong_master_key_is_named(self, place: Place) -> None:
        sealed = await place.vault().seal("destination", ANN, IBAN)
        name = place.file.read_text().split()[0]
        place.file.write_text(f"{name} {'A' * 43}=\n")

        assert await place.refusal(sealed) == "master_key_wrong"

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda text: "",
            lambda text: text + "x\n",
            lambda text: text + text,
            lambda text: text.replace("=", ""),
            lambda text: "\udcff" + text,
        ],
        ids=["empty", "nonsense", "twice", "short", "no text"],
    )
    async def test_a_damaged_file_is_refused_with_a_sentence(self, place: Place, spoil: Callable[[str], str]) -> None:
        text = place.file.read_text()
        place.file.write_bytes(spoil(text).encode(errors="surrogateescape"))

        with pytest.raises(CannotOpen) as error:
            place.master().ids()
        assert text.split()[1] not in str(error.value)

    def test_without_the_setting_the_sentence_says_what_to_do(self) -> None:
        with pytest.raises(CannotOpen, match="tributary keys create"):
            MasterKeys(None).ids()

    def test_a_key_is_added_and_the_file_stays_private(self, place: Place) -> None:
        [first] = keys_in(place.file)
        previous = os.umask(0)
        try:
            second = add_key(place.file, NOW)
        finally:
            os.umask(previous)

        assert list(keys_in(place.file)) == [first, second]
        assert place.file.stat().st_mode & 0o777 == 0o600
        assert [path.name for path in place.file.parent.iterdir()] == ["master.keys"]

    def test_a_damaged_file_is_not_replaced(self, place: Place) -> None:
        place.file.write_text("damaged\n")
        with pytest.raises(CannotOpen):
            add_key(place.file, NOW)

        assert place.file.read_text() == "damaged\n"

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(CannotOpen, match="cannot be read"):
            keys_in(tmp_path)

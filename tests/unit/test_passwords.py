"""Passwords, the addresses beside them, and codes that people read aloud."""

from __future__ import annotations

import time
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from api.http.problems import Problem
from api.identity.accounts.registration import Joining, Registrations
from api.identity.given import Email
from api.identity.opaque import new_invite_code
from api.identity.passwords import Passwords, check_strength, normalized_email


class TestPasswords:
    async def test_only_the_stored_password_matches(self) -> None:
        passwords = Passwords(threads=1)
        stored = await passwords.hash("seven grey herons")
        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert await passwords.verify(stored, "seven grey herons")
        assert not await passwords.verify(stored, "seven grey heron")
        assert not await passwords.verify(None, "no user has this password")
        assert not await passwords.verify("not a hash", "seven grey herons")
        assert not passwords.is_outdated(stored)
        assert passwords.is_outdated(stored.replace("m=19456", "m=8192"))

    async def test_equivalent_characters_match(self) -> None:
        passwords = Passwords(threads=1)
        assert await passwords.verify(await passwords.hash("cafe\u0301 au lait fort"), "caf\u00e9 au lait fort")

    @pytest.mark.parametrize(
        "weak",
        ["short", "elevenchars", "x" * 129, "lin@example.com", "linlinlinlin", "aaaaaaaaaaaaaaaa", "abababababab"],
    )
    def test_weak_passwords_are_refused(self, weak: str) -> None:
        with pytest.raises(Problem) as refused:
            check_strength(weak, "lin@example.com")
        assert refused.value.reason == "weak_password"
        assert weak not in str(refused.value)

    def test_long_passwords_of_any_kind_are_accepted(self) -> None:
        for password in (
            "seven grey herons",
            "八只灰鹭在浅水里慢慢走路",
            "lin's favourite tree",
            "correct horse battery",
            "k7$Gp2xQ9wLm",
            "4f1c07a95be3d268",
            "vqpzmwkdfhru",
        ):
            check_strength(password, "lin@example.com")

    @pytest.mark.parametrize(
        "common",
        [
            "123456789012",
            "１２３４５６７８９０１２",
            "1234-5678-9012",
            "849302748372",
            "2026-11-29 12",
            "password1234",
            "PASSWORD1234",
            "P@ssw0rd1234",
            "p.a.s.s.w.o.r.d1",
            "password password",
            "1234password1234",
            "qwertyuiop12",
            "1q2w3e4r5t6y",
            "1qaz2wsx3edc",
            "asdfghjkl123",
            "abcdefghijkl",
            "iloveyou1234",
            "letmeinletmein",
            "abc123abc123",
            "hunter2hunter2",
            "Summer2026!!",
            "Welcome2026!",
            "administrator",
            "Tributary2026",
            "woaini1314520",
            "lin@example.com123",
            "Password!Password!Password!",
        ],
    )
    def test_common_passwords_and_numbers_are_refused(self, common: str) -> None:
        with pytest.raises(Problem) as refused:
            check_strength(common, "lin@example.com")
        assert refused.value.reason == "weak_password"
        assert common not in str(refused.value.detail)

    @pytest.mark.parametrize(
        "tricky",
        [
            "4@8({[<369&#!1/|0$5+7%2" * 6,
            "a1" * 64,
            "a" * 127 + "b",
            "password" * 16,
            "é" * 128,
            "".join(map(chr, range(0x4E00, 0x4E00 + 100))) + "lin!@#(#)(",
            "\ufdfa" * 126 + "ab",
            "\u0390" * 128,
        ],
    )
    def test_no_password_keeps_the_check_busy(self, tricky: str) -> None:
        """A character may be 18 once it is normalised, and three once its case is removed."""

        def took_s() -> float:
            begun = time.thread_time()
            with suppress(Problem):
                check_strength(tricky[:128], "lin@example.com")
            return time.thread_time() - begun

        assert min(took_s() for _ in range(3)) < 0.03

    @pytest.mark.parametrize(
        "longer", ["\ufdfa" * 12, "seven grey herons" + "ß" * 56, "seven grey herons" + "\u0390" * 38]
    )
    def test_a_password_is_short_once_normalised(self, longer: str) -> None:
        with pytest.raises(Problem) as refused:
            check_strength(longer, "lin@example.com")
        assert refused.value.reason == "weak_password"
        check_strength("seven grey herons" + "ß" * 55, "lin@example.com")

    def test_an_address_is_short_once_normalised(self) -> None:
        address: TypeAdapter[str] = TypeAdapter(Email)
        assert address.validate_python("ｌｉｎ@example.com") == "ｌｉｎ@example.com"
        with pytest.raises(ValidationError, match="254 in all"):
            address.validate_python("\ufdfa" * 14 + "@example.com")

    async def test_a_registration_is_counted_before_its_password_is_looked_at(self) -> None:
        class Locked:
            async def count_attempt(self, account: str, address: str) -> None:
                raise Problem("too_many_attempts")

        network = SimpleNamespace(connected=True)
        unused: Any = None
        registrations = Registrations(unused, network, unused, Locked(), unused, unused)  # type: ignore[arg-type]
        with pytest.raises(Problem) as refused:
            await registrations.register(Joining("CODE", "lin@example.com", "weak", "Lin"), "10.0.0.1", "c", 1)
        assert refused.value.reason == "too_many_attempts"

    def test_addresses_are_compared_without_case_and_width(self) -> None:
        assert normalized_email(" Lin@Example.COM ") == normalized_email("ｌｉｎ@example.com") == "lin@example.com"

    def test_invite_codes_can_be_read_aloud(self) -> None:
        codes = {new_invite_code() for _ in range(50)}
        assert len(codes) == 50
        assert all(len(code) == 23 and not set("IO01") & set(code) for code in codes)

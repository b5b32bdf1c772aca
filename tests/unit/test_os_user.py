"""The operating system's user is the process's own, whatever its environment claims."""

from __future__ import annotations

import os
import pwd

import pytest

from infra.adapters.os_user import os_user
from infra.operators.operator import source


def test_the_environment_does_not_name_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody.else")

    assert os_user() == pwd.getpwuid(os.getuid()).pw_name


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)

    assert os_user() == "uid 2147483641"


def test_the_environment_does_not_name_the_author_of_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "mallory")

    assert source() == f"urn:tributary:cli:{os_user()}"

"""In the compose file each process has RabbitMQ's login of its kind, and no password is known to all."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from infra.operators.broker_logins import role_logins
from infra.runtime import roster
from tests.architecture.sources import ROOT, WORKERS

ADMINISTRATOR = "tributary"
_VARIABLE = re.compile(r"\$\{([A-Z_]+)([^}]*)\}")
_TEXT = (ROOT / "docker-compose.yml").read_text()
_ROLE_OF = {**dict.fromkeys(WORKERS, "worker"), "clock": "clock", "api": "api"}


def named(text: str) -> str:
    """The text with the names of variables in the places of their values."""
    return _VARIABLE.sub(lambda found: found[1], text)


def environment_of(service: str) -> dict[str, str]:
    services: dict[str, Any] = yaml.safe_load(named(_TEXT))["services"]
    environment: dict[str, str] = services[service]["environment"]
    return environment


def login_of(url: str) -> tuple[str | None, str | None]:
    return urlsplit(url).username, urlsplit(url).password


def test_no_password_of_rabbitmq_has_a_default() -> None:
    found = [(name, rest) for name, rest in _VARIABLE.findall(_TEXT) if re.fullmatch(r"RABBITMQ_.*PASSWORD", name)]

    assert len(found) >= 5
    assert [name for name, rest in found if not rest.startswith(":?")] == []


@pytest.mark.parametrize("service", _ROLE_OF)
def test_a_process_has_the_login_of_its_kind(service: str) -> None:
    role, environment = _ROLE_OF[service], environment_of(service)

    login = role_logins(roster.load_all())[role].name
    assert login_of(environment["RABBITMQ_URL"]) == (login, f"RABBITMQ_{role.upper()}_PASSWORD")
    assert not {"RABBITMQ_MANAGEMENT_URL", "TRIBUTARY_BROKER_PASSWORDS"} & environment.keys()


def test_the_administrator_declares_and_makes_the_logins() -> None:
    environment = environment_of("topology")
    administrator = (ADMINISTRATOR, "RABBITMQ_PASSWORD")

    assert login_of(environment["RABBITMQ_URL"]) == login_of(environment["RABBITMQ_MANAGEMENT_URL"]) == administrator
    server = environment_of("rabbitmq")
    assert (server["RABBITMQ_DEFAULT_USER"], server["RABBITMQ_DEFAULT_PASS"]) == administrator
    assert json.loads(environment["TRIBUTARY_BROKER_PASSWORDS"]) == {
        role: f"RABBITMQ_{role.upper()}_PASSWORD" for role in role_logins(roster.load_all())
    }


def test_what_makes_logins_has_the_key_of_the_audit_log() -> None:
    """`identity …` runs in `topology`; without the key its entries would count as forged."""
    secrets = [environment_of(service)["TRIBUTARY_IDENTITY_SECRET"] for service in ("api", "topology")]

    assert secrets == ["IDENTITY_SECRET"] * 2


def test_only_what_seals_and_opens_addresses_of_receivers_has_their_key() -> None:
    """Of the settings for calls, the login of the mail server is the sender's alone. Another key seals the accounts of
    payees, as rails are no receivers.
    """
    performers = {worker.name for worker in roster.load_all() if worker.performs} - {"payout_delivery"}
    services = yaml.safe_load(named(_TEXT))["services"]
    with_key, with_mail = (
        {name for name, service in services.items() if setting in service.get("environment", {})}
        for setting in ("TRIBUTARY_DELIVERY_SECRET", "TRIBUTARY_SMTP_PASSWORD")
    )

    assert (with_key, with_mail) == ({"api", *performers}, performers)

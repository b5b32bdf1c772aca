"""What `docker-compose.yml` promises: no default password, exact images, no rights, servers apart from the outside."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.architecture.sources import ROOT, WORKERS

TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
SERVERS = ("rabbitmq", "mongodb", "redis")


def test_no_password_or_secret_of_ours_has_a_default() -> None:
    used = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|KEY)\w*)([^}]*)\}", TEXT)

    assert {name for name, _ in used} >= {
        "MONGODB_ROOT_PASSWORD",
        "MONGODB_PASSWORD",
        "REDIS_PASSWORD",
        "RABBITMQ_PASSWORD",
        "RABBITMQ_WORKER_PASSWORD",
        "RABBITMQ_CLOCK_PASSWORD",
        "RABBITMQ_API_PASSWORD",
        "RABBITMQ_OPERATOR_PASSWORD",
        "IDENTITY_SECRET",
        "DELIVERY_SECRET",
    }
    assert [name for name, rest in used if not rest.startswith(":?")] == []


def test_mongodb_and_redis_require_a_login() -> None:
    environment = SERVICES["order_intake"]["environment"]

    assert environment["MONGODB_URL"].startswith("mongodb://tributary:${MONGODB_PASSWORD:?")
    assert environment["REDIS_URL"].startswith("redis://:${REDIS_PASSWORD:?")
    assert "--auth" in SERVICES["mongodb"]["command"][-1]
    assert "requirepass" in SERVICES["redis"]["command"][-1]


@pytest.mark.parametrize("name", SERVERS)
def test_an_image_has_an_exact_version(name: str) -> None:
    assert re.search(r":\d+\.\d+\.\d+(-[a-z]+)?$", SERVICES[name]["image"]), SERVICES[name]["image"]


def test_the_base_of_our_image_has_an_exact_version() -> None:
    dockerfile = (ROOT / "infra/deploy/Dockerfile").read_text()
    assert re.search(r"^ARG PYTHON_IMAGE=python:\d+\.\d+\.\d+-", dockerfile, re.MULTILINE)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights(name: str) -> None:
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name in SERVERS:
        assert service["user"] not in ("", "root", "0")
    if name != "rabbitmq":
        assert service["read_only"] is True


def test_only_the_api_is_in_the_network_of_the_outside() -> None:
    assert {name for name, service in SERVICES.items() if "front" in service["networks"]} == {"api"}
    assert all("back" in SERVICES[name]["networks"] for name in (*SERVERS, *WORKERS))


def test_ports_are_open_on_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)

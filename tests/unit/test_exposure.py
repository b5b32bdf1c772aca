"""A process that other machines can reach does not start with what everybody knows."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from infra.processes.exposure import has_known_password, is_loopback, require_own_passwords, require_safe
from infra.processes.start import StartError
from infra.settings import Settings
from tests.unit.command_line import CommandLine

SECRET = SecretStr("4f1c07a95be3d268-4f1c07a95be3d268")


def settings(**changes: Any) -> Settings:
    safe = {
        "public_url": "https://tributary.example",
        "identity_secret": SECRET,
        "rabbitmq_url": "amqp://tributary-api:k3Vq9w@rabbitmq:5672/",
        "mongodb_url": "mongodb://mongodb:27017/?replicaSet=tributary",
        "redis_url": "redis://:x8Lm2@redis:6379/0",
    }
    return Settings(**{**safe, **changes})


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "http://127.8.9.1",
        "http://localhost:8080",
        "http://api.localhost",
        "http://[::1]:8080",
        "https://LOCALHOST",
    ],
)
def test_an_address_of_this_machine_needs_nothing(url: str) -> None:
    assert is_loopback(url)
    default = Settings(public_url=url, rabbitmq_url="amqp://guest:guest@127.0.0.1", identity_secret=None)
    require_safe(default, "*")
    require_own_passwords(default)


@pytest.mark.parametrize(
    "url",
    [
        "https://tributary.example",
        "https://127.0.0.1.evil.example",
        "https://localhost.evil.example",
        "https://localhost@evil.example",
        "https://127.0.0.1:80@evil.example",
        "https://0.0.0.0:8080",
        "https://[::]",
        "https://10.0.0.1",
        "https://[::1",
        "127.0.0.1:8080",
        "",
    ],
)
def test_any_other_address_is_public(url: str) -> None:
    assert not is_loopback(url)
    with pytest.raises(StartError):
        require_safe(settings(public_url=url, identity_secret=None))


def test_a_public_address_with_all_of_it_starts() -> None:
    require_safe(settings(), "10.0.0.7, 10.0.0.8")
    require_own_passwords(settings())


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"public_url": "http://tributary.example"}, "TRIBUTARY_PUBLIC_URL"),
        ({"public_url": "HTTPS://tributary.example"}, "TRIBUTARY_PUBLIC_URL"),
        ({"identity_secret": None}, "TRIBUTARY_IDENTITY_SECRET"),
        ({"identity_secret": SecretStr("")}, "TRIBUTARY_IDENTITY_SECRET"),
        ({"identity_secret": SecretStr("x" * 64)}, "TRIBUTARY_IDENTITY_SECRET"),
        ({"identity_secret": SecretStr("short")}, "TRIBUTARY_IDENTITY_SECRET"),
        ({"rabbitmq_url": "amqp://tributary:tributary@rabbitmq:5672/"}, "RABBITMQ_URL"),
        ({"mongodb_url": "mongodb://root:example@mongodb:27017/?authSource=admin"}, "MONGODB_URL"),
        ({"redis_url": "redis://:redis@redis:6379/0"}, "REDIS_URL"),
    ],
)
def test_what_is_missing_is_reported_in_one_sentence(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(StartError) as refused:
        require_safe(settings(**wrong))
    sentence = str(refused.value)
    assert named in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    "trusted",
    ["*", "10.0.0.7,*", " 0.0.0.0/0", "::/0", "0.0.0.0/1,128.0.0.0/1", "10.0.0.0/7", "10.1.2.3/0", "::/1", "2000::/31"],
)
def test_a_proxy_is_named(trusted: str) -> None:
    with pytest.raises(StartError, match="FORWARDED_ALLOW_IPS"):
        require_safe(settings(), trusted)


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8, 172.16.0.0/12", "2001:db8::/32", "::1", "unix:", "proxy.example"])
def test_networks_of_proxies_may_be_named(trusted: str) -> None:
    require_safe(settings(), trusted)


@pytest.mark.parametrize("listens_at", ["http://0.0.0.0:8080", "http://[::]:8080", "http://192.0.2.7:8080"])
def test_a_socket_that_others_reach_needs_a_secret_whatever_is_declared(listens_at: str) -> None:
    local = settings(public_url="http://127.0.0.1:8080")
    require_safe(local, "10.0.0.7", listens_at=listens_at)
    with pytest.raises(StartError, match="TRIBUTARY_IDENTITY_SECRET"):
        require_safe(settings(public_url="http://127.0.0.1:8080", identity_secret=None), listens_at=listens_at)
    with pytest.raises(StartError, match="FORWARDED_ALLOW_IPS"):
        require_safe(local, "*", listens_at=listens_at)


@pytest.mark.parametrize(
    "url",
    [
        "amqp://guest:guest@rabbitmq",
        "amqp://rabbitmq",
        "amqps://admin@rabbitmq",
        "amqp://admin:@rabbitmq",
        "amqp://x:GUEST@rabbitmq",
        "amqp://x:gu%65st@rabbitmq",
        "amqp://x:guest1@rabbitmq",
        "amqp://shopuser:shopuser@rabbitmq",
        "amqp://x:123456@rabbitmq",
        "mongodb://root:example@a:27017,b:27017/?replicaSet=rs0",
        "mongodb+srv://admin:Admin123!@cluster.example",
        "redis://default:password@redis",
        "redis://redis:6379/0?password=redis",
        "redis://redis:6379/0?username=cache7&password=cache7",
        "rediss://:@redis",
    ],
)
def test_a_default_is_recognised_however_it_is_written(url: str) -> None:
    assert has_known_password(url)


@pytest.mark.parametrize(
    "url",
    [
        "amqp://tributary-api:k3Vq9wT7@rabbitmq:5672/",
        "mongodb://mongodb:27017/?replicaSet=tributary",
        "mongodb://api:w9%40x2Lp@a:27017,b:27017/tributary",
        "redis://redis:6379/0",
        "unix:///run/redis.sock?db=0",
    ],
)
def test_another_password_is_accepted(url: str) -> None:
    assert not has_known_password(url)


@pytest.mark.parametrize(
    ("words", "environment", "named"),
    [
        (("api", "--port", "0"), {"TRIBUTARY_PUBLIC_URL": "https://tributary.example"}, "TRIBUTARY_IDENTITY_SECRET"),
        (("api", "--port", "0"), {"TRIBUTARY_PUBLIC_URL": "http://tributary.example"}, "https://"),
        (("api", "--port", "0", "--host", "0.0.0.0"), {}, "TRIBUTARY_IDENTITY_SECRET"),  # noqa: S104
        (
            ("api", "--port", "0", "--host", "0.0.0.0"),  # noqa: S104
            {"TRIBUTARY_PUBLIC_URL": "http://127.0.0.1:8080"},
            "TRIBUTARY_IDENTITY_SECRET",
        ),
        (("work", "catalog"), {"TRIBUTARY_PUBLIC_URL": "https://tributary.example"}, "RABBITMQ_URL"),
    ],
    ids=str,
)
def test_the_command_ends_with_the_sentence(
    tributary: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    environment: dict[str, str],
    named: str,
) -> None:
    servers = {
        "RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:1",
        "MONGODB_URL": "mongodb://127.0.0.1:1",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    # Set first, so that what the command sets is undone as well.
    monkeypatch.setenv("TRIBUTARY_PUBLIC_URL", "")
    monkeypatch.delenv("TRIBUTARY_PUBLIC_URL")
    monkeypatch.delenv("TRIBUTARY_IDENTITY_SECRET", raising=False)
    for name, value in {**servers, **environment}.items():
        monkeypatch.setenv(name, value)
    ended = tributary(*words)
    assert ended.code == 3
    assert named in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert ended.out == ""

"""Which addresses outside may be called, what a definition is refused for, and that sealed ones keep their route."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from contracts.notifications.channel import Kind
from infra.receivers.addresses import Address, address_of, open_address, seal_address, sealed_channel
from infra.receivers.guard import ADDRESSES_MAX, Guard, HostUnknown, ReceiverRefused, is_public, parse
from infra.receivers.signing import BadSecret, secrets_of, signed_headers
from infra.sealing import CannotUnseal
from infra.settings import Settings

SECRET = SecretStr("a delivery secret of more than 32 characters")
AT = datetime(2026, 11, 30, 2, 0, tzinfo=UTC)

PRIVATE = [
    "0.0.0.0",  # noqa: S104
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.31.255.255",
    "192.0.0.8",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::a00:1",
    "2001::1",
    "2001:db8::1",
    "2002:0a00:0001::1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"]


async def check(url: str, *addresses: str, allowed: tuple[str, ...] = ()) -> tuple[str, ...]:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return (await Guard(allowed, resolve).check(url)).addresses


@pytest.mark.parametrize("address", PRIVATE)
async def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(ReceiverRefused) as refused:
        await check("https://hooks.example/", PUBLIC[0], address)

    assert refused.value.code == "address_not_public"
    assert address not in refused.value.detail


@pytest.mark.parametrize("address", PUBLIC)
async def test_a_public_address_is_connected_to(address: str) -> None:
    assert await check("https://hooks.example/", address) == (address,)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_python_calls_private_is_never_public(address: IPv4Address | IPv6Address) -> None:
    assert not (is_public(address) and (not address.is_global or address.is_multicast or address.is_reserved))


@given(st.ip_addresses(v=6, network="2000::/3"))
def test_what_embeds_an_ipv4_address_is_never_public(address: IPv6Address) -> None:
    assert not (is_public(address) and (address.sixtofour or address.teredo or address.ipv4_mapped))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example/alerts",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "https://",
        "https:///alerts",
        "https://user:pass@hooks.example/",
        "https://user@hooks.example/",
        "https://hooks.example:0/",
        "https://hooks.example:99999/",
        "https://hooks.example:port/",
        "https://hooks.example/\n",
        "https://[::1/",
        "https://hooks.example/" + "x" * 2048,
    ],
)
def test_an_unusable_address_is_refused(url: str) -> None:
    with pytest.raises(ReceiverRefused) as refused:
        parse(url)

    assert refused.value.code == "address_invalid"


async def test_http_is_only_for_allowed_receivers() -> None:
    url = "http://hooks.example:8080/"
    with pytest.raises(ReceiverRefused) as refused:
        await check(url, PUBLIC[0])

    assert refused.value.code == "address_not_https"
    assert await check(url, PUBLIC[0], allowed=("hooks.example:8080",)) == (PUBLIC[0],)
    assert await check(url, "10.20.0.7", allowed=("10.20.0.0/16",)) == ("10.20.0.7",)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.internal:8443/", "hooks.internal:8443"),
        ("https://HOOKS.internal:8443/", "hooks.internal:8443"),
        ("https://hooks.internal/", "hooks.internal:443"),
        ("http://hooks.internal/", "hooks.internal:80"),
        ("https://[::1]:8443/", "[::1]:8443"),
        ("https://hooks.internal/", "10.20.0.0/16"),
    ],
)
async def test_an_allowed_receiver_may_be_private(url: str, allowed: str) -> None:
    assert await check(url, "10.20.0.7", allowed=(allowed,)) == ("10.20.0.7",)


@pytest.mark.parametrize("allowed", ["hooks.internal:8443", "10.20.0.7/32", "fd00::/8"])
async def test_allowing_one_receiver_allows_no_other(allowed: str) -> None:
    with pytest.raises(ReceiverRefused):
        await check("https://hooks.internal/", "10.20.0.7", "10.20.0.8", allowed=(allowed,))


async def test_a_host_is_resolved_and_shown_in_ascii() -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return [PUBLIC[0]]

    receiver = await Guard((), resolve).check("https://höoks.example/")

    assert asked == [receiver.host] == ["xn--hoks-5qa.example"]


async def test_a_host_with_too_many_addresses_is_refused() -> None:
    addresses = [f"8.8.{number // 256}.{number % 256}" for number in range(ADDRESSES_MAX + 1)]
    with pytest.raises(ReceiverRefused, match="more than 64 addresses") as refused:
        await check("https://hooks.example/", *addresses)

    assert refused.value.code == "address_invalid"
    assert await check("https://hooks.example/", *addresses[:-1]) == tuple(addresses[:-1])


async def test_a_host_without_an_address_may_get_one() -> None:
    with pytest.raises(HostUnknown):
        await check("https://hooks.example/")


@pytest.mark.parametrize("url", ["https://localhost/", "https://[::1]/"])
async def test_other_spellings_of_loopback_are_refused(url: str) -> None:
    """With the resolver of this machine."""
    with pytest.raises(ReceiverRefused) as refused:
        await Guard(()).check(url)

    assert refused.value.code == "address_not_public"


@pytest.mark.parametrize("url", ["https://127.1/", "https://2130706433/"])
async def test_short_spellings_of_addresses_are_unknown_names(url: str) -> None:
    with pytest.raises(HostUnknown):
        await Guard(()).check(url)


@pytest.mark.parametrize(
    "receiver", ["alerts.internal", "https://alerts.internal:8443", "a@b:80", "a:port", "10.0.0.1/8"]
)
def test_an_allowed_receiver_has_a_form(receiver: str) -> None:
    with pytest.raises(ValidationError, match=r"write host:port such as alerts\.internal:8443"):
        Settings(outside_allowed=(receiver,))


def test_allowed_receivers_have_one_spelling() -> None:
    allowed = Settings(outside_allowed=("Alerts.Internal:8443", "10.0.0.1", "10.20.0.0/16")).outside_allowed

    assert allowed == ("alerts.internal:8443", "10.0.0.1/32", "10.20.0.0/16")
    assert ip_network(allowed[1]).num_addresses == 1


def test_mail_without_encryption_stays_on_this_machine() -> None:
    with pytest.raises(ValidationError, match="use starttls or tls"):
        Settings(smtp_tls="none", smtp_host="mail.example")
    with pytest.raises(ValidationError, match="set both or neither"):
        Settings(smtp_user="tributary")
    assert Settings(smtp_tls="none", smtp_host="127.0.0.1").smtp_tls == "none"


@pytest.mark.parametrize(
    "sender", ["Shop <a@b.example>", "a..b@c.example", "a@b@c.example", "a@", "a@b.example\n", "ä@b.c"]
)
def test_the_sender_is_one_plain_address(sender: str) -> None:
    with pytest.raises(ValidationError, match="smtp_sender"):
        Settings(smtp_sender=sender)


def test_a_sealed_address_opens_for_its_route_alone() -> None:
    address = Address("https://hooks.example/k-canary", "whsec_canary")
    sealed = seal_address(address, "warehouse", SECRET)

    assert open_address(sealed, "warehouse", SECRET) == address
    assert "canary" not in repr(address)
    for route, secret in (("other", SECRET), ("warehouse", None), ("warehouse", SecretStr("x" * 32))):
        with pytest.raises(CannotUnseal):
            open_address(sealed, route, secret)
    for changed in ("sealed-1:", "sealed-1:AAAA", "plain:e30=", sealed[:-8] + "AAAAAAA=", "sealed-1:A"):
        with pytest.raises(CannotUnseal):
            open_address(changed, "warehouse", SECRET)


def signed_with(*secrets: bytes) -> str:
    return " ".join("whsec_" + b64encode(secret).decode() for secret in secrets)


async def test_a_definition_is_checked_and_sealed() -> None:
    settings = Settings(delivery_secret=SECRET, outside_allowed=("127.0.0.0/8",))
    address = Address("https://127.0.0.1:8443/hook?key=k", signed_with(b"s" * 24))

    channel = await sealed_channel("webhook", address, "warehouse", settings)

    assert (channel.kind, channel.host) == ("webhook", "127.0.0.1")
    assert open_address(channel.sealed or "", "warehouse", SECRET) == address


@pytest.mark.parametrize(
    ("url", "secret", "delivery_secret", "code"),
    [
        ("https://127.0.0.1/", signed_with(b"s" * 24), SECRET, "address_not_public"),
        ("https://8.8.8.8/", "short", SECRET, "secret_invalid"),
        ("https://8.8.8.8/", signed_with(b"s" * 24), None, "not_configured"),
    ],
)
async def test_a_definition_that_cannot_work_is_refused(
    url: str, secret: str, delivery_secret: SecretStr | None, code: str
) -> None:
    settings = Settings(delivery_secret=delivery_secret)
    with pytest.raises(ReceiverRefused) as refused:
        await sealed_channel("webhook", Address(url, secret), "warehouse", settings)

    assert refused.value.code == code


@pytest.mark.parametrize("kind", ["slack", "dingtalk"])
async def test_what_is_too_long_to_seal_is_refused(kind: Kind) -> None:
    """Each is short enough by itself."""
    address = Address("https://8.8.8.8/".ljust(2048, "x"), "安" * 1024)
    with pytest.raises(ReceiverRefused) as refused:
        await sealed_channel(kind, address, "warehouse", Settings(delivery_secret=SECRET))

    assert refused.value.code == "address_too_long"


async def test_the_length_of_an_address_is_counted_in_bytes() -> None:
    with pytest.raises(ReceiverRefused) as refused:
        await check("https://hooks.example/" + "安" * 1000, PUBLIC[0])

    assert refused.value.code == "address_invalid"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "secret",
        "whsec_",
        "whsec_!!",
        signed_with(b"s" * 23),
        signed_with(b"s" * 65),
        signed_with(*[b"s" * 24] * 4),
    ],
)
def test_a_secret_has_a_form(text: str | None) -> None:
    with pytest.raises(BadSecret, match="whsec_ and 24 to 64 random bytes"):
        secrets_of(text)


def test_the_signature_of_the_standard() -> None:
    """The example in the documents of Standard Webhooks' reference libraries."""
    (secret,) = secrets_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, UTC)

    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}', [secret])

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_parsing_keeps_path_and_query() -> None:
    assert parse("https://hooks.example/a/b?key=a%2Fb#part") == httpx.URL("https://hooks.example/a/b?key=a%2Fb")
    assert parse("https://HOOKS.example/").host == "hooks.example"


MIXED = "an e-mail has readers in to, and neither url nor secret."


@pytest.mark.parametrize(
    ("kind", "to", "url", "secret", "sentence"),
    [
        ("email", ["a@b.example"], "https://x.example", None, MIXED),
        ("email", ["a@b.example"], None, "s", MIXED),
        ("email", [], None, None, "to: name at least one reader."),
        ("feishu", ["a@b.example"], "https://x.example", None, "to: a feishu channel has a url, and no readers."),
        ("webhook", ["a@b.example"], None, None, "to: a webhook channel has a url, and no readers."),
    ],
)
def test_a_channel_has_readers_or_an_address(
    kind: Kind, to: list[str], url: str | None, secret: str | None, sentence: str
) -> None:
    """The same for the API and the command line."""
    with pytest.raises(ReceiverRefused) as refused:
        address_of(kind, to, SecretStr(url) if url else None, SecretStr(secret) if secret else None)
    assert str(refused.value) == sentence


def test_the_address_of_a_channel_has_its_secret() -> None:
    url, secret = SecretStr("https://x.example/hook"), SecretStr("s")
    assert address_of("feishu", [], url, secret) == Address("https://x.example/hook", "s")
    assert address_of("feishu", [], url, None) == Address("https://x.example/hook")
    assert address_of("feishu", [], None, secret) is None
    assert address_of("email", ["a@b.example"], None, None) is None

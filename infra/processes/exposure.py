"""What must be so before a process serves other machines: a secret, https, passwords of its own, one proxy.

On this machine alone everything may stay as it is after installation; the public address and the listening one decide.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import parse_qs, unquote, urlsplit

from infra.processes.start import StartError
from infra.settings import Settings

SECRET_LENGTH_MIN = 32
_SECRET_CHARACTERS_MIN = 10
"""Different characters of a secret: 32 random hexadecimal digits have fewer than this once in ten million."""

_KNOWN_PASSWORDS = frozenset(
    (
        "admin",
        "administrator",
        "bitnami",
        "broker",
        "change-me",
        "change_me",
        "changeit",
        "changeme",
        "default",
        "demo",
        "dev",
        "development",
        "example",
        "guest",
        "letmein",
        "local",
        "mongo",
        "mongoadmin",
        "mongodb",
        "pass",
        "password",
        "passw0rd",
        "postgres",
        "qwerty",
        "rabbit",
        "rabbitmq",
        "redis",
        "root",
        "secret",
        "service",
        "system",
        "test",
        "testing",
        "tributary",
        "user",
        "valkey",
        "welcome",
    )
)
"""The passwords of images, packages and tutorials, and those of our own older compose files."""

_DIGITS_MIN = 20
"""A shorter password of digits alone counts as known."""

_PROXIES_MAX = {4: 8, 6: 32}
"""The shortest prefix of a network of proxies, by the version of IP: 10.0.0.0/8 is the widest private network."""


def is_loopback(url: str) -> bool:
    """Whether only this machine can reach the address. What cannot be understood is public."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_safe(settings: Settings, forwarded_allow_ips: str = "", *, listens_at: str = "") -> None:
    """Raise StartError where the HTTP API must not start with these settings. `listens_at` is the URL of its socket.

    A socket that other machines reach needs a secret, and only known proxies, whatever address is declared.
    """
    secret = settings.identity_secret.get_secret_value() if settings.identity_secret else ""
    if secret and (len(secret) < SECRET_LENGTH_MIN or len(set(secret)) < _SECRET_CHARACTERS_MIN):
        raise StartError(
            f"TRIBUTARY_IDENTITY_SECRET can be guessed; set it to {SECRET_LENGTH_MIN} random characters or more, "
            "for example from `openssl rand -base64 48`."
        )
    url = settings.public_url
    if listens_at and not is_loopback(listens_at):
        _require_secret(secret, listens_at)
        _require_proxies(forwarded_allow_ips)
    if is_loopback(url):
        return
    if not url.startswith("https://"):
        raise StartError(
            f"TRIBUTARY_PUBLIC_URL is {url}, where everybody on the way could read passwords; "
            "put a proxy with TLS in front, and set its address with https://."
        )
    _require_secret(secret, url)
    require_own_passwords(settings)
    _require_proxies(forwarded_allow_ips)


def _require_secret(secret: str, url: str) -> None:
    if not secret:
        raise StartError(
            f"Other machines reach {url}, and without TRIBUTARY_IDENTITY_SECRET the signing keys would be readable in "
            f"the database; set it to {SECRET_LENGTH_MIN} random characters or more."
        )


def _require_proxies(forwarded_allow_ips: str) -> None:
    if any(map(_is_everybody, forwarded_allow_ips.split(","))):
        raise StartError(
            "FORWARDED_ALLOW_IPS trusts everybody, so that each client could choose its own address and escape every "
            "limit; set it to the address of your proxy, or to its network of at most a /8 (IPv6: a /32)."
        )


def _is_everybody(trusted: str) -> bool:
    """Whether a part of FORWARDED_ALLOW_IPS is too wide for proxies. A name is none: the server compares it as text."""
    if trusted.strip() == "*":
        return True
    try:
        network = ipaddress.ip_network(trusted.strip(), strict=False)
    except ValueError:
        return False
    return network.prefixlen < _PROXIES_MAX[network.version]


def require_own_passwords(settings: Settings) -> None:
    """Raise StartError where a server's password is a known default, and the public address is not this machine."""
    if is_loopback(settings.public_url):
        return
    urls = {"RABBITMQ_URL": settings.rabbitmq_url, "MONGODB_URL": settings.mongodb_url, "REDIS_URL": settings.redis_url}
    for variable, url in urls.items():
        if has_known_password(url):
            raise StartError(
                f"The password in {variable} is a known default, and {settings.public_url} is a public address; "
                "give this server a random password."
            )


def has_known_password(url: str) -> bool:
    """Whether the password of the URL is one that others know: a default, the user's own name, or an empty one.

    A URL of RabbitMQ without a password means `guest`.
    """
    authority = url.partition("://")[2].partition("?")[0].partition("/")[0]
    credentials, _, _ = authority.rpartition("@")
    user, colon, password = (unquote(part) for part in credentials.partition(":"))
    given = [password] if colon else []
    options = parse_qs(url.partition("?")[2], keep_blank_values=True)
    given += options.get("password", [])
    user = user or next(iter(options.get("username", [])), "")
    if url.startswith("amqp") and not any(given):
        return True
    return any(_is_known(password, user) for password in given)


def _is_known(password: str, user: str) -> bool:
    plain = password.casefold()
    bare = plain.strip("0123456789!.#-_ ")
    if not bare:
        return len(plain) < _DIGITS_MIN
    return plain == user.casefold() or bool(_KNOWN_PASSWORDS & {plain, bare})

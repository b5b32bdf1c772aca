"""What the rails are made from: their settings, their keys in files, and a client that reaches exactly one host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from infra.adapters.outside.channels import trusted_by
from infra.adapters.outside.https import Https
from infra.ports.time import Time
from infra.receivers.guard import Guard, ReceiverRefused, Resolve, endpoint_of, host_of, parse
from infra.settings import Settings

T = TypeVar("T")

CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
CERTIFICATES_MAX = 4
"""More than two are only needed if the rail changes its certificate twice at once."""


class RailMisconfigured(Exception):
    """A setting of a rail is missing or cannot be read; the text says which, and what to do."""


def needed(settings: Settings, *names: str) -> None:
    """Raises RailMisconfigured if one of these settings is missing."""
    missing = [name for name in names if not getattr(settings, name)]
    if missing:
        variables = ", ".join(f"TRIBUTARY_{name.upper()}" for name in missing)
        raise RailMisconfigured(f"Set {variables} too, or nothing of this rail.")


def https_of(settings: Settings, url: str, time: Time, resolve: Resolve) -> tuple[Https, str]:
    """A client that reaches the host of this address and no other, wherever it is, and how people know the host."""
    try:
        parsed = parse(url)
    except ReceiverRefused as error:
        raise RailMisconfigured(str(error)) from error
    guard = Guard((endpoint_of(parsed),), resolve)
    trusted = trusted_by(settings.outside_ca_file)
    return Https(guard, trusted, settings.rail_deadline_s, time), host_of(parsed)


def private_key(setting: str, path: str) -> RSAPrivateKey:
    key = _loaded(setting, path, lambda pem: load_pem_private_key(pem, None))
    if not isinstance(key, RSAPrivateKey):
        raise _not_a_key(setting, path)
    return key


def public_keys(setting: str, path: str) -> tuple[RSAPublicKey, ...]:
    """The keys in a file of one public key, or of certificates, the old and the new one while they change."""
    found = _loaded(setting, path, _public_keys)
    keys = tuple(key for key in found if isinstance(key, RSAPublicKey))
    if not keys or len(keys) != len(found):
        raise _not_a_key(setting, path)
    return keys


def _public_keys(pem: bytes) -> list[object]:
    if CERTIFICATE in pem:
        return [each.public_key() for each in x509.load_pem_x509_certificates(pem)[:CERTIFICATES_MAX]]
    return [load_pem_public_key(pem)]


def _loaded(setting: str, path: str, load: Callable[[bytes], T]) -> T:
    try:
        return load(Path(path).read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise _not_a_key(setting, path) from error


def _not_a_key(setting: str, path: str) -> RailMisconfigured:
    return RailMisconfigured(f"TRIBUTARY_{setting.upper()}: {path} has no readable RSA key in PEM; name another.")

"""Encryption for database and messages: AES-256-GCM with a key derived from a secret that neither of them has.

Private keys are sealed with the setting TRIBUTARY_IDENTITY_SECRET, a refresh token with its predecessor, the address of
a notification's channel with TRIBUTARY_DELIVERY_SECRET.
"""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_LENGTH_MIN = 32

_IDENTITY = "TRIBUTARY_IDENTITY_SECRET"
_SEALED = "sealed-1:"
_PLAIN = "plain:"
_SALT_BYTES = 16
_NONCE_BYTES = 12


class CannotUnseal(Exception):
    """The text was sealed with another secret, or changed."""


def seal(plain: bytes, secret: str | None, *, name: str, setting: str = _IDENTITY) -> str:
    """Text that only `secret` opens, and only under the same `name`; without a secret it is not encrypted.

    `setting` is where the secret comes from, for the error.
    """
    if secret is None:
        return _PLAIN + b64encode(plain).decode()
    if len(secret) < SECRET_LENGTH_MIN:
        raise ValueError(f"{setting} needs {SECRET_LENGTH_MIN} characters or more")
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    sealed = AESGCM(_key(secret, salt)).encrypt(nonce, plain, name.encode())
    return _SEALED + b64encode(salt + nonce + sealed).decode()


def is_sealed(text: str) -> bool:
    return text.startswith(_SEALED)


def unseal(text: str, secret: str | None, *, name: str, setting: str = _IDENTITY) -> bytes:
    """The sealed bytes. Plain text is accepted only without a secret: with one, it might be planted."""
    if text.startswith(_PLAIN) and secret is None:
        return b64decode(text.removeprefix(_PLAIN))
    if not text.startswith(_SEALED) or secret is None:
        raise CannotUnseal(f"{name} was sealed with another secret than {setting}")
    try:
        raw = b64decode(text.removeprefix(_SEALED))
        salt, nonce, sealed = raw[:_SALT_BYTES], raw[_SALT_BYTES:][:_NONCE_BYTES], raw[_SALT_BYTES + _NONCE_BYTES :]
        return AESGCM(_key(secret, salt)).decrypt(nonce, sealed, name.encode())
    except (InvalidTag, ValueError) as error:
        raise CannotUnseal(f"{name} was sealed with another secret than {setting}") from error


def proof_of(text: str, secret: str) -> str:
    """An HMAC of the text, which proves that a holder of the secret wrote it."""
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tributary identity proofs").derive(secret.encode())
    return hmac.digest(key, text.encode(), "sha256").hex()


def _key(secret: str, salt: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"tributary identity keys").derive(secret.encode())

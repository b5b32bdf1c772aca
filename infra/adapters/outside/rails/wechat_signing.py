"""APIv3 of WeChat Pay: requests signed by our key, answers and callbacks by theirs, names and callbacks encrypted."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from pydantic import SecretStr

FRESH = timedelta(minutes=5)
"""An older signature could be a repeat of something recorded."""


def authorization(
    key: RSAPrivateKey, mch_id: str, serial: str, *, method: str, path: str, body: bytes, at: datetime
) -> str:
    """The header of a request; `path` begins with a slash, and has the query."""
    seconds, nonce = str(int(at.timestamp())), os.urandom(16).hex()
    signed = b"\n".join((method.encode(), path.encode(), seconds.encode(), nonce.encode(), body, b""))
    signature = b64encode(key.sign(signed, PKCS1v15(), SHA256())).decode()
    return (
        f'WECHATPAY2-SHA256-RSA2048 mchid="{mch_id}",nonce_str="{nonce}",signature="{signature}",'
        f'timestamp="{seconds}",serial_no="{serial}"'
    )


def encrypted(key: RSAPublicKey, plain: str) -> str:
    """For a field such as the payee's name, which only WeChat Pay opens. It prescribes SHA-1 for this padding."""
    return b64encode(key.encrypt(plain.encode(), OAEP(MGF1(SHA1()), SHA1(), None))).decode()  # noqa: S303


def is_signed(
    keys: Sequence[RSAPublicKey], key_id: str, headers: Mapping[str, str], raw_body: bytes, now: datetime
) -> bool:
    """Whether WeChat Pay has signed this answer or callback just now. Header names are in lower case."""
    seconds, nonce = headers.get("wechatpay-timestamp", ""), headers.get("wechatpay-nonce", "")
    if headers.get("wechatpay-serial") != key_id or not (seconds.isascii() and seconds.isdigit() and len(seconds) < 12):
        return False
    if abs(now.timestamp() - int(seconds)) > FRESH.total_seconds():
        return False
    signed = b"\n".join((seconds.encode(), nonce.encode("utf-8", "replace"), raw_body, b""))
    return any(verifies(key, headers.get("wechatpay-signature", ""), signed) for key in keys)


def verifies(key: RSAPublicKey, signature: str, signed: bytes) -> bool:
    """Whether the signature, in base64, is this key's of these bytes by RSA and SHA-256."""
    try:
        key.verify(b64decode(signature, validate=True), signed, PKCS1v15(), SHA256())
    except (InvalidSignature, NotBase64, ValueError):
        return False
    return True


def opened(api_v3_key: SecretStr, nonce: str, associated: str, ciphertext: str) -> bytes | None:
    """What a callback contains; None if it does not open."""
    try:
        cipher = AESGCM(api_v3_key.get_secret_value().encode())
        return cipher.decrypt(nonce.encode(), b64decode(ciphertext, validate=True), associated.encode())
    except (InvalidTag, NotBase64, ValueError):
        return None

"""Random opaque secrets: codes, refresh tokens, client secrets, cookies.

They have 256 bits, so a fast hash is as safe as a slow one. Only the hash is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def new_invite_code() -> str:
    """Short enough to be read aloud: 20 characters from an alphabet of 32 (100 bits), in groups of five."""
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    code = "".join(secrets.choice(alphabet) for _ in range(20))
    return "-".join(code[at : at + 5] for at in range(0, 20, 5))


def hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_same(one: str, other: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


def challenge_of(verifier: str) -> str:
    """The S256 code challenge (RFC 7636, section 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()

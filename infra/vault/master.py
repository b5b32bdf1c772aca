"""The master keys, in a file that only its owner may read. A KMS would have the same two methods.

Each line of the file is a key: its id and 32 bytes in base64. The last one wraps, all of them unwrap.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.ports.vault import CannotOpen

SETTING = "TRIBUTARY_MASTER_KEY_FILE"
KEY_BYTES = 32
NONCE_BYTES = 12
_LINE = re.compile(r"([A-Za-z0-9._-]{1,32}) ([A-Za-z0-9+/]{43}=)")
_FILE_BYTES_MAX = 64 * 1024


class Wrapped(NamedTuple):
    """A data key that only the master key of this id opens."""

    master: str
    text: str


class MasterKeys:
    """The file is read again for an id that is not known yet, and before a new key is wrapped: so a key may be added
    while processes run.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._keys: dict[str, bytes] = {}

    def wrap(self, key: bytes, name: str) -> Wrapped:
        """Wrap a data key under the newest master key. Raises CannotOpen."""
        self._read()
        master = next(reversed(self._keys))
        nonce = os.urandom(NONCE_BYTES)
        return Wrapped(
            master, b64encode(nonce + AESGCM(self._keys[master]).encrypt(nonce, key, name.encode())).decode()
        )

    def unwrap(self, wrapped: Wrapped, name: str) -> bytes:
        """The data key. Raises CannotOpen."""
        if wrapped.master not in self._keys:
            self._read()
        if wrapped.master not in self._keys:
            detail = (
                f"{self._path} has no master key {wrapped.master}, under which {name} is; put that key back into it."
            )
            raise CannotOpen("master_key_missing", detail)
        try:
            raw = b64decode(wrapped.text)
            return AESGCM(self._keys[wrapped.master]).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            detail = f"The master key {wrapped.master} in {self._path} is not the one under which {name} is."
            raise CannotOpen("master_key_wrong", detail) from None

    def ids(self) -> list[str]:
        """The ids in the file, the newest last. Raises CannotOpen."""
        self._read()
        return list(self._keys)

    def _read(self) -> None:
        if self._path is None:
            detail = f"{SETTING} is not set; make a master key with `tributary keys create`, and set it to the file."
            raise CannotOpen("no_master_key", detail)
        self._keys = keys_in(Path(self._path))


def keys_in(path: Path) -> dict[str, bytes]:
    """The keys by id, in their order. Raises CannotOpen unless the file is its owner's alone and has keys."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
                mode = f"{stat.S_IMODE(status.st_mode):04o}"
                raise CannotOpen("master_key_exposed", f"Others may read {path} (mode {mode}); run chmod 600 {path}.")
            text = file.read(_FILE_BYTES_MAX).decode()
    except FileNotFoundError:
        detail = f"There is no master key file {path}; restore it, or make one with `tributary keys create`."
        raise CannotOpen("no_master_key", detail) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise CannotOpen("master_key_unreadable", f"The master key file {path} cannot be read: {reason}.") from None
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        found = _LINE.fullmatch(line)
        if found is None or found[1] in keys or len(key := _decoded(found[2])) != KEY_BYTES:
            detail = f"Line {number} of {path} is not an id and a key of {KEY_BYTES} bytes in base64; restore the file."
            raise CannotOpen("master_key_unreadable", detail)
        keys[found[1]] = key
    if not keys:
        raise CannotOpen("no_master_key", f"{path} has no key; make one with `tributary keys create`.")
    return keys


def add_key(path: Path, at: datetime) -> str:
    """Add a new key to the file, or make the file; the id of the key. Raises CannotOpen, OSError.

    The file is replaced as a whole, so that no process reads a part of it.
    """
    before = path.read_text() if path.exists() and keys_in(path) else ""
    name = f"master-{at:%Y%m%d}-{secrets.token_hex(3)}"
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{before}{name} {b64encode(os.urandom(KEY_BYTES)).decode()}\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return name


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except NotBase64:
        return b""

"""Sealed addresses of channels: definition seals them, only the process that sends opens them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from pydantic import SecretStr

from contracts.notifications.channel import SEALED_MAX, Channel, Kind
from infra.receivers.guard import Guard, ReceiverRefused
from infra.receivers.signing import BadSecret, secrets_of
from infra.sealing import CannotUnseal, seal, unseal
from infra.settings import Settings

SETTING = "TRIBUTARY_DELIVERY_SECRET"


@dataclass(frozen=True, slots=True)
class Address:
    """Both parts are secret: the key of a chat robot is in its URL."""

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)


def address_of(kind: Kind, to: Sequence[str], url: SecretStr | None, secret: SecretStr | None) -> Address | None:
    """The address that was given for a channel of this kind; None without one. An e-mail has readers, all else has an
    address. Raises ReceiverRefused.
    """
    if kind == "email":
        if url is not None or secret is not None:
            raise ReceiverRefused("channel_mixed", "an e-mail has readers in to, and neither url nor secret.")
        if not to:
            raise ReceiverRefused("channel_incomplete", "to: name at least one reader.")
        return None
    if to:
        raise ReceiverRefused("channel_mixed", f"to: a {kind} channel has a url, and no readers.")
    return Address(url.get_secret_value(), secret.get_secret_value() if secret else None) if url else None


async def sealed_channel(kind: Kind, address: Address, route_id: str, settings: Settings) -> Channel:
    """The channel of a route, checked as far as its host's addresses. Raises ReceiverRefused."""
    receiver = await Guard(settings.outside_allowed).check(address.url)
    if kind == "webhook":
        try:
            secrets_of(address.secret)
        except BadSecret as error:
            raise ReceiverRefused("secret_invalid", str(error)) from error
    if settings.delivery_secret is None:
        raise ReceiverRefused("not_configured", f"Set {SETTING}, which seals addresses, then define the route again.")
    sealed = seal_address(address, route_id, settings.delivery_secret)
    if len(sealed) > SEALED_MAX:
        raise ReceiverRefused("address_too_long", "The address and its secret are too long together; shorten one.")
    return Channel(kind=kind, host=receiver.host, sealed=sealed)


def seal_address(address: Address, route_id: str, secret: SecretStr) -> str:
    """Text that opens only for the same route."""
    plain = json.dumps(asdict(address)).encode()
    return seal(plain, secret.get_secret_value(), name=_name_of(route_id), setting=SETTING)


def open_address(sealed: str, route_id: str, secret: SecretStr | None) -> Address:
    """Raises CannotUnseal: another secret or none, another route, or a changed text."""
    if secret is None:
        raise CannotUnseal(f"{SETTING} is not set")
    return Address(**json.loads(unseal(sealed, secret.get_secret_value(), name=_name_of(route_id), setting=SETTING)))


def _name_of(route_id: str) -> str:
    return f"notification route {route_id}"

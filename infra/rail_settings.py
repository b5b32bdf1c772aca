"""Settings of the rails of payouts. A rail whose first setting is not set is not used.

Only the process that sends needs all of them; the API needs those that callbacks are checked with.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings

LOOPBACK = ("127.0.0.1", "::1", "localhost")
KEY_PLACE = "{key}"


def _address(text: str) -> str:
    """Without a slash at the end. What is sent to a rail is encrypted on the way."""
    parts = urlsplit(text)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError("write an address that begins with https://; http is only for a server on this machine")
    return text.rstrip("/")


def _address_with_key(text: str) -> str:
    if KEY_PLACE not in text:
        raise ValueError(f"write {KEY_PLACE} where the key of the payment belongs")
    return _address(text)


Address = Annotated[str, AfterValidator(_address)]


class RailSettings(BaseSettings):
    rail_deadline_s: float = Field(6.0, gt=0)
    """How long one call to a rail may take. A payment may take three, and `call_deadline_s` bounds them all."""

    rail_iso20022_url: Address | None = None
    """The address of our bank that takes pain.001 files. It may be internal: exactly this host is allowed."""

    rail_iso20022_status_url: Annotated[str, AfterValidator(_address_with_key)] | None = None
    """The address, with {key} in it, at which the bank says what became of a payment. Without it, its files do."""

    rail_iso20022_authorization: SecretStr | None = None
    """The header `Authorization` of calls to the bank, such as `Bearer …`."""

    rail_iso20022_debtor_name: str | None = Field(None, min_length=1, max_length=70)
    rail_iso20022_debtor_iban: str | None = Field(None, pattern=r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}$")
    rail_iso20022_debtor_bic: str | None = Field(None, pattern=r"^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$")
    """The account that payouts are paid from, and its holder."""

    rail_wechat_pay_mch_id: str | None = Field(None, pattern=r"^[0-9]{1,32}$")
    """Our merchant number at WeChat Pay."""

    rail_wechat_pay_url: Address = "https://api.mch.weixin.qq.com"
    rail_wechat_pay_app_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,32}$")
    """The app in which payees have their openid."""

    rail_wechat_pay_serial: str | None = Field(None, pattern=r"^[0-9A-Fa-f]{1,64}$")
    rail_wechat_pay_private_key_file: str | None = None
    """The serial number of our merchant certificate, and the key of it (PEM)."""

    rail_wechat_pay_platform_key_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_]{1,64}$")
    rail_wechat_pay_platform_key_file: str | None = None
    """WeChat Pay's public key (PEM) and its id, which begins with PUB_KEY_ID_."""

    rail_wechat_pay_api_v3_key: SecretStr | None = Field(None, min_length=32, max_length=32)
    """Opens what callbacks contain."""

    rail_wechat_pay_notify_url: Address | None = None
    """Where WeChat Pay sends callbacks: the public address of /api/payout-callbacks/wechat_pay."""

    rail_wechat_pay_scene: str = Field("1005", pattern=r"^[0-9]{1,16}$")
    """The scene of transfers that WeChat Pay has granted; 1005 is the remuneration of work."""

    rail_wechat_pay_scene_report: dict[str, str] = Field(
        default_factory=lambda: {"岗位类型": "分销员", "报酬说明": "销售佣金"}
    )
    """What WeChat Pay asks to know about each transfer of this scene: type and content."""

    rail_paypal_client_id: str | None = None
    """Our app at PayPal, to which Payouts is granted."""

    rail_paypal_client_secret: SecretStr | None = None
    rail_paypal_url: Address = "https://api-m.paypal.com"
    rail_paypal_webhook_id: str | None = Field(None, pattern=r"^[A-Za-z0-9-]{1,64}$")
    rail_paypal_certificate_file: str | None = None
    """The id of our webhook, and the certificates (PEM) that PayPal signs it with; while they change, both."""

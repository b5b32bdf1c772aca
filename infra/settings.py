"""Every limit and address in one place, each with its reason. Environment variables override them.

Addresses: RABBITMQ_URL, MONGODB_URL, REDIS_URL. Everything else: TRIBUTARY_<NAME>, for example
TRIBUTARY_BATCH_EVENTS_MAX=200.
"""

from __future__ import annotations

import logging
from ipaddress import ip_network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from contracts.numbers import decimal_of, whole_of
from contracts.wire.envelope import BATCH_EVENTS_MAX
from infra.rail_settings import LOOPBACK, RailSettings

_MAIL_ADDRESS = r"^[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$"


def _known_level(level: str) -> str:
    known = logging.getLevelNamesMapping()
    if level.upper() not in known:
        raise ValueError(f"it is one of {', '.join(name.lower() for name in known)}")
    return level


def _receiver(text: str) -> str:
    """A network in its usual form, or host:port in lower case."""
    try:
        return str(ip_network(text))
    except ValueError:
        parts = urlsplit(f"//{text.lower()}")
    try:
        is_receiver = parts.hostname is not None and parts.port is not None and parts.netloc == text.lower()
    except ValueError:
        is_receiver = False
    if not is_receiver or "@" in text:
        raise ValueError("write host:port such as alerts.internal:8443, or a network such as 10.20.0.0/16")
    return text.lower()


class Settings(RailSettings):
    model_config = SettingsConfigDict(env_prefix="TRIBUTARY_", extra="ignore", frozen=True, populate_by_name=True)

    rabbitmq_url: str = Field("amqp://127.0.0.1:5672", validation_alias=AliasChoices("RABBITMQ_URL"))
    rabbitmq_management_url: str | None = Field(None, validation_alias=AliasChoices("RABBITMQ_MANAGEMENT_URL"))
    """An administrator's address of RABBITMQ_URL's management API, where logins are made; workers need none."""

    broker_passwords: dict[str, SecretStr] = Field(default_factory=dict)
    """Passwords for the logins of processes at RabbitMQ, by role: worker, clock, api, operator. `topology --apply`
    makes these logins."""

    mongodb_url: str = Field("mongodb://127.0.0.1:27017/?replicaSet=rs0", validation_alias=AliasChoices("MONGODB_URL"))
    redis_url: str = Field("redis://127.0.0.1:6379/0", validation_alias=AliasChoices("REDIS_URL"))
    database: str = "tributary"

    batch_events_max: Annotated[int, Field(le=BATCH_EVENTS_MAX)] = BATCH_EVENTS_MAX
    """Messages in one transaction: the gain flattens there, and a transaction must stay far below its 60 s limit."""

    batch_bytes_max: int = 512 * 1024
    """Bodies of one batch: 500 simple orders, or 250 real baskets. Their results, mainly commissions, are in memory and
    in one journal record, which must stay below MongoDB's 16 MB."""

    message_bytes_max: int = 1024 * 1024
    """A larger body is parked at the broker: 500 lines of an order take about 60 kB."""

    event_bytes_max: int = 8 * 1024 * 1024
    """Larger than for commands, because a dead letter contains a whole message, escaped again."""

    publish_bytes_max: int = 128 * 1024
    """One AMQP message of events. Larger ones gain nothing and make a consumer's prefetch heavy."""

    publish_timeout_s: float = 30.0
    """How long a confirm may take; a broker under an alarm confirms nothing, and the loop retries."""

    prefetch_commands: int = 1000
    """Two batches of single messages: one is handled while the next collects."""

    prefetch_events: int = 16
    """One AMQP message contains many events: 16 full ones make four batches. More would only use memory in a worker
    that lags behind."""

    prefetch_bytes_max: int = 64 * 1024 * 1024
    """Bodies that the loop of one queue holds; more wait at the broker. A prefetch of usual orders has 3 MB, one of the
    largest bodies 9 GB, and a process with four queues of shops has 512 MB."""

    retry_delays_s: tuple[int, ...] = (5, 60, 600)
    """The pauses before each retry: for a late message, a deployment, an outage. After them: a dead letter."""

    conflict_tries_max: int = 30
    """A batch that still conflicts with other replicas after this many tries is halved."""

    conflict_wait_max_s: float = 90.0
    """How long a single message waits for the transaction of a dead process, which MongoDB ends after at most 60 s."""

    suspect_after_returns: int = 2
    """A message that was returned this often is handled alone: one restart is chance, two may be caused by it."""

    suspect_tries_max: int = 3
    """A message that ended its process this often, alone, is dead-lettered."""

    calls_in_flight_max: int = 8
    """Calls to the outside that one process makes at a time for one queue; each takes a connection. More replicas make
    more calls."""

    calls_of_owner_max: int = 2
    """Of these, calls of one shop, or one route of notifications: slow receivers of one owner leave room for others."""

    call_deadline_s: float = 20.0
    """How long a call to the outside may take; then its outcome is unknown. Below `shutdown_wait_s`, so that a process
    that is to stop finishes its calls."""

    calls_failed_max: int = 5
    """Calls in a row that a destination leaves without an answer; then it is paused. A single failure is chance."""

    destination_pause_s: float = 30.0
    """How long a paused destination gets no call, then one. Its messages are answered at once, so that those for other
    destinations do not wait behind them."""

    journal_retention_days: int = 30
    """How long a repeat is recognised by its id; afterwards only by natural keys (order id, receipt id)."""

    startup_wait_s: float = 30.0
    """How long a process waits for its servers before it gives up with a sentence."""

    shutdown_wait_s: float = 25.0
    """How long the current batch may take after SIGTERM; orchestrators kill after 30 s."""

    clock_interval_s: int = 10
    """How often the clock ticks; payment deadlines are met within one interval."""

    health_port: int = 9100
    """Health and metrics of the process; 0 takes a free port."""

    health_host: str = "127.0.0.1"

    restarts: int = 0
    """How often the parent process has restarted this process. Set by the parent, for the metrics."""

    log_level: Annotated[str, AfterValidator(_known_level)] = "info"

    public_url: str = "http://127.0.0.1:8080"
    """The public address of the HTTP API, without a trailing slash; also the issuer of its tokens."""

    audience: str = "tributary-api"
    """The audience of access tokens. A token for another audience is refused."""

    identity_secret: SecretStr | None = None
    """Encrypts and proves the signing keys in the database: 32 random characters or more. Without it they are readable
    there, and the API starts on loopback addresses only."""

    delivery_secret: SecretStr | None = Field(None, min_length=32)
    """Seals addresses and secrets of channels, whose messages journals and backups keep: 32 random characters or more,
    the same for the API, the command line and the process that sends. Without it only e-mail can be sent."""

    master_key_file: str | None = None
    """The file of master keys, of mode 0600, under which accounts and names of payees are sealed: the same for the API,
    the command line and the process that pays. `tributary keys create` makes it. Without it no method can be set."""

    outside_allowed: tuple[Annotated[str, AfterValidator(_receiver)], ...] = ()
    """Receivers of our own that webhooks may reach although their addresses are private, also over http: each a
    host:port such as alerts.internal:8443, or a network such as 10.20.0.0/16."""

    shops_outside_allowed: tuple[Annotated[str, AfterValidator(_receiver)], ...] = ()
    """The same for webhooks of shops, which may reach no receiver of ours otherwise: for shops that are our own."""

    outside_ca_file: str | None = None
    """Certificates (PEM) of our own receivers and mail server, trusted besides those of the system."""

    outside_deadline_s: float = Field(20.0, gt=0)
    """How long one call may take, from the look-up of its host to the last byte of the answer. A slower receiver may
    have the message, and gets it again."""

    shops_deadline_s: float = Field(5.0, gt=0)
    """The same for a webhook of a shop: the calls of a few slow shops leave others waiting for this long at most."""

    smtp_host: str | None = None
    """The mail server that takes our e-mails; without it they are refused."""

    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_sender: str | None = Field(None, pattern=_MAIL_ADDRESS, max_length=320)
    """The address that e-mails come from; the mail server must accept it."""

    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls` and `tls` (from the first byte, port 465) check the server's certificate; `none` is only for a mail
    server on this machine."""

    access_token_life_s: int = Field(600, ge=60, le=3600)
    """How long a stolen access token works, unless its holder's logins end. A token with a longer life is refused."""

    refresh_idle_s: int = 14 * 86_400
    """A refresh token that was not used for this long expires."""

    refresh_retry_s: int = Field(10, ge=0, le=60)
    """A refresh token reused within this time is a retry after a lost answer; later it is theft. 0 allows no retry."""

    refresh_life_s: int = 60 * 86_400
    """After this time a person must log in again, however often the token was rotated."""

    key_refresh_s: float = 30.0
    """How often a process reads new signing keys; a rotation leaves time for several reads."""

    password_threads: int = Field(2, ge=1, le=32)
    """Passwords checked in parallel: each takes 19 MiB and about 30 ms of a core."""

    body_bytes_max: int = 1024 * 1024
    """A larger HTTP body is refused unread."""

    requests_per_minute: int = Field(1200, ge=1, le=10_000_000)
    """The limit of one principal over all processes; a minute's worth may arrive at once."""

    anonymous_requests_per_minute: int = Field(300, ge=1, le=10_000_000)
    """The limit of one address without a login; enough for an office behind one address to log in."""

    default_shop_id: str | None = None
    """The shop of HTTP orders that name no shop and do not come from a shop; without it they must name one."""

    external_issuer: str | None = None
    """An OpenID provider whose access tokens are accepted instead of our own; then no tokens are issued here."""

    external_jwks_url: str | None = None
    """The address of the provider's keys; https, or http on this machine."""

    external_audience: str | None = None

    external_algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256")
    """Only asymmetric ones; no other is accepted, whatever the token's header states."""

    external_claims: dict[str, str] = Field(
        default_factory=lambda: {
            "roles": "roles",
            "permissions": "scope",
            "distributor_id": "distributor_id",
            "shop_id": "shop_id",
        }
    )
    """Our claims by their path in the provider's tokens; a dot goes one level down, as in `realm_access.roles`."""

    external_roles: dict[str, str] = Field(default_factory=dict)
    """Our role for each of the provider's roles; a role with the same name needs no entry."""

    @field_validator("*", mode="before")
    @classmethod
    def _in_digits(cls, value: object, info: ValidationInfo) -> object:
        kind = cls.model_fields[info.field_name or ""].annotation
        for text in value if isinstance(value, list) else (value,):
            if kind in (int, tuple[int, ...]) and isinstance(text, str) and whole_of(text) is None:
                raise ValueError("write it as a whole number in digits, such as 500")
            if kind is float and isinstance(text, str) and decimal_of(text) is None:
                raise ValueError("write it as a number in digits, such as 30 or 0.5")
        return value

    @field_validator("*")
    @classmethod
    def _in_range(cls, value: object, info: ValidationInfo) -> object:
        least = 1 if (info.field_name or "").endswith("_max") else 0
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(number, int | float) and not number >= least for number in numbers):
            raise ValueError(f"it must be at least {least}")
        return value

    @model_validator(mode="after")
    def _mail_is_encrypted(self) -> Self:
        if self.smtp_tls == "none" and self.smtp_host not in (None, *LOOPBACK):
            raise ValueError("smtp_tls may be none only for a mail server on this machine; use starttls or tls")
        if (self.smtp_user is None) != (self.smtp_password is None):
            raise ValueError("smtp_user and smtp_password belong together; set both or neither")
        return self

    def bytes_max_of(self, *, commands: bool) -> int:
        """The largest body of a queue of commands, or of events."""
        return self.message_bytes_max if commands else self.event_bytes_max

"""Every limit and address in one place, each with its reason. Environment variables override them.

Addresses: RABBITMQ_URL, MONGODB_URL, REDIS_URL. Everything else: TRIBUTARY_<NAME>, for example
TRIBUTARY_BATCH_EVENTS_MAX=200.
"""

from __future__ import annotations

import logging
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _known_level(level: str) -> str:
    known = logging.getLevelNamesMapping()
    if level.upper() not in known:
        raise ValueError(f"it is one of {', '.join(name.lower() for name in known)}")
    return level


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TRIBUTARY_", extra="ignore", frozen=True, populate_by_name=True)

    rabbitmq_url: str = Field("amqp://127.0.0.1:5672", validation_alias=AliasChoices("RABBITMQ_URL"))
    rabbitmq_management_url: str | None = Field(None, validation_alias=AliasChoices("RABBITMQ_MANAGEMENT_URL"))
    """An administrator's address of RABBITMQ_URL's management API, where logins are made; workers need none."""

    mongodb_url: str = Field("mongodb://127.0.0.1:27017/?replicaSet=rs0", validation_alias=AliasChoices("MONGODB_URL"))
    redis_url: str = Field("redis://127.0.0.1:6379/0", validation_alias=AliasChoices("REDIS_URL"))
    database: str = "tributary"

    batch_events_max: int = 500
    """Messages in one transaction: the gain flattens there, and a transaction must stay far below its 60 s limit."""

    batch_bytes_max: int = 512 * 1024
    """Bodies of one batch: 500 simple orders, or 250 real baskets. What they grow into, commissions above all, is held
    in memory and repeated in one journal record, which must stay below MongoDB's 16 MB."""

    message_bytes_max: int = 1024 * 1024
    """A larger body is parked at the broker: 500 lines of an order take about 60 kB."""

    event_bytes_max: int = 8 * 1024 * 1024
    """Events are our own, and a dead letter carries a whole message in it, escaped once more."""

    publish_bytes_max: int = 128 * 1024
    """One AMQP message of events. Larger ones gain nothing and make a consumer's prefetch heavy."""

    publish_timeout_s: float = 30.0
    """How long a confirm may take; a broker under an alarm confirms nothing, and the loop tries again."""

    prefetch_commands: int = 1000
    """Two batches of single messages: one being handled while the next collects."""

    prefetch_events: int = 16
    """Events arrive many in one AMQP message: so many full ones make four batches. More would only take memory, where a
    worker lags behind."""

    retry_delays_s: tuple[int, ...] = (5, 60, 600)
    """A first try, then these pauses: a late neighbour, a deployment, an outage. Then a person looks."""

    conflict_tries_max: int = 30
    """A batch that still conflicts with other replicas after so many tries is halved."""

    conflict_wait_max_s: float = 90.0
    """How long a message alone waits for the transaction of a dead process, which MongoDB ends after 60 s at most."""

    suspect_after_returns: int = 2
    """A message that came back so often is handled alone: one restart is chance, two may be the message's doing."""

    suspect_tries_max: int = 3
    """A message that ended its process so often, alone, is set aside."""

    delivery_limit: int = 100
    """The broker's own limit, far above ours, and set because RabbitMQ 4 would otherwise assume 20."""

    journal_retention_days: int = 30
    """How long a repeat is recognised by its id; afterwards natural keys (order id, receipt id) still do."""

    startup_wait_s: float = 30.0
    """How long a process waits for its servers before it gives up with a sentence."""

    shutdown_wait_s: float = 25.0
    """How long a batch in hand may take after SIGTERM; orchestrators kill after 30 s."""

    clock_interval_s: int = 10
    """How often time arrives; payment deadlines are met within one interval."""

    health_port: int = 9100
    """Health and metrics of the process; 0 takes a free port."""

    health_host: str = "127.0.0.1"

    restarts: int = 0
    """How often whoever watches this process has started it again. Set by the one who does, for the metrics."""

    parent_pid: int = 0
    """The process with whose end this one ends too, however that ended. Set by it; 0 stands for none."""

    log_level: Annotated[str, AfterValidator(_known_level)] = "info"

    public_url: str = "http://127.0.0.1:8080"
    """Where people and shops reach the HTTP API, without a slash at the end; also the issuer of its tokens."""

    audience: str = "tributary-api"
    """Whom access tokens are for. A token for anybody else is refused."""

    identity_secret: SecretStr | None = None
    """Seals the private signing keys in the database, 32 characters or more; without it they lie there readable."""

    access_token_life_s: int = Field(600, ge=60, le=3600)
    """How long a stolen access token, or a permission that was taken away, still works."""

    refresh_idle_s: int = 14 * 86_400
    """A refresh token that nobody used for so long is worth nothing."""

    refresh_retry_s: int = Field(10, ge=0, le=60)
    """A refresh token that comes again so soon is a repeat after a lost answer; later it is theft. 0 forgives none."""

    refresh_life_s: int = 60 * 86_400
    """Then a person logs in again, however often the token was rotated."""

    key_refresh_s: float = 30.0
    """How often a process looks for new signing keys; a rotation leaves time for several looks."""

    password_threads: int = Field(2, ge=1, le=32)
    """Passwords checked at a time: each takes 19 MiB and about 30 ms of a core."""

    body_bytes_max: int = 1024 * 1024
    """A larger HTTP body is refused unread."""

    requests_per_minute: int = Field(1200, ge=1, le=10_000_000)
    """What one principal may ask of all processes together; a minute's worth may come at once."""

    anonymous_requests_per_minute: int = Field(300, ge=1, le=10_000_000)
    """The same for one address without a login: an office behind one address logs in within it."""

    default_shop_id: str | None = None
    """The shop of orders that come over HTTP without one and not from a shop itself; without it they must name one."""

    external_issuer: str | None = None
    """An OpenID provider whose access tokens are accepted instead of our own; nothing is issued here then."""

    external_jwks_url: str | None = None
    """Where the provider publishes its keys; https, or http on this machine."""

    external_audience: str | None = None

    external_algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256")
    """Asymmetric ones only; whatever a token says about itself, no other is tried."""

    external_claims: dict[str, str] = Field(
        default_factory=lambda: {
            "roles": "roles",
            "permissions": "scope",
            "distributor_id": "distributor_id",
            "shop_id": "shop_id",
        }
    )
    """Where in the provider's tokens our facts are; a dot goes one level down, as in `realm_access.roles`."""

    external_roles: dict[str, str] = Field(default_factory=dict)
    """Our role for each of the provider's; a role with our own name needs no entry."""

    def bytes_max_of(self, *, commands: bool) -> int:
        """The largest body that a queue of commands, or of events, takes."""
        return self.message_bytes_max if commands else self.event_bytes_max

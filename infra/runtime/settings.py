"""Every limit and address in one place, each with its reason. Environment variables override them.

Addresses: RABBITMQ_URL, MONGODB_URL, REDIS_URL. Everything else: TRIBUTARY_<NAME>, for example
TRIBUTARY_BATCH_EVENTS_MAX=200.
"""

from __future__ import annotations

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TRIBUTARY_", extra="ignore", frozen=True, populate_by_name=True)

    rabbitmq_url: str = Field("amqp://guest:guest@127.0.0.1:5672", validation_alias=AliasChoices("RABBITMQ_URL"))
    mongodb_url: str = Field("mongodb://127.0.0.1:27017/?replicaSet=rs0", validation_alias=AliasChoices("MONGODB_URL"))
    redis_url: str = Field("redis://127.0.0.1:6379/0", validation_alias=AliasChoices("REDIS_URL"))
    database: str = "tributary"

    batch_events_max: int = 500
    """Messages in one transaction: the gain flattens there, and a transaction must stay far below its 60 s limit."""

    batch_bytes_max: int = 4 * 1024 * 1024
    """Bodies of one batch. Its journal record repeats what was emitted and must stay below MongoDB's 16 MB."""

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

    prefetch_events: int = 64
    """Events arrive many in one AMQP message, so few are enough, and memory stays bounded."""

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

    log_level: str = "info"

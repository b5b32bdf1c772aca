"""What the declared queues promise, whatever the broker's version."""

from __future__ import annotations

import re

import pytest

from infra.local.rabbitmq_server import MESSAGE_BYTES_MAX, SOCKET_BYTES
from infra.ports.topology import Queue
from infra.runtime import roster
from infra.runtime.failure_policy import DELAY_PREFIX
from infra.runtime.topology import topology_of
from infra.settings import Settings
from tests.architecture.sources import ROOT

SETTINGS = Settings.model_construct()
TOPOLOGY = topology_of(roster.load_all(), SETTINGS)
NOT_DELAYED = [queue for queue in TOPOLOGY.queues if not queue.name.startswith(DELAY_PREFIX)]


@pytest.mark.parametrize("queue", NOT_DELAYED, ids=lambda queue: queue.name)
def test_the_broker_dead_letters_nothing_that_a_sender_made(queue: Queue) -> None:
    assert not [name for name in queue.arguments if "dead-letter" in name]


def test_only_our_copies_reach_the_queues_from_which_the_broker_moves_messages() -> None:
    assert {b.exchange for b in TOPOLOGY.bindings if b.queue.startswith(DELAY_PREFIX)} == {
        queue.name for queue in TOPOLOGY.queues if queue.name.startswith(DELAY_PREFIX)
    }


def test_the_brokers_limit_of_a_message_is_one_number_and_takes_our_largest_event() -> None:
    configured = (ROOT / "infra/deploy/rabbitmq/rabbitmq.conf").read_text()

    assert re.findall(r"^max_message_size = (\d+)$", configured, re.MULTILINE) == [str(MESSAGE_BYTES_MAX)]
    assert SETTINGS.event_bytes_max < MESSAGE_BYTES_MAX


def test_what_the_broker_takes_in_one_read_is_one_number() -> None:
    configured = (ROOT / "infra/deploy/rabbitmq/rabbitmq.conf").read_text()
    sizes = re.findall(r"^tcp_listen_options\.(sndbuf|recbuf) = (\d+)$", configured, re.MULTILINE)

    assert sizes == [("sndbuf", str(SOCKET_BYTES)), ("recbuf", str(SOCKET_BYTES))]

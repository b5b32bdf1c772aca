"""Settings of the Celery peer: first for safety, then for speed.

Safe: quorum queues, publisher confirms, late acknowledgement, and rejection when a worker process dies, so that no
order is lost between two steps. Fast: no results, no events, no remote control, and a measured prefetch.
Celery detects quorum queues by itself and then sets its prefetch for each consumer, not for the channel: a quorum
queue refuses the latter.
"""

from __future__ import annotations

from typing import Any

from celery import Celery

from tests.bench.peers.place import QUORUM, Place
from tests.bench.peers.steps import STEPS, TAKE_IN

TASKS = "tests.bench.peers.celery_tasks"

PREFETCH_MULTIPLIER = 4
"""1, 16 and 64 made no difference beyond noise."""
_PUBLISHERS_MAX = 64


def app_of(place: Place) -> Celery:
    app = Celery("peer", broker=place.rabbitmq_url)
    app.conf.update(
        task_queues={place.queue(step): _queue(place.queue(step)) for step in STEPS},
        task_routes={task_name(step): {"queue": place.queue(step)} for step in STEPS},
        task_default_queue=place.queue(TAKE_IN),
        task_create_missing_queues=False,
        broker_transport_options={"confirm_publish": True},
        broker_pool_limit=_PUBLISHERS_MAX,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_acks_on_failure_or_timeout=False,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        result_backend=None,
        worker_detect_quorum_queues=True,
        broker_native_delayed_delivery_queue_type="classic",
        worker_prefetch_multiplier=PREFETCH_MULTIPLIER,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
    )
    return app


def task_name(step: str) -> str:
    return f"{TASKS}.{step}"


def _queue(name: str) -> dict[str, Any]:
    return {"exchange": name, "exchange_type": "topic", "routing_key": name, "queue_arguments": QUORUM}

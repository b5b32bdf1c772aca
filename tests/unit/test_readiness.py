"""An outage is a few log lines, however many loops wait for the server and however long it stays away."""

from __future__ import annotations

from structlog.testing import capture_logs

from infra.telemetry.readiness import Readiness


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_an_outage_is_logged_when_it_begins_and_when_all_parts_are_back() -> None:
    clock = Clock()
    readiness = Readiness(clock)
    with capture_logs() as lines:
        for attempt in range(20):
            for queue in ("a", "b", "c"):
                readiness.lacks(queue, f"refused, attempt {attempt}", server="RabbitMQ")
        clock.now_s += 61.26
        for queue in ("a", "b", "c"):
            readiness.has(queue)

    assert [(line["event"], line["server"]) for line in lines] == [
        ("server_away", "RabbitMQ"),
        ("server_back", "RabbitMQ"),
    ]
    assert lines[0]["reason"] == "refused, attempt 0"
    assert lines[1]["away_s"] == 61.3
    assert readiness.reasons == {}


def test_a_lasting_outage_is_logged_after_each_growing_pause() -> None:
    clock = Clock()
    readiness = Readiness(clock)
    with capture_logs() as lines:
        readiness.lacks("a", "refused", server="MongoDB")
        for _ in range(600):
            clock.now_s += 0.5
            readiness.remind()

    reminders = [line for line in lines if line["event"] == "server_still_away"]
    assert [line["away_s"] for line in reminders] == [2, 6, 14, 30, 62, 122, 182, 242]
    assert [line["next_line_in_s"] for line in reminders] == [4, 8, 16, 32, 60, 60, 60, 60]


def test_the_outages_of_two_servers_are_separate() -> None:
    readiness = Readiness(Clock())
    with capture_logs() as lines:
        readiness.lacks("a", "refused", server="MongoDB")
        readiness.lacks("a connection", "lost", server="RabbitMQ")
        readiness.has("a connection")
    assert [(line["event"], line["server"]) for line in lines] == [
        ("server_away", "MongoDB"),
        ("server_away", "RabbitMQ"),
        ("server_back", "RabbitMQ"),
    ]
    assert readiness.reasons == {"a": "waiting for MongoDB: refused"}


def test_a_part_waits_for_one_server_at_a_time() -> None:
    readiness = Readiness(Clock())
    with capture_logs() as lines:
        readiness.lacks("a", "refused", server="MongoDB")
        readiness.lacks("a", "refused", server="RabbitMQ")
    assert [(line["event"], line["server"]) for line in lines] == [
        ("server_away", "MongoDB"),
        ("server_back", "MongoDB"),
        ("server_away", "RabbitMQ"),
    ]


def test_a_lack_without_a_server_is_not_logged() -> None:
    readiness = Readiness(Clock())
    with capture_logs() as lines:
        readiness.lacks("start", "the process is starting")
        assert readiness.reasons == {"start": "the process is starting"}
        readiness.has("start")
    assert lines == []

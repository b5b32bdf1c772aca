"""The findings of a diagnosis from given answers of the servers; its queries are tested on real servers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

import pytest

from infra.operators.diagnosis import disk_finding, unreachable
from infra.operators.diagnosis_queues import queue_findings
from infra.operators.diagnosis_store import index_findings, replica_set_findings
from infra.operators.findings import Finding, ok, problem, warning
from infra.ports.store import Collection, Index
from infra.ports.topology import Policy
from tests.builders import NOW

GIB = 1024**3


def a_member(name: str, state: str, behind_s: int = 0, health: int = 1) -> dict[str, Any]:
    return {"name": name, "stateStr": state, "health": health, "optimeDate": NOW - timedelta(seconds=behind_s)}


def details(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.detail) for finding in findings]


class TestReplicaSet:
    def test_a_single_primary_is_ok(self) -> None:
        status = {"members": [a_member("a:1", "PRIMARY")]}

        assert details(replica_set_findings(status)) == [("ok", "One member, the primary; nothing lags.")]

    def test_three_members_without_lag_are_ok(self) -> None:
        members = [a_member("a:1", "PRIMARY"), a_member("b:1", "SECONDARY", behind_s=10), a_member("c:1", "ARBITER")]

        assert details(replica_set_findings({"members": members})) == [("ok", "3 members, primary a:1; nothing lags.")]

    def test_a_member_that_lags_or_is_down_is_named(self) -> None:
        members = [
            a_member("a:1", "PRIMARY"),
            a_member("b:1", "SECONDARY", behind_s=11),
            a_member("c:1", "(not reachable/healthy)", behind_s=900, health=0),
        ]

        assert details(replica_set_findings({"members": members})) == [
            ("warning", "The member b:1 is 11 s behind the primary; look at its disk and network."),
            ("warning", "The member c:1 is (not reachable/healthy); look at its log."),
        ]

    def test_without_a_primary_nothing_can_be_written(self) -> None:
        [finding] = replica_set_findings({"members": [a_member("a:1", "SECONDARY")]})

        assert finding.level == "problem"


class TestIndexes:
    COLLECTION = Collection(
        "journal.w",
        "",
        (
            Index((("handled.id", 1),), "a message is handled once", unique=True, sparse=True),
            Index((("at", 1),), "retention", expire_after_s=60),
        ),
    )
    HANDLED: ClassVar[dict[str, Any]] = {"key": [("handled.id", 1.0)], "unique": True, "sparse": True, "v": 2}
    AT: ClassVar[dict[str, Any]] = {"key": [("at", 1)], "expireAfterSeconds": 60, "v": 2}
    OWN: ClassVar[dict[str, Any]] = {"key": [("added", -1)], "v": 2}

    def test_declared_indexes_and_an_additional_one_are_ok(self) -> None:
        assert index_findings(self.COLLECTION, {"h": self.HANDLED, "a": self.AT, "own": self.OWN}) == []

    def test_a_missing_index_is_named_with_its_purpose(self) -> None:
        assert details(index_findings(self.COLLECTION, {"h": self.HANDLED})) == [
            ("problem", "journal.w has no index on at (retention); `tributary topology --apply`.")
        ]

    def test_a_different_index_is_named_with_the_difference(self) -> None:
        found = {"h": {**self.HANDLED, "unique": False}, "a": {**self.AT, "expireAfterSeconds": 90}}

        assert details(index_findings(self.COLLECTION, found)) == [
            (
                "problem",
                "The index h of journal.w differs: unique is False, and True is declared; "
                "drop it, then `tributary topology --apply`.",
            ),
            (
                "problem",
                "The index a of journal.w differs: expireAfterSeconds is 90, and 60 is declared; "
                "drop it, then `tributary topology --apply`.",
            ),
        ]


@pytest.mark.parametrize(
    ("free_gib", "total_gib", "level"),
    [(50, 100, "ok"), (9, 100, "warning"), (0.9, 5, "problem"), (0.9, 100, "problem")],
)
def test_little_free_space_is_a_warning_and_too_little_a_problem(free_gib: float, total_gib: float, level: str) -> None:
    assert disk_finding("the disk", int(free_gib * GIB), int(total_gib * GIB)).level == level


def test_unreachable_means_that_no_server_answers() -> None:
    down = [problem("RabbitMQ", "reachable", ""), warning("Redis", "reachable", "")]

    assert unreachable(down)
    assert not unreachable([*down, ok("MongoDB", "reachable", ""), problem("MongoDB", "majority", "")])


class TestQueues:
    def test_a_queue_without_a_leader_is_named_with_what_to_do(self) -> None:
        [(level, detail)] = details(queue_findings({"a.b": True, "a.c": False}, []))

        assert level == "problem"
        assert detail.startswith("a.c takes and gives no message")
        assert "restart the node" in detail

    @pytest.mark.parametrize("pattern", ["^a", ".*", "(?|a)"])
    def test_a_policy_that_drops_messages_is_named(self, pattern: str) -> None:
        policies = [Policy("another", pattern, {"message-ttl": 1, "ha-mode": "all"})]

        [(level, detail)] = details(queue_findings({"a.b": True, "a.c": True}, policies))

        assert level == "problem"
        assert detail.startswith("The policy another sets message-ttl for a.b and 1 more, so")

    @pytest.mark.parametrize("policy", [Policy("p", "^x", {"expires": 1}), Policy("p", ".*", {"ha-mode": "all"})])
    def test_another_policy_is_none_of_ours(self, policy: Policy) -> None:
        assert details(queue_findings({"a.b": True}, [policy])) == [
            ("ok", "Each of 1 queues has one, and no policy drops messages.")
        ]

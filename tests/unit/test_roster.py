"""Every place that starts workers starts all of them, including a new one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from infra.runtime import roster
from tests.bench import hot, memory, ours, scaling
from tests.connected import running
from tests.faults import nemesis_stage

Groups = Sequence[Sequence[str]]

PLACES: dict[str, Groups] = {
    "bench.ours": ours.GROUPS,
    "bench.memory": memory.GROUPS,
    **{f"bench.hot, {name}": groups for name, groups in hot.REPLICAS.items()},
    **{f"bench.scaling, {processes}": scaling.groups_of(processes) for processes in scaling.PROCESSES},
    "faults.nemesis_stage": nemesis_stage.GROUPS,
    "faults.nemesis_stage, quick": nemesis_stage.QUICK_GROUPS,
    "connected.running": running.groups(2),
}
NEWCOMER = "zz_newcomer"


@pytest.mark.parametrize("place", PLACES)
def test_every_worker_is_in_some_process(place: str) -> None:
    missing = set(roster.names()) - {name for group in PLACES[place] for name in group}

    assert not missing, f"tests/{place} starts no {', '.join(sorted(missing))}; form its groups with roster.groups(…)"


def test_the_last_group_is_all_other_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "names", lambda: ["catalog", "network", NEWCOMER])

    assert roster.groups(("network",)) == (("network",), ("catalog", NEWCOMER))
    assert roster.groups(("network",), with_clock=True) == (("network",), ("catalog", NEWCOMER, roster.CLOCK))

"""Which messages of a batch are handled, and when the events of a repeat are published again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.runtime.arrivals import Arrived
from infra.runtime.fold import Work
from infra.runtime.journal import Known
from tests.builders import message, place

ORDER = message(place())
HANDLED = {ORDER.key: Known(ORDER.type, ORDER.digest, "accepted")}


@pytest.mark.parametrize(
    ("came", "repeats"),
    [({"redelivered": True}, []), ({"attempt": 2}, [ORDER.key]), ({"replays": 1}, [ORDER.key])],
    ids=["redelivered", "retried", "replayed"],
)
def test_events_of_a_repeat_that_may_not_have_been_published_are_published_again(
    came: dict[str, Any], repeats: list[str]
) -> None:
    """A process that lost its connection may handle a message which others have retried, and die before publishing."""
    arrived = Arrived(HANDLED)

    assert arrived.fresh_of([replace(Work(ORDER), **came)]) == []
    assert (arrived.returned, arrived.repeats) == ({ORDER.key}, repeats)


def test_a_message_that_is_sent_again_is_only_a_repeat() -> None:
    arrived = Arrived(HANDLED)

    assert arrived.fresh_of([Work(ORDER)]) == []
    assert (arrived.returned, arrived.repeats) == (set(), [ORDER.key])

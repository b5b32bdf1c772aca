"""The plain FastStream peer, with the best prefetch and number of processes found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from tests.bench.peers.books import differences, expected_books
from tests.bench.peers.peer import ServedPeer
from tests.bench.peers.reference import Reference
from tests.bench.peers.steps import COUNTED, STEPS

_APP = "tests.bench.peers.faststream_app"
PROCESSES = 2
"""Faster than one process in three of five comparisons: 52 to 117 orders/s on two busy cores; one had 56 to 123."""


class PlainFastStreamPeer(ServedPeer):
    name = "plain-faststream"
    steps = STEPS
    finished_in = COUNTED

    def programs(self) -> list[list[str]]:
        return [[sys.executable, "-m", _APP]] * PROCESSES

    async def compare(self, database: Any, bodies: Sequence[bytes], reference: Reference) -> list[str]:
        return await differences(database, expected_books(bodies, reference))

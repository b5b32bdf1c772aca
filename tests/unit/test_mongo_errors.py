"""The driver's error for a server that is away, in a readable form."""

from __future__ import annotations

from pymongo.errors import ServerSelectionTimeoutError

from infra.adapters.mongo_errors import short


def test_an_error_is_shown_without_the_timeouts_of_the_driver() -> None:
    text = (
        "127.0.0.1:1: [Errno 111] Connection refused (configured timeouts: socketTimeoutMS: 20000.0ms, "
        "connectTimeoutMS: 20000.0ms),db.example:27017: timed out (configured timeouts: connectTimeoutMS: 5.0ms), "
        "Timeout: 10.0s, Topology Description: <TopologyDescription id: 1>"
    )

    assert short(ServerSelectionTimeoutError(text)) == (
        "127.0.0.1:1: [Errno 111] Connection refused,db.example:27017: timed out"
    )
